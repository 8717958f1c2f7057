//! `hub config`: the values that `configuration.embedded` gives to apps. Called by `commands`.

use bytes::Bytes;
use hubclient::layout::{Area, key, prefix};
use hubclient::{Client, Error};
use wire::hub::{self, Keys, Operation, Put, Range, Transaction, operation};

use super::explain;

const USAGE: &str = "usage: hub config set KEY VALUE | get KEY | delete KEY | list";

/// Does what the words say, and returns what is printed.
pub(super) async fn config(client: &Client, database: &str, words: &[&str]) -> Result<String, String> {
    let done = match words {
        ["set", name, value] => set(client, database, name, value).await,
        ["get", name] => get(client, database, name).await?,
        ["delete", name] => delete(client, database, name).await?,
        ["list"] => list(client, database).await,
        _ => return Err(USAGE.to_owned()),
    };
    done.map_err(|error| explain(&error))
}

fn one(database: &str, name: &str) -> Keys {
    Keys { keys: Some(hub::keys::Keys::One(key(Area::Configuration, database, name))) }
}

async fn change(client: &Client, operation: operation::Operation) -> Result<hub::TransactionAnswer, Error> {
    let then = vec![Operation { operation: Some(operation) }];
    let answers = client.transact(vec![Transaction { then, ..Transaction::default() }]).await?;
    let answer = answers.into_iter().next().unwrap_or_default();
    match answer.refused {
        Some(reason) => Err(Error::Invalid(reason)),
        None => Ok(answer),
    }
}

async fn set(client: &Client, database: &str, name: &str, value: &str) -> Result<String, Error> {
    let key = key(Area::Configuration, database, name);
    let put = Put { key, value: Bytes::copy_from_slice(value.as_bytes()), ends: None };
    change(client, operation::Operation::Put(put)).await.map(|_| String::new())
}

async fn get(client: &Client, database: &str, name: &str) -> Result<Result<String, Error>, String> {
    let range = Range { keys: Some(one(database, name)), ..Range::default() };
    let answers = match client.read(vec![range]).await {
        Ok(answers) => answers,
        Err(error) => return Ok(Err(error)),
    };
    let found = answers.into_iter().flat_map(|answer| answer.entries).next();
    let found = found.ok_or_else(|| format!("there is no value {name} in the database {database}"))?;
    Ok(Ok(format!("{}\n", String::from_utf8_lossy(&found.value))))
}

async fn delete(client: &Client, database: &str, name: &str) -> Result<Result<String, Error>, String> {
    match change(client, operation::Operation::Delete(one(database, name))).await {
        Ok(answer) => {
            let count = answer.outcomes.first().and_then(|outcome| outcome.outcome.clone());
            if matches!(count, Some(hub::outcome::Outcome::Deleted(0))) {
                return Err(format!("there is no value {name} in the database {database}"));
            }
            Ok(Ok(String::new()))
        }
        Err(error) => Ok(Err(error)),
    }
}

async fn list(client: &Client, database: &str) -> Result<String, Error> {
    let prefix = prefix(Area::Configuration, database);
    let keys = Keys { keys: Some(hub::keys::Keys::Prefix(Bytes::copy_from_slice(prefix.as_bytes()))) };
    let (mut text, mut behind) = (String::new(), None);
    loop {
        let range = Range { keys: Some(keys.clone()), behind, ..Range::default() };
        let Some(answer) = client.read(vec![range]).await?.into_iter().next() else { return Ok(text) };
        for entry in &answer.entries {
            let name = String::from_utf8_lossy(entry.key.get(prefix.len()..).unwrap_or_default());
            text.push_str(&format!("{name}={}\n", String::from_utf8_lossy(&entry.value)));
        }
        behind = answer.entries.last().map(|entry| entry.key.clone());
        if !answer.more {
            return Ok(text);
        }
    }
}
