//! Which topics of a pub/sub component this app may use, and what they are called at its broker. Made once, when the
//! component is admitted; asked by publishing, by each kind of subscription and before a dead-letter topic is used. The
//! rules and their notation are the target's.

use std::borrow::Cow;
use std::sync::Arc;

use component::{Error, ErrorKind, Properties, Spec};
use loaded::{Admitted, Details};

/// The metadata that names the consumer this component is to its broker.
const CONSUMER_ID: &str = "consumerID";

/// A component of this name could not be published to over HTTP: its path is that of bulk publishing.
const RESERVED_NAME: &str = "bulk";

/// The topics of one component, as one app may use them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicRules {
    /// Empty for no limit.
    publishing: Vec<String>,
    /// Empty for no limit.
    subscribing: Vec<String>,
    /// Empty for all.
    allowed: Vec<String>,
    /// Only for whom a scope names them.
    protected: Vec<String>,
    namespaced: bool,
}

impl TopicRules {
    /// The rules for an app. `written` is the component's metadata before its placeholders were filled in, `filled` after.
    pub fn read(app: &str, written: &Properties, filled: &Properties) -> Self {
        Self {
            publishing: scoped(app, filled.get("publishingScopes")),
            subscribing: scoped(app, filled.get("subscriptionScopes")),
            allowed: topics(filled.get("allowedTopics")),
            protected: topics(filled.get("protectedTopics")),
            namespaced: written.iter().any(|(_, value)| value.contains("{namespace}")),
        }
    }

    /// The rules of a loaded component.
    pub fn of(details: &Details) -> Cow<'_, Self> {
        details.settings::<Self>().map_or_else(Cow::default, Cow::Borrowed)
    }

    /// Whether the app may publish to a topic, by its name in the request.
    pub fn may_publish(&self, topic: &str) -> bool {
        self.may(&self.publishing, topic)
    }

    /// Whether the app may subscribe to a topic, by its name in the subscription.
    pub fn may_subscribe(&self, topic: &str) -> bool {
        self.may(&self.subscribing, topic)
    }

    /// The name at the broker: with the namespace in front where any of the component's metadata has `{namespace}`.
    pub fn complete(&self, namespace: &str, topic: &str) -> String {
        match self.namespaced {
            true => [namespace, topic].concat(),
            false => topic.to_owned(),
        }
    }

    /// The name an app knows, of one at the broker.
    pub fn original<'topic>(&self, namespace: &str, topic: &'topic str) -> &'topic str {
        match self.namespaced {
            true => topic.strip_prefix(namespace).unwrap_or(topic),
            false => topic,
        }
    }

    fn may(&self, scope: &[String], topic: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == topic);
        if !self.allowed.is_empty() && !named(&self.allowed) {
            return false;
        }
        if scope.is_empty() && !named(&self.protected) {
            return true;
        }
        named(scope)
    }
}

/// Reads the rules, and gives the component the consumer id it has: its own, or the app's.
///
/// # Errors
/// `InvalidArgument` for a component named `bulk`.
pub(crate) fn admit(app: &str, spec: &Spec, written: &Properties, filled: &Properties) -> Result<Admitted, Error> {
    if spec.name == RESERVED_NAME {
        let message = format!(
            "a pub/sub component cannot be named {RESERVED_NAME}: the path /v1.0/publish/{RESERVED_NAME}/... is that of \
             bulk publishing; give it another name"
        );
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    let rules = TopicRules::read(app, written, filled);
    Ok(Admitted { properties: with_consumer(app, filled), settings: Some(Arc::new(rules)) })
}

fn with_consumer(app: &str, properties: &Properties) -> Properties {
    let given = properties.get(CONSUMER_ID).map(str::trim).filter(|given| !given.is_empty());
    let consumer = (CONSUMER_ID, given.unwrap_or(app));
    let others = properties.iter().filter(|(name, _)| !name.eq_ignore_ascii_case(CONSUMER_ID));
    others.chain([consumer]).collect()
}

/// The topics a scope gives an app: `app=topic,topic;other=topic`. An app that is named without a topic (`app=`) is given
/// none; one that is not named at all is not limited.
fn scoped(app: &str, scope: Option<&str>) -> Vec<String> {
    let scope = scope.unwrap_or_default().replace(' ', "");
    let mut found = Vec::new();
    for entry in scope.split(';') {
        let mut parts = entry.split('=');
        if let (Some(name), Some(list)) = (parts.next(), parts.next())
            && name == app
        {
            list.split(',').for_each(|topic| add(&mut found, topic));
        }
    }
    found
}

/// The topics of a list. One that has only blanks names the topic without a name, and so no other.
fn topics(list: Option<&str>) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(list) = list.filter(|list| !list.is_empty()) {
        list.replace(' ', "").split(',').for_each(|topic| add(&mut found, topic));
    }
    found
}

fn add(topics: &mut Vec<String>, topic: &str) {
    if !topics.iter().any(|known| known == topic) {
        topics.push(topic.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(app: &str, metadata: &[(&str, &str)]) -> TopicRules {
        let properties: Properties = metadata.iter().copied().collect();
        TopicRules::read(app, &properties, &properties)
    }

    fn spec(name: &str) -> Spec {
        Spec {
            name: name.to_owned(),
            namespace: String::new(),
            component_type: "pubsub.in-memory".to_owned(),
            version: "v1".to_owned(),
            metadata: Vec::new(),
            secret_store: String::new(),
            ignore_errors: false,
            init_timeout: None,
        }
    }

    #[test]
    fn without_rules_every_topic_may_be_used() {
        let rules = rules("a", &[]);
        assert!(rules.may_publish("t") && rules.may_subscribe("t"));
        assert_eq!(rules.complete("prod", "t"), "t");
        assert_eq!(rules.original("prod", "prodt"), "prodt");
    }

    #[test]
    fn a_scope_limits_the_apps_it_names_in_its_direction() {
        let scopes = [("publishingscopes", "a = t1, t2;b=;c=t3;a=t4"), ("subscriptionScopes", "a=s;b;d=x=y")];
        let of = |app| rules(app, &scopes);
        for (app, topic, publish, subscribe) in [
            ("a", "t1", true, false),
            ("a", "t2", true, false),
            ("a", "t4", true, false),
            ("a", "t3", false, false),
            ("a", "s", false, true),
            ("b", "t1", false, true),
            ("c", "t3", true, true),
            ("c", "t1", false, true),
            ("d", "x", true, true),
            ("d", "y", true, false),
            ("e", "t1", true, true),
        ] {
            assert_eq!(of(app).may_publish(topic), publish, "{app} publishes {topic}");
            assert_eq!(of(app).may_subscribe(topic), subscribe, "{app} subscribes {topic}");
        }
    }

    #[test]
    fn only_allowed_topics_may_be_used_and_a_scope_cannot_widen_that() {
        let rules = rules("a", &[("allowedTopics", "t1, t2"), ("publishingScopes", "a=t2,t3")]);
        assert!(rules.may_subscribe("t1") && !rules.may_subscribe("t3"));
        assert!(!rules.may_publish("t1") && rules.may_publish("t2") && !rules.may_publish("t3"));
    }

    #[test]
    fn a_protected_topic_is_for_those_a_scope_names() {
        let metadata = [("protectedTopics", "p"), ("publishingScopes", "a=p;c=q")];
        assert!(rules("a", &metadata).may_publish("p"));
        assert!(!rules("b", &metadata).may_publish("p") && rules("b", &metadata).may_publish("q"));
        assert!(!rules("c", &metadata).may_publish("p"));
        assert!(!rules("a", &metadata).may_subscribe("p"));
    }

    #[test]
    fn a_list_of_blanks_allows_nothing_and_an_empty_one_everything() {
        assert!(!rules("a", &[("allowedTopics", " ")]).may_publish("t"));
        assert!(rules("a", &[("allowedTopics", "")]).may_publish("t"));
    }

    #[test]
    fn metadata_that_names_the_namespace_separates_topics() {
        let written: Properties = [("consumerID", "{namespace}")].into_iter().collect();
        let filled: Properties = [("consumerID", "prod.a")].into_iter().collect();
        let rules = TopicRules::read("a", &written, &filled);
        assert_eq!(rules.complete("prod", "t"), "prodt");
        assert_eq!(rules.original("prod", "prodt"), "t");
        assert_eq!(rules.original("prod", "prodprod"), "prod");
        assert_eq!(rules.original("prod", "other"), "other");
    }

    #[test]
    fn the_consumer_is_the_app_unless_the_component_names_another() {
        for (given, expected) in
            [(None, "app"), (Some(("consumerID", "  ")), "app"), (Some(("ConsumerId", " own ")), "own")]
        {
            let properties: Properties = given.into_iter().chain([("other", "x")]).collect();
            let admitted = admit("app", &spec("p"), &properties, &properties).unwrap().properties;
            assert_eq!(admitted.get("consumerID"), Some(expected));
            assert_eq!(admitted.get("other"), Some("x"));
            assert_eq!(admitted.iter().count(), 2);
        }
    }

    #[test]
    fn a_component_named_as_the_path_of_bulk_publishing_is_refused() {
        let none = Properties::default();
        let refused = admit("app", &spec("bulk"), &none, &none).err().unwrap().to_string();
        assert!(refused.contains("cannot be named bulk"), "{refused}");
        assert!(admit("app", &spec("bulky"), &none, &none).is_ok());
    }
}
