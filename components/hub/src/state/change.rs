//! Changes of keys as one transaction of the ledger: what must be so is compared, and what is wanted is done, in one step. Pure.

use std::time::Duration;

use bytes::Bytes;
use component::Error;
use component::state::{Concurrency, DeleteRequest, Options, SetRequest, time_to_live};
use wire::hub::operation::Operation;
use wire::hub::{Compare, Put, Relation, Transaction, TransactionAnswer, compare, outcome, put};

use crate::connection::{milliseconds, one, operation, removal};

/// A change of one key.
pub(super) struct Change {
    /// As the caller called it.
    name: String,
    key: Bytes,
    condition: Condition,
    /// The value and how long it lives; `None` removes the key.
    wanted: Option<(Bytes, Option<Duration>)>,
}

enum Condition {
    None,
    Absent,
    /// The revision, and how the caller wrote it.
    Revision(u64, String),
}

impl Condition {
    /// An ETag that is no revision is none that was ever given out, so it differs from what is.
    fn of(name: &str, etag: Option<&str>, options: Options) -> Result<Self, Error> {
        let Some(etag) = etag.filter(|etag| !etag.is_empty()) else {
            let is_first = options.concurrency == Concurrency::FirstWrite;
            return Ok(if is_first { Self::Absent } else { Self::None });
        };
        match etag.parse::<u64>() {
            Ok(revision) if revision > 0 && revision.to_string() == etag => {
                Ok(Self::Revision(revision, etag.to_owned()))
            }
            _ => Err(Error::etag_mismatch(format_args!("state etag not match for key={name}: expect={etag}"))),
        }
    }
}

impl Change {
    /// Reads what is to be stored under a full key.
    pub(super) fn write(request: &SetRequest, key: Bytes) -> Result<Self, Error> {
        let condition = Condition::of(&request.key, request.etag.as_deref(), request.options)?;
        let wanted = Some((request.value.clone(), time_to_live(&request.metadata)?));
        Ok(Self { name: request.key.clone(), key, condition, wanted })
    }

    /// Reads what is to be removed.
    pub(super) fn removal(request: &DeleteRequest, key: Bytes) -> Result<Self, Error> {
        let condition = Condition::of(&request.key, request.etag.as_deref(), request.options)?;
        Ok(Self { name: request.key.clone(), key, condition, wanted: None })
    }

    /// How large it is.
    pub(super) fn bytes(&self) -> usize {
        self.key.len() + self.wanted.as_ref().map_or(0, |(value, _)| value.len())
    }

    fn compare(&self) -> Option<Compare> {
        let subject = match &self.condition {
            Condition::None => return None,
            Condition::Absent => compare::Subject::Version(0),
            Condition::Revision(revision, _) => compare::Subject::ModRevision(*revision),
        };
        Some(Compare { key: self.key.clone(), relation: Relation::Equal.into(), subject: Some(subject) })
    }

    /// Why the condition does not hold for what is stored; `None` if it does.
    fn refusal(&self, stored: Option<u64>) -> Option<Error> {
        let name = &self.name;
        match (&self.condition, stored) {
            (Condition::None, _) | (Condition::Absent, None) => None,
            (Condition::Absent, Some(_)) => Some(Error::etag_mismatch("item already exists and no etag was passed")),
            (Condition::Revision(revision, _), Some(stored)) if *revision == stored => None,
            (Condition::Revision(_, etag), Some(stored)) => Some(Error::etag_mismatch(format_args!(
                "state etag not match for key={name}: current={stored}, expect={etag}"
            ))),
            (Condition::Revision(..), None) => {
                Some(Error::etag_mismatch(format_args!("state not exist or expired for key={name}")))
            }
        }
    }
}

/// All changes in their order, or what is stored now under the keys with conditions.
pub(super) fn transaction(changes: &[Change]) -> Transaction {
    let wanted = |change: &Change| match &change.wanted {
        None => removal(change.key.clone()),
        Some((value, life)) => operation(Operation::Put(Put {
            key: change.key.clone(),
            value: value.clone(),
            ends: life.map(milliseconds).map(put::Ends::Life),
        })),
    };
    let conditional = changes.iter().filter(|change| !matches!(change.condition, Condition::None));
    let look = |change: &Change| {
        let mut range = one(change.key.clone());
        range.keys_only = true;
        operation(Operation::Range(range))
    };
    Transaction {
        compares: changes.iter().filter_map(Change::compare).collect(),
        then: changes.iter().map(wanted).collect(),
        otherwise: conditional.map(look).collect(),
    }
}

/// The first change whose condition did not hold, if nothing was done.
pub(super) fn explain(changes: &[Change], answer: &TransactionAnswer) -> Result<(), Error> {
    if answer.succeeded {
        return Ok(());
    }
    let conditional = changes.iter().filter(|change| !matches!(change.condition, Condition::None));
    for (change, found) in conditional.zip(&answer.outcomes) {
        let stored = match &found.outcome {
            Some(outcome::Outcome::Range(found)) => found.entries.first().map(|entry| entry.mod_revision),
            _ => None,
        };
        if let Some(refusal) = change.refusal(stored) {
            return Err(refusal);
        }
    }
    Err(Error::etag_mismatch("a condition of the transaction did not hold"))
}
