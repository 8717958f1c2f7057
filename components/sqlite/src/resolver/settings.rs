//! The settings of the sqlite resolver, checked. Read once when it is made; must not touch the file.

use std::time::Duration;

use component::resolver::{Configuration, Error};

use crate::connection::{ConnectionSettings, is_identifier};

/// Settings with the target's defaults filled in.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) connection: ConnectionSettings,
    pub(super) table: String,
    pub(super) metadata_table: String,
    /// How long an entry counts after it was last renewed; whole seconds.
    pub(super) update_interval: Duration,
    /// How often entries of the gone are deleted; zero is never.
    pub(super) cleanup_interval: Duration,
}

impl Settings {
    pub(super) fn read(configuration: &Configuration) -> Result<Self, Error> {
        let connection = ConnectionSettings::read(configuration, Duration::from_secs(1), Duration::from_millis(800))?;
        let update_interval = configuration.duration(&["updateInterval"])?.unwrap_or(Duration::from_secs(5));
        let cleanup_interval = configuration.duration(&["cleanupInterval", "cleanupIntervalInSeconds"])?;
        let settings = Self {
            connection,
            table: configuration.text(&["tableName"]).unwrap_or("hosts").to_owned(),
            metadata_table: configuration.text(&["metadataTableName"]).unwrap_or("metadata").to_owned(),
            update_interval,
            cleanup_interval: cleanup_interval.unwrap_or(Duration::from_secs(3600)),
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), Error> {
        let problem = if !is_identifier(&self.table) {
            format!("invalid identifier for table name: {}", self.table)
        } else if !is_identifier(&self.metadata_table) {
            format!("invalid identifier for metadata table name: {}", self.metadata_table)
        } else if self.update_interval.subsec_nanos() != 0 {
            "update interval must not contain fractions of seconds".to_owned()
        } else if self.update_interval < self.connection.timeout + Duration::from_secs(1) {
            "update interval must be at least 1s greater than timeout".to_owned()
        } else {
            return Ok(());
        };
        Err(Error::Configuration(problem))
    }

    /// How long to wait between two renewals: so early that a renewal that takes its whole time still counts, with a
    /// second to spare where the interval is long enough, since entries are stamped in whole seconds.
    pub(super) fn renewal_interval(&self) -> Duration {
        let second = Duration::from_secs(1);
        self.update_interval.saturating_sub(self.connection.timeout).saturating_sub(second).max(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        let pairs = pairs.iter().copied().chain([("connectionString", "a.db")]);
        Settings::read(&Configuration::from_pairs(pairs))
    }

    #[test]
    fn defaults_are_those_of_the_target() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.table, "hosts");
        assert_eq!(settings.metadata_table, "metadata");
        assert_eq!(settings.update_interval, Duration::from_secs(5));
        assert_eq!(settings.cleanup_interval, Duration::from_secs(3600));
        assert_eq!(settings.connection.timeout, Duration::from_secs(1));
        assert_eq!(settings.connection.busy_timeout, Duration::from_millis(800));
        assert_eq!(settings.renewal_interval(), Duration::from_secs(3));
    }

    #[test]
    fn intervals_that_cannot_work_are_refused() {
        let message = |pairs: &[(&str, &str)]| read(pairs).unwrap_err().to_string();
        assert!(message(&[("updateInterval", "5500ms")]).contains("fractions of seconds"));
        assert!(message(&[("updateInterval", "5s"), ("timeout", "4500ms")]).contains("at least 1s greater"));
        assert!(message(&[("tableName", "a b")]).contains("invalid identifier for table name: a b"));
        assert!(message(&[("metadataTableName", "x;")]).contains("for metadata table name"));
        assert_eq!(read(&[("updateInterval", "2s")]).unwrap().renewal_interval(), Duration::from_secs(1));
    }
}
