//! Searches over JSON values. Every value of the check has its scope in `group`, so that others do not matter.

use component::ErrorKind;
use component::state::{Query, QueryPage, QueryRequest, SetRequest};
use component::{Error, Metadata};

use super::Subject;
use super::subject::context;

/// Name, and what stands behind the group: people with an organization, a state and a number.
const PEOPLE: &[(&str, &str)] = &[
    ("1", r#""person":{"org":"Dev Ops","id":1036},"city":"Seattle","state":"WA""#),
    ("2", r#""person":{"org":"Hardware","id":1028},"city":"Portland","state":"OR""#),
    ("3", r#""person":{"org":"Finance","id":1071},"city":"Sacramento","state":"CA""#),
    ("4", r#""person":{"org":"Dev Ops","id":1042},"city":"Spokane","state":"WA""#),
    ("5", r#""person":{"org":"Hardware","id":1007},"city":"Los Angeles","state":"CA""#),
    ("6", r#""person":{"org":"Finance's \"%_\" ; --","id":2},"city":"San Diego","state":"CA""#),
];

async fn make(subject: &Subject) {
    let group = subject.key("group");
    for (name, value) in PEOPLE {
        let value = format!(r#"{{"group":"{group}",{value}}}"#);
        let request = SetRequest { json: true, ..subject.write(name, &value) };
        subject.try_set(&request).await.unwrap_or_else(|error| panic!("set {name}: {error}"));
    }
}

/// Asks for what is of this group and fits `filter`; `rest` goes on behind the filter.
async fn ask(subject: &Subject, filter: &str, rest: &str) -> Result<QueryPage, Error> {
    let group = subject.key("group");
    let own = format!(r#"{{"EQ":{{"group":"{group}"}}}}"#);
    let filter = if filter.is_empty() { own } else { format!(r#"{{"AND":[{own},{filter}]}}"#) };
    let query = Query::parse(&format!(r#"{{"filter":{filter}{rest}}}"#)).unwrap_or_else(|error| panic!("{error}"));
    let request = QueryRequest { query, metadata: Metadata::new() };
    subject.store.queryable().expect("the backend declares queries").query(&context(), &request).await
}

fn names(subject: &Subject, page: &QueryPage) -> Vec<String> {
    page.results.iter().map(|(key, _)| subject.name_of(key)).collect()
}

async fn found(subject: &Subject, filter: &str) -> Vec<String> {
    let page = ask(subject, filter, "").await.unwrap_or_else(|error| panic!("{filter}: {error}"));
    let mut names = names(subject, &page);
    names.sort();
    names
}

pub(super) async fn filters_find_what_fits(subject: Subject) {
    make(&subject).await;
    let cases: [(&str, &[&str]); 12] = [
        ("", &["1", "2", "3", "4", "5", "6"]),
        (r#"{"EQ":{"state":"CA"}}"#, &["3", "5", "6"]),
        (r#"{"NEQ":{"state":"CA"}}"#, &["1", "2", "4"]),
        (r#"{"EQ":{"person.org":"Dev Ops"}}"#, &["1", "4"]),
        (r#"{"EQ":{"person.org":"Finance's \"%_\" ; --"}}"#, &["6"]),
        (r#"{"EQ":{"person.id":1036}}"#, &["1"]),
        (r#"{"IN":{"state":["WA","OR"]}}"#, &["1", "2", "4"]),
        (r#"{"GT":{"person.id":1036}}"#, &["3", "4"]),
        (r#"{"GTE":{"person.id":1036}}"#, &["1", "3", "4"]),
        (r#"{"OR":[{"EQ":{"person.org":"Hardware"}},{"EQ":{"city":"Spokane"}}]}"#, &["2", "4", "5"]),
        (r#"{"AND":[{"EQ":{"state":"CA"}},{"LT":{"person.id":1007}}]}"#, &["6"]),
        (r#"{"EQ":{"no.such.field":"x"}}"#, &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(found(&subject, filter).await, expected, "{filter}");
    }
}

pub(super) async fn results_are_sorted_and_come_in_pages(subject: Subject) {
    make(&subject).await;
    let sort = r#","sort":[{"key":"state","order":"DESC"},{"key":"city"}]"#;
    let all = ask(&subject, "", sort).await.expect("query");
    assert_eq!(names(&subject, &all), ["1", "4", "2", "5", "3", "6"]);
    assert_eq!(all.token, "", "all results fit when no limit is asked for");
    let (mut read, mut token) = (Vec::new(), String::new());
    for expected in [4, 2] {
        let page = format!(r#"{sort},"page":{{"limit":4,"token":"{token}"}}"#);
        let page = ask(&subject, "", &page).await.expect("query");
        assert_eq!(page.results.len(), expected);
        read.extend(names(&subject, &page));
        token = page.token;
    }
    assert_eq!((read, token.as_str()), (names(&subject, &all), ""));
}

pub(super) async fn results_have_their_values_and_etags(subject: Subject) {
    make(&subject).await;
    let page = ask(&subject, r#"{"EQ":{"city":"Spokane"}}"#, "").await.expect("query");
    let [(key, stored)] = page.results.as_slice() else { panic!("{} results", page.results.len()) };
    assert_eq!(*key, subject.key("4"));
    let single = subject.get("4").await.expect("it was written");
    assert_eq!((&stored.data, &stored.etag), (&single.data, &single.etag));
}

pub(super) async fn a_query_that_cannot_be_answered_is_refused(subject: Subject) {
    make(&subject).await;
    for (filter, rest) in [
        (r#"{"IN":{"state":[]}}"#, ""),
        ("", r#","sort":[{"key":"state","order":"sideways"}]"#),
        ("", r#","page":{"limit":1,"token":"'; DROP TABLE state; --"}"#),
    ] {
        let error = ask(&subject, filter, rest).await.expect_err(rest);
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{filter} {rest}: {error}");
    }
    for filter in [r#"{"EQ":{"state'; DROP TABLE state; --":"x"}}"#, r#"{"EQ":{"a->>'b' OR 1=1":"x"}}"#] {
        assert!(found(&subject, filter).await.is_empty(), "{filter}");
    }
    assert_eq!(found(&subject, "").await.len(), PEOPLE.len());
}
