//! The API token: what a client must show, and that it goes no further.
//! Called by the HTTP and gRPC doors before anything else reads a request. Which routes are exempt is theirs to say.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, HeaderName};

/// Carries the token of the API towards us, and the token of the app towards the app.
pub const HEADER: HeaderName = HeaderName::from_static("dapr-api-token");

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// There is no token.
    Missing,
    /// It is another token.
    Mismatch,
    /// There are several: which one counts must never depend on who reads.
    Repeated,
}

impl TokenFault {
    /// The sentence for gRPC; over HTTP every fault reads `invalid api token`.
    #[must_use]
    pub fn grpc_text(self) -> &'static str {
        match self {
            Self::Missing => "missing api token in request metadata",
            Self::Mismatch | Self::Repeated => "authentication error: api token mismatch",
        }
    }
}

impl fmt::Display for TokenFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("invalid api token")
    }
}

impl std::error::Error for TokenFault {}

/// The token that clients must show; its debug form does not show it.
#[derive(Clone, Default)]
pub struct ApiToken {
    expected: Option<String>,
}

impl ApiToken {
    /// The value of the variable; none or empty asks for no token.
    #[must_use]
    pub fn new(value: Option<&str>) -> Self {
        Self { expected: value.filter(|token| !token.is_empty()).map(str::to_owned) }
    }

    /// Whether a token is asked for.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.expected.is_some()
    }

    /// Checks the headers of a request, in a time that does not depend on where the tokens differ.
    ///
    /// # Errors
    /// [`TokenFault`]; never when no token is asked for.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), TokenFault> {
        let Some(expected) = &self.expected else { return Ok(()) };
        let mut values = headers.get_all(HEADER).iter();
        let shown = values.next().ok_or(TokenFault::Missing)?;
        if values.next().is_some() {
            return Err(TokenFault::Repeated);
        }
        verify_slices_are_equal(expected.as_bytes(), shown.as_bytes()).map_err(|_| TokenFault::Mismatch)
    }

    /// The token itself, to show it to another process.
    #[must_use]
    pub fn reveal(&self) -> Option<&str> {
        self.expected.as_deref()
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_required() { "ApiToken(set)" } else { "ApiToken(none)" })
    }
}

/// Removes every token of a request, also when no token is asked for: it was meant for us alone.
pub fn strip(headers: &mut HeaderMap) {
    while headers.remove(HEADER).is_some() {}
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(tokens: &[&'static str]) -> HeaderMap {
        tokens.iter().map(|token| (HEADER, HeaderValue::from_static(token))).collect()
    }

    #[test]
    fn only_the_one_right_token_passes() {
        let token = ApiToken::new(Some("secret"));
        assert_eq!(token.check(&headers(&["secret"])), Ok(()));
        assert_eq!(token.check(&headers(&[])), Err(TokenFault::Missing));
        for wrong in ["", "Secret", "secre", "secret2"] {
            assert_eq!(token.check(&headers(&[wrong])), Err(TokenFault::Mismatch), "{wrong}");
        }
    }

    #[test]
    fn repeated_tokens_are_refused_in_any_order() {
        let token = ApiToken::new(Some("secret"));
        for pair in [["secret", "other"], ["other", "secret"], ["secret", "secret"]] {
            assert_eq!(token.check(&headers(&pair)), Err(TokenFault::Repeated));
        }
    }

    #[test]
    fn an_empty_setting_asks_for_nothing_and_nothing_is_shown() {
        assert!(!ApiToken::new(Some("")).is_required());
        assert_eq!(ApiToken::new(None).check(&headers(&["any", "thing"])), Ok(()));
        assert_eq!(format!("{:?}", ApiToken::new(Some("secret"))), "ApiToken(set)");
    }

    #[test]
    fn tokens_are_removed_all_of_them() {
        let mut both = headers(&["a", "b"]);
        strip(&mut both);
        assert!(both.is_empty());
    }
}
