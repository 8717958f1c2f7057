//! Leases: made, renewed, ended. Pure: time is handed in. Used by `apply` (keys come and go with leases) and `committer`.

use crate::apply::Step;
use crate::rows::{LeaseRow, below, end_and_lease_of, end_row, lease_row, leased_key_of, leased_row};
use crate::table::{Rows, RowsMut};
use crate::{Error, Lease, Moment};

/// How many leases one step may end; the others follow with the next.
pub(crate) const ENDS_AT_ONCE: usize = 1000;

/// A lease that has not ended.
pub(crate) fn find(rows: &dyn Rows, lease: u64, now: Moment) -> Result<Option<LeaseRow>, Error> {
    let found = rows.get(&lease_row(lease))?.map(LeaseRow::decode).transpose()?;
    Ok(found.filter(|row| now < row.ends))
}

/// When the next lease ends, of those that end from a moment on.
pub(crate) fn next_end(rows: &dyn Rows, from: Moment) -> Result<Option<Moment>, Error> {
    let (_, until) = below(vec![b'd']);
    let from = end_row(from, 0);
    let mut found = None;
    rows.scan(&from, &until, &mut |row, _| {
        found = Some(end_and_lease_of(row)?.0);
        Ok(false)
    })?;
    Ok(found)
}

/// Writes a lease under its number.
pub(crate) fn write(rows: &mut dyn RowsMut, lease: u64, row: LeaseRow) -> Lease {
    rows.put(lease_row(lease), row.encode());
    rows.put(end_row(row.ends, lease), Vec::new());
    row.lease(lease)
}

/// Removes a lease; its keys are not touched.
fn forget(rows: &mut dyn RowsMut, lease: u64) -> Result<(), Error> {
    if let Some(row) = rows.get(&lease_row(lease))?.map(LeaseRow::decode).transpose()? {
        rows.remove(end_row(row.ends, lease));
        rows.remove(lease_row(lease));
    }
    Ok(())
}

/// Renews a lease.
pub(crate) fn renew(rows: &mut dyn RowsMut, lease: u64, now: Moment) -> Result<Option<Lease>, Error> {
    let Some(row) = find(rows, lease, now)? else { return Ok(None) };
    rows.remove(end_row(row.ends, lease));
    let ends = Moment(now.0.saturating_add(row.life));
    Ok(Some(write(rows, lease, LeaseRow { ends, ..row })))
}

/// A key now ends with a lease.
pub(crate) fn attach(rows: &mut dyn RowsMut, lease: u64, key: &[u8]) {
    if lease != 0 {
        rows.put(leased_row(lease, key), Vec::new());
    }
}

/// A key no longer ends with a lease; one that was made for it goes too.
pub(crate) fn detach(rows: &mut dyn RowsMut, lease: u64, key: &[u8]) -> Result<(), Error> {
    if lease == 0 {
        return Ok(());
    }
    rows.remove(leased_row(lease, key));
    let own = rows.get(&lease_row(lease))?.map(LeaseRow::decode).transpose()?.is_some_and(|row| row.own);
    if own { forget(rows, lease) } else { Ok(()) }
}

/// Ends a lease: its keys are removed, and then it is.
pub(crate) fn end(step: &mut Step<'_>, lease: u64) -> Result<(), Error> {
    let (from, until) = below(leased_row(lease, b""));
    let mut keys = Vec::new();
    step.rows.scan(&from, &until, &mut |row, _| {
        keys.push(leased_key_of(row));
        Ok(true)
    })?;
    for key in keys {
        step.delete(&key)?;
    }
    forget(step.rows, lease)
}

/// Ends what has ended by now, but not more than a bounded number of leases. Nothing ends before `from`: names of rows that are
/// gone cost time until the engine has swept them, so they are not looked at again.
pub(crate) fn end_due(step: &mut Step<'_>, from: Moment) -> Result<(), Error> {
    let from = end_row(from, 0);
    let until = end_row(Moment(step.now.0.saturating_add(1)), 0);
    let mut due = Vec::new();
    step.rows.scan(&from, &until, &mut |row, _| {
        due.push(end_and_lease_of(row)?.1);
        Ok(due.len() < ENDS_AT_ONCE)
    })?;
    for lease in due {
        end(step, lease)?;
    }
    Ok(())
}
