//! Between the messages of the protocol and the requests of the ledger. Used by `stub`. Decides nothing but what is malformed.

use std::time::Duration;

use ledger::{
    Compare, Error, Event, KeyValue, Keys, Lease, LeaseChoice, Operation, Outcome, RangeAnswer, RangeRequest, Relation,
    Subject, Txn, TxnAnswer,
};
use tonic::Status;
use wire::hub;

/// The most keys of one answer.
const MOST_KEYS: usize = 10_000;
/// No more keys are put into an answer that has so many bytes.
const MOST_BYTES: usize = 8 << 20;

fn missing(what: &str) -> Status {
    Status::invalid_argument(format!("the request has no {what}"))
}

pub(crate) fn keys(keys: Option<hub::Keys>) -> Result<Keys, Status> {
    match keys.and_then(|keys| keys.keys).ok_or_else(|| missing("keys"))? {
        hub::keys::Keys::One(key) => Ok(Keys::One(key)),
        hub::keys::Keys::Prefix(prefix) => Ok(Keys::Prefix(prefix)),
        hub::keys::Keys::Range(range) => Ok(Keys::Range(range.from, range.until)),
    }
}

pub(crate) fn range(range: hub::Range) -> Result<RangeRequest, Status> {
    let limit = usize::try_from(range.limit).ok().filter(|limit| (1..=MOST_KEYS).contains(limit));
    Ok(RangeRequest {
        keys: keys(range.keys)?,
        behind: range.behind,
        limit: Some(limit.unwrap_or(MOST_KEYS)),
        bytes: Some(MOST_BYTES),
        revision: Some(range.revision).filter(|revision| *revision != 0),
        keys_only: range.keys_only,
    })
}

fn compare(compare: hub::Compare) -> Result<Compare, Status> {
    let relation = match compare.relation() {
        hub::Relation::Equal => Relation::Equal,
        hub::Relation::NotEqual => Relation::NotEqual,
        hub::Relation::Less => Relation::Less,
        hub::Relation::Greater => Relation::Greater,
    };
    let subject = match compare.subject.ok_or_else(|| missing("subject of a comparison"))? {
        hub::compare::Subject::Version(version) => Subject::Version(version),
        hub::compare::Subject::CreateRevision(revision) => Subject::CreateRevision(revision),
        hub::compare::Subject::ModRevision(revision) => Subject::ModRevision(revision),
        hub::compare::Subject::Value(value) => Subject::Value(value),
        hub::compare::Subject::Lease(lease) => Subject::Lease(lease),
    };
    Ok(Compare { key: compare.key, subject, relation })
}

fn operation(operation: hub::Operation) -> Result<Operation, Status> {
    match operation.operation.ok_or_else(|| missing("operation"))? {
        hub::operation::Operation::Put(put) => {
            let lease = match put.ends {
                None => LeaseChoice::None,
                Some(hub::put::Ends::Lease(lease)) => LeaseChoice::Held(lease),
                Some(hub::put::Ends::Life(life)) => LeaseChoice::Own(Duration::from_millis(life)),
            };
            Ok(Operation::Put { key: put.key, value: put.value, lease })
        }
        hub::operation::Operation::Delete(removed) => Ok(Operation::Delete(keys(Some(removed))?)),
        hub::operation::Operation::Range(read) => range(read).map(Operation::Range),
    }
}

pub(crate) fn txn(transaction: hub::Transaction) -> Result<Txn, Status> {
    let all = |operations: Vec<hub::Operation>| operations.into_iter().map(operation).collect::<Result<Vec<_>, _>>();
    Ok(Txn {
        compares: transaction.compares.into_iter().map(compare).collect::<Result<_, _>>()?,
        then: all(transaction.then)?,
        otherwise: all(transaction.otherwise)?,
    })
}

pub(crate) fn range_answer(answer: RangeAnswer) -> hub::RangeAnswer {
    let entries = answer.entries.into_iter().map(key_value).collect();
    hub::RangeAnswer { revision: answer.revision, entries, more: answer.more }
}

fn key_value(entry: KeyValue) -> hub::KeyValue {
    hub::KeyValue {
        key: entry.key,
        value: entry.value,
        create_revision: entry.create_revision,
        mod_revision: entry.mod_revision,
        version: entry.version,
        lease: entry.lease,
        ends: entry.ends.map(|ends| ends.0),
    }
}

/// The answer to one transaction: what it did, or why it is refused.
pub(crate) fn txn_answer(result: Result<TxnAnswer, Error>) -> Result<hub::TransactionAnswer, Status> {
    let answer = match result {
        Ok(answer) => answer,
        Err(error @ (Error::Invalid(_) | Error::LeaseNotFound(_))) => {
            return Ok(hub::TransactionAnswer { refused: Some(error.to_string()), ..Default::default() });
        }
        Err(error) => return Err(status(&error)),
    };
    let outcome = |outcome| {
        let outcome = match outcome {
            Outcome::Put => hub::outcome::Outcome::Put(true),
            Outcome::Deleted(count) => hub::outcome::Outcome::Deleted(count),
            Outcome::Range(answer) => hub::outcome::Outcome::Range(range_answer(answer)),
        };
        hub::Outcome { outcome: Some(outcome) }
    };
    Ok(hub::TransactionAnswer {
        revision: answer.revision,
        succeeded: answer.succeeded,
        outcomes: answer.outcomes.into_iter().map(outcome).collect(),
        refused: None,
    })
}

pub(crate) fn event(event: Event) -> hub::Event {
    let event = match event {
        Event::Put(entry) => hub::event::Event::Put(key_value(entry)),
        Event::Delete { key, revision } => hub::event::Event::Removed(hub::Removed { key, revision }),
    };
    hub::Event { event: Some(event) }
}

pub(crate) fn lease(lease: Lease) -> hub::Lease {
    let life = u64::try_from(lease.life.as_millis()).unwrap_or(u64::MAX);
    hub::Lease { id: lease.id, life, ends: lease.ends.0 }
}

/// What the client is told of a failure.
pub(crate) fn status(error: &Error) -> Status {
    let text = error.to_string();
    match error {
        Error::Invalid(_) => Status::invalid_argument(text),
        Error::LeaseNotFound(_) => Status::not_found(text),
        Error::Compacted(_) | Error::FutureRevision(_) => Status::out_of_range(text),
        Error::Closed => Status::unavailable(text),
        Error::Failed(_) | Error::Corrupt(_) | Error::Locked(_) | Error::NewerFormat { .. } => Status::data_loss(text),
    }
}
