//! Errors that the API answers with, by their codes. Called by the doors, for each error that they give; it is off unless the
//! Configuration asks for it.

use std::sync::Arc;

use super::names;
use super::table::Table;
use super::{Counter, Metrics};

/// Errors by code and category. A clone counts in the same family.
#[derive(Clone, Default)]
pub struct ErrorCodes(Option<Arc<Inner>>);

struct Inner {
    metrics: Metrics,
    known: Table<2, Counter>,
}

impl ErrorCodes {
    /// Counts in these metrics, if they are to have errors.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let inner = || Inner { metrics: metrics.clone(), known: Table::default() };
        Self(metrics.has_error_codes().then(|| Arc::new(inner())))
    }

    /// Whether anything is counted.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// One error: its code, such as `ERR_STATE_GET`, and the group it belongs to, such as `state`.
    pub fn count(&self, code: &str, category: &str) {
        let Some(inner) = &self.0 else { return };
        let make = || inner.metrics.counter(&names::ERROR_CODES, &[code, category]);
        match inner.known.get([code, category], 0, make) {
            Some(known) => known.add(1),
            None => make().add(1),
        }
    }
}
