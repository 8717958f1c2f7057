//! Which path of the app a message is for. Compiled once per subscription, asked once per message.

use resources::Routes as Written;
use routing::Rule;
use serde_json::{Map, Value};

use super::Error;

/// The rules of a subscription, in order.
pub(super) struct Routes(Vec<(Rule, String)>);

impl Routes {
    /// Compiles the rules. A default path is a rule that always holds, after all others.
    ///
    /// # Errors
    /// `Refused` for an expression that is none.
    pub(super) fn compile(written: &Written) -> Result<Self, Error> {
        let default = Some(("", written.default.as_str())).filter(|(_, path)| !path.is_empty());
        let rules = written.rules.iter().map(|rule| (rule.r#match.as_str(), rule.path.as_str())).chain(default);
        let compile = |(expression, path): (&str, &str)| {
            let rule = Rule::compile(expression)
                .map_err(|error| Error::Refused(format!("match expression {expression:?}: {error}")))?;
            Ok((rule, path.to_owned()))
        };
        rules.map(compile).collect::<Result<_, _>>().map(Self)
    }

    /// The path of the first rule that holds; `None` if none does.
    ///
    /// # Errors
    /// When a rule cannot be asked about this event.
    pub(super) fn path(&self, event: &Map<String, Value>) -> Result<Option<&str>, routing::Error> {
        for (rule, path) in &self.0 {
            if rule.matches(event)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use resources::Rule as WrittenRule;
    use serde_json::json;

    use super::*;

    fn event(kind: &str) -> Map<String, Value> {
        json!({ "type": kind }).as_object().unwrap().clone()
    }

    fn written(rules: &[(&str, &str)], default: &str) -> Written {
        let rule = |(expression, path): &(&str, &str)| WrittenRule {
            r#match: (*expression).to_owned(),
            path: (*path).to_owned(),
        };
        Written { rules: rules.iter().map(rule).collect(), default: default.to_owned() }
    }

    #[test]
    fn the_first_rule_that_holds_wins_and_the_default_is_last() {
        let rules = [("event.type == \"a\"", "/a"), ("event.type == \"b\"", "/b")];
        let routes = Routes::compile(&written(&rules, "/other")).unwrap();
        assert_eq!(routes.path(&event("a")).unwrap(), Some("/a"));
        assert_eq!(routes.path(&event("b")).unwrap(), Some("/b"));
        assert_eq!(routes.path(&event("c")).unwrap(), Some("/other"));
    }

    #[test]
    fn a_message_that_no_rule_is_for_has_no_path() {
        let routes = Routes::compile(&written(&[("event.type == \"a\"", "/a")], "")).unwrap();
        assert_eq!(routes.path(&event("b")).unwrap(), None);
        assert_eq!(Routes::compile(&written(&[], "")).unwrap().path(&event("b")).unwrap(), None);
    }

    #[test]
    fn an_expression_that_is_none_refuses_the_subscription() {
        assert!(matches!(Routes::compile(&written(&[("event.", "/a")], "")), Err(Error::Refused(_))));
    }
}
