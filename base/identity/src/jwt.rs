//! A token that sentry issued: kept as it came, with what has to be known of it. Its signature is not checked here: it came
//! over a connection that proved to be sentry's, and it is for others to judge.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longer ones are refused: a token has to fit into a header.
const MAX_LENGTH: usize = 16 << 10;

/// A token. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Jwt {
    token: String,
    /// Whom it is for.
    pub audiences: Vec<String>,
    /// When it ends.
    pub until: SystemTime,
}

impl fmt::Debug for Jwt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Jwt(audiences {:?})", self.audiences)
    }
}

impl Jwt {
    /// Reads a token.
    ///
    /// # Errors
    /// Why it is none, in words that do not show it.
    pub fn parse(token: &str) -> Result<Self, String> {
        if token.len() > MAX_LENGTH {
            return Err(format!("error parsing JWT: longer than {MAX_LENGTH} bytes"));
        }
        let mut parts = token.split('.');
        let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err("error parsing JWT: it does not have three parts".to_owned());
        };
        let unreadable = |_| "error parsing JWT: its claims are not JSON".to_owned();
        let claims =
            URL_SAFE_NO_PAD.decode(claims).map_err(|_| "error parsing JWT: its claims are not base64".to_owned())?;
        let claims: serde_json::Value = serde_json::from_slice(&claims).map_err(unreadable)?;
        let audiences = match claims.get("aud") {
            Some(serde_json::Value::String(one)) => vec![one.clone()],
            Some(serde_json::Value::Array(many)) => {
                many.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        if audiences.is_empty() {
            return Err("JWT audience is empty".to_owned());
        }
        let expires =
            claims.get("exp").and_then(serde_json::Value::as_u64).ok_or("error parsing JWT: it never ends")?;
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(expires));
        Ok(Self {
            token: token.to_owned(),
            audiences,
            until: until.ok_or("error parsing JWT: its end is out of range")?,
        })
    }

    /// The token itself, to show it to whom it is for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn audience_and_end_are_read_in_both_forms() {
        let one = Jwt::parse(&token(r#"{"aud":"public","exp":100}"#)).unwrap();
        let many = Jwt::parse(&token(r#"{"aud":["public","x"],"exp":100}"#)).unwrap();
        assert_eq!(
            (one.audiences, many.audiences),
            (vec!["public".to_owned()], vec!["public".to_owned(), "x".to_owned()])
        );
        assert_eq!(one.until, SystemTime::UNIX_EPOCH + Duration::from_secs(100));
    }

    #[test]
    fn what_is_no_token_is_refused_and_never_shown() {
        for (text, why) in [
            ("secret", "three parts"),
            ("a.b.c.d", "three parts"),
            ("a.!.c", "base64"),
            ("a.YQ.c", "JSON"),
            (&token(r#"{"exp":1}"#), "audience"),
            (&token(r#"{"aud":[],"exp":1}"#), "audience"),
            (&token(r#"{"aud":"a"}"#), "never ends"),
            (&token(r#"{"aud":"a","exp":18446744073709551615}"#), "range"),
        ] {
            let error = Jwt::parse(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("secret"), "{text}: {error}");
        }
        assert!(!format!("{:?}", Jwt::parse(&token(r#"{"aud":"a","exp":1}"#)).unwrap()).contains("c2ln"));
    }
}
