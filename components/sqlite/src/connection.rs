//! How a component opens its SQLite file: the settings they share, the connection string with the options of the
//! target, the journal. Components call it on their own thread; it must not know any table.

use std::time::Duration;

use component::resolver::{Configuration, Error};
use rusqlite::{Connection, ErrorCode, OpenFlags};

/// Where the file is and how it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// A `file:` address as SQLite reads it.
    address: String,
    /// What each connection sets first, in order.
    pragmas: Vec<String>,
    /// Whether nothing is stored, so that nobody else sees it.
    pub(crate) in_memory: bool,
    /// Whether changes are written ahead into a file of their own, so that reads and a write do not meet.
    pub(crate) journal_ahead: bool,
    /// How far a commit waits for the disk, if the connection string says it.
    pub(crate) synchronous: Option<String>,
    /// What in the connection string has no effect, one sentence each.
    pub(crate) remarks: Vec<String>,
}

/// The settings of every component on SQLite.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionSettings {
    pub(crate) connection_string: String,
    pub(crate) timeout: Duration,
    pub(crate) busy_timeout: Duration,
    pub(crate) disable_journal_ahead: bool,
}

impl ConnectionSettings {
    /// Reads `connectionString`, `timeout`, `busyTimeout` and `disableWAL`.
    pub(crate) fn read(
        configuration: &Configuration,
        default_timeout: Duration,
        default_busy_timeout: Duration,
    ) -> Result<Self, Error> {
        let Some(connection_string) = configuration.text(&["connectionString", "url"]) else {
            return Err(refused("missing connection string"));
        };
        let timeout = configuration.duration(&["timeout", "timeoutInSeconds"])?.unwrap_or(default_timeout);
        if timeout < Duration::from_secs(1) {
            return Err(refused("invalid value for 'timeout': must be greater than 1s"));
        }
        Ok(Self {
            connection_string: connection_string.to_owned(),
            timeout,
            busy_timeout: configuration.duration(&["busyTimeout"])?.unwrap_or(default_busy_timeout),
            disable_journal_ahead: configuration.is_on(&["disableWAL"]),
        })
    }

    /// Reads the connection string. It may be a path or a `file:` address; the options that the target's driver
    /// understands (`_pragma`, `_txlock`) are taken out of it, all others are left to SQLite.
    pub(crate) fn location(&self) -> Result<Location, Error> {
        let text = self.connection_string.as_str();
        let lower = text.to_lowercase();
        let in_memory = lower.starts_with(":memory:") || lower.starts_with("file::memory:");
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut found = Options::default();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if !(in_memory && name == "cache") {
                found.take(name, &percent_decoded(value), option)?;
            }
        }
        if in_memory {
            found.for_sqlite.push("cache=shared".to_owned());
        }
        let mut pragmas = Vec::new();
        if self.busy_timeout.as_millis() > 0 {
            pragmas.push(format!("busy_timeout({})", self.busy_timeout.as_millis()));
        }
        pragmas.append(&mut found.pragmas);
        let journal_ahead = !in_memory && !self.disable_journal_ahead && !found.read_only;
        // The journal of a file that is only read is not ours to choose; the target tries, and fails on a file that has
        // a write-ahead log.
        if !found.read_only {
            pragmas.push(journal(in_memory, journal_ahead).to_owned());
        }
        let prefix = if lower.starts_with("file:") { "" } else { "file:" };
        let separator = if found.for_sqlite.is_empty() { "" } else { "?" };
        Ok(Location {
            address: format!("{prefix}{path}{separator}{}", found.for_sqlite.join("&")),
            pragmas,
            in_memory,
            journal_ahead,
            synchronous: found.synchronous,
            remarks: found.remarks,
        })
    }
}

/// The options of a connection string, sorted by who understands them.
#[derive(Default)]
struct Options {
    for_sqlite: Vec<String>,
    pragmas: Vec<String>,
    synchronous: Option<String>,
    read_only: bool,
    remarks: Vec<String>,
    seen: Vec<String>,
}

impl Options {
    /// Takes one; `option` is how it was written.
    fn take(&mut self, name: &str, value: &str, option: &str) -> Result<(), Error> {
        match name {
            "_pragma" => {
                if let Some(level) = value.to_lowercase().strip_prefix("synchronous") {
                    self.synchronous = Some(level.trim_matches(['(', ')', '=', ' ']).to_owned());
                }
                self.pragmas.push(allowed_pragma(value)?);
            }
            // Transactions here say themselves how they lock.
            "_txlock" if value.eq_ignore_ascii_case("immediate") => {}
            _ if name.starts_with('_') => self.remarks.push(format!(
                "The option '{option}' of the connection string has no effect: writes lock the database when they \
                 begin, and times are the target's texts"
            )),
            // Of these the target keeps the first.
            "mode" | "immutable" if self.seen.iter().any(|seen| seen == name) => {}
            _ => {
                self.read_only |= matches!((name, value), ("mode", "ro") | ("immutable", "1"));
                self.seen.push(name.to_owned());
                self.for_sqlite.push(option.to_owned());
            }
        }
        Ok(())
    }
}

impl Location {
    /// The path of the file, as it was written.
    pub(crate) fn path(&self) -> &str {
        let address = self.address.split('?').next().unwrap_or_default();
        address.get("file:".len()..).unwrap_or_default()
    }

    /// Opens the file, creating it if it is missing. Blocks.
    pub(crate) fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.address, flags)?;
        for pragma in &self.pragmas {
            // A pragma may answer with a row, which is of no interest.
            connection.query_row(&format!("PRAGMA {pragma}"), [], |_| Ok(())).or_else(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => Ok(()),
                other => Err(other),
            })?;
        }
        Ok(connection)
    }
}

/// Whether a text can be the name of a table without quoting.
pub(crate) fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether the file was only in use, so that trying again may help.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn journal(in_memory: bool, ahead: bool) -> &'static str {
    match (in_memory, ahead) {
        (true, _) => "journal_mode(MEMORY)",
        (false, false) => "journal_mode(DELETE)",
        (false, true) => "journal_mode(WAL)",
    }
}

fn allowed_pragma(pragma: &str) -> Result<String, Error> {
    let lower = pragma.to_lowercase();
    for forbidden in ["busy_timeout", "journal_mode", "foreign_keys"] {
        if lower.starts_with(forbidden) {
            return Err(refused(&format!("found forbidden option '_pragma={forbidden}' in the connection string")));
        }
    }
    Ok(pragma.to_owned())
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn refused(message: &str) -> Error {
    Error::Configuration(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str) -> Result<Location, Error> {
        let configuration = Configuration::from_pairs([("connectionString", text)]);
        ConnectionSettings::read(&configuration, Duration::from_secs(1), Duration::from_millis(800))?.location()
    }

    #[test]
    fn a_path_becomes_a_file_address_with_the_journal_of_the_target() {
        let found = location("data.db").unwrap();
        assert_eq!(found.address, "file:data.db");
        assert_eq!(found.path(), "data.db");
        assert_eq!(found.pragmas, ["busy_timeout(800)", "journal_mode(WAL)"]);
    }

    #[test]
    fn options_of_the_driver_are_taken_out_and_those_of_sqlite_stay() {
        let found = location("file:data.db?mode=ro&_txlock=exclusive&_pragma=cache_size%28100%29").unwrap();
        assert_eq!(found.address, "file:data.db?mode=ro");
        assert_eq!(found.pragmas, ["busy_timeout(800)", "cache_size(100)"]);
    }

    #[test]
    fn what_has_no_effect_is_said_and_the_first_of_two_modes_counts() {
        let found = location("a.db?_txlock=Immediate&mode=rw&mode=ro&_pragma=synchronous(off)").unwrap();
        assert_eq!((found.address.as_str(), found.journal_ahead), ("file:a.db?mode=rw", true));
        assert_eq!(found.synchronous.as_deref(), Some("off"));
        assert!(found.remarks.is_empty());
        let found = location("a.db?_txlock=deferred").unwrap();
        assert!(found.remarks[0].starts_with("The option '_txlock=deferred'"), "{:?}", found.remarks);
    }

    #[test]
    fn a_database_in_memory_is_shared_within_the_process() {
        let found = location(":memory:?cache=private").unwrap();
        assert!(found.in_memory);
        assert_eq!(found.address, "file::memory:?cache=shared");
        assert_eq!(found.pragmas, ["busy_timeout(800)", "journal_mode(MEMORY)"]);
    }

    #[test]
    fn what_a_setting_says_cannot_be_said_in_the_connection_string() {
        for option in ["busy_timeout(1)", "JOURNAL_MODE(OFF)", "foreign_keys(1)"] {
            let error = location(&format!("data.db?_pragma={option}")).unwrap_err().to_string();
            assert!(error.starts_with("found forbidden option '_pragma="), "{error}");
        }
    }

    #[test]
    fn missing_and_too_short_settings_are_refused() {
        assert_eq!(location("").unwrap_err().to_string(), "missing connection string");
        let configuration = Configuration::from_pairs([("url", "a.db"), ("timeout", "500ms")]);
        let second = Duration::from_secs(1);
        assert!(ConnectionSettings::read(&configuration, second, second).is_err());
    }

    #[test]
    fn only_plain_letters_digits_and_underscores_name_a_table() {
        assert!(is_identifier("hosts_2"));
        for text in ["", "a b", "a;drop", "tä"] {
            assert!(!is_identifier(text));
        }
    }
}
