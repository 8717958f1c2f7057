//! What a scrape says, held against lines that the reference said.

use super::*;

#[test]
fn families_are_rendered_with_sorted_and_empty_labels() {
    let metrics = Metrics::new("myapp", &[]);
    metrics.counter(&names::SERVICE_INVOCATION_REQUESTS_SENT, &["other"]).add(2);
    metrics.counter(&names::COMPONENTS_INITIALISED, &["state.x"]).add(1);
    let text = metrics.render();
    let sent = r#"dapr_runtime_service_invocation_req_sent_total{app_id="myapp",dst_app_id="other",type=""} 2"#;
    assert!(text.contains(sent), "{text}");
    assert!(text.contains("# TYPE dapr_runtime_component_init_total counter\n"), "{text}");
    assert!(text.contains("# HELP dapr_runtime_component_init_total "), "{text}");
    assert!(text.contains("process_resident_memory_bytes "), "{text}");
}

#[test]
fn histograms_keep_their_buckets() {
    let metrics = Metrics::new("myapp", &[10.0, 100.0]);
    let latency = metrics.histogram(&names::SERVICE_INVOCATION_RESPONSE_LATENCY, &["other", "200"]);
    for _ in 0..10_000 {
        latency.time(Duration::from_millis(50));
    }
    let text = metrics.render();
    assert!(text.contains(r#"src_app_id="other",status="200",le="10"} 0"#), "{text}");
    assert!(text.contains(r#"src_app_id="other",status="200",le="100"} 10000"#), "{text}");
    assert!(text.contains(r#"src_app_id="other",status="200",le="+Inf"} 10000"#), "{text}");
    assert!(text.contains(r#"_sum{app_id="myapp",src_app_id="other",status="200"} 500000"#), "{text}");
    assert!(!text.contains("http_server_latency"), "a family appears when it is first used");
}

#[test]
fn registries_do_not_see_each_other() {
    let (first, second) = (Metrics::new("a", &[]), Metrics::new("b", &[]));
    first.counter(&names::COMPONENTS_INITIALISED, &["state.x"]).add(1);
    assert!(!second.render().contains("runtime_component_init_total"));
}

#[test]
fn without_metrics_nothing_is_counted() {
    let metrics = Metrics::off();
    HttpServer::new(&metrics).answered(("GET", "/"), 200, (1, 1), Duration::ZERO);
    metrics.counter(&names::COMPONENTS_INITIALISED, &["state.x"]).add(1);
    metrics.histogram(&names::HTTP_SERVER_REQUEST_BYTES, &[]).bytes(1);
    assert!(!metrics.render().contains("dapr_"));
}

#[test]
fn values_of_clients_are_bounded_and_what_is_beyond_is_counted_together() {
    let metrics = Metrics::new("a", &[]);
    let server = HttpServer::new(&metrics);
    for number in 0..5000 {
        server.answered(("GET", &format!("/v1.0/invoke/b/method/{number}")), 200, (0, 0), Duration::ZERO);
    }
    server.answered(("GET", &format!("/{}", "x".repeat(4000))), 200, (0, 0), Duration::ZERO);
    let text = metrics.render();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("dapr_http_server_request_count{")).collect();
    assert!(lines.len() <= registry::MAX_SERIES + 1, "{}", lines.len());
    let total: u64 = lines.iter().filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum();
    assert_eq!(total, 5001);
    assert!(lines.iter().any(|line| line.contains(r#"path="",status="200""#)));
}

#[test]
fn a_rule_brings_any_number_of_paths_together() {
    let mut rules = Rules::default();
    rules.add(("dapr_http_server_request_count", "path"), "/orders/[0-9]+$", "/orders/{id}").unwrap();
    let metrics = Metrics::configured("a", Settings { rules, ..Settings::default() });
    let server = HttpServer::new(&metrics);
    for number in 0..5000 {
        server.answered(("GET", &format!("/v1.0/invoke/b/method/orders/{number}")), 200, (0, 0), Duration::ZERO);
    }
    let row = r#"request_count{app_id="a",method="GET",path="/v1.0/invoke/b/method/orders/{id}",status="200"} 5000"#;
    assert!(metrics.render().contains(row));
}

/// Calls of the recorded run, counted as the doors count them: every series that the reference wrote comes out, to the letter.
#[test]
fn the_series_of_the_reference_come_out() {
    let metrics = Metrics::configured("a", Settings { namespace: "default".to_owned(), ..Settings::default() });
    let (server, client) = (HttpServer::new(&metrics), HttpClient::new(&metrics));
    let (grpc, grpc_client) = (GrpcServer::new(&metrics), GrpcClient::new(&metrics));
    let invocations = Invocations::new(&metrics);
    let fast = Duration::from_micros(300);
    server.answered(("POST", "/v1.0/invoke/b/method/echo"), 200, (1024, 1024), fast);
    server.answered(("GET", "/v1.0/state/mystore/k"), 200, (0, 3), fast);
    server.answered(("WEIRD", "/v1.0/metadata"), 404, (0, 300), fast);
    client.sent(("GET", "/hi"), 0);
    client.answered(("GET", "/hi"), 200, 2, fast);
    client.probed(200, fast);
    grpc.answered("/dapr.proto.runtime.v1.Dapr/GetState", 3, Some((13, 0)), fast);
    grpc.answered("/dapr.proto.runtime.v1.Dapr/GetState", 0, Some((13, 203)), fast);
    grpc.answered("/my.Service/Unary", 0, None, fast);
    grpc_client.ended("/dapr.proto.runtime.v1.AppCallback/OnInvoke", 0, (65, 0), fast);
    grpc_client.probed(0, fast);
    invocations.sent("b", false);
    invocations.sent("g", true);
    invocations.received("a").answered(200);
    invocations.answer("g", 12, fast);
    invocations.judged(["", "", ""], false, true);
    let ready = |(component, operation): (&str, &'static str), operations: Operations| {
        let call = operations.watch(component, operation, std::future::ready(Ok::<(), ()>(())));
        let mut call = std::pin::pin!(call);
        let waker = std::task::Waker::noop();
        assert!(call.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_ready());
    };
    ready(("mystore", "get"), Operations::state(&metrics));
    ready(("echo", ""), Operations::conversation(&metrics));
    let text = metrics.render();
    let ours: std::collections::HashSet<&str> =
        text.lines().filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    let series = |line: &'static str| {
        let series = line.rsplit_once(' ')?.0;
        // Every sidecar of that run is this one here.
        let own = ["b", "g"].iter().find_map(|app| {
            let (family, labels) = series.split_once(&format!("{{app_id=\"{app}\""))?;
            Some(format!("{family}{{app_id=\"a\"{labels}"))
        });
        Some(own.unwrap_or_else(|| series.to_owned()))
    };
    let recorded = include_str!("tests/recorded.txt").lines().filter(|line| !line.starts_with('#'));
    let missing: Vec<String> = recorded.filter_map(series).filter(|series| !ours.contains(&**series)).collect();
    assert!(missing.is_empty(), "{}\nare not in\n{text}", missing.join("\n"));
}

#[test]
fn errors_are_counted_by_code_where_that_is_asked_for() {
    let asked = Metrics::configured("a", Settings { error_codes: true, ..Settings::default() });
    for metrics in [Metrics::new("a", &[]), Metrics::off(), asked.clone()] {
        let errors = ErrorCodes::new(&metrics);
        errors.count("ERR_STATE_GET", "state");
        errors.count("ERR_STATE_GET", "state");
        assert_eq!(errors.is_on(), metrics.render().contains("dapr_error_code_total"));
    }
    let text = asked.render();
    let line = text.lines().find(|line| line.starts_with("dapr_error_code_total{")).unwrap();
    for part in ["app_id=\"a\"", "category=\"state\"", "error_code=\"ERR_STATE_GET\"", "} 2"] {
        assert!(line.contains(part), "{line}");
    }
}
