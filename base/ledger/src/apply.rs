//! What a write does to the rows. Pure: rows, state and time are handed in, so the same code runs on the engine and in tests.
//! Called by `committer`, in the order of the revisions.

use std::collections::HashMap;

use bytes::Bytes;

use crate::expiry;
use crate::read;
use crate::rows::{Change, LeaseRow, Record, change_row, history_row, key_row};
use crate::state::State;
use crate::table::RowsMut;
use crate::{
    Compare, Error, Keys, LeaseChoice, Moment, Operation, Outcome, RangeRequest, Relation, Subject, Txn, TxnAnswer,
};

/// The longest key, in bytes: what the engine takes, less the names of rows.
const LONGEST_KEY: usize = 60 * 1024;
/// The most steps of a transaction.
const MOST_STEPS: usize = 100_000;

/// One revision in the making.
pub(crate) struct Step<'a> {
    pub(crate) rows: &'a mut dyn RowsMut,
    pub(crate) state: &'a mut State,
    pub(crate) now: Moment,
    /// The keys that were touched, with what they were before, in the order of the first touch.
    touched: Vec<(Bytes, Option<Record>)>,
    seen: HashMap<Bytes, ()>,
}

impl<'a> Step<'a> {
    /// Begins a revision. Time does not go backwards, whatever the clock does.
    pub(crate) fn begin(rows: &'a mut dyn RowsMut, state: &'a mut State, now: Moment) -> Self {
        state.time = state.time.max(now.0);
        let now = Moment(state.time);
        Self { rows, state, now, touched: Vec::new(), seen: HashMap::new() }
    }

    /// Writes down what has changed. Without a change there is no revision.
    pub(crate) fn finish(self) -> Result<u64, Error> {
        let revision = self.state.revision + 1;
        let mut number = 0_u32;
        for (key, before) in self.touched {
            let is_removal = self.rows.get(&key_row(&key))?.is_none();
            if is_removal && before.is_none() {
                continue;
            }
            let mut change = Change { is_removal, before: 0, before_bytes: 0, key };
            if let Some(before) = before {
                let (row, content) = (history_row(&change.key, before.mod_revision), before.encode());
                change.before = before.mod_revision;
                change.before_bytes = u64::try_from(row.len() + content.len()).unwrap_or(u64::MAX);
                self.state.history = self.state.history.saturating_add(change.before_bytes);
                self.rows.put(row, content);
            }
            self.rows.put(change_row(revision, number), change.encode());
            number += 1;
        }
        if number > 0 {
            self.state.revision = revision;
        }
        Ok(self.state.revision)
    }

    /// The key as it is stored, ended or not.
    fn record(&self, key: &[u8]) -> Result<Option<Record>, Error> {
        self.rows.get(&key_row(key))?.map(Record::decode).transpose()
    }

    /// The key if it has not ended.
    fn living(&self, key: &[u8]) -> Result<Option<Record>, Error> {
        let Some(record) = self.record(key)? else { return Ok(None) };
        let lives = record.lease == 0 || expiry::find(self.rows, record.lease, self.now)?.is_some();
        Ok(lives.then_some(record))
    }

    fn touch(&mut self, key: &Bytes, before: Option<&Record>) {
        if self.seen.insert(key.clone(), ()).is_none() {
            self.touched.push((key.clone(), before.cloned()));
        }
    }

    fn put(&mut self, key: &Bytes, value: &Bytes, lease: LeaseChoice) -> Result<(), Error> {
        let stored = self.record(key)?;
        let before = self.living(key)?;
        self.touch(key, stored.as_ref());
        let lease = match lease {
            LeaseChoice::None => 0,
            LeaseChoice::Held(lease) => lease,
            LeaseChoice::Own(life) => {
                self.state.lease += 1;
                let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
                let row = LeaseRow { life, ends: Moment(self.now.0.saturating_add(life)), own: true };
                expiry::write(self.rows, self.state.lease, row).id
            }
        };
        match &stored {
            Some(stored) if stored.lease != lease => expiry::detach(self.rows, stored.lease, key)?,
            Some(_) => {}
            None => self.state.keys += 1,
        }
        expiry::attach(self.rows, lease, key);
        let revision = self.state.revision + 1;
        let record = Record {
            create_revision: before.as_ref().map_or(revision, |before| before.create_revision),
            mod_revision: revision,
            version: before.as_ref().map_or(1, |before| before.version + 1),
            lease,
            value: value.clone(),
        };
        self.rows.put(key_row(key), record.encode());
        Ok(())
    }

    /// Removes a key and says whether it was there and had not ended.
    pub(crate) fn delete(&mut self, key: &Bytes) -> Result<bool, Error> {
        let Some(stored) = self.record(key)? else { return Ok(false) };
        let lived = self.living(key)?.is_some();
        self.touch(key, Some(&stored));
        expiry::detach(self.rows, stored.lease, key)?;
        self.rows.remove(key_row(key));
        self.state.keys = self.state.keys.saturating_sub(1);
        Ok(lived)
    }

    fn delete_all(&mut self, keys: &Keys) -> Result<u64, Error> {
        if let Keys::One(key) = keys {
            return self.delete(key).map(u64::from);
        }
        let mut count = 0;
        for key in read::names(self.rows, keys)? {
            count += u64::from(self.delete(&key)?);
        }
        Ok(count)
    }

    fn holds(&self, compare: &Compare) -> Result<bool, Error> {
        let record = self.living(&compare.key)?;
        let number = |read: fn(&Record) -> u64| record.as_ref().map_or(0, read);
        let found = match &compare.subject {
            Subject::Version(given) => number(|record| record.version).cmp(given),
            Subject::CreateRevision(given) => number(|record| record.create_revision).cmp(given),
            Subject::ModRevision(given) => number(|record| record.mod_revision).cmp(given),
            Subject::Lease(given) => number(|record| record.lease).cmp(given),
            Subject::Value(given) => match &record {
                Some(record) => record.value.cmp(given),
                None => return Ok(compare.relation == Relation::NotEqual),
            },
        };
        Ok(match compare.relation {
            Relation::Equal => found.is_eq(),
            Relation::NotEqual => found.is_ne(),
            Relation::Less => found.is_lt(),
            Relation::Greater => found.is_gt(),
        })
    }

    /// Refuses what cannot be done before anything is done.
    fn check(&self, operation: &Operation) -> Result<(), Error> {
        match operation {
            Operation::Put { key, value, lease } => {
                check_key(key)?;
                if u32::try_from(value.len()).is_err() {
                    return Err(Error::Invalid("a value must be shorter than 4 GiB".to_owned()));
                }
                match lease {
                    LeaseChoice::Held(lease) if expiry::find(self.rows, *lease, self.now)?.is_none() => {
                        Err(Error::LeaseNotFound(*lease))
                    }
                    _ => Ok(()),
                }
            }
            Operation::Range(RangeRequest { revision: Some(_), .. }) => {
                Err(Error::Invalid("a transaction reads what is stored now: leave the revision out".to_owned()))
            }
            Operation::Delete(_) | Operation::Range(_) => Ok(()),
        }
    }

    fn carry_out(&mut self, operation: &Operation) -> Result<Outcome, Error> {
        match operation {
            Operation::Put { key, value, lease } => self.put(key, value, *lease).map(|()| Outcome::Put),
            Operation::Delete(keys) => self.delete_all(keys).map(Outcome::Deleted),
            Operation::Range(request) => read::range(self.rows, self.state, request, self.now).map(Outcome::Range),
        }
    }
}

fn check_key(key: &[u8]) -> Result<(), Error> {
    if key.is_empty() {
        return Err(Error::Invalid("a key must not be empty".to_owned()));
    }
    if key.len() > LONGEST_KEY {
        return Err(Error::Invalid(format!("a key has {} bytes; at most {LONGEST_KEY} are allowed", key.len())));
    }
    Ok(())
}

/// Does a transaction. On [`Error::Invalid`] and [`Error::LeaseNotFound`] nothing has changed; on any other error what is in
/// `rows` must not be kept.
pub(crate) fn txn(rows: &mut dyn RowsMut, state: &mut State, txn: &Txn, now: Moment) -> Result<TxnAnswer, Error> {
    let mut step = Step::begin(rows, state, now);
    let mut succeeded = true;
    for compare in &txn.compares {
        succeeded = succeeded && step.holds(compare)?;
    }
    let operations = if succeeded { &txn.then } else { &txn.otherwise };
    if operations.len() > MOST_STEPS {
        return Err(Error::Invalid(format!("a transaction has at most {MOST_STEPS} steps, not {}", operations.len())));
    }
    for operation in operations {
        step.check(operation)?;
    }
    let mut outcomes = Vec::with_capacity(operations.len());
    for operation in operations {
        outcomes.push(step.carry_out(operation)?);
    }
    let revision = step.finish()?;
    for outcome in &mut outcomes {
        if let Outcome::Range(answer) = outcome {
            answer.revision = revision;
        }
    }
    Ok(TxnAnswer { revision, succeeded, outcomes })
}
