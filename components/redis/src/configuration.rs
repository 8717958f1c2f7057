//! `configuration.redis`: values in Redis' strings, as `value||version`, and what changes them. Called through `loaded`.

mod notifications;
mod subscription;

use std::sync::Arc;

use async_trait::async_trait;
use component::configuration::{CHANGES_WAITING, Changes, ConfigurationStore, Item, Items, Request};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Setup};
use redis::{Value, cmd};
use tokio::sync::mpsc;

use crate::link::{Effect, Link};
use crate::scan;
use crate::settings::{Kind, Place, RedisSettings};
use subscription::Subscription;

const DOING: &str = "get configuration";
const SEPARATOR: &str = "||";
/// How many values are asked for in one go.
const AT_ONCE: usize = 500;

struct RedisConfiguration {
    name: Arc<str>,
    link: Link,
}

/// Makes a configuration store; the server must be there.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn ConfigurationStore> {
    Box::pin(async move {
        let (_, connecting) = RedisSettings::read(&setup.name, &setup.properties, Kind::Configuration)?;
        let link = Link::new(connecting, setup.host.tasks);
        link.greet().await?;
        let store: Arc<dyn ConfigurationStore> = Arc::new(RedisConfiguration { name: setup.name.into(), link });
        Ok(store)
    })
}

#[async_trait]
impl Backend for RedisConfiguration {
    async fn close(&self) -> Result<(), Error> {
        self.link.close();
        Ok(())
    }
}

#[async_trait]
impl ConfigurationStore for RedisConfiguration {
    async fn get(&self, _: &CallContext, request: &Request) -> Result<Items, Error> {
        let raw = read(&self.link, &request.keys).await?;
        Ok(raw.into_iter().map(|(key, raw)| (key, item(&raw))).collect())
    }

    async fn subscribe(&self, _: &CallContext, request: &Request) -> Result<Changes, Error> {
        if matches!(self.link.connecting().place, Place::Cluster(_)) {
            let text =
                "subscribing to configuration in a Redis Cluster is not built: each node tells only of its own keys";
            return Err(Error::new(ErrorKind::NotSupported, text));
        }
        let (changes, receiver) = mpsc::channel(CHANGES_WAITING);
        let subscription = Subscription::start(&self.name, &self.link, &request.keys, changes).await?;
        let (tasks, closed) = self.link.tasks();
        tasks.spawn("redis configuration changes", subscription.run(closed.clone()));
        Ok(receiver)
    }
}

/// What is stored at the keys, as it is; at all if none is named. A key without a string is left out.
async fn read(link: &Link, keys: &[String]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let all;
    let keys = if keys.is_empty() {
        all = scan::keys(link, "*", |_| true, DOING).await?;
        &all
    } else {
        keys
    };
    let mut found = Vec::new();
    for part in keys.chunks(AT_ONCE) {
        let mut get = cmd("MGET");
        get.arg(part);
        let Value::Array(values) = link.command(&get, Effect::Read, DOING).await? else {
            return Err(Error::new(ErrorKind::Internal, "redis: the server's answer has an unexpected form"));
        };
        for (key, value) in part.iter().zip(values) {
            if let Value::BulkString(value) = value {
                found.push((key.clone(), value));
            }
        }
    }
    Ok(found)
}

/// The value before the first separator and the version behind it; what lies behind a second one is nothing, as in the
/// target.
fn item(raw: &[u8]) -> Item {
    let text = String::from_utf8_lossy(raw);
    let mut parts = text.split(SEPARATOR);
    let (value, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    Item { value: value.to_owned(), version: version.to_owned(), ..Item::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_at_its_separator() {
        let read = |raw: &str| {
            let item = item(raw.as_bytes());
            (item.value, item.version)
        };
        let pair = |value: &str, version: &str| (value.to_owned(), version.to_owned());
        assert_eq!(read("value||v1"), pair("value", "v1"));
        assert_eq!(read("value"), pair("value", ""));
        assert_eq!(read("a||b||c"), pair("a", "b"));
        assert_eq!(read("||v1"), pair("", "v1"));
        assert_eq!(read(""), pair("", ""));
        assert_eq!(read("a|b"), pair("a|b", ""));
    }
}
