//! The ledger: byte keys, one global revision, leases, transactions, watches and compaction, shaped like etcd.

mod apply;
mod committer;
mod engine;
mod error;
mod expiry;
mod folder;
mod ledger;
mod local;
mod read;
mod request;
mod rows;
mod state;
mod table;
mod watch;

pub use error::Error;
pub use folder::FORMAT;
pub use ledger::{Ledger, Status, Watch};
pub use local::{Local, Options};
pub use request::{
    Compare, Event, Events, KeyValue, Keys, Lease, LeaseChoice, Moment, Operation, Outcome, RangeAnswer, RangeRequest,
    Relation, Subject, Txn, TxnAnswer,
};

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
