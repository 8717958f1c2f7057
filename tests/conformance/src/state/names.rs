//! Keys that look like something else to a server: quotes, wildcards, commands, several lines, lookalikes.

use std::collections::HashMap;

use component::ErrorKind;
use component::state::BulkOptions;

use super::Subject;
use super::subject::{context, escaped};
use crate::Capability;

/// All different, whatever a server takes for the same.
const ODD: &[&str] = &[
    "plain",
    "Plain",
    "PLAIN",
    "plain ",
    " plain",
    "a||b",
    "a||b||",
    "||",
    "||||a",
    "a|b",
    "'",
    "''",
    "\"",
    "`",
    "\\",
    "\\\\",
    "%",
    "%%",
    "_",
    "*",
    "?",
    "[a-z]",
    "{tag}a",
    "{tag}b",
    "{}",
    "$1",
    "${HOME}",
    "{{uuid}}",
    "'; DROP TABLE state; --",
    "' OR '1'='1",
    "x') ON CONFLICT DO NOTHING; --",
    "a\r\nSET b c\r\n",
    "a\nb",
    "a\tb",
    "a/b",
    "../../etc/passwd",
    "a#b?c=d&e",
    "a:b",
    "a;b",
    "grüß",
    "gru\u{308}ß",
    "ﬁ",
    "fi",
    "世界",
    "🦀",
    "\u{202e}abc",
    "\u{200b}",
    "\u{feff}",
    "\u{1}\u{7f}",
    "\u{10ffff}",
    "I",
    "ı",
    "İ",
    "ß",
    "ss",
    "1",
    "01",
    "1.0",
    "-1",
    "null",
    "true",
];

pub(super) async fn odd_keys_are_kept_apart(subject: Subject) {
    let mut etags = HashMap::new();
    for name in ODD {
        subject.set(name, &format!("value of {name}")).await;
    }
    for name in ODD {
        assert_eq!(subject.value(name).await.as_deref(), Some(&*format!("value of {name}")), "{name:?}");
        if subject.has(Capability::Etag) {
            etags.insert(*name, subject.etag(name).await);
        }
    }
    let expected: Vec<_> = ODD.iter().map(|name| Some(format!("value of {name}"))).collect();
    assert_eq!(subject.values(ODD).await, expected);
    for (index, name) in ODD.iter().enumerate() {
        let removal = component::state::DeleteRequest { etag: etags.get(name).cloned(), ..subject.removal(name) };
        subject.try_delete(&removal).await.unwrap_or_else(|error| panic!("delete {name:?}: {error}"));
        if index % 10 == 0 || index + 1 == ODD.len() {
            let left = subject.values(ODD).await;
            for (other, found) in left.iter().enumerate() {
                assert_eq!(found.is_some(), other > index, "{:?} after the removal of {name:?}", ODD[other]);
            }
        }
    }
}

pub(super) async fn long_keys_are_kept_or_refused_clearly(subject: Subject) {
    let mut random = fastrand::Rng::with_seed(2);
    for length in [200, 1000, 2000, 10_000, 100_000] {
        let tail: String = std::iter::repeat_with(|| random.alphanumeric()).take(length).collect();
        let names = [format!("{tail}a"), format!("{tail}b")];
        let allowed = subject.key(&names[0]).len() <= subject.backend.profile.limits.key_bytes;
        let mut kept = 0;
        for name in &names {
            match subject.try_set(&subject.write(name, &name[length..])).await {
                Ok(()) => kept += 1,
                Err(error) => {
                    assert!(!allowed, "{length}: {error}");
                    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{length}: {error}");
                }
            }
        }
        if kept == names.len() {
            assert_eq!(subject.value(&names[0]).await.as_deref(), Some("a"), "a key of {length} was cut");
            assert_eq!(subject.value(&names[1]).await.as_deref(), Some("b"), "a key of {length} was cut");
        }
    }
    subject.set("after", "1").await;
    assert_eq!(subject.value("after").await.as_deref(), Some("1"));
}

pub(super) async fn a_key_with_a_nul_is_kept_or_refused_clearly(subject: Subject) {
    subject.set("a", "plain").await;
    match subject.try_set(&subject.write("a\0b", "with NUL")).await {
        Ok(()) => {
            assert_eq!(subject.value("a\0b").await.as_deref(), Some("with NUL"));
            subject.delete("a\0b").await;
            assert_eq!(subject.get("a\0b").await, None);
        }
        Err(error) => {
            assert!(!subject.backend.profile.limits.nul_in_keys, "{error}");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
            let error = subject.store.get(&context(), &subject.read("a\0b")).await;
            let told = error.map_err(|error| error.kind());
            assert!(matches!(told, Ok(None) | Err(ErrorKind::InvalidArgument)), "{told:?}");
        }
    }
    assert_eq!(subject.value("a").await.as_deref(), Some("plain"), "the key was cut at its NUL");
}

pub(super) async fn odd_keys_can_be_listed_and_removed_by_prefix(subject: Subject) {
    let writes: Vec<_> = ODD.iter().map(|name| subject.write(&format!("{name}||end"), "1")).collect();
    subject.store.bulk_set(&context(), &writes, BulkOptions::default()).await.expect("bulk set");
    for name in ODD {
        let pattern = escaped(&format!("{name}||end"));
        assert_eq!(subject.listed(&pattern).await, [format!("{name}||end")], "{pattern:?}");
    }
    assert_eq!(subject.listed("%").await.len(), ODD.len());
    let Some(removal) = subject.store.prefix_removal() else { return };
    for (index, name) in ODD.iter().enumerate() {
        let removed = removal.delete_with_prefix(&context(), &subject.key(&format!("{name}||"))).await;
        assert_eq!(removed.unwrap_or_else(|error| panic!("{name:?}: {error}")), 1, "{name:?}");
        if index % 10 == 0 || index + 1 == ODD.len() {
            assert_eq!(subject.listed("%").await.len(), ODD.len() - index - 1, "{name:?}");
        }
    }
}
