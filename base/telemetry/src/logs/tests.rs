//! What a line looks like and which lines there are.

use std::sync::Arc;

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged(level: LogLevel, json: bool, body: impl FnOnce()) -> Vec<String> {
    let captured = Captured::default();
    let options = LogOptions {
        level,
        json,
        app_id: "my app".into(),
        instance: "host-1".into(),
        version: "1.18.3".into(),
        output: LogOutput::Writer(Mutex::new(Box::new(captured.clone()))),
    };
    tracing::dispatcher::with_default(&subscriber(options), body);
    let bytes = captured.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(without_time).collect()
}

/// Replaces the value of the time, after checking its shape.
fn without_time(line: &str) -> String {
    let marker = if line.starts_with('{') { "\"time\":\"" } else { "time=\"" };
    let (before, rest) = line.split_once(marker).unwrap();
    let (time, after) = rest.split_once('"').unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{time}");
    format!("{before}{marker}T\"{after}")
}

#[test]
fn text_lines_have_the_fields_of_the_target_in_its_order() {
    let lines = logged(LogLevel::Info, false, || {
        tracing::info!(target: "dapr.runtime", "starting \"x\"\n");
        tracing::warn!(target: "dapr.runtime.http", "plain/message");
        tracing::error!(target: "dapr", fatal = true, "the end");
        let fields = (201, "GET /v1.0/state/a b");
        tracing::info!(target: "dapr.runtime.http-info", code = fields.0, method = fields.1, useragent = "",
            "HTTP API Called");
    });
    assert_eq!(
        lines,
        [
            r#"time="T" level=info msg="starting \"x\"\n" app_id="my app" instance=host-1 scope=dapr.runtime type=log ver=1.18.3"#,
            r#"time="T" level=warning msg=plain/message app_id="my app" instance=host-1 scope=dapr.runtime.http type=log ver=1.18.3"#,
            r#"time="T" level=fatal msg="the end" app_id="my app" instance=host-1 scope=dapr type=log ver=1.18.3"#,
            r#"time="T" level=info msg="HTTP API Called" app_id="my app" code=201 instance=host-1 method="GET /v1.0/state/a b" scope=dapr.runtime.http-info type=log useragent= ver=1.18.3"#,
        ]
    );
}

#[test]
fn json_lines_are_sorted_objects() {
    let lines = logged(LogLevel::Info, true, || {
        tracing::info!(target: "dapr.runtime", code = 5, time = "mine", "a <b> & \"c\"");
    });
    assert_eq!(
        lines,
        [concat!(
            r#"{"app_id":"my app","code":5,"fields.time":"mine","instance":"host-1","level":"info","#,
            r#""msg":"a \u003cb\u003e \u0026 \"c\"","scope":"dapr.runtime","time":"T","type":"log","ver":"1.18.3"}"#
        )]
    );
    serde_json::from_str::<serde_json::Value>(&lines[0]).unwrap();
}

#[test]
fn only_what_is_asked_for_passes() {
    let all = || {
        tracing::debug!(target: "dapr.runtime", "d");
        tracing::info!(target: "dapr.runtime", "i");
        tracing::info!(target: "dapr.runtime.http-info", "api");
        tracing::error!(target: "dapr.runtime", "e");
        tracing::error!(target: "dapr.runtime", fatal = true, "f");
        tracing::error!(target: "h2::proto", "noise");
    };
    assert_eq!(logged(LogLevel::Debug, false, all).len(), 5);
    assert_eq!(logged(LogLevel::Info, false, all).len(), 4);
    assert_eq!(logged(LogLevel::Error, false, all).len(), 3);
    assert_eq!(logged(LogLevel::Fatal, false, all).len(), 2);
}

#[test]
fn times_end_without_zeros_as_in_the_target() {
    let time = |nanoseconds| jiff::Timestamp::new(0, nanoseconds).unwrap().to_string();
    assert_eq!(time(279_473_300), "1970-01-01T00:00:00.2794733Z");
    assert_eq!(time(500_000_000), "1970-01-01T00:00:00.5Z");
    assert_eq!(time(0), "1970-01-01T00:00:00Z");
}

#[test]
fn levels_are_read_in_any_case() {
    assert_eq!(LogLevel::parse("WARN"), Ok(LogLevel::Warn));
    assert_eq!(LogLevel::parse("verbose"), Err("invalid value for --log-level: verbose".into()));
}

#[test]
fn a_log_file_is_appended_to() {
    let path = std::env::temp_dir().join(format!("trilby-log-{}", std::process::id()));
    std::fs::write(&path, "first\n").unwrap();
    LogOutput::append_to(&path).unwrap().write(b"second\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\n");
    std::fs::remove_file(&path).unwrap();
    assert!(LogOutput::append_to(Path::new("/nowhere/x")).is_err());
}
