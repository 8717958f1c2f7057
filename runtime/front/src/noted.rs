//! Which error of the catalogue an answer is. Noted with an answer where it is made, and read by the door that gives the answer, which
//! counts it; it never leaves the process.

use errors::{ApiError, Category};
use http::Extensions;
use telemetry::metrics::ErrorCodes;

/// The error that an answer is, among its extensions.
#[derive(Clone)]
pub(crate) struct Noted {
    code: String,
    category: Category,
}

impl Noted {
    /// What is counted of an error, if it is one that is.
    pub(crate) fn of(error: &ApiError) -> Option<Self> {
        error.metric().map(|(code, category)| Self { code: code.to_owned(), category })
    }

    /// Counts what is noted.
    pub(crate) fn count(extensions: &Extensions, error_codes: &ErrorCodes) {
        if let Some(noted) = extensions.get::<Self>() {
            error_codes.count(&noted.code, noted.category.label());
        }
    }
}
