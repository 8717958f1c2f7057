//! What a key of an app is called in the store. Pure. The layouts are the target's, byte for byte: both runtimes read
//! the same stores.

use std::fmt;

use component::Properties;
use loaded::Details;

const SEPARATOR: &str = "||";

/// A key or a prefix that contains the separator.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Illegal<'a>(&'a str);

/// How keys are completed, from the component's metadata `keyPrefix`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyLayout<'a> {
    /// The key alone.
    Bare,
    /// `<prefix>||<key>`
    Prefixed(&'a str),
    /// `<prefix>||<key>`, the prefix in lower case as the target has it.
    Lowered(String),
    /// `<namespace>.<app>||<key>`
    Namespaced { namespace: &'a str, app: &'a str },
}

impl<'a> KeyLayout<'a> {
    /// The layout of a component for an app; `namespace` may be empty.
    pub(super) fn of(details: &'a Details, app: &'a str, namespace: &'a str) -> Self {
        let strategy = details.properties.get("keyPrefix").unwrap_or("appid");
        let is = |word: &str| strategy.eq_ignore_ascii_case(word);
        if is("none") || (app.is_empty() && (is("appid") || is("namespace"))) {
            Self::Bare
        } else if is("appid") || (is("namespace") && namespace.is_empty()) {
            Self::Prefixed(app)
        } else if is("namespace") {
            Self::Namespaced { namespace, app }
        } else if is("name") {
            Self::Prefixed(&details.name)
        } else {
            Self::Lowered(strategy.to_lowercase())
        }
    }

    /// The key in the store.
    pub(super) fn complete<'key>(&self, key: &'key str) -> Result<String, Illegal<'key>> {
        refuse_separator(key)?;
        Ok(match self {
            KeyLayout::Bare => key.to_owned(),
            KeyLayout::Prefixed(prefix) => [prefix, SEPARATOR, key].concat(),
            KeyLayout::Lowered(prefix) => [prefix, SEPARATOR, key].concat(),
            KeyLayout::Namespaced { namespace, app } => [namespace, ".", app, SEPARATOR, key].concat(),
        })
    }

    /// What the app calls a key of the store; `None` if that key is not the app's own, such as the state of an actor or a
    /// key of another app.
    pub(super) fn own<'key>(&self, key: &'key str) -> Option<&'key str> {
        let behind = |prefix: &str| key.strip_prefix(prefix)?.strip_prefix(SEPARATOR);
        let own = match self {
            KeyLayout::Bare => Some(key),
            KeyLayout::Prefixed(prefix) => behind(prefix),
            KeyLayout::Lowered(prefix) => behind(prefix),
            KeyLayout::Namespaced { namespace, app } => {
                key.strip_prefix(namespace)?.strip_prefix('.')?.strip_prefix(app)?.strip_prefix(SEPARATOR)
            }
        };
        own.filter(|own| !own.contains(SEPARATOR))
    }
}

/// Whether the `keyPrefix` of a component may be one.
pub(super) fn check_prefix(properties: &Properties) -> Result<(), Illegal<'_>> {
    refuse_separator(properties.get("keyPrefix").unwrap_or_default())
}

/// What the app calls a key of the store: what stands between the first and the second separator.
pub(super) fn original(key: &str) -> &str {
    key.split(SEPARATOR).nth(1).unwrap_or(key)
}

fn refuse_separator(text: &str) -> Result<(), Illegal<'_>> {
    if text.contains(SEPARATOR) { Err(Illegal(text)) } else { Ok(()) }
}

impl fmt::Display for Illegal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "input key/keyPrefix '{}' can't contain '{SEPARATOR}'", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn complete(strategy: Option<&str>, app: &str, namespace: &str) -> String {
        let properties: Properties = strategy.map(|strategy| ("KEYPREFIX", strategy)).into_iter().collect();
        let (component_type, version) = ("state.x".into(), "v1".into());
        let details =
            Details { name: "Store".into(), component_type, version, properties: Arc::new(properties), settings: None };
        let layout = KeyLayout::of(&details, app, namespace);
        let complete = layout.complete("k").unwrap();
        assert_eq!(layout.own(&complete), Some("k"));
        complete
    }

    #[test]
    fn keys_of_others_are_not_the_apps_own() {
        for key in ["other||k", "APP||k", "app||Actor||1||k", "app|k", "app", "k"] {
            assert_eq!(KeyLayout::Prefixed("app").own(key), None, "{key}");
        }
        assert_eq!(KeyLayout::Bare.own("other||k"), None);
        assert_eq!(KeyLayout::Namespaced { namespace: "ns", app: "app" }.own("app||k"), None);
        assert_eq!(KeyLayout::Lowered("p".to_owned()).own("p||"), Some(""));
    }

    #[test]
    fn keys_are_laid_out_as_the_target_does() {
        assert_eq!(complete(None, "app", "ns"), "app||k");
        assert_eq!(complete(Some("appId"), "app", "ns"), "app||k");
        assert_eq!(complete(Some("name"), "app", "ns"), "Store||k");
        assert_eq!(complete(Some("Namespace"), "app", "ns"), "ns.app||k");
        assert_eq!(complete(Some("namespace"), "app", ""), "app||k");
        assert_eq!(complete(Some("none"), "app", "ns"), "k");
        assert_eq!(complete(Some("MyPrefix"), "app", "ns"), "myprefix||k");
        assert_eq!(complete(Some(""), "app", "ns"), "||k");
        assert_eq!(complete(None, "", "ns"), "k");
        assert_eq!(complete(Some("namespace"), "", "ns"), "k");
    }

    #[test]
    fn the_separator_is_refused_in_keys_and_prefixes() {
        let error = KeyLayout::Bare.complete("a||b").unwrap_err();
        assert_eq!(error.to_string(), "input key/keyPrefix 'a||b' can't contain '||'");
        assert!(check_prefix(&[("keyPrefix", "a||")].into_iter().collect()).is_err());
        assert!(check_prefix(&[("keyPrefix", "a|b")].into_iter().collect()).is_ok());
        assert!(check_prefix(&Properties::default()).is_ok());
    }

    #[test]
    fn a_key_of_the_store_gives_the_apps_key_back() {
        for (stored, original_key) in [("app||k", "k"), ("k", "k"), ("app||k||more", "k"), ("||k", "k"), ("", "")] {
            assert_eq!(original(stored), original_key);
        }
    }
}
