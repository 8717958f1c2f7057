//! Values read once.

use super::{Subject, Versions};

pub(super) async fn values_are_read_by_their_keys(subject: Subject) {
    for name in ["a", "b", "c"] {
        subject.put(name, &format!("value of {name}"), "1").await;
    }
    let found = subject.get(&["c", "a"]).await;
    let values: Vec<_> = found.iter().map(|(name, item)| (name.as_str(), item.value.as_str())).collect();
    assert_eq!(values, [("a", "value of a"), ("c", "value of c")]);
    let (_, earlier) = found.into_iter().next().expect("two values");
    subject.put("a", "later", "2").await;
    let (_, item) = subject.get(&["a"]).await.pop().expect("it was written");
    assert_eq!(item.value, "later");
    match subject.backend.profile.versions {
        Versions::Written => assert_eq!((earlier.version.as_str(), item.version.as_str()), ("1", "2")),
        Versions::Own => assert!(!item.version.is_empty() && item.version != earlier.version, "{earlier:?} {item:?}"),
    }
}

pub(super) async fn a_missing_key_is_left_out(subject: Subject) {
    subject.put("there", "1", "1").await;
    let names: Vec<_> = subject.get(&["there", "missing"]).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["there"]);
    assert!(subject.get(&["missing"]).await.is_empty());
    subject.remove("there").await;
    assert!(subject.get(&["there"]).await.is_empty());
}

pub(super) async fn without_keys_all_values_come(subject: Subject) {
    for name in ["a", "b", "c"] {
        subject.put(name, name, "1").await;
    }
    let names: Vec<_> = subject.get(&[]).await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

pub(super) async fn odd_keys_and_values_come_back_unchanged(subject: Subject) {
    let odd =
        ["", "'", "\"", "\\", "%", "*", "[a]", "a b", "grüß", "🦀", "'; DROP TABLE configuration; --", "a:b", "{tag}"];
    for name in odd {
        subject.put(name, &format!("value of {name}"), "1").await;
    }
    let found = subject.get(&odd).await;
    assert_eq!(found.len(), odd.len());
    for (name, item) in found {
        assert_eq!(item.value, format!("value of {name}"));
    }
    for value in [r#"{"json":[1,"x"]}"#, "", " spaces ", "line\nbreak", "'; DROP TABLE configuration; --"] {
        subject.put("value", value, "1").await;
        let (_, item) = subject.get(&["value"]).await.pop().expect("it was written");
        assert_eq!(item.value, value);
    }
}
