//! Changes of keys as one transaction of etcd: what must be so is compared and what is wanted is done in one step, so that
//! nobody comes between.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use component::state::{Concurrency, DeleteRequest, SetRequest, time_to_live};
use component::{Error, ErrorKind};

use super::{EtcdState, read_one};
use crate::messages::{
    Compare, DeleteRangeRequest, PutRequest, RequestKind, RequestOp, ResponseKind, TxnRequest, TxnResponse,
};

/// A change of one key.
pub(super) struct Change {
    key: Bytes,
    condition: Condition,
    wanted: Wanted,
}

enum Condition {
    None,
    Absent,
    Revision(i64),
}

enum Wanted {
    Value(Bytes, Option<Duration>),
    Nothing,
}

impl Change {
    /// Reads what is to be stored under a full key.
    pub(super) fn write(request: &SetRequest, key: Bytes) -> Result<Self, Error> {
        let life = time_to_live(&request.metadata)?;
        let condition = match Condition::of(request.etag.as_deref(), &key)? {
            Condition::None if request.options.concurrency == Concurrency::FirstWrite => Condition::Absent,
            condition => condition,
        };
        Ok(Self { key, condition, wanted: Wanted::Value(request.value.clone(), life) })
    }

    /// Reads what is to be removed. A first write without an ETag removes only what is not there, as in the target.
    pub(super) fn removal(request: &DeleteRequest, key: Bytes) -> Result<Self, Error> {
        let condition = match Condition::of(request.etag.as_deref(), &key)? {
            Condition::None if request.options.concurrency == Concurrency::FirstWrite => Condition::Absent,
            condition => condition,
        };
        Ok(Self { key, condition, wanted: Wanted::Nothing })
    }
}

impl Condition {
    /// An ETag that is no revision cannot be stored anywhere, so it differs from what is.
    fn of(etag: Option<&str>, key: &Bytes) -> Result<Self, Error> {
        let Some(etag) = etag.filter(|etag| !etag.is_empty()) else { return Ok(Self::None) };
        match etag.parse::<i64>() {
            Ok(revision) if revision > 0 && revision.to_string() == etag => Ok(Self::Revision(revision)),
            _ => Err(Error::etag_mismatch(format_args!("state etag not match for key={}: expect={etag}", text(key)))),
        }
    }

    fn compare(&self, key: &Bytes) -> Option<Compare> {
        match self {
            Condition::None => None,
            Condition::Absent => Some(Compare::absent(key.clone())),
            Condition::Revision(revision) => Some(Compare::at_revision(key.clone(), *revision)),
        }
    }
}

fn text(key: &Bytes) -> String {
    String::from_utf8_lossy(key).into_owned()
}

impl EtcdState {
    /// Makes all changes or none. Of several changes of one key the last one stays, which is what doing them in order
    /// comes to; etcd itself refuses a transaction that names a key twice.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<(), Error> {
        let doing = match changes.as_slice() {
            [Change { key, wanted: Wanted::Value(..), .. }] => format!("couldn't set key {}", text(key)),
            [Change { key, wanted: Wanted::Nothing, .. }] => format!("couldn't delete key {}", text(key)),
            _ => "couldn't do the transaction".to_owned(),
        };
        let leases = self.leases(&changes, &doing).await?;
        let answer = self.client.transact(&self.transaction(&changes, &leases), &doing).await?;
        if answer.succeeded {
            return Ok(());
        }
        for lease in leases.into_values() {
            self.client.revoke(lease).await;
        }
        Err(explain(&changes, answer))
    }

    /// A lease for each value that ends, by the length of its life. Should the call be dropped, they end by themselves.
    async fn leases(&self, changes: &[Change], doing: &str) -> Result<HashMap<Duration, i64>, Error> {
        let mut leases = HashMap::new();
        for change in changes {
            if let Wanted::Value(_, Some(life)) = change.wanted
                && !leases.contains_key(&life)
            {
                let seconds = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
                leases.insert(life, self.client.grant(seconds, doing).await?);
            }
        }
        Ok(leases)
    }

    fn transaction(&self, changes: &[Change], leases: &HashMap<Duration, i64>) -> TxnRequest {
        let last: HashMap<&Bytes, usize> =
            changes.iter().enumerate().map(|(index, change)| (&change.key, index)).collect();
        let stays = |(index, change): &(usize, &Change)| last.get(&change.key) == Some(index);
        let compare: Vec<Compare> = changes.iter().filter_map(|change| change.condition.compare(&change.key)).collect();
        let failure = compare.iter().map(|compare| read_one(compare.key.clone())).collect();
        let success = changes.iter().enumerate().filter(stays).map(|(_, change)| self.operation(change, leases));
        TxnRequest { success: success.collect(), compare, failure }
    }

    fn operation(&self, change: &Change, leases: &HashMap<Duration, i64>) -> RequestOp {
        let key = change.key.clone();
        let request = match &change.wanted {
            Wanted::Nothing => RequestKind::DeleteRange(DeleteRangeRequest { key }),
            Wanted::Value(value, life) => {
                let lease = life.and_then(|life| leases.get(&life).copied()).unwrap_or_default();
                let value = self.schema.encode(value.clone(), *life, self.clock.now());
                RequestKind::Put(PutRequest { key, value, lease })
            }
        };
        RequestOp { request: Some(request) }
    }
}

/// Why nothing was done, by what was read in the same step.
fn explain(changes: &[Change], answer: TxnResponse) -> Error {
    let mut answers = answer.responses.into_iter();
    for change in changes.iter().filter(|change| !matches!(change.condition, Condition::None)) {
        let found = match answers.next().and_then(|answer| answer.response) {
            Some(ResponseKind::Range(range)) => range.kvs.into_iter().next(),
            _ => None,
        };
        let key = text(&change.key);
        match (&change.condition, found) {
            (Condition::Absent, Some(_)) => return Error::etag_mismatch("item already exists and no etag was passed"),
            (Condition::Revision(_), None) => {
                return Error::etag_mismatch(format_args!("state not exist or expired for key={key}"));
            }
            (Condition::Revision(expected), Some(found)) if found.mod_revision != *expected => {
                let current = found.mod_revision;
                let told = format_args!("state etag not match for key={key}: current={current}, expect={expected}");
                return Error::etag_mismatch(told);
            }
            _ => {}
        }
    }
    Error::new(ErrorKind::Internal, "etcd refused a transaction whose conditions hold")
}
