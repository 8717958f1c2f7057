//! What a component's metadata may ask of the state block: what cannot be kept is refused here, never ignored.

use std::sync::Arc;

use component::{Error, ErrorKind, Family, Properties, Spec};
use loaded::BlockSettings;

use super::encryption::Encryption;
use super::key;

/// Names that ask for messages to be sent with a transaction.
const OUTBOX: &[&str] = &["outboxPublishPubsub", "outboxPublishTopic"];

/// Reads the keys a state store is to be encrypted with. Refuses a `keyPrefix` that contains `||`, keys that cannot be
/// had, and the outbox, which this build does not have: storing values in the clear, or not sending messages, would be
/// worse than not starting. Components of other blocks pass.
///
/// # Errors
/// `InvalidArgument` or `NotSupported`.
pub(crate) fn admit(spec: &Spec, properties: &Properties) -> Result<Option<BlockSettings>, Error> {
    if spec.family() != Some(Family::State) {
        return Ok(None);
    }
    key::check_prefix(properties).map_err(|illegal| Error::new(ErrorKind::InvalidArgument, illegal.to_string()))?;
    if let Some(name) = OUTBOX.iter().find(|name| properties.get(name).is_some()) {
        let message = format!(
            "the transactional outbox is not part of this build: remove the metadata {name} or use a build that has it"
        );
        return Err(Error::new(ErrorKind::NotSupported, message));
    }
    let Some(encryption) = Encryption::of(spec, properties)? else { return Ok(None) };
    tracing::info!(
        target: "dapr.runtime.processor.state",
        "Automatic encryption enabled for state store {}", spec.name
    );
    tracing::info!(
        target: "dapr.runtime.processor.state",
        "WARNING: Automatic state store encryption should never be used to store more than 4 billion items in the state \
         store (including updates). Storing more items than that can cause the private key to be exposed."
    );
    Ok(Some(Arc::new(encryption)))
}

#[cfg(test)]
mod tests {
    use component::{MetadataItem, SecretReference};

    use super::*;

    /// The item with its secret's name, empty for none.
    fn asked(component_type: &str, items: &[(&str, &str, &str)]) -> Result<bool, String> {
        let item = |(name, value, secret): &(&str, &str, &str)| MetadataItem {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
            secret: (!secret.is_empty()).then(|| SecretReference { name: (*secret).to_owned(), key: String::new() }),
        };
        let spec = Spec {
            name: "a".to_owned(),
            namespace: String::new(),
            component_type: component_type.to_owned(),
            version: "v1".to_owned(),
            metadata: items.iter().map(item).collect(),
            secret_store: String::new(),
            ignore_errors: false,
            init_timeout: None,
        };
        let properties = items.iter().map(|(name, value, _)| (*name, *value)).collect();
        admit(&spec, &properties).map(|kept| kept.is_some()).map_err(|error| error.to_string())
    }

    const KEY: &str = "000102030405060708090a0b0c0d0e0f";

    #[test]
    fn keys_of_all_three_lengths_are_taken_from_secrets_in_any_case() {
        for length in [32, 48, 64] {
            let key = "aB".repeat(length / 2);
            assert_eq!(asked("state.redis", &[("PrimaryEncryptionKey", &key, "k")]), Ok(true));
        }
        let both = [("primaryEncryptionKey", KEY, "k"), ("secondaryEncryptionKey", KEY, "l")];
        assert_eq!(asked("state.redis", &both), Ok(true));
        assert_eq!(asked("state.redis", &[]), Ok(false));
    }

    #[test]
    fn a_store_whose_keys_cannot_be_had_is_refused_rather_than_stored_in_the_clear() {
        let primary = "primaryEncryptionKey";
        for (items, said) in [
            (
                &[(primary, KEY, "")][..],
                "primaryEncryptionKey must come from a secret (secretKeyRef): its name is stored with each value",
            ),
            (&[(primary, "", "k")], "primaryEncryptionKey: the secret k has no value for the key k"),
            (&[(primary, "0g", "k")], "primaryEncryptionKey is not hexadecimal"),
            (&[(primary, "000", "k")], "primaryEncryptionKey is not hexadecimal"),
            (
                &[(primary, "0001", "k")],
                "primaryEncryptionKey has 2 bytes: an AES key has 16, 24 or 32, as 32, 48 or 64 hexadecimal digits",
            ),
            (
                &[("secondaryEncryptionKey", KEY, "k")],
                "secondaryEncryptionKey needs primaryEncryptionKey beside it: without that, values would be stored in the clear",
            ),
        ] {
            assert_eq!(asked("state.redis", items), Err(format!("failed to extract encryption key: {said}")));
        }
    }

    #[test]
    fn a_store_that_asks_for_an_outbox_is_refused() {
        assert!(asked("state.redis", &[("outboxPublishPubsub", "mypubsub", "")]).is_err());
    }

    #[test]
    fn a_prefix_with_a_separator_is_refused() {
        let message = asked("state.redis", &[("keyPrefix", "a||b", "")]).unwrap_err();
        assert_eq!(message, "input key/keyPrefix 'a||b' can't contain '||'");
        assert_eq!(asked("state.redis", &[("keyPrefix", "name", "")]), Ok(false));
    }

    #[test]
    fn components_of_other_blocks_pass() {
        assert_eq!(asked("pubsub.redis", &[("primaryEncryptionKey", "k", "")]), Ok(false));
    }
}
