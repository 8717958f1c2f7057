//! The metadata that the runtime itself reads of a component, whatever its type: key prefixes, encryption, the outbox. Told to
//! the loader (for near misses), to `check` and to the reference pages; what the fields do stands in the blocks.

use crate::settings::{Judgement, judge};
use crate::{Family, Field, Properties, SettingsError};

const KEY_PREFIX: Field = Field {
    doc: "How keys are completed: appid, name, namespace, none, or a prefix of your own; without ||.",
    judge: judge_prefix,
    default: Some("appid"),
    ..text("keyPrefix")
};

const STATE: &[Field] = &[
    KEY_PREFIX,
    Field {
        kind: "boolean",
        doc: "Whether actors and workflows keep their state here; one store of a sidecar can.",
        judge: judge::<bool>,
        default: Some("false"),
        ..text("actorStateStore")
    },
    Field {
        doc: "Values are stored encrypted with this AES key: 16, 24 or 32 bytes, as hexadecimal digits.",
        judge: judge_key,
        secret: true,
        ..text("primaryEncryptionKey")
    },
    Field {
        doc: "Values that were encrypted with this key can still be read.",
        judge: judge_key,
        secret: true,
        ..text("secondaryEncryptionKey")
    },
    Field { doc: "The pub/sub component that transactions are told to.", ..text("outboxPublishPubsub") },
    Field { doc: "The topic that transactions are told to.", ..text("outboxPublishTopic") },
    Field { doc: "The pub/sub component for the outbox itself, where it is another one.", ..text("outboxPubsub") },
    Field {
        kind: "boolean",
        doc: "Whether a message whose state is not there is given up.",
        judge: judge::<bool>,
        default: Some("false"),
        ..text("outboxDiscardWhenMissingState")
    },
];

const LOCK: &[Field] = &[KEY_PREFIX];

const PUBSUB: &[Field] = &[
    Field {
        doc: "The consumer this component is to its broker: of all that have the same, one gets each message. The app id \
              where none is given.",
        ..text("consumerID")
    },
    Field {
        doc: "Which topics apps may publish to: app=topic,topic;other=topic. Apps it does not name are not limited.",
        judge: judge_scope,
        ..text("publishingScopes")
    },
    Field {
        doc: "Which topics apps may subscribe to, written as publishingScopes.",
        judge: judge_scope,
        ..text("subscriptionScopes")
    },
    Field {
        doc: "The only topics that can be used, separated by commas; all where none is given.",
        ..text("allowedTopics")
    },
    Field { doc: "Topics that only those apps can use whom a scope names with them.", ..text("protectedTopics") },
    Field {
        doc: "What becomes of messages that the app fails to handle and that have no dead-letter topic: redeliver, or drop \
              to lose them. A Subscription may say otherwise in its own metadata.",
        judge: judge_failed,
        default: Some("redeliver"),
        ..text("failedMessages")
    },
];

/// What the runtime reads of every component of a family.
pub fn runtime_fields(family: Family) -> &'static [Field] {
    match family {
        Family::State => STATE,
        Family::Lock => LOCK,
        Family::PubSub => PUBSUB,
        Family::SecretStores
        | Family::Bindings
        | Family::Configuration
        | Family::Crypto
        | Family::Conversation
        | Family::Middleware => &[],
    }
}

const fn text(name: &'static str) -> Field {
    Field {
        name,
        aliases: &[],
        kind: "text",
        default: None,
        required: false,
        secret: false,
        minimum: None,
        maximum: None,
        doc: "",
        judge: judge::<String>,
    }
}

fn judge_prefix(properties: &Properties, field: &Field) -> Judgement {
    match field.given(properties) {
        Some(prefix) if prefix.contains("||") => wrong(field, Some(prefix), "a prefix without ||"),
        _ => Judgement::Right,
    }
}

/// What a scope cannot be read from gives nobody anything: a misspelled limit would be no limit.
fn judge_scope(properties: &Properties, field: &Field) -> Judgement {
    let readable = |entry: &str| entry.trim().is_empty() || entry.split('=').count() == 2;
    match field.given(properties).and_then(|scope| scope.split(';').find(|entry| !readable(entry))) {
        Some(entry) => Judgement::Doubtful(format!(
            "metadata field {}: {:?} is not of the form app=topic,topic and limits nothing as it may have been meant",
            field.name,
            entry.trim()
        )),
        None => Judgement::Right,
    }
}

fn judge_failed(properties: &Properties, field: &Field) -> Judgement {
    match field.given(properties) {
        Some(given) if !matches!(given, "" | "redeliver" | "drop") => wrong(field, Some(given), "redeliver or drop"),
        _ => Judgement::Right,
    }
}

fn judge_key(properties: &Properties, field: &Field) -> Judgement {
    let usable = |key: &str| matches!(key.len(), 32 | 48 | 64) && key.bytes().all(|letter| letter.is_ascii_hexdigit());
    match field.given(properties) {
        Some(key) if !usable(key) => wrong(field, None, "32, 48 or 64 hexadecimal digits"),
        _ => Judgement::Right,
    }
}

fn wrong(field: &Field, given: Option<&str>, expected: &str) -> Judgement {
    let given = given.map(str::to_owned);
    Judgement::Wrong(SettingsError::Invalid { name: field.name, given, expected: expected.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgement(name: &str, value: &str) -> Judgement {
        let properties = [(name, value)].into_iter().collect();
        let field = STATE.iter().find(|field| field.name.eq_ignore_ascii_case(name)).unwrap();
        (field.judge)(&properties, field)
    }

    #[test]
    fn a_key_that_is_no_aes_key_is_wrong_and_not_shown() {
        assert_eq!(judgement("primaryEncryptionKey", &"0f".repeat(16)), Judgement::Right);
        let Judgement::Wrong(error) = judgement("PRIMARYENCRYPTIONKEY", "sesame") else { panic!("is right") };
        let text = error.to_string();
        assert!(text.contains("primaryEncryptionKey") && !text.contains("sesame"), "{text}");
    }

    #[test]
    fn a_prefix_with_a_separator_is_wrong_and_a_strange_truth_is_doubtful() {
        assert!(matches!(judgement("keyPrefix", "a||b"), Judgement::Wrong(_)));
        assert_eq!(judgement("keyPrefix", "name"), Judgement::Right);
        assert_eq!(judgement("actorStateStore", "off"), Judgement::Right);
        let Judgement::Doubtful(text) = judgement("actorStateStore", "ture") else { panic!("is sure") };
        assert_eq!(text, "metadata field actorStateStore is \"ture\": expected true or false; it is read as false");
    }
}
