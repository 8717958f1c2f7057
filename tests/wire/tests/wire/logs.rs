//! Log lines have the shape that collectors of the target parse.

use serde_json::Value;
use testkit::Sidecar;

#[tokio::test]
async fn text_lines_have_the_fields_of_the_target() {
    let a = Sidecar::named("a").start().await;
    let line = a.logged("dapr initialized").await;
    for part in [
        "time=\"",
        "level=info",
        "msg=\"dapr initialized. Status: Running.",
        "app_id=a",
        "scope=dapr.runtime",
        "type=log",
        "ver=",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[tokio::test]
async fn json_lines_have_the_fields_of_the_target() {
    let a = Sidecar::named("a").flag("--log-as-json=true").start().await;
    let line: Value = serde_json::from_str(&a.logged("dapr initialized").await).unwrap();
    assert_eq!(
        (&line["app_id"], &line["level"], &line["scope"], &line["type"]),
        (&"a".into(), &"info".into(), &"dapr.runtime".into(), &"log".into())
    );
    for name in ["time", "msg", "instance", "ver"] {
        assert!(line[name].is_string(), "{name} in {line}");
    }
    for line in a.logs().iter().filter(|line| !line.trim().is_empty()) {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[tokio::test]
async fn a_level_keeps_lower_lines_out() {
    let a = Sidecar::named("a").flag("--log-level=error").start().await;
    assert!(!a.logs().iter().any(|line| line.contains("level=info") || line.contains("level=debug")), "{:?}", a.logs());
}

#[tokio::test]
async fn api_calls_are_logged_when_asked_for() {
    let a = Sidecar::named("a").memory_store("store").flag("--enable-api-logging=true").start().await;
    a.get("/v1.0/state/store/key").header("user-agent", "the-agent").send().await;
    let line = a.logged("method=\"GET /v1.0/state/store/key\"").await;
    for part in ["msg=\"HTTP API Called\"", "useragent=the-agent", "scope=dapr.runtime.http-info", "code=204"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let quiet = Sidecar::named("b").memory_store("store").start().await;
    quiet.get("/v1.0/state/store/key").send().await;
    assert!(!quiet.logs().iter().any(|line| line.contains("API Called")));
}

#[tokio::test]
async fn a_log_file_takes_the_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log.txt");
    let a = Sidecar::named("a").flag(format!("--log-file={}", file.display())).start().await;
    a.stop().await;
    assert!(std::fs::read_to_string(file).unwrap().contains("dapr initialized"));
}

#[tokio::test]
async fn a_line_break_in_a_request_makes_no_line() {
    let a = Sidecar::named("a").flag("--enable-api-logging=true").start().await;
    a.get("/v1.0/invoke/nobody/method/x%0Alevel=info%20msg=forged").send().await;
    a.get("/v1.0/state/x%0Alevel=info%20msg=forged/key").send().await;
    a.logged("API Called").await;
    assert!(!a.logs().iter().any(|line| line.starts_with("level=info")), "{:?}", a.logs());
}
