//! Regular expressions of settings, and what they are held against. Used by every middleware that has one.

use component::{Error, ErrorKind};
use http::Uri;
use percent_encoding::percent_decode_str;
use regex::{Regex, RegexBuilder};

/// Bytes that one compiled expression may take.
const SIZE_LIMIT: usize = 1 << 20;

/// Compiles the expression of a setting. The notation is that of RE2, as in the target.
///
/// # Errors
/// One that names the setting.
pub(crate) fn compile(setting: &str, expression: &str) -> Result<Regex, Error> {
    RegexBuilder::new(expression).size_limit(SIZE_LIMIT).build().map_err(|cause| {
        let message = format!("metadata field {setting} is {expression:?}: expected a regular expression");
        Error::new(ErrorKind::InvalidArgument, message).caused_by(cause)
    })
}

/// Which requests a middleware is for (`pathFilter`); all, where there is none.
#[derive(Debug)]
pub(crate) struct PathFilter(Option<Regex>);

impl PathFilter {
    /// Reads the setting; empty means every request.
    ///
    /// # Errors
    /// When it is not a regular expression.
    pub(crate) fn parse(expression: &str) -> Result<Self, Error> {
        if expression.is_empty() {
            return Ok(Self(None));
        }
        compile("pathFilter", expression).map(|regex| Self(Some(regex)))
    }

    /// Whether a request is covered. The path counts as it is written, decoded, and in the form in which it will be
    /// dispatched, so that another spelling of a path does not get around the filter.
    pub(crate) fn covers(&self, uri: &Uri) -> bool {
        let Some(regex) = &self.0 else { return true };
        let decoded = decode(uri.path());
        regex.is_match(uri.path()) || regex.is_match(&decoded) || regex.is_match(&clean(&decoded))
    }
}

/// The path as the target's URL type has it: escapes resolved, once.
pub(crate) fn decode(path: &str) -> String {
    percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// The path without `.`, `..` and doubled slashes.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(expression: &str, path: &str) -> bool {
        PathFilter::parse(expression).unwrap().covers(&path.parse().unwrap())
    }

    #[test]
    fn another_spelling_of_a_path_does_not_get_around_the_filter() {
        for path in [
            "/v1.0/invoke/a/method/b",
            "//v1.0//invoke/a/method/b",
            "/v1.0/x/../invoke/a/method/b",
            "/v1.0/%69nvoke/a/method/b",
            "/v1.0%2Finvoke/a/method/b",
            "/v1.0/x/%2e%2e/invoke/a/method/b",
        ] {
            assert!(covers("^/v1.0/invoke/a", path), "{path}");
        }
        assert!(!covers("^/v1.0/invoke/a", "/v1.0/state/a"));
        assert!(covers("", "/anything"));
    }

    #[test]
    fn a_broken_expression_names_its_setting() {
        let message = PathFilter::parse("(").unwrap_err().to_string();
        assert!(message.starts_with("metadata field pathFilter is \"(\": expected a regular expression"), "{message}");
    }
}
