//! Searches on version 1.

use component::CallContext;
use component::state::{Query, QueryRequest, StateStore};
use servers::Postgres;

use crate::ground::{ending, json, open, set, start, write};

async fn found(store: &dyn StateStore, text: &str) -> (Vec<String>, String) {
    let request = QueryRequest { query: Query::parse(text).unwrap(), ..QueryRequest::default() };
    let page = store.queryable().unwrap().query(&CallContext::default(), &request).await.unwrap();
    (page.results.into_iter().map(|(key, _)| key).collect(), page.token)
}

#[tokio::test]
async fn values_are_searched_sorted_and_paged() {
    let Some(server) = start(Postgres::alone()).await else { return };
    let store = open("v1", &[("connectionString", &server.connection_string())]).await;
    for (key, value) in [
        ("1", r#"{"person":{"org":"A","id":9},"state":"CA"}"#),
        ("2", r#"{"person":{"org":"B","id":10},"state":"WA"}"#),
        ("3", r#"{"person":{"org":"A","id":100},"state":"WA","o'dd":"it's"}"#),
        ("4", r#"{"person":{"org":"C","id":"text"},"state":null,"flag":true}"#),
    ] {
        set(&*store, &json(key, value)).await.unwrap();
    }
    set(&*store, &write("bytes", "{\"person\":1}")).await.unwrap();
    set(&*store, &ending("over", "1")).await.unwrap();
    server.sql("UPDATE state SET expiredate = now() - interval '1 s' WHERE key = 'over'").unwrap();

    for (query, keys) in [
        (r#"{"filter":{"EQ":{"person.org":"A"}}}"#, &["1", "3"][..]),
        (r#"{"filter":{"NEQ":{"person.org":"A"}}}"#, &["2", "4"]),
        (r#"{"filter":{"IN":{"state":["CA","none"]}}}"#, &["1"]),
        (r#"{"filter":{"GT":{"person.id":9}}}"#, &["2", "3"]),
        (r#"{"filter":{"LTE":{"person.id":10}}}"#, &["1", "2"]),
        (r#"{"filter":{"EQ":{"person.id":10.0}}}"#, &["2"]),
        (r#"{"filter":{"EQ":{"flag":true}}}"#, &["4"]),
        (r#"{"filter":{"EQ":{"state":null}}}"#, &["4"]),
        (r#"{"filter":{"EQ":{"o'dd":"it's"}}}"#, &["3"]),
        (r#"{"filter":{"EQ":{"a'; DROP TABLE state; --":"x"}}}"#, &[]),
        (
            r#"{"filter":{"OR":[{"EQ":{"state":"CA"}},{"AND":[{"EQ":{"person.org":"A"}},{"GTE":{"person.id":100}}]}]}}"#,
            &["1", "3"],
        ),
        (r#"{"filter":{"IN":{"state":["CA","WA"]}},"sort":[{"key":"person.id","order":"DESC"}]}"#, &["3", "2", "1"]),
        ("{}", &["1", "2", "3", "4", "bytes"]),
    ] {
        assert_eq!(found(&*store, query).await.0, keys, "{query}");
    }
    let page = |token: &str| format!(r#"{{"sort":[{{"key":"person.id"}}],"page":{{"limit":2,"token":"{token}"}}}}"#);
    let (mut all, mut token) = (Vec::new(), String::new());
    for expected in [2, 2, 1] {
        let (keys, next) = found(&*store, &page(&token)).await;
        assert_eq!(keys.len(), expected);
        all.extend(keys);
        token = next;
    }
    all.sort();
    assert_eq!((all.join(" "), token.as_str()), ("1 2 3 4 bytes".to_owned(), ""));
    let v2 = open("v2", &[("connectionString", &server.connection_string()), ("tablePrefix", "v2_")]).await;
    assert!(v2.queryable().is_none());
}
