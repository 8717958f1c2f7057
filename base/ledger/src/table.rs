//! The sorted rows below the ledger, as far as its logic needs to know them: the engine's in production, a plain map in
//! tests. Used by `apply`, `read`, `expiry`.

use bytes::Bytes;

use crate::Error;

/// What is done with a row that was found: go on, or stop.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], Bytes) -> Result<bool, Error>;

/// Sorted rows that can be read.
pub(crate) trait Rows {
    /// The content of a row.
    fn get(&self, row: &[u8]) -> Result<Option<Bytes>, Error>;

    /// Visits the rows from the first name on and before the second, in their order, until told to stop.
    fn scan(&self, from: &[u8], until: &[u8], visit: Visit<'_>) -> Result<(), Error>;
}

/// Sorted rows that can be written too.
pub(crate) trait RowsMut: Rows {
    /// Writes a row.
    fn put(&mut self, row: Vec<u8>, content: Vec<u8>);

    /// Removes a row.
    fn remove(&mut self, row: Vec<u8>);
}

#[cfg(test)]
impl Rows for std::collections::BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, row: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(std::collections::BTreeMap::get(self, row).map(|content| Bytes::copy_from_slice(content)))
    }

    fn scan(&self, from: &[u8], until: &[u8], visit: Visit<'_>) -> Result<(), Error> {
        if from >= until {
            return Ok(());
        }
        for (row, content) in self.range(from.to_vec()..until.to_vec()) {
            if !visit(row, Bytes::copy_from_slice(content))? {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl RowsMut for std::collections::BTreeMap<Vec<u8>, Vec<u8>> {
    fn put(&mut self, row: Vec<u8>, content: Vec<u8>) {
        self.insert(row, content);
    }

    fn remove(&mut self, row: Vec<u8>) {
        std::collections::BTreeMap::remove(self, &row);
    }
}
