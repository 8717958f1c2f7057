//! Both directions with what the target stored, and what must not be opened.

use component::{MetadataItem, SecretReference};

use super::*;

const RECORDED: &str = include_str!("recorded.tsv");

fn keys(items: &[(&str, &str, &str)]) -> Encryption {
    let item = |(name, key, secret): &(&str, &str, &str)| MetadataItem {
        name: (*name).to_owned(),
        value: (*key).to_owned(),
        secret: Some(SecretReference { name: (*secret).to_owned(), key: "k".to_owned() }),
    };
    let spec = Spec {
        name: "store".to_owned(),
        namespace: String::new(),
        component_type: "state.x".to_owned(),
        version: "v1".to_owned(),
        metadata: items.iter().map(item).collect(),
        secret_store: "vault".to_owned(),
        ignore_errors: false,
        init_timeout: None,
    };
    let properties = items.iter().map(|(name, key, _)| (*name, *key)).collect();
    Encryption::of(&spec, &properties).unwrap().unwrap()
}

const OLD: (&str, &str) = ("ffeeddccbbaa99887766554433221100", "old");
const NEW: (&str, &str) = ("000102030405060708090a0b0c0d0e0f", "new");

fn primary((key, secret): (&str, &str)) -> Encryption {
    keys(&[(PRIMARY, key, secret)])
}

#[test]
fn what_the_target_stored_is_read_and_what_we_store_is_what_it_stores() {
    let mut count = 0;
    for line in RECORDED.lines().filter(|line| !line.starts_with('#')) {
        let [secret, key, value, stored] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let encryption = primary((key, secret));
        assert_eq!(encryption.open(stored.as_bytes()).unwrap(), value);
        let whole = STANDARD.decode(stored.split_once("||").unwrap().0).unwrap();
        let nonce = *whole.first_chunk::<NONCE_LEN>().unwrap();
        assert_eq!(encryption.seal_with(nonce, value.as_bytes()).unwrap(), stored, "the same bytes for the same nonce");
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn every_value_comes_back_and_no_two_stored_forms_are_alike() {
    let encryption = primary(NEW);
    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for value in [&b""[..], b"x", b"a||b", b"\0\xff||", &binary] {
        let (once, twice) = (encryption.seal(value).unwrap(), encryption.seal(value).unwrap());
        assert_ne!(once, twice);
        assert_eq!(
            (encryption.open(&once).unwrap(), encryption.open(&twice).unwrap()),
            (value.to_vec().into(), value.to_vec().into())
        );
    }
    assert_eq!(encryption.open(b"").unwrap(), "");
}

#[test]
fn the_secondary_key_reads_what_was_stored_before_the_change_and_never_writes() {
    let stored = primary(OLD).seal(b"before").unwrap();
    let changed = keys(&[(PRIMARY, NEW.0, NEW.1), (SECONDARY, OLD.0, OLD.1)]);
    assert_eq!(changed.open(&stored).unwrap(), "before");
    let written = changed.seal(b"after").unwrap();
    assert_eq!(primary(NEW).open(&written).unwrap(), "after");
    assert!(primary(OLD).open(&written).is_err());
}

#[test]
fn two_keys_of_one_secret_are_both_tried() {
    let stored = primary((OLD.0, "both")).seal(b"before").unwrap();
    let changed = keys(&[(PRIMARY, NEW.0, "both"), (SECONDARY, OLD.0, "both")]);
    assert_eq!(changed.open(&stored).unwrap(), "before");
}

#[test]
fn what_was_changed_or_never_encrypted_is_an_error_and_never_a_value() {
    let encryption = primary(NEW);
    let mut changed = encryption.seal(b"value").unwrap().to_vec();
    changed[3] ^= 1;
    let why = |stored: &[u8]| encryption.open(stored).unwrap_err().to_string();
    let start = "could not decrypt data for state store store: ";
    assert_eq!(why(b"plain"), format!("{start}encryption key name not found on record"));
    assert_eq!(why(b"abc||"), format!("{start}encryption key name not found on record"));
    assert_eq!(why(b"?||new"), format!("{start}the record is not base64"));
    assert_eq!(why(b"AAAA||new"), format!("{start}the record is too short"));
    assert_eq!(
        why(&primary(OLD).seal(b"v").unwrap()),
        format!("{start}the record was encrypted with a key of another name")
    );
    let other = primary((OLD.0, NEW.1)).seal(b"v").unwrap();
    assert_eq!(why(&other), format!("{start}the record was encrypted with another key, or changed"));
    assert!(encryption.open(&changed).is_err());
}

#[test]
fn a_key_is_never_shown() {
    let shown = format!("{:?}", keys(&[(PRIMARY, NEW.0, NEW.1), (SECONDARY, OLD.0, OLD.1)]));
    assert!(shown.contains("new") && !shown.contains("0001") && !shown.contains("ffee"), "{shown}");
}

#[test]
fn a_sealed_value_is_bytes_whatever_it_was() {
    let metadata =
        Metadata::from([("contentType".to_owned(), "application/json".to_owned()), ("a".into(), "b".into())]);
    let mut request = SetRequest { value: "1".into(), json: true, metadata, ..SetRequest::default() };
    primary(NEW).seal_request(&mut request).unwrap();
    assert!(!request.json);
    assert_eq!(request.metadata, Metadata::from([("a".to_owned(), "b".to_owned())]));
    assert_eq!(primary(NEW).open(&request.value).unwrap(), "1");
}
