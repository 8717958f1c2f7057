//! The record of one running app and its sidecar: a small file in the runtime folder, written by `run`, read by `list`,
//! `stop` and `invoke`, removed at the end. A record whose processes are gone is ignored and removed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::folder::{Folder, write_file};
use crate::process::ProcessId;

/// The format this build writes, and the newest it reads.
const FORMAT: u32 = 1;

/// What is known of one app and its sidecar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The format version, first in the file.
    pub(crate) format: u32,
    pub(crate) app_id: String,
    /// The command line that started both; its number is 0 when nobody is known to have.
    pub(crate) cli: ProcessId,
    pub(crate) sidecar: ProcessId,
    pub(crate) app: Option<ProcessId>,
    /// The address on which the HTTP API is reached from here, an IP address.
    pub(crate) host: String,
    pub(crate) http_port: u16,
    pub(crate) grpc_port: u16,
    /// 0 when the app listens on no port.
    pub(crate) app_port: u16,
    /// The folder of the sockets; empty when the APIs are on TCP.
    pub(crate) unix_domain_socket: String,
    pub(crate) command: String,
    pub(crate) max_body_size: String,
    pub(crate) read_buffer_size: String,
    pub(crate) run_template_path: String,
    pub(crate) run_template_name: String,
    pub(crate) app_log_path: String,
    pub(crate) sidecar_log_path: String,
    /// Seconds since 1970.
    pub(crate) created: i64,
    /// Found among the processes, not recorded by us: what it says of other processes is no reason to end them.
    #[serde(skip)]
    pub(crate) found: bool,
}

impl Record {
    /// A record that says nothing yet.
    pub(crate) fn new(app_id: &str, sidecar: ProcessId) -> Self {
        Self {
            format: FORMAT,
            app_id: app_id.to_owned(),
            cli: ProcessId { pid: 0, started: String::new() },
            sidecar,
            app: None,
            host: "127.0.0.1".to_owned(),
            http_port: 0,
            grpc_port: 0,
            app_port: 0,
            unix_domain_socket: String::new(),
            command: String::new(),
            max_body_size: String::new(),
            read_buffer_size: String::new(),
            run_template_path: String::new(),
            run_template_name: String::new(),
            app_log_path: String::new(),
            sidecar_log_path: String::new(),
            created: jiff::Timestamp::now().as_second(),
            found: false,
        }
    }

    /// Whether anything of it still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.sidecar.is_alive() || self.app.as_ref().is_some_and(ProcessId::is_alive)
    }
}

/// The file of one record; dropping it removes the file.
pub(crate) struct RecordFile {
    path: PathBuf,
    record: Record,
}

impl RecordFile {
    /// Writes a new record.
    pub(crate) fn write(folder: &Folder, record: Record) -> Result<Self> {
        let runs = folder.path().join("runs");
        std::fs::create_dir_all(&runs).with_context(|| format!("cannot make {}", runs.display()))?;
        let file = Self { path: runs.join(format!("{}-{}.json", record.cli.pid, record.sidecar.pid)), record };
        file.save()?;
        Ok(file)
    }

    /// Changes the record.
    pub(crate) fn update(&mut self, change: impl FnOnce(&mut Record)) -> Result<()> {
        change(&mut self.record);
        self.save()
    }

    /// What it says now.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    fn save(&self) -> Result<()> {
        write_file(&self.path, &serde_json::to_vec_pretty(&self.record)?)
    }
}

impl Drop for RecordFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The records of what runs now, oldest first, and what could not be read, as sentences.
pub(crate) fn read_all(folder: &Folder) -> (Vec<Record>, Vec<String>) {
    let (mut records, mut complaints) = (Vec::new(), Vec::new());
    let Ok(files) = std::fs::read_dir(folder.path().join("runs")) else { return (records, complaints) };
    for path in files.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "json")) {
        match read(&path) {
            Ok(record) if record.is_alive() => records.push(record),
            Ok(_) => {
                let _ = std::fs::remove_file(&path);
            }
            Err(_) if !path.exists() => {}
            Err(error) => complaints.push(format!("the run record {} was skipped: {error:#}", path.display())),
        }
    }
    records.sort_by_key(|record| (record.created, record.sidecar.pid));
    (records, complaints)
}

fn read(path: &Path) -> Result<Record> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let content = std::fs::read(path)?;
    let Format { format } = serde_json::from_slice(&content).context("it is no run record")?;
    anyhow::ensure!(format <= FORMAT, "it was written by a newer version (format {format}, this build reads {FORMAT})");
    serde_json::from_slice(&content).context("it is damaged")
}

#[cfg(test)]
mod tests {
    use service::Environment;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path().join("r").to_str(), &Environment::default()).unwrap();
        (place, folder)
    }

    #[test]
    fn a_record_is_read_back_and_goes_with_its_owner() {
        let (_place, folder) = folder();
        let mut file = RecordFile::write(&folder, Record::new("orders", ProcessId::current())).unwrap();
        file.update(|record| record.http_port = 3500).unwrap();
        let (records, complaints) = read_all(&folder);
        assert!(complaints.is_empty());
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].app_id.as_str(), records[0].http_port), ("orders", 3500));
        drop(file);
        assert!(read_all(&folder).0.is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_stale_record_is_ignored_and_removed() {
        let (_place, folder) = folder();
        let recycled = ProcessId { started: "another boot:1".to_owned(), ..ProcessId::current() };
        let file = RecordFile::write(&folder, Record::new("orders", recycled)).unwrap();
        let path = file.path.clone();
        std::mem::forget(file);
        assert!(read_all(&folder).0.is_empty());
        assert!(!path.exists());
    }

    #[test]
    fn a_newer_format_is_named_and_kept() {
        let (_place, folder) = folder();
        let file = RecordFile::write(&folder, Record::new("orders", ProcessId::current())).unwrap();
        std::fs::write(&file.path, br#"{"format": 99, "other": true}"#).unwrap();
        let (records, complaints) = read_all(&folder);
        assert!(records.is_empty());
        assert!(complaints[0].contains("format 99"), "{complaints:?}");
        assert!(file.path.exists());
    }
}
