//! The query API over both doors, on a real PostgreSQL.

use serde_json::{Value, json};
use servers::Postgres;
use testkit::Sidecar;
use tonic::Code;
use wire::runtime::QueryStateRequest;

async fn with_people(postgres: &Postgres) -> Sidecar {
    let component = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: store\nspec:\n  type: state.postgresql\n  version: \
         v1\n  metadata:\n  - name: connectionString\n    value: \"{}\"\n",
        postgres.connection_string()
    );
    let a = Sidecar::named("a").resource(&component).memory_store("memory").start().await;
    let people = json!([
        { "key": "1", "value": { "name": "Ada", "age": 36, "org": { "id": "x" } } },
        { "key": "2", "value": { "name": "Bob", "age": 20, "org": { "id": "y" } } },
        { "key": "3", "value": { "name": "Cy", "age": 50, "org": { "id": "x" } } },
    ]);
    assert_eq!(a.post("/v1.0/state/store").json(&people).send().await.status, 204);
    a
}

/// Keys of the results, or status and message.
async fn ask(a: &Sidecar, store: &str, query: &Value) -> Result<Vec<String>, (u16, String)> {
    let answer = a.post(&format!("/v1.0-alpha1/state/{store}/query")).json(query).send().await;
    match answer.status {
        200 => {
            let body = answer.json();
            let keys = body["results"].as_array().unwrap().iter();
            Ok(keys.map(|item| item["key"].as_str().unwrap().to_owned()).collect())
        }
        204 => Ok(Vec::new()),
        status => Err((status, answer.json()["message"].as_str().unwrap().to_owned())),
    }
}

#[tokio::test]
async fn values_are_found_by_what_they_hold_in_order_and_in_pages() {
    let Some(postgres) = Postgres::alone().start() else { return };
    let a = with_people(&postgres).await;
    let by_name = json!([{ "key": "name", "order": "DESC" }]);
    for (filter, keys) in [
        (json!({ "EQ": { "org.id": "x" } }), &["3", "1"][..]),
        (json!({ "IN": { "name": ["Bob", "Cy", "Dan"] } }), &["3", "2"]),
        (json!({ "OR": [{ "EQ": { "name": "Ada" } }, { "EQ": { "name": "Bob" } }] }), &["2", "1"]),
        (json!({ "AND": [{ "EQ": { "org.id": "x" } }, { "EQ": { "name": "Bob" } }] }), &[]),
        (json!({}), &["3", "2", "1"]),
    ] {
        let found = ask(&a, "store", &json!({ "filter": filter, "sort": by_name })).await;
        assert_eq!(
            found.as_deref(),
            Ok(keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>().as_slice()),
            "{filter}"
        );
    }
    let first = json!({ "sort": by_name, "page": { "limit": 2 } });
    let answer = a.post("/v1.0-alpha1/state/store/query").json(&first).send().await.json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    assert_eq!(answer["results"][0]["data"]["name"], json!("Cy"));
    let next = json!({ "sort": by_name, "page": { "limit": 2, "token": answer["token"] } });
    assert_eq!(ask(&a, "store", &next).await, Ok(vec!["1".to_owned()]));

    let query = json!({ "filter": { "EQ": { "name": "Ada" } } }).to_string();
    let request = QueryStateRequest { store_name: "store".to_owned(), query, ..Default::default() };
    let found = a.dapr().await.query_state_alpha1(request).await.unwrap().into_inner().results;
    assert_eq!((found.len(), found[0].key.as_str(), found[0].etag.is_empty()), (1, "1", false));
}

#[tokio::test]
async fn what_is_no_query_and_what_cannot_be_queried_is_told_at_both_doors() {
    let Some(postgres) = Postgres::alone().start() else { return };
    let a = with_people(&postgres).await;
    let (status, said) = ask(&a, "store", &json!({ "filter": { "LIKE": { "name": "A" } } })).await.unwrap_err();
    let expected = "state store store query failed: failed to parse JSON query body: unsupported filter \"LIKE\"";
    assert_eq!((status, said.as_str()), (500, expected));
    let (status, said) = ask(&a, "memory", &json!({})).await.unwrap_err();
    assert_eq!((status, said.as_str()), (500, "state store does not support querying"));
    let injected = json!({ "filter": { "EQ": { "name": "x' OR '1'='1" } } });
    assert_eq!(ask(&a, "store", &injected).await, Ok(vec![]));
    // Whatever the store makes of such a field: it is no SQL.
    let _ = ask(&a, "store", &json!({ "filter": { "EQ": { "name'); DROP TABLE state; --": 1 } } })).await;
    let _ = ask(&a, "store", &json!({ "sort": [{ "key": "name; DROP TABLE state; --", "order": "ASC" }] })).await;
    assert_eq!(a.get("/v1.0/state/store/1").send().await.json()["name"], json!("Ada"));
    let query = "{".to_owned();
    let request = QueryStateRequest { store_name: "store".to_owned(), query, ..Default::default() };
    assert_eq!(a.dapr().await.query_state_alpha1(request).await.unwrap_err().code(), Code::Internal);
}
