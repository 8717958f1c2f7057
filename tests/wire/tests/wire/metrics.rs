//! Calls over both doors are counted, in the series that the target has; what a client invents makes nothing grow.

use testkit::{App, Authority, Note, NotesClient, Sidecar, echo, reply};
use tonic::Request;
use wire::common::http_extension::Verb;
use wire::common::{HttpExtension, InvokeRequest, StateItem};
use wire::runtime::{GetStateRequest, InvokeServiceRequest, SaveStateRequest, UnsubscribeConfigurationRequest};

use crate::pair;

const STORE: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: store}\n\
     spec: {type: state.in-memory, version: v1}\n";

/// The number of a series; zero where there is none.
fn count(page: &str, series: &str) -> u64 {
    let number = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse::<f64>().ok();
    page.lines().find_map(number).map_or(0, |number| number as u64)
}

/// What a series is called.
fn series(family: &str, labels: &[(&str, &str)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("{family}{{{}}}", labels.join(","))
}

/// Waits until a series counts so many: an answer may be there before it is counted.
async fn counts(sidecar: &Sidecar, series: &str, wanted: u64) {
    for _ in 0..100 {
        if count(&sidecar.metrics().await, series) == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{series} does not count {wanted}:\n{}", sidecar.metrics().await);
}

fn invocation(app: &str, method: &str) -> InvokeServiceRequest {
    let message = InvokeRequest {
        method: method.to_owned(),
        http_extension: Some(HttpExtension { verb: Verb::Post as i32, querystring: String::new() }),
        ..InvokeRequest::default()
    };
    InvokeServiceRequest { id: app.to_owned(), message: Some(message) }
}

#[tokio::test]
async fn invocations_are_counted_where_they_are_sent_and_where_they_arrive() {
    let app = App::http().route("/orders", echo()).start().await;
    let (a, b) = pair(&app).await;
    let (id_a, id_b) = (a.id(), b.id());
    b.invoke(id_a, "orders").body("x".repeat(2000)).send().await;
    b.invoke(id_a, "orders").send().await;
    b.dapr().await.invoke_service(invocation(id_a, "orders")).await.unwrap();
    counts(
        &b,
        &series(
            "dapr_http_server_request_count",
            &[
                ("app_id", id_b),
                ("method", "POST"),
                ("path", &format!("/v1.0/invoke/{id_a}/method/orders")),
                ("status", "200"),
            ],
        ),
        2,
    )
    .await;
    counts(
        &b,
        &series("dapr_http_server_request_bytes_bucket", &[("app_id", id_b), ("le", "2048")]),
        count(&b.metrics().await, &series("dapr_http_server_request_bytes_count", &[("app_id", id_b)])),
    )
    .await;
    counts(
        &b,
        &series(
            "dapr_grpc_io_server_completed_rpcs",
            &[
                ("app_id", id_b),
                ("grpc_server_method", "/dapr.proto.runtime.v1.Dapr/InvokeService"),
                ("grpc_server_status", "OK"),
            ],
        ),
        1,
    )
    .await;
    counts(
        &b,
        &format!(
            "dapr_runtime_service_invocation_req_sent_total{{app_id=\"{id_b}\",dst_app_id=\"{id_a}\",type=\"unary\"}}"
        ),
        3,
    )
    .await;
    counts(
        &b,
        &series(
            "dapr_runtime_service_invocation_res_recv_total",
            &[("app_id", id_b), ("src_app_id", id_a), ("status", "200"), ("type", "unary")],
        ),
        3,
    )
    .await;
    counts(
        &b,
        &series(
            "dapr_runtime_service_invocation_res_recv_latency_ms_count",
            &[("app_id", id_b), ("src_app_id", id_a), ("status", "200")],
        ),
        3,
    )
    .await;
    counts(&a, &series("dapr_runtime_service_invocation_req_recv_total", &[("app_id", id_a), ("src_app_id", id_b)]), 3)
        .await;
    counts(
        &a,
        &format!(
            "dapr_runtime_service_invocation_res_sent_total{{app_id=\"{id_a}\",dst_app_id=\"{id_b}\",status=\"200\"}}"
        ),
        3,
    )
    .await;
    counts(
        &a,
        &format!(
            "dapr_http_client_completed_count{{app_id=\"{id_a}\",method=\"POST\",path=\"/orders\",status=\"200\"}}"
        ),
        3,
    )
    .await;
}

#[tokio::test]
async fn calls_that_pass_through_are_counted_with_the_code_they_end_with() {
    let app = App::grpc().start().await;
    let (a, b) = pair(&app).await;
    let (id_a, id_b) = (a.id(), b.id());
    let mut notes = NotesClient::new(b.channel().await, id_a);
    notes.one(Request::new(Note::new("hello", 7))).await.unwrap();
    notes.download(Request::new(Note::new("x", 10))).await.unwrap().into_inner().message().await.unwrap();
    counts(
        &b,
        &series(
            "dapr_grpc_io_server_completed_rpcs",
            &[("app_id", id_b), ("grpc_server_method", "/testkit.Notes/One"), ("grpc_server_status", "OK")],
        ),
        1,
    )
    .await;
    counts(
        &b,
        &format!(
            "dapr_runtime_service_invocation_req_sent_total{{app_id=\"{id_b}\",dst_app_id=\"{id_a}\",type=\"unary\"}}"
        ),
        2,
    )
    .await;
    let mut other = NotesClient::new(b.channel().await, "nobody-is-there");
    other.one(Request::new(Note::new("hello", 7))).await.unwrap_err();
    counts(
        &b,
        &series(
            "dapr_grpc_io_server_completed_rpcs",
            &[("app_id", id_b), ("grpc_server_method", "/testkit.Notes/One"), ("grpc_server_status", "Unknown")],
        ),
        1,
    )
    .await;
    assert!(!b.metrics().await.contains("dst_app_id=\"nobody-is-there\""), "nothing was sent to it");
}

#[tokio::test]
async fn state_is_counted_over_both_doors() {
    let sidecar = Sidecar::named("keeper").resource(STORE).start().await;
    let id = sidecar.id();
    sidecar.post("/v1.0/state/store").body("[{\"key\":\"k\",\"value\":1}]").send().await;
    sidecar.get("/v1.0/state/store/k").send().await;
    sidecar.get("/v1.0/state/none/k").send().await;
    let mut dapr = sidecar.dapr().await;
    let states =
        vec![StateItem { key: "k".to_owned(), value: bytes::Bytes::from_static(b"v"), ..StateItem::default() }];
    dapr.save_state(SaveStateRequest { store_name: "store".to_owned(), states }).await.unwrap();
    let asked = GetStateRequest { store_name: "store".to_owned(), key: "k".to_owned(), ..GetStateRequest::default() };
    dapr.get_state(asked).await.unwrap();
    for operation in ["get", "set"] {
        let labels = format!(
            "{{app_id=\"{id}\",component=\"store\",namespace=\"\",operation=\"{operation}\",success=\"true\"}}"
        );
        counts(&sidecar, &format!("dapr_component_state_count{labels}"), 2).await;
        counts(&sidecar, &format!("dapr_component_state_latencies_count{labels}"), 2).await;
        let method = if operation == "get" { "GetState" } else { "SaveState" };
        counts(
            &sidecar,
            &series(
                "dapr_grpc_io_server_completed_rpcs",
                &[
                    ("app_id", id),
                    ("grpc_server_method", &format!("/dapr.proto.runtime.v1.Dapr/{method}")),
                    ("grpc_server_status", "OK"),
                ],
            ),
            1,
        )
        .await;
        counts(
            &sidecar,
            &series(
                "dapr_grpc_io_server_received_bytes_per_rpc_count",
                &[("app_id", id), ("grpc_server_method", &format!("/dapr.proto.runtime.v1.Dapr/{method}"))],
            ),
            1,
        )
        .await;
    }
    counts(
        &sidecar,
        &format!(
            "dapr_http_server_request_count{{app_id=\"{id}\",method=\"GET\",path=\"/v1.0/state/store\",status=\"200\"}}"
        ),
        1,
    )
    .await;
    counts(
        &sidecar,
        &format!(
            "dapr_http_server_request_count{{app_id=\"{id}\",method=\"GET\",path=\"/v1.0/state/none\",status=\"400\"}}"
        ),
        1,
    )
    .await;
}

#[tokio::test]
async fn an_access_control_list_counts_what_it_decides() {
    let (authority, app) = (Authority::start().await, App::http().otherwise(reply("reached")).start().await);
    let list = "accessControl:\n  defaultAction: deny\n  trustDomain: public\n  policies:\n  - appId: b\n    \
                defaultAction: deny\n    trustDomain: public\n    namespace: default\n    operations:\n    \
                - name: /public\n      httpVerb: ['*']\n      action: allow\n";
    let certified = |id: &str| Sidecar::named(id).certified_by(&authority).namespace("default");
    let (a, b) = tokio::join!(certified("a").app(&app).configuration(list).start(), certified("b").start());
    b.invoke("a", "public").send().await;
    b.invoke("a", "admin").send().await;
    let caller = "{app_id=\"b\",namespace=\"default\",trustDomain=\"public\"}";
    counts(&a, &format!("dapr_runtime_acl_app_policy_action_allowed_total{caller}"), 1).await;
    counts(&a, &format!("dapr_runtime_acl_app_policy_action_blocked_total{caller}"), 1).await;
}

#[tokio::test]
async fn paths_that_a_client_invents_do_not_make_metrics_grow_without_end() {
    let app = App::http().otherwise(reply("")).start().await;
    let sidecar = Sidecar::named("busy").app(&app).start().await;
    for number in 0..1500 {
        sidecar.invoke(sidecar.id(), &format!("orders/{number}")).send().await;
    }
    let page = sidecar.metrics().await;
    for family in ["dapr_http_server_request_count{", "dapr_http_client_completed_count{"] {
        let lines: Vec<&str> = page.lines().filter(|line| line.starts_with(family)).collect();
        assert!(lines.len() <= 1010, "{family} {}", lines.len());
        let total: u64 = lines.iter().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
        assert!(total >= 1500, "{family} {total}");
    }
}

#[tokio::test]
async fn low_cardinality_and_patterns_of_a_configuration_are_obeyed() {
    let app = App::http().otherwise(reply("")).start().await;
    let spec = "metrics:\n  http:\n    increasedCardinality: false\n    excludeVerbs: true\n    pathMatching: ['/orders/{id}']\n  \
                latencyDistributionBuckets: [5, 50]\n  rules:\n  - name: dapr_component_state_count\n    labels:\n    \
                - name: operation\n      regex: {read: '^get$'}\n";
    let sidecar = Sidecar::named("low").app(&app).resource(STORE).configuration(spec).start().await;
    let id = sidecar.id();
    for method in ["orders/1", "orders/2", "else/1"] {
        sidecar.invoke(id, method).send().await;
    }
    sidecar.get("/v1.0/state/store/k").send().await;
    let labels =
        |path: &str, status: &str| format!("{{app_id=\"{id}\",method=\"\",path=\"{path}\",status=\"{status}\"}}");
    counts(
        &sidecar,
        &format!("dapr_http_server_request_count{}", labels("/v1.0/invoke/{app_id}/method/orders/{id}", "200")),
        2,
    )
    .await;
    counts(
        &sidecar,
        &series(
            "dapr_component_state_count",
            &[("app_id", id), ("component", "store"), ("namespace", ""), ("operation", "read"), ("success", "true")],
        ),
        1,
    )
    .await;
    let page = sidecar.metrics().await;
    assert!(count(&page, &format!("dapr_http_server_request_count{}", labels("", "200"))) >= 1, "{page}");
    assert!(!page.contains("dapr_http_server_response_count"), "{page}");
    assert!(page.contains("status=\"200\",le=\"50\"}") && !page.contains("status=\"200\",le=\"100\"}"), "{page}");
}

#[tokio::test]
async fn errors_are_counted_by_code_where_a_configuration_asks_for_it() {
    let app = App::http().start().await;
    let asked = "metrics:\n  recordErrorCodes: true\n";
    let sidecar = Sidecar::named("asked").app(&app).resource(STORE).configuration(asked).start().await;
    let silent = Sidecar::named("silent").app(&app).resource(STORE).start().await;
    for one in [&sidecar, &silent] {
        one.get("/v1.0/state/nowhere/k").send().await;
        one.get("/v1.0/state/nowhere/k").send().await;
        one.get("/v1.0/state/store/k").send().await;
        let wanted = GetStateRequest { store_name: "nowhere".to_owned(), key: "k".to_owned(), ..Default::default() };
        one.dapr().await.get_state(wanted).await.unwrap_err();
        let unknown = UnsubscribeConfigurationRequest { store_name: "c".to_owned(), id: "none".to_owned() };
        assert!(!one.dapr().await.unsubscribe_configuration(unknown).await.unwrap().into_inner().ok);
    }
    let codes = |category: &str, code: &str| {
        let labels = [("app_id", sidecar.id()), ("category", category), ("error_code", code)];
        series("dapr_error_code_total", &labels)
    };
    counts(&sidecar, &codes("state", "ERR_STATE_STORE_NOT_FOUND"), 3).await;
    counts(&sidecar, &codes("configuration", "ERR_CONFIGURATION_UNSUBSCRIBE"), 1).await;
    assert!(!silent.metrics().await.contains("dapr_error_code_total"));
}
