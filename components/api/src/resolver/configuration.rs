//! The free-form settings of a resolver (`spec.nameResolution.configuration`), read as leniently as the target reads
//! them. Resolvers call it when they are made. It must not know any resolver's settings.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::Error;

/// Settings by name; names are compared without case, values are texts whatever they were written as.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    values: HashMap<String, String>,
}

impl Configuration {
    /// Reads an object; nothing at all is an empty one. Nested values are refused.
    pub fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(object) => {
                let values = object.iter().map(|(name, value)| Ok((name.to_lowercase(), text_of(name, value)?)));
                Ok(Self { values: values.collect::<Result<_, Error>>()? })
            }
            _ => Err(Error::Configuration("the configuration of a name resolver must be an object".to_owned())),
        }
    }

    /// Settings from pairs of name and value.
    pub fn from_pairs<N: AsRef<str>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.as_ref().to_lowercase(), value.into()));
        Self { values: values.collect() }
    }

    /// The first of these names that is set and not empty.
    #[must_use]
    pub fn text(&self, names: &[&str]) -> Option<&str> {
        let found = names.iter().find_map(|name| self.values.get(&name.to_lowercase()));
        found.map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A duration in Go's notation (`1m30s`) or in whole seconds. One below zero counts as zero.
    pub fn duration(&self, names: &[&str]) -> Result<Option<Duration>, Error> {
        let Some(text) = self.text(names) else { return Ok(None) };
        match parse_duration(text) {
            Some(duration) => Ok(Some(duration)),
            None => {
                let name = names.first().copied().unwrap_or_default();
                Err(Error::Configuration(format!("invalid value for '{name}': {text:?} is not a duration such as 5s")))
            }
        }
    }

    /// Whether a switch is on, in any of the spellings the target takes.
    #[must_use]
    pub fn is_on(&self, names: &[&str]) -> bool {
        let value = self.text(names).unwrap_or_default().trim().to_lowercase();
        matches!(value.as_str(), "y" | "yes" | "true" | "t" | "on" | "1")
    }
}

fn text_of(name: &str, value: &Value) -> Result<String, Error> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Array(_) | Value::Object(_) => {
            Err(Error::Configuration(format!("invalid value for '{name}': expected a single value")))
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
    }
    schedule::parse_go_duration(text).ok().map(schedule::GoDuration::to_std_or_zero)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_compared_without_case_and_aliases_are_tried_in_order() {
        let configuration = Configuration::from_value(&json!({"ConnectionSTRING": "a.db", "URL": "b.db"})).unwrap();
        assert_eq!(configuration.text(&["connectionString", "url"]), Some("a.db"));
        assert_eq!(configuration.text(&["missing", "url"]), Some("b.db"));
        assert_eq!(configuration.text(&["missing"]), None);
    }

    #[test]
    fn durations_are_go_durations_or_whole_seconds() {
        let configuration = Configuration::from_value(&json!({
            "a": "5s", "b": "1h1m1.5s", "c": "7", "d": 9, "e": "800ms", "f": "-3s", "g": "", "h": "5 parsecs"
        }))
        .unwrap();
        let duration = |name| configuration.duration(&[name]);
        assert_eq!(duration("a"), Ok(Some(Duration::from_secs(5))));
        assert_eq!(duration("b"), Ok(Some(Duration::from_millis(3_661_500))));
        assert_eq!(duration("c"), Ok(Some(Duration::from_secs(7))));
        assert_eq!(duration("d"), Ok(Some(Duration::from_secs(9))));
        assert_eq!(duration("e"), Ok(Some(Duration::from_millis(800))));
        assert_eq!(duration("f"), Ok(Some(Duration::ZERO)));
        assert_eq!(duration("g"), Ok(None));
        assert!(duration("h").unwrap_err().to_string().contains("'h'"));
    }

    #[test]
    fn switches_take_every_spelling_of_the_target() {
        for on in [json!("Yes"), json!("on"), json!(1), json!(true), json!(" T ")] {
            assert!(Configuration::from_value(&json!({ "flag": on })).unwrap().is_on(&["flag"]));
        }
        for off in [json!("no"), json!(0), json!(null), json!("")] {
            assert!(!Configuration::from_value(&json!({ "flag": off })).unwrap().is_on(&["flag"]));
        }
    }

    #[test]
    fn anything_but_an_object_of_single_values_is_refused() {
        assert!(Configuration::from_value(&json!(null)).is_ok());
        assert!(Configuration::from_value(&json!("text")).is_err());
        assert!(Configuration::from_value(&json!({"a": ["b"]})).is_err());
    }
}
