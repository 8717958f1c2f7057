//! Listing of keys by pattern, in pages.

use std::collections::HashSet;

use component::ErrorKind;
use component::state::{BulkOptions, KeysPage, KeysRequest};

use super::Subject;
use super::subject::context;

async fn make(subject: &Subject, names: &[&str]) {
    let writes: Vec<_> = names.iter().map(|name| subject.write(name, "1")).collect();
    subject.store.bulk_set(&context(), &writes, BulkOptions::default()).await.expect("bulk set");
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

pub(super) async fn patterns_match_as_in_sql(subject: Subject) {
    let names = [
        "prefix||key1",
        "prefix||key2",
        "prefix||prefix2||key3",
        "other-prefix||key1",
        "no-prefix",
        "abc1",
        "abc2",
        "abc33",
        "abcü",
        "ABC1",
        "a.c1",
        "a*c1",
    ];
    make(&subject, &names).await;
    let cases: [(&str, &[&str]); 10] = [
        ("%", &names),
        ("prefix||%", &["prefix||key1", "prefix||key2", "prefix||prefix2||key3"]),
        ("%key1", &["prefix||key1", "other-prefix||key1"]),
        ("%||%||%", &["prefix||prefix2||key3"]),
        ("abc_", &["abc1", "abc2", "abcü"]),
        ("abc__", &["abc33"]),
        ("abc1", &["abc1"]),
        ("a.c1", &["a.c1"]),
        ("a*c1", &["a*c1"]),
        ("nothing%", &[]),
    ];
    for (pattern, expected) in cases {
        assert_eq!(subject.listed(pattern).await, sorted(expected), "{pattern}");
    }
}

pub(super) async fn escaped_letters_stand_for_themselves(subject: Subject) {
    let names = [
        "%",
        "hello%%wor.kflow",
        "%%wor.kflow",
        "hello%%",
        "_",
        "hello_workflow",
        "_workflow",
        "hello_",
        "%hello_workflow%_yoyo",
        r"back\slash",
        "[ab]",
        "what?",
    ];
    make(&subject, &names).await;
    let hellos: &[&str] = &["hello%%wor.kflow", "hello%%", "hello_workflow", "hello_"];
    let cases: [(&str, &[&str]); 14] = [
        ("%", &names),
        ("hello%", hellos),
        ("hello%%", hellos),
        ("hello_", &["hello_"]),
        ("hello_workflo_", &["hello_workflow"]),
        (r"hello\_workflow", &["hello_workflow"]),
        (r"hello\_", &["hello_"]),
        (r"hello\%\%", &["hello%%"]),
        (r"hello%\%", &["hello%%"]),
        (r"hello\%\%%wor.kflow", &["hello%%wor.kflow"]),
        (r"\%hello\_workflow\%\_yoyo", &["%hello_workflow%_yoyo"]),
        (r"back\\slash", &[r"back\slash"]),
        ("[ab]", &["[ab]"]),
        ("wha_?", &["what?"]),
    ];
    for (pattern, expected) in cases {
        assert_eq!(subject.listed(pattern).await, sorted(expected), "{pattern}");
    }
}

pub(super) async fn an_empty_pattern_is_refused(subject: Subject) {
    let error = subject.list(&KeysRequest::default()).await.expect_err("an empty pattern");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(error.to_string(), "keys like pattern cannot be empty");
}

async fn page(subject: &Subject, size: Option<u32>, token: Option<String>) -> KeysPage {
    let request = KeysRequest { pattern: subject.pattern("%"), page_size: size, continuation_token: token };
    subject.list(&request).await.expect("keys like")
}

pub(super) async fn pages_hold_every_key_once(subject: Subject) {
    let names: Vec<String> = (0..12).map(|number| format!("key-{number}")).collect();
    make(&subject, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for sizes in [&[6, 5, 100][..], &[1; 12], &[4, 4, 4], &[12]] {
        let (mut found, mut token) = (Vec::new(), None);
        for (index, size) in sizes.iter().enumerate() {
            let part = page(&subject, Some(*size), token).await;
            let left = names.len() - found.len();
            assert_eq!(part.keys.len(), left.min(*size as usize), "page {index} of sizes {sizes:?}");
            found.extend(part.keys);
            token = part.continuation_token;
            assert_eq!(token.is_some(), found.len() < names.len(), "a token after page {index} of sizes {sizes:?}");
        }
        let unique: HashSet<_> = found.iter().collect();
        assert_eq!((unique.len(), found.len()), (names.len(), names.len()), "sizes {sizes:?}");
    }
}

pub(super) async fn without_a_page_size_all_keys_come(subject: Subject) {
    let names: Vec<String> = (0..1025).map(|number| number.to_string()).collect();
    make(&subject, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for size in [None, Some(100_000)] {
        let all = page(&subject, size, None).await;
        assert_eq!(all.continuation_token, None);
        assert_eq!(all.keys.iter().collect::<HashSet<_>>().len(), names.len());
        assert_eq!(all.keys.len(), names.len());
    }
}

pub(super) async fn keys_that_stay_are_found_while_others_go(subject: Subject) {
    let names: Vec<String> = (0..40).map(|number| format!("key-{number:02}")).collect();
    make(&subject, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let (staying, going): (Vec<_>, Vec<_>) = names.iter().enumerate().partition(|(index, _)| index.is_multiple_of(2));
    let mut going = going.into_iter();
    let (mut found, mut token) = (HashSet::new(), None);
    loop {
        let part = page(&subject, Some(5), token).await;
        found.extend(part.keys.iter().map(|key| subject.name_of(key)));
        for (_, name) in going.by_ref().take(3) {
            subject.delete(name).await;
        }
        subject.set("new", "1").await;
        token = part.continuation_token;
        if token.is_none() {
            break;
        }
    }
    for (_, name) in staying {
        assert!(found.contains(name), "{name} was there all the time and not listed");
    }
    assert!(found.iter().all(|name| name == "new" || names.contains(name)), "{found:?}");
}

pub(super) async fn a_token_that_is_none_is_refused(subject: Subject) {
    make(&subject, &["a", "b"]).await;
    for token in ["no token", "'; DROP TABLE state; --", "-", "\u{0}"] {
        let continuation_token = Some(token.to_owned());
        let request = KeysRequest { pattern: subject.pattern("%"), continuation_token, page_size: Some(1) };
        match subject.list(&request).await {
            Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{token:?}: {error}"),
            // A store whose tokens are keys goes on behind the key, whatever it is.
            Ok(page) => assert!(page.keys.iter().all(|key| ["a", "b"].contains(&&*subject.name_of(key)))),
        }
    }
    assert_eq!(subject.listed("%").await, ["a", "b"]);
}
