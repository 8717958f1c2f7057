//! Where subscriptions come from, and which of several of one topic counts. Read by the registry.
//!
//! The rules are the target's (`pkg/runtime/compstore/subscriptions.go`): of several declared ones of a topic the first
//! counts, of one name the last; what the app asks for takes the place of what is declared for the same topic.

use resources::{Resource as _, Subscription, SubscriptionSpec};
use wire::runtime::{self as v1, PubsubSubscriptionType as Kind};

/// A subscription and where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sourced {
    pub(super) kind: Kind,
    pub(super) spec: SubscriptionSpec,
}

/// What is declared, each name once, in the order that decides.
pub(super) fn declared(found: Vec<Subscription>) -> Vec<SubscriptionSpec> {
    let mut kept: Vec<Subscription> = Vec::with_capacity(found.len());
    for subscription in found {
        kept.retain(|other| other.name() != subscription.name());
        kept.push(subscription);
    }
    kept.into_iter().map(|subscription| subscription.spec).collect()
}

/// What counts of what is declared and what the app asks for.
pub(super) fn merged(declared: &[SubscriptionSpec], asked: &[SubscriptionSpec]) -> Vec<Sourced> {
    let mut merged: Vec<Sourced> = Vec::new();
    let place = |merged: &[Sourced], spec: &SubscriptionSpec| {
        merged.iter().position(|other| other.spec.pubsubname == spec.pubsubname && other.spec.topic == spec.topic)
    };
    for spec in declared {
        if place(&merged, spec).is_none() {
            merged.push(Sourced { kind: Kind::Declarative, spec: spec.clone() });
        }
    }
    for spec in asked {
        let sourced = Sourced { kind: Kind::Programmatic, spec: spec.clone() };
        match place(&merged, spec).and_then(|at| merged.get_mut(at)) {
            Some(other) => *other = sourced,
            None => merged.push(sourced),
        }
    }
    merged
}

impl Sourced {
    /// As the metadata API tells it.
    pub(super) fn told(&self) -> v1::PubsubSubscription {
        let spec = &self.spec;
        let rule = |r#match: &str, path: &str| v1::PubsubSubscriptionRule {
            r#match: r#match.trim().to_owned(),
            path: path.to_owned(),
        };
        let rules = spec.routes.rules.iter().map(|written| rule(&written.r#match, &written.path));
        let default = Some(rule("", &spec.routes.default)).filter(|rule| !rule.path.is_empty());
        v1::PubsubSubscription {
            pubsub_name: spec.pubsubname.clone(),
            topic: spec.topic.clone(),
            metadata: spec.metadata.clone().into_iter().collect(),
            rules: Some(v1::PubsubSubscriptionRules { rules: rules.chain(default).collect() }),
            dead_letter_topic: spec.dead_letter_topic.clone(),
            r#type: self.kind as i32,
        }
    }
}

#[cfg(test)]
mod tests {
    use resources::{ObjectMeta, Routes};

    use super::*;

    fn spec(topic: &str, path: &str) -> SubscriptionSpec {
        SubscriptionSpec {
            pubsubname: "p".to_owned(),
            topic: topic.to_owned(),
            routes: Routes { default: path.to_owned(), ..Routes::default() },
            ..SubscriptionSpec::default()
        }
    }

    fn named(name: &str, topic: &str, path: &str) -> Subscription {
        Subscription {
            metadata: ObjectMeta { name: name.to_owned(), ..ObjectMeta::default() },
            spec: spec(topic, path),
            ..Subscription::default()
        }
    }

    fn paths(merged: &[Sourced]) -> Vec<(&str, &str, Kind)> {
        merged.iter().map(|one| (&*one.spec.topic, &*one.spec.routes.default, one.kind)).collect()
    }

    #[test]
    fn of_one_topic_the_first_declared_counts_and_of_one_name_the_last() {
        let declared = declared(vec![named("a", "t", "/1"), named("b", "t", "/2"), named("a", "t", "/3")]);
        assert_eq!(paths(&merged(&declared, &[])), [("t", "/2", Kind::Declarative)]);
    }

    #[test]
    fn what_the_app_asks_for_takes_the_place_of_what_is_declared() {
        let declared = [spec("t", "/declared"), spec("u", "/u")];
        let asked = [spec("v", "/v"), spec("t", "/asked"), spec("v", "/last")];
        assert_eq!(
            paths(&merged(&declared, &asked)),
            [("t", "/asked", Kind::Programmatic), ("u", "/u", Kind::Declarative), ("v", "/last", Kind::Programmatic)]
        );
    }

    #[test]
    fn a_default_path_is_told_as_a_rule_without_a_condition() {
        let told = Sourced { kind: Kind::Declarative, spec: spec("t", "/a") }.told();
        let rules = told.rules.unwrap().rules;
        assert_eq!(rules.len(), 1);
        assert_eq!((rules[0].r#match.as_str(), rules[0].path.as_str()), ("", "/a"));
    }
}
