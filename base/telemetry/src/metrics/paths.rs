//! What the HTTP families say of path and method (`spec.metrics.http` of a Configuration). Rules and surprises are the target's
//! (`pkg/diagnostics/http_monitoring*.go`). Called per call: it allocates only where a path has identifiers in its middle.

use std::borrow::Cow;
use std::cmp::Ordering;

/// These are told apart even where paths are not.
const STATIC: [&str; 4] = ["/dapr/config", "/dapr/metrics", "/dapr/subscribe", "/healthz"];
const METHODS: [&str; 9] = ["GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"];
const UNKNOWN: &str = "UNKNOWN";
const INVOKE: &str = "/v1.0/invoke/";

/// How paths and methods become label values.
#[derive(Clone, Debug)]
pub struct HttpLabels {
    /// Whether paths are told apart.
    increased: bool,
    exclude_verbs: bool,
    patterns: Vec<Pattern>,
    /// Whether a pattern is for every path.
    has_root: bool,
}

impl Default for HttpLabels {
    fn default() -> Self {
        Self { increased: true, exclude_verbs: false, patterns: Vec::new(), has_root: false }
    }
}

/// A path with places that anything fits: `{name}` is one segment, `{name...}` the rest, `{$}` the end; a slash at the end
/// stands for all below.
#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    One,
    Rest,
}

impl HttpLabels {
    /// Labels by these settings.
    ///
    /// # Errors
    /// The pattern that is none.
    pub fn new(increased: bool, exclude_verbs: bool, patterns: &[String]) -> Result<Self, String> {
        let mut all: Vec<Pattern> = Vec::new();
        for pattern in patterns {
            let path = normalize(pattern).into_owned();
            let below_invoke = (!path.starts_with(INVOKE)).then(|| format!("{INVOKE}{{app_id}}/method{path}"));
            for path in below_invoke.into_iter().chain([path]) {
                all.push(Pattern::parse(path)?);
            }
        }
        all.sort_by(|one, other| one.closer(other).then_with(|| one.text.cmp(&other.text)));
        all.dedup_by(|one, other| one.text == other.text);
        let has_root = all.iter().any(|pattern| pattern.text == "/");
        Ok(Self { increased, exclude_verbs, patterns: all, has_root })
    }

    /// Whether the API's answers are counted in a family of their own.
    pub(super) fn counts_responses(&self) -> bool {
        self.increased
    }

    /// The label of a method, and a small number that stands for it.
    pub(super) fn method(&self, method: &str) -> (&'static str, u32) {
        if self.exclude_verbs {
            return ("", 0);
        }
        let known = METHODS.iter().zip(1..).find(|(known, _)| **known == method);
        known.map_or((UNKNOWN, 10), |(known, number)| (*known, number))
    }

    /// The label of a path that the API was asked for; the path is decoded and clean.
    pub(super) fn server<'a>(&self, path: &'a str) -> Cow<'a, str> {
        match (self.patterns.is_empty(), self.increased) {
            (true, true) => without_identifiers(Cow::Borrowed(path)),
            (true, false) => Cow::Borrowed(""),
            (false, _) => self.matched(normalize(path)),
        }
    }

    /// The label of a path that the app was asked for.
    pub(super) fn client<'a>(&self, path: &'a str) -> Cow<'a, str> {
        match (self.patterns.is_empty(), self.increased) {
            (true, true) => without_identifiers(normalize(path)),
            (true, false) if STATIC.contains(&path) => Cow::Borrowed(path),
            (true, false) => Cow::Borrowed(""),
            (false, _) => without_identifiers(self.matched(normalize(path))),
        }
    }

    fn matched<'a>(&self, path: Cow<'a, str>) -> Cow<'a, str> {
        if path.is_empty() || STATIC.contains(&&*path) {
            return path;
        }
        if let Some(pattern) = self.pattern(&path).filter(|pattern| !self.increased || *pattern != path.as_ref()) {
            return Cow::Owned(pattern.to_owned());
        }
        let general = without_identifiers(Cow::Borrowed(&path));
        if general != path
            && let Some(pattern) = self.pattern(&general).filter(|pattern| *pattern != "/")
        {
            return Cow::Owned(pattern.to_owned());
        }
        if !self.increased {
            return Cow::Borrowed("");
        }
        Cow::Owned(general.into_owned())
    }

    /// The closest pattern that a path fits. Where paths are told apart, one that nothing else fits is a label itself, unless a
    /// pattern is for all.
    fn pattern(&self, path: &str) -> Option<&str> {
        let found = self.patterns.iter().find(|pattern| pattern.fits(path)).map(|pattern| pattern.text.as_str());
        found.filter(|text| *text != "/" || self.has_root)
    }
}

impl Pattern {
    fn parse(text: String) -> Result<Self, String> {
        let mut segments = Vec::new();
        let mut parts = text.split('/').skip(1).peekable();
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            segments.push(match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
                Some("$") if is_last => Segment::Text(String::new()),
                Some(name) if name.ends_with("...") && is_last => Segment::Rest,
                Some(name) if is_name(name) => Segment::One,
                Some(_) => return Err(text),
                None if part.contains(['{', '}']) => return Err(text),
                None if part.is_empty() && is_last => Segment::Rest,
                None => Segment::Text(part.to_owned()),
            });
        }
        Ok(Self { text, segments })
    }

    fn fits(&self, path: &str) -> bool {
        let mut parts = path.split('/').skip(1);
        for segment in &self.segments {
            match (segment, parts.next()) {
                (Segment::Rest, Some(_)) => return true,
                (Segment::Text(text), Some(part)) if text == part => {}
                (Segment::One, Some(part)) if !part.is_empty() => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }

    /// Patterns that say more come first.
    fn closer(&self, other: &Self) -> Ordering {
        let rank = |segment: &Segment| match segment {
            Segment::Text(_) => 0,
            Segment::One => 1,
            Segment::Rest => 2,
        };
        self.segments.iter().map(rank).cmp(other.segments.iter().map(rank))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter == '_' || letter.is_alphanumeric())
}

/// A path with one slash where there were several, and one at its start.
fn normalize(path: &str) -> Cow<'_, str> {
    if path.starts_with('/') && !path.as_bytes().windows(2).any(|pair| pair == b"//") {
        return Cow::Borrowed(path);
    }
    let mut normal = String::with_capacity(path.len() + 1);
    for letter in std::iter::once('/').chain(path.chars()) {
        if letter != '/' || !normal.ends_with('/') {
            normal.push(letter);
        }
    }
    Cow::Owned(normal)
}

/// A path without what is another value in each call: keys of states and secrets, ids of actors and workflows.
fn without_identifiers(path: Cow<'_, str>) -> Cow<'_, str> {
    let start = path.strip_prefix('/').unwrap_or(&path);
    let Some((first, rest)) = start.split_once('/') else { return path };
    let Some((second, _)) = rest.split_once('/') else { return path };
    // Nearly every call ends here.
    if !matches!(second, "state" | "secrets" | "actors" | "workflows") && first != "actors" {
        return path;
    }
    let mut parts = start.splitn(6, '/').skip(2);
    let Some(third) = parts.next() else { return path };
    let rest: Vec<&str> = match (first, second) {
        ("actors", _) | (_, "actors" | "workflows") => parts.collect(),
        (_, "state" | "secrets") => {
            let length = 3 + first.len() + second.len() + third.len();
            return match path {
                Cow::Borrowed(path) => Cow::Borrowed(path.get(..length).unwrap_or(path)),
                Cow::Owned(path) => Cow::Owned(path.get(..length).unwrap_or(&path).to_owned()),
            };
        }
        _ => return path,
    };
    let general = match (first, second, rest.as_slice()) {
        ("actors", actor_type, rest) => {
            let rest: String = rest.iter().flat_map(|part| ["/", *part]).collect();
            format!("actors/{actor_type}/{{id}}{rest}")
        }
        (_, "actors", [_, what, ..]) => format!("/{first}/actors/{third}/{{id}}/{what}"),
        (_, "actors", _) | (_, _, []) => return path,
        (_, _, [_]) => format!("/{first}/{second}/{third}/{{instanceId}}"),
        (_, _, [name, what]) if what.starts_with("start") => format!("/{first}/{second}/{third}/{name}/start"),
        (_, _, [_, "raiseEvent", event]) if !event.is_empty() => {
            format!("/{first}/{second}/{third}/{{instanceId}}/raiseEvent/{{eventName}}")
        }
        (_, _, [_, what, ..]) => format!("/{first}/{second}/{third}/{{instanceId}}/{what}"),
    };
    Cow::Owned(general)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(increased: bool, patterns: &[&str]) -> HttpLabels {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        HttpLabels::new(increased, false, &patterns).unwrap()
    }

    /// Paths and labels of the reference's `http_monitoring_legacy_test.go`, and of a run of its daprd (`recorded.txt`).
    #[test]
    fn identifiers_are_no_part_of_a_label() {
        let cases = [
            ("/v1.0/state/mystore/key1", "/v1.0/state/mystore"),
            ("/v1.0/state/mystore", "/v1.0/state/mystore"),
            ("/v1.0/secrets/vault/name", "/v1.0/secrets/vault"),
            ("/v1.0/invoke/b/method/a b/c", "/v1.0/invoke/b/method/a b/c"),
            ("/v1.0/actors/DemoActor/1/timer/name", "/v1.0/actors/DemoActor/{id}/timer"),
            ("/v1.0/actors/DemoActor", "/v1.0/actors/DemoActor"),
            ("/v1.0/workflows/dapr/7", "/v1.0/workflows/dapr/{instanceId}"),
            ("/v1.0/workflows/dapr/flow/start", "/v1.0/workflows/dapr/flow/start"),
            ("/v1.0/workflows/dapr/7/terminate", "/v1.0/workflows/dapr/{instanceId}/terminate"),
            ("/v1.0/workflows/dapr/7/raiseEvent/e", "/v1.0/workflows/dapr/{instanceId}/raiseEvent/{eventName}"),
            ("/v1.0/publish/mypub/topic", "/v1.0/publish/mypub/topic"),
            ("/nowhere", "/nowhere"),
        ];
        for (path, label) in cases {
            assert_eq!(HttpLabels::default().server(path), label, "{path}");
        }
        for (path, label) in [
            ("/a//b", "/a/b"),
            ("/actors/DemoActor/1/method/method1", "actors/DemoActor/{id}/method/method1"),
            ("hi", "/hi"),
        ] {
            assert_eq!(HttpLabels::default().client(path), label, "{path}");
        }
    }

    #[test]
    fn without_increased_cardinality_only_static_paths_of_the_app_are_told_apart() {
        let low = labels(false, &[]);
        assert_eq!((low.server("/v1.0/state/a/b"), low.server("/dapr/config")), ("".into(), "".into()));
        assert_eq!((low.client("/orders/1"), low.client("/dapr/config")), ("".into(), "/dapr/config".into()));
    }

    #[test]
    fn the_closest_pattern_is_the_label() {
        let invoke = |path: &str| format!("/v1.0/invoke/myapp/method/{path}");
        let patterns = ["basket", "orders/1234", "orders/{orderID}", "orders"].map(invoke);
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let (high, low) = (labels(true, &patterns), labels(false, &patterns));
        for (path, label) in [("orders/1111", "orders/{orderID}"), ("orders/1234", "orders/1234"), ("orders", "orders")]
        {
            assert_eq!(high.server(&invoke(path)), invoke(label));
            assert_eq!(low.server(&invoke(path)), invoke(label));
        }
        assert_eq!(high.server(&invoke("items/1")), invoke("items/1"));
        assert_eq!(low.server(&invoke("items/1")), "");
        assert_eq!(high.server("/v1.0/state/a/b"), "/v1.0/state/a");
    }

    #[test]
    fn a_pattern_of_the_app_is_one_of_its_invocations_too() {
        let low = labels(false, &["/orders/{orderID}", "/v1.0/state/mystore/{key}", "/files/{rest...}", "/below/"]);
        assert_eq!(low.server("/v1.0/invoke/a/method/orders/7"), "/v1.0/invoke/{app_id}/method/orders/{orderID}");
        assert_eq!(low.client("/orders/7"), "/orders/{orderID}");
        assert_eq!(low.server("/v1.0/state/mystore/foo"), "/v1.0/state/mystore/{key}");
        assert_eq!(low.client("/files/a/b"), "/files/{rest...}");
        assert_eq!(low.client("/below/a/b"), "/below/");
        assert_eq!(low.client("/orders"), "");
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for pattern in ["/a/{b", "/a/x{b}", "/{}", "/{rest...}/b", "/{a b}"] {
            assert!(HttpLabels::new(true, false, &[pattern.to_owned()]).is_err(), "{pattern}");
        }
    }

    #[test]
    fn methods_are_bounded_and_can_be_left_out() {
        assert_eq!(HttpLabels::default().method("POST").0, "POST");
        assert_eq!(HttpLabels::default().method("WEIRD").0, "UNKNOWN");
        assert_eq!(HttpLabels::new(true, true, &[]).unwrap().method("POST").0, "");
    }
}
