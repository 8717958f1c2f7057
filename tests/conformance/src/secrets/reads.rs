//! Reading, which is all that a secret store does.

use component::ErrorKind;
use tokio::task::JoinSet;

use super::Subject;
use crate::Capability;

pub(super) async fn each_secret_is_read_by_its_name(subject: Subject) {
    for (name, expected) in subject.held() {
        let secret = subject.get(&name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(secret.0, expected.0, "{name}");
    }
}

pub(super) async fn all_secrets_are_read_at_once(subject: Subject) {
    let all = subject.get_all().await;
    let names = |secrets: &[(String, component::secrets::Secret)]| {
        secrets.iter().map(|(name, secret)| (name.clone(), secret.0.clone())).collect::<Vec<_>>()
    };
    assert_eq!(names(&all), names(&subject.held()));
}

pub(super) async fn a_secret_that_is_not_there_is_told(subject: Subject) {
    for name in ["missing", "", "../x", "'; DROP TABLE secrets; --", "grüß", "a\0b"] {
        assert_absent(&subject, name).await;
    }
}

pub(super) async fn what_is_kept_back_is_given_by_no_way(subject: Subject) {
    for name in subject.backend.profile.kept_back {
        assert_absent(&subject, name).await;
    }
    let all = subject.get_all().await;
    let leaked = all.iter().find(|(name, _)| subject.backend.profile.kept_back.contains(&name.as_str()));
    assert!(leaked.is_none(), "{leaked:?}");
}

/// Absent in the way the store says it.
async fn assert_absent(subject: &Subject, name: &str) {
    match subject.get(name).await {
        Err(error) => {
            assert!(subject.backend.profile.missing_is_an_error, "{name:?}: {error}");
            assert_eq!(error.kind(), ErrorKind::NotFound, "{name:?}: {error}");
        }
        Ok(secret) => {
            assert!(!subject.backend.profile.missing_is_an_error, "{name:?} was given");
            assert!(secret.0.values().all(String::is_empty), "{name:?} was given");
        }
    }
}

pub(super) async fn it_tells_whether_secrets_have_several_keys(subject: Subject) {
    let several = subject.backend.has(Capability::SeveralKeys);
    assert_eq!(subject.store.multiple_key_values(), several);
    let expected: &[&str] = if several { &["MULTIPLE_KEY_VALUES_PER_SECRET"] } else { &[] };
    assert_eq!(subject.store.capabilities(), expected);
}

pub(super) async fn values_are_not_shown_for_debugging(subject: Subject) {
    let all = subject.get_all().await;
    let shown = format!("{all:?}");
    for value in subject.held().iter().flat_map(|(_, secret)| secret.0.values()).filter(|value| value.len() > 3) {
        assert!(!shown.contains(value.as_str()), "a value is shown");
    }
}

pub(super) async fn many_readers_read_at_once(subject: Subject) {
    let mut readers = JoinSet::new();
    for _ in 0..32 {
        let subject = subject.clone();
        readers.spawn(async move {
            for (name, expected) in subject.held() {
                assert_eq!(subject.get(&name).await.expect("it is there").0, expected.0);
            }
            assert_eq!(subject.get_all().await.len(), subject.held().len());
        });
    }
    readers.join_all().await;
}
