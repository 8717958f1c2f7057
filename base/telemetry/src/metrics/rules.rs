//! Rewrites of label values (`spec.metrics.rules` of a Configuration): regular expressions, compiled once at start. Called when
//! a series is resolved.

use std::borrow::Cow;
use std::fmt;

use regex::Regex;

/// A rule whose expression is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidRule {
    family: String,
    label: String,
    reason: String,
}

impl fmt::Display for InvalidRule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family, label, reason } = self;
        write!(
            formatter,
            "the regular expression of the metrics rule {family:?} for the label {label:?} is none: {reason}"
        )
    }
}

impl std::error::Error for InvalidRule {}

/// All rules of a Configuration.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    family: String,
    label: String,
    expression: Regex,
    replacement: String,
}

impl Rules {
    /// Adds a rule: in the label of the family, what the expression matches becomes the replacement, in which `$1` and the like
    /// stand for groups. The prefix of the family's name may be left out.
    ///
    /// # Errors
    /// When the expression is none.
    pub fn add(
        &mut self,
        (family, label): (&str, &str),
        expression: &str,
        replacement: &str,
    ) -> Result<(), InvalidRule> {
        let invalid = |error: regex::Error| InvalidRule {
            family: family.to_owned(),
            label: label.to_owned(),
            reason: error.to_string(),
        };
        self.0.push(Rule {
            family: plain(family),
            label: label.to_owned(),
            expression: Regex::new(expression).map_err(invalid)?,
            replacement: replacement.to_owned(),
        });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn apply<'a>(&self, family: &str, label: &str, value: &'a str) -> Cow<'a, str> {
        let mut value = Cow::Borrowed(value);
        // An empty value is none: it is not rewritten, as in the target.
        if self.0.is_empty() || value.is_empty() {
            return value;
        }
        let family = plain(family);
        for rule in self.0.iter().filter(|rule| rule.family == family && rule.label == label) {
            let replaced = rule.expression.replace_all(&value, rule.replacement.as_str());
            value = Cow::Owned(replaced.into_owned());
        }
        value
    }
}

/// The one form of a family's name: without prefix, slashes and underlines alike.
fn plain(family: &str) -> String {
    family.replacen("dapr_", "", 1).replace('/', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches_is_replaced_in_the_named_label_only() {
        let mut rules = Rules::default();
        let family = "dapr_http_server_request_count";
        rules.add((family, "path"), "/orders/[0-9]+", "/orders/{id}").unwrap();
        rules.add(("http/server/request_count", "path"), "^/v1.0/invoke/([a-z]+)/.*$", "$1").unwrap();
        assert_eq!(rules.apply(family, "path", "/a/orders/12"), "/a/orders/{id}");
        assert_eq!(rules.apply(family, "path", "/v1.0/invoke/cart/method/x"), "cart");
        assert_eq!(rules.apply(family, "method", "/orders/12"), "/orders/12");
        assert_eq!(rules.apply("dapr_http_server_latency", "path", "/orders/12"), "/orders/12");
        assert_eq!(rules.apply(family, "path", ""), "");
    }

    #[test]
    fn a_broken_expression_is_told() {
        let told = Rules::default().add(("a", "b"), "(", "x").unwrap_err().to_string();
        assert!(
            told.starts_with("the regular expression of the metrics rule \"a\" for the label \"b\" is none"),
            "{told}"
        );
    }
}
