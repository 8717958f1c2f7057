//! The `date` of an answer (RFC 9110 6.6.1). Called for answers on ports that speak HTTP/1.1 too. It must not be used where the
//! target sends none.

use std::time::SystemTime;

use http::HeaderValue;

/// The date of an answer that is sent now.
pub(super) fn now() -> HeaderValue {
    let text = httpdate::fmt_http_date(SystemTime::now());
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
