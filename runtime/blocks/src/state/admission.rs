//! What a component's metadata may ask of the state block. Called by the loader, through `sidecar`, before a component
//! is made: what cannot be kept is refused here, never ignored.

use component::{Error, ErrorKind, Family, Properties, Spec};

use super::key;

/// Names that ask for values to be stored encrypted.
const ENCRYPTION: &[&str] = &["primaryEncryptionKey", "secondaryEncryptionKey"];

/// Names that ask for messages to be sent with a transaction.
const OUTBOX: &[&str] = &["outboxPublishPubsub", "outboxPublishTopic"];

/// Refuses a state store whose `keyPrefix` contains `||`, or that asks for what this build does not do: storing its
/// values in the clear, or not sending its messages, would be worse than not starting. Components of other blocks pass.
///
/// # Errors
/// `InvalidArgument` or `NotSupported`.
pub fn admit(spec: &Spec, properties: &Properties) -> Result<(), Error> {
    if spec.family() != Some(Family::State) {
        return Ok(());
    }
    key::check_prefix(properties).map_err(|illegal| Error::new(ErrorKind::InvalidArgument, illegal.to_string()))?;
    let asks_for = |names: &'static [&'static str]| names.iter().find(|name| properties.get(name).is_some());
    let refuse = |what: &str, name: &str| {
        let message =
            format!("{what} is not part of this build: remove the metadata {name} or use a build that has it");
        Err(Error::new(ErrorKind::NotSupported, message))
    };
    if let Some(name) = asks_for(ENCRYPTION) {
        return refuse("automatic encryption of state", name);
    }
    match asks_for(OUTBOX) {
        Some(name) => refuse("the transactional outbox", name),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(component_type: &str, name: &str, value: &str) -> Option<String> {
        let spec = Spec {
            name: "a".to_owned(),
            namespace: String::new(),
            component_type: component_type.to_owned(),
            version: "v1".to_owned(),
            metadata: Vec::new(),
            secret_store: String::new(),
            ignore_errors: false,
            init_timeout: None,
        };
        admit(&spec, &[(name, value)].into_iter().collect()).err().map(|error| error.to_string())
    }

    #[test]
    fn a_store_that_asks_for_encryption_is_refused() {
        for name in ["primaryEncryptionKey", "PRIMARYENCRYPTIONKEY", "secondaryEncryptionKey"] {
            let message = refusal("state.redis", name, "").unwrap();
            assert!(message.starts_with("automatic encryption of state is not part of this build"), "{message}");
        }
    }

    #[test]
    fn a_store_that_asks_for_an_outbox_is_refused() {
        assert!(refusal("state.redis", "outboxPublishPubsub", "mypubsub").is_some());
    }

    #[test]
    fn a_prefix_with_a_separator_is_refused() {
        let message = refusal("state.redis", "keyPrefix", "a||b").unwrap();
        assert_eq!(message, "input key/keyPrefix 'a||b' can't contain '||'");
        assert_eq!(refusal("state.redis", "keyPrefix", "name"), None);
    }

    #[test]
    fn components_of_other_blocks_pass() {
        assert_eq!(refusal("pubsub.redis", "primaryEncryptionKey", "k"), None);
    }
}
