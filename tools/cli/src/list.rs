//! The command `list`: what runs on this machine, as a table, JSON or YAML with the target's columns and names.

use anyhow::{Result, bail};
use clap::ArgMatches;
use serde::Serialize;

use crate::instances;
use crate::process::ProcessId;
use crate::record::Record;
use crate::session::{Session, refuse_kubernetes};
use crate::table;

/// One line of the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    app_id: String,
    http_port: u16,
    grpc_port: u16,
    app_port: u16,
    metrics_enabled: bool,
    command: String,
    age: String,
    created: String,
    daprd_pid: i32,
    cli_pid: i32,
    app_pid: i32,
    max_request_body_size: i64,
    http_read_buffer_size: i64,
    run_template_path: String,
    app_log_path: String,
    daprd_log_path: String,
    run_template_name: String,
}

/// Prints the list.
pub(crate) async fn list(matches: &ArgMatches, session: &Session) -> Result<()> {
    refuse_kubernetes(matches)?;
    let output = matches.get_one::<String>("output").map(String::as_str).unwrap_or_default();
    if !["", "table", "json", "yaml"].contains(&output) {
        bail!("the output form {output} is unknown; use json, yaml or table");
    }
    let now = jiff::Timestamp::now().as_second();
    let records = instances::all(session).await;
    let rows: Vec<Row> = records.into_iter().map(|record| row(record, now)).collect();
    match output {
        "json" => session.console.print(format!("{}\n", serde_json::to_string_pretty(&rows)?)),
        "yaml" => session.console.print(yaml(&rows)?),
        _ if rows.is_empty() => session.console.print("No Dapr instances found.\n"),
        _ => session.console.print(table(&rows)),
    }
    Ok(())
}

fn row(record: Record, now: i64) -> Row {
    Row {
        app_id: record.app_id,
        http_port: record.http_port,
        grpc_port: record.grpc_port,
        app_port: record.app_port,
        metrics_enabled: true,
        command: shortened(&record.command),
        age: age(now - record.created),
        created: created(record.created),
        daprd_pid: record.sidecar.pid,
        cli_pid: Some(record.cli).filter(ProcessId::is_alive).map(|cli| cli.pid).unwrap_or_default(),
        app_pid: record.app.filter(ProcessId::is_alive).map(|app| app.pid).unwrap_or_default(),
        max_request_body_size: bytes(&record.max_body_size).unwrap_or(4 << 20),
        http_read_buffer_size: bytes(&record.read_buffer_size).unwrap_or(4 << 10),
        run_template_path: record.run_template_path,
        app_log_path: record.app_log_path,
        daprd_log_path: record.sidecar_log_path,
        run_template_name: record.run_template_name,
    }
}

/// The target shows twenty letters of the command.
fn shortened(command: &str) -> String {
    if command.chars().count() <= 20 {
        return command.to_owned();
    }
    command.chars().take(17).chain("...".chars()).collect()
}

fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..=60 => format!("{seconds}s"),
        seconds @ 61..=3600 => format!("{}m", seconds / 60),
        seconds @ 3601..=86400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86400),
    }
}

fn created(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M.%S").to_string()
}

/// A resource quantity in bytes: `4Mi`, `2G`, `512`; `None` when it is something else.
fn bytes(quantity: &str) -> Option<i64> {
    let digits = quantity.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match quantity.get(digits.len()..)? {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(factor)
}

/// A list of mappings; their values, all scalars, are written as in JSON, which is YAML in which every text is safely quoted.
fn yaml(rows: &[Row]) -> Result<String> {
    if rows.is_empty() {
        return Ok("[]\n".to_owned());
    }
    let mut text = String::new();
    for row in rows {
        let mut start = "- ";
        for line in serde_json::to_string_pretty(row)?.lines() {
            let Some((name, value)) = line.trim_start().split_once(": ") else { continue };
            let (name, value) = (name.trim_matches('"'), value.strip_suffix(',').unwrap_or(value));
            text.push_str(&format!("{start}{name}: {value}\n"));
            start = "  ";
        }
    }
    Ok(text)
}

fn table(rows: &[Row]) -> String {
    let header = [
        "APP ID",
        "HTTP PORT",
        "GRPC PORT",
        "APP PORT",
        "COMMAND",
        "AGE",
        "CREATED",
        "DAPRD PID",
        "CLI PID",
        "APP PID",
        "RUN TEMPLATE PATH",
        "APP LOG PATH",
        "DAPRD LOG PATH",
        "RUNTEMPLATENAME",
    ];
    table::render(&header, rows.iter().map(cells).collect())
}

fn cells(row: &Row) -> Vec<String> {
    let number = |number: i32| number.to_string();
    vec![
        row.app_id.clone(),
        row.http_port.to_string(),
        row.grpc_port.to_string(),
        row.app_port.to_string(),
        row.command.split_whitespace().collect::<Vec<_>>().join(" "),
        row.age.clone(),
        row.created.clone(),
        number(row.daprd_pid),
        number(row.cli_pid),
        number(row.app_pid),
        row.run_template_path.clone(),
        row.app_log_path.clone(),
        row.daprd_log_path.clone(),
        row.run_template_name.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_the_target_shows_them() {
        assert_eq!([age(59), age(61), age(7200), age(200_000)], ["59s", "1m", "2h", "2d"]);
        assert_eq!(shortened("python3 orders.py --port 3"), "python3 orders.py...");
        assert_eq!(shortened("node app.js"), "node app.js");
        assert_eq!(
            [bytes("4Mi"), bytes("1k"), bytes("5"), bytes("x"), bytes("")],
            [Some(4 << 20), Some(1000), Some(5), None, None]
        );
    }

    #[test]
    fn empty_columns_are_left_out() {
        let mut record = Record::new("orders", ProcessId { pid: 12, started: String::new() });
        (record.http_port, record.created) = (3500, 0);
        let table = table(&[row(record, 30)]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("APP ID  HTTP PORT  GRPC PORT  APP PORT  AGE  CREATED"), "{table}");
        assert!(lines[0].ends_with("DAPRD PID  CLI PID  APP PID"), "{table}");
        assert!(lines[1].starts_with("orders  3500       0          0         30s  19"), "{table}");
    }

    #[test]
    fn yaml_says_the_same_as_json() {
        let mut record = Record::new("a: \"b\",", ProcessId { pid: 12, started: String::new() });
        record.command = "x #y".to_owned();
        let rows = [row(record.clone(), 0), row(record, 0)];
        let (text, json) = (yaml(&rows).unwrap(), serde_json::to_value(&rows).unwrap());
        assert!(text.starts_with("- appId: \"a: \\\"b\\\",\"\n  httpPort: 0\n"), "{text}");
        assert_eq!(resources::yaml::Document::parse(&text).unwrap().read::<serde_json::Value>().unwrap(), json);
        assert_eq!(yaml(&[]).unwrap(), "[]\n");
    }

    #[test]
    fn names_in_json_are_those_of_the_target() {
        let record = Record::new("orders", ProcessId { pid: 12, started: String::new() });
        let value = serde_json::to_value(row(record, 0)).unwrap();
        let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = vec![
            "appId",
            "httpPort",
            "grpcPort",
            "appPort",
            "metricsEnabled",
            "command",
            "age",
            "created",
            "daprdPid",
            "cliPid",
            "appPid",
            "maxRequestBodySize",
            "httpReadBufferSize",
            "runTemplatePath",
            "appLogPath",
            "daprdLogPath",
            "runTemplateName",
        ];
        expected.sort_unstable();
        assert_eq!(names, expected);
    }
}
