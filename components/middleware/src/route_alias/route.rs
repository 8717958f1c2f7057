//! One route: the pattern of a path and the path that it means.

use std::collections::BTreeMap;

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::Regex;

use crate::pattern;

/// What a path may hold as it is.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// A path that means another one.
#[derive(Debug)]
pub(super) struct Route {
    path: Regex,
    variables: Vec<String>,
    /// The path that is meant, escaped.
    meaning: String,
}

impl Route {
    /// Reads a template: `{name}` stands for one part of the path, `{name:expression}` for what the expression matches.
    ///
    /// # Errors
    /// A sentence on what is wrong with it.
    pub(super) fn new(template: &str, meaning: &str) -> Result<Self, String> {
        let mut expression = String::from("^");
        let mut variables = Vec::new();
        let mut rest = template;
        while let Some((literal, from_brace)) = split_at_brace(rest) {
            let end = closing(from_brace).ok_or_else(|| format!("mux: unbalanced braces in {template:?}"))?;
            let (inner, after) = (from_brace.get(1..end).unwrap_or(""), from_brace.get(end + 1..).unwrap_or(""));
            let (name, part) = inner.split_once(':').unwrap_or((inner, "[^/]+"));
            if name.is_empty() || part.is_empty() {
                return Err(format!("mux: missing name or pattern in {inner:?}"));
            }
            expression.push_str(&regex::escape(literal));
            expression.push_str(&format!("(?P<v{}>{part})", variables.len()));
            variables.push(name.to_owned());
            rest = after;
        }
        if rest.contains('}') {
            return Err(format!("mux: unbalanced braces in {template:?}"));
        }
        expression.push_str(&regex::escape(rest));
        expression.push('$');
        let path = pattern::compile("routes", &expression).map_err(|error| error.to_string())?;
        if path.captures_len() != variables.len() + 1 {
            return Err(format!(
                "route {template} contains capture groups in its regexp. Only non-capturing groups are accepted: e.g. \
                 (?:pattern) instead of (pattern)"
            ));
        }
        let slash = if meaning.starts_with('/') { "" } else { "/" };
        Ok(Self { path, variables, meaning: format!("{slash}{}", utf8_percent_encode(meaning, IN_PATH)) })
    }

    /// The URI that a URI means; `None` if this route is not for it.
    pub(super) fn rename(&self, uri: &Uri) -> Option<Result<Uri, http::Error>> {
        let decoded = pattern::decode(uri.path());
        let found = self.path.captures(&decoded)?;
        let query = if self.variables.is_empty() {
            uri.query().map(str::to_owned)
        } else {
            let values = (1..=self.variables.len()).map(|index| found.get(index).map_or("", |value| value.as_str()));
            Some(with_parameters(uri.query().unwrap_or(""), self.variables.iter().map(String::as_str).zip(values)))
        };
        let whole = match query {
            Some(query) => format!("{}?{query}", self.meaning),
            None => self.meaning.clone(),
        };
        let mut parts = uri.clone().into_parts();
        Some(PathAndQuery::try_from(whole).map_err(http::Error::from).and_then(|whole| {
            parts.path_and_query = Some(whole);
            Uri::from_parts(parts).map_err(http::Error::from)
        }))
    }
}

/// The query with more parameters, in the order of their names, as the target writes it.
fn with_parameters<'a>(query: &str, added: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let given = form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned()));
    for (name, value) in given.chain(added.map(|(name, value)| (name.to_owned(), value.to_owned()))) {
        values.entry(name).or_default().push(value);
    }
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in values.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value))) {
        out.append_pair(name, value);
    }
    out.finish()
}

fn split_at_brace(text: &str) -> Option<(&str, &str)> {
    text.find('{').map(|at| text.split_at(at))
}

/// Where the brace that opens a text is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(template: &str, meaning: &str, uri: &str) -> Option<String> {
        let renamed = Route::new(template, meaning).unwrap().rename(&uri.parse().unwrap());
        renamed.map(|uri| uri.unwrap().to_string())
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_path_means_another_and_its_query_stays() {
        assert_eq!(renamed("/a", "/v1.0/invoke/x/method/b", "/a"), some("/v1.0/invoke/x/method/b"));
        assert_eq!(renamed("/a", "/b", "/a?q=1"), some("/b?q=1"));
        assert_eq!(renamed("/a", "/b", "http://host:1/a"), some("http://host:1/b"));
        assert_eq!(renamed("/a", "/b", "/%61"), some("/b"));
        assert_eq!(renamed("/a", "/b", "/a/"), None);
        assert_eq!(renamed("/a.b", "/b", "/axb"), None);
    }

    #[test]
    fn variables_become_parameters() {
        let template = "/activity/{id}/info";
        assert_eq!(renamed(template, "/m", "/activity/7/info"), some("/m?id=7"));
        assert_eq!(renamed(template, "/m", "/activity/a%20%26/info?z=1&b=2"), some("/m?b=2&id=a+%26&z=1"));
        assert_eq!(renamed(template, "/m", "/activity/7/8/info"), None);
        assert_eq!(renamed("/{a}/{b:[0-9]{2}}", "/m", "/x/12"), some("/m?a=x&b=12"));
        assert_eq!(renamed("/{a}/{b:[0-9]{2}}", "/m", "/x/1"), None);
    }

    #[test]
    fn a_meaning_cannot_smuggle_a_query_or_a_host() {
        assert_eq!(renamed("/a", "/b?c=d#e f", "/a"), some("/b%3Fc=d%23e%20f"));
        assert_eq!(renamed("/a", "http://elsewhere/b", "http://here/a"), some("http://here/http://elsewhere/b"));
    }

    #[test]
    fn broken_templates_are_refused() {
        for template in ["/{", "/{a", "/a}", "/{}", "/{a:}", "/{a:(b)}", "/{a:(}"] {
            assert!(Route::new(template, "/b").is_err(), "{template}");
        }
    }
}
