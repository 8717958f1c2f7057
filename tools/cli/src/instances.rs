//! The sidecars that run on this machine: those that `run` has recorded, and plain sidecars found among the processes,
//! as the target's command line finds them. Used by `list`, `stop` and `invoke`.

use crate::api::{Api, within};
use crate::plan::socket_path;
use crate::process::ProcessId;
use crate::record::{Record, read_all};
use crate::session::Session;

/// How long a found sidecar may take to tell what it is.
const ANSWER_LIMIT: std::time::Duration = std::time::Duration::from_secs(2);

/// Everything that runs, recorded runs first.
pub(crate) async fn all(session: &Session) -> Vec<Record> {
    let (mut records, complaints) = session.folder().map(|folder| read_all(&folder)).unwrap_or_default();
    for complaint in complaints {
        session.console.warning(complaint);
    }
    for mut found in found_among_processes() {
        let known = |record: &Record| record.sidecar.pid == found.sidecar.pid;
        if !records.iter().any(known) {
            ask(&mut found, session).await;
            records.push(found);
        }
    }
    records
}

/// The HTTP API of an instance. `folder` overrides where its sockets are.
pub(crate) fn api(record: &Record, folder: Option<&str>, session: &Session) -> Api {
    let folder = folder.unwrap_or(&record.unix_domain_socket);
    let socket = socket_path(folder, &record.app_id, "http");
    Api::new(&record.host, record.http_port, socket, &session.environment)
}

/// Adds what the sidecar's own metadata says of the processes around it.
async fn ask(record: &mut Record, session: &Session) {
    let api = api(record, None, session);
    let call = api.call(http::Method::GET, "/v1.0/metadata", bytes::Bytes::new());
    let Ok(answer) = within(ANSWER_LIMIT, call).await else { return };
    let Ok(metadata) = serde_json::from_slice::<serde_json::Value>(&answer.body) else { return };
    let text = |key: &str| metadata.pointer(&format!("/extended/{key}")).and_then(|value| value.as_str()).unwrap_or("");
    let process = |key: &str| text(key).parse().ok().filter(|pid| *pid > 0).map(ProcessId::of);
    if let Some(cli) = process("cliPID").filter(is_command_line) {
        record.cli = cli;
    }
    record.app = process("appPID");
    text("appCommand").clone_into(&mut record.command);
    text("runTemplatePath").clone_into(&mut record.run_template_path);
    text("runTemplateName").clone_into(&mut record.run_template_name);
    text("appLogPath").clone_into(&mut record.app_log_path);
    text("daprdLogPath").clone_into(&mut record.sidecar_log_path);
}

/// Whether a process is the command line of the target or ours: an app can write any number into its metadata.
fn is_command_line(process: &ProcessId) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
    matches!(name.trim(), "dapr" | "trilby")
}

#[cfg(target_os = "linux")]
fn found_among_processes() -> Vec<Record> {
    use std::os::unix::fs::MetadataExt;
    let user = nix::unistd::getuid().as_raw();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(metadata) = process.metadata() else { continue };
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line: Vec<String> =
            line.split(|byte| *byte == 0).map(|a| String::from_utf8_lossy(a).into_owned()).collect();
        if let Some(mut record) = sidecar(pid, &line).filter(|_| user == 0 || metadata.uid() == user) {
            record.created = started_at(&process.path());
            found.push(record);
        }
    }
    found
}

#[cfg(not(target_os = "linux"))]
fn found_among_processes() -> Vec<Record> {
    Vec::new()
}

/// When a process was started, in seconds since 1970: its ticks since boot, 100 to the second, and the time of boot.
#[cfg(target_os = "linux")]
fn started_at(process: &std::path::Path) -> i64 {
    let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    let ticks = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(19)?.parse::<i64>().ok());
    let boot = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    boot.unwrap_or_default() + ticks.unwrap_or_default() / 100
}

/// Reads the command line of a process, when it is a sidecar with an app id: `daprd ...`, or ours as `trilby daprd ...`.
#[cfg(any(target_os = "linux", test))]
fn sidecar(pid: i32, line: &[String]) -> Option<Record> {
    let name = |argument: &String| argument.rsplit('/').next().unwrap_or_default().to_owned();
    let program = name(line.first()?);
    let skip = match (program.as_str(), line.get(1).map(String::as_str)) {
        ("daprd", _) => 1,
        ("trilby" | "dapr", Some("daprd")) => 2,
        _ => return None,
    };
    let flags = flags(line.get(skip..)?);
    let flag = |name: &str| flags.iter().rev().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str());
    let port = |name: &str, default: u16| flag(name).and_then(|value| value.parse().ok()).unwrap_or(default);
    let mut record = Record::new(flag("app-id").filter(|id| !id.is_empty())?, ProcessId::of(pid));
    record.found = true;
    record.http_port = port("dapr-http-port", 3500);
    record.grpc_port = port("dapr-grpc-port", 50001);
    record.app_port = port("app-port", 0);
    flag("unix-domain-socket").unwrap_or_default().clone_into(&mut record.unix_domain_socket);
    flag("max-body-size").unwrap_or_default().clone_into(&mut record.max_body_size);
    flag("read-buffer-size").unwrap_or_default().clone_into(&mut record.read_buffer_size);
    Some(record)
}

/// Flags with one dash or two and their values, `=` or space between.
#[cfg(any(target_os = "linux", test))]
fn flags(line: &[String]) -> Vec<(String, String)> {
    let mut flags = Vec::new();
    for (index, argument) in line.iter().enumerate() {
        let Some(flag) = argument.strip_prefix('-').map(|flag| flag.strip_prefix('-').unwrap_or(flag)) else {
            continue;
        };
        match flag.split_once('=') {
            Some((name, value)) => flags.push((name.to_owned(), value.to_owned())),
            None => {
                let next = line.get(index + 1).filter(|next| !next.starts_with('-')).cloned();
                flags.push((flag.to_owned(), next.unwrap_or_default()));
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Option<Record> {
        sidecar(1, &line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_plain_sidecar_is_recognised_by_its_command_line() {
        let record =
            found("/opt/bin/daprd -app-id orders --dapr-http-port=3501 --enable-metrics --app-port 80").unwrap();
        assert_eq!((record.app_id.as_str(), record.http_port, record.app_port), ("orders", 3501, 80));
        assert_eq!(record.grpc_port, 50001);
        assert_eq!(found("./trilby daprd --app-id bills").unwrap().app_id, "bills");
    }

    #[test]
    fn other_processes_are_not() {
        assert_eq!(found("vim daprd --app-id x"), None);
        assert_eq!(found("trilby run --app-id x"), None);
        assert_eq!(found("daprd --version"), None);
        assert_eq!(found(""), None);
    }
}
