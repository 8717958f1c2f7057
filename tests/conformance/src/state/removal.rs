//! Removal of all keys below a prefix.

use component::{Error, ErrorKind};

use super::Subject;
use super::subject::context;

async fn remove(subject: &Subject, prefix: &str) -> Result<u64, Error> {
    let removal = subject.store.prefix_removal().expect("the backend declares removal by prefix");
    removal.delete_with_prefix(&context(), prefix).await
}

pub(super) async fn removal_by_prefix_spares_deeper_and_other_keys(subject: Subject) {
    let names = ["actor||1||a", "actor||1||b", "actor||1||deep||c", "actor||10||a", "actor||1", "xactor||1||a"];
    for name in names {
        subject.set(name, "1").await;
    }
    assert_eq!(remove(&subject, &subject.key("actor||1")).await.expect("it appends the separator"), 2);
    assert_eq!(remove(&subject, &subject.key("actor||1||")).await.expect("nothing is left"), 0);
    let gone = subject.values(&names).await.iter().map(Option::is_none).collect::<Vec<_>>();
    assert_eq!(gone, [true, true, false, false, false, false]);
    assert_eq!(remove(&subject, &subject.key("actor||1||deep||")).await.expect("remove"), 1);
    assert_eq!(subject.get("actor||1||deep||c").await, None);
}

pub(super) async fn removal_by_prefix_takes_its_letters_literally(subject: Subject) {
    let prefixes = ["a%", "a_", "ab", "a*", "a?", "[ab]", r"a\", "a'", "a\"", "A%", "ä"];
    for prefix in prefixes {
        subject.set(&format!("{prefix}||key"), "1").await;
    }
    for (index, prefix) in prefixes.iter().enumerate() {
        assert_eq!(remove(&subject, &subject.key(prefix)).await.expect("remove"), 1, "{prefix}");
        for (other, name) in prefixes.iter().enumerate() {
            let there = subject.get(&format!("{name}||key")).await.is_some();
            assert_eq!(there, other > index, "{name} after the removal of {prefix}");
        }
    }
}

pub(super) async fn an_empty_prefix_is_refused(subject: Subject) {
    subject.set("kept", "1").await;
    for prefix in ["", "||"] {
        let error = remove(&subject, prefix).await.expect_err("everything would go");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains("a prefix is required"), "{error}");
    }
    assert!(subject.get("kept").await.is_some());
}
