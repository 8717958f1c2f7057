//! The API token (`DAPR_API_TOKEN`): who has it may use the API. Compared in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;

/// Name of the header and the gRPC metadata key.
pub const HEADER: &str = "dapr-api-token";

/// Why a request may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The header is not there.
    Missing,
    /// The header is there, but not with the one right value.
    Wrong,
}

/// Checks the token of a request. A repeated header is refused, whatever its values: two readers might pick different
/// ones.
///
/// # Errors
/// [`Refused`] unless exactly one header carries the expected token.
pub fn check(expected: &str, headers: &HeaderMap) -> Result<(), Refused> {
    let mut values = headers.get_all(HEADER).into_iter();
    let (Some(value), repeated) = (values.next(), values.next()) else { return Err(Refused::Missing) };
    let equal = verify_slices_are_equal(value.as_bytes(), expected.as_bytes()).is_ok();
    if equal && repeated.is_none() { Ok(()) } else { Err(Refused::Wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_one_right_token_passes() {
        assert_eq!(check("secret", &with(&["secret"])), Ok(()));
        assert_eq!(check("secret", &with(&[])), Err(Refused::Missing));
        assert_eq!(check("secret", &with(&[""])), Err(Refused::Wrong));
        assert_eq!(check("secret", &with(&["secre"])), Err(Refused::Wrong));
        assert_eq!(check("secret", &with(&["secret", "secret"])), Err(Refused::Wrong));
        assert_eq!(check("secret", &with(&["wrong", "secret"])), Err(Refused::Wrong));
    }
}
