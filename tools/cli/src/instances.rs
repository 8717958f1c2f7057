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
    for mut found in processes().iter().filter_map(Process::sidecar) {
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

/// The `extended` part of a sidecar's metadata, if it answers.
pub(crate) async fn extended_metadata(record: &Record, session: &Session) -> Option<serde_json::Value> {
    let api = api(record, None, session);
    let call = api.call(http::Method::GET, "/v1.0/metadata", bytes::Bytes::new());
    let answer = within(ANSWER_LIMIT, call).await.ok()?;
    serde_json::from_slice::<serde_json::Value>(&answer.body).ok()?.get_mut("extended").map(serde_json::Value::take)
}

/// Adds what the sidecar's own metadata says of the processes around it.
async fn ask(record: &mut Record, session: &Session) {
    let Some(extended) = extended_metadata(record, session).await else { return };
    let text = |key: &str| extended.get(key).and_then(|value| value.as_str()).unwrap_or("");
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

/// A process of ours or the target's, as its command line tells.
pub(crate) struct Process {
    pid: i32,
    created: i64,
    role: String,
    /// Flags with one dash or two and their values; the value of a switch is empty.
    flags: Vec<(String, String)>,
}

/// The roles that are looked for.
const ROLES: [&str; 2] = ["daprd", "sentry"];

/// The processes of this user that are sidecars or sentries; root sees everybody's.
#[cfg(target_os = "linux")]
pub(crate) fn processes() -> Vec<Process> {
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
        if let Some(mut recognised) = Process::recognise(pid, &line).filter(|_| user == 0 || metadata.uid() == user) {
            recognised.created = started_at(&process.path());
            found.push(recognised);
        }
    }
    found
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn processes() -> Vec<Process> {
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

impl Process {
    /// Reads a command line: `daprd ...`, or ours as `trilby daprd ...`.
    #[cfg(any(target_os = "linux", test))]
    fn recognise(pid: i32, line: &[String]) -> Option<Self> {
        let program = line.first()?.rsplit('/').next().unwrap_or_default();
        let (role, skip) = match (program, line.get(1).map(String::as_str)) {
            ("trilby" | "dapr", Some(role)) => (role, 2),
            (role, _) => (role, 1),
        };
        ROLES.contains(&role).then_some(())?;
        Some(Self { pid, created: 0, role: role.to_owned(), flags: flags(line.get(skip..)?) })
    }

    /// What it is.
    pub(crate) fn role(&self) -> &str {
        &self.role
    }

    /// The last value of a flag.
    pub(crate) fn flag(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| flag == name).map(|(_, value)| value.as_str())
    }

    /// The record of a sidecar with an app id.
    pub(crate) fn sidecar(&self) -> Option<Record> {
        (self.role == "daprd").then_some(())?;
        let port = |name: &str, default: u16| self.flag(name).and_then(|value| value.parse().ok()).unwrap_or(default);
        let text = |name: &str| self.flag(name).unwrap_or_default().to_owned();
        let mut record = Record::new(self.flag("app-id").filter(|id| !id.is_empty())?, ProcessId::of(self.pid));
        record.found = true;
        record.created = self.created;
        record.http_port = port("dapr-http-port", 3500);
        record.grpc_port = port("dapr-grpc-port", 50001);
        record.app_port = port("app-port", 0);
        record.unix_domain_socket = text("unix-domain-socket");
        record.max_body_size = text("max-body-size");
        record.read_buffer_size = text("read-buffer-size");
        Some(record)
    }
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
        Process::recognise(1, &line.split(' ').map(str::to_owned).collect::<Vec<_>>())?.sidecar()
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
