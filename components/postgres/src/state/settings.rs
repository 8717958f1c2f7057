//! The metadata of both versions of `state.postgresql`.

use std::time::Duration;

use component::{Error, Field, Properties, Settings};

use super::layout::Layout;
use crate::options::Options;
use crate::settings::{Interval, ServerSettings, check_timeout, with_server};
use crate::table_name::TableName;

/// Version 1.
#[derive(Settings)]
pub(crate) struct StateV1Settings {
    /// Table in which state is kept, perhaps behind its schema's name.
    #[setting(default = "state")]
    table_name: String,
    /// Table in which the components of a database remember what they did to it.
    #[setting(default = "dapr_metadata")]
    metadata_table_name: String,
    /// How long one operation may take.
    #[setting(aliases("timeoutInSeconds"), default = "20s")]
    timeout: Duration,
    /// How often expired values are removed; zero or less for never.
    #[setting(aliases("cleanupIntervalInSeconds"), default = "1h")]
    cleanup_interval: Interval,
}

/// Version 2.
#[derive(Settings)]
pub(crate) struct StateV2Settings {
    /// What stands before `state` in the name of the table in which state is kept: the start of a name (`my_`) or a schema
    /// (`public.`).
    table_prefix: String,
    /// Table in which the components of a database remember what they did to it.
    #[setting(default = "dapr_metadata")]
    metadata_table_name: String,
    /// How long one operation may take.
    #[setting(aliases("timeoutInSeconds"), default = "20s")]
    timeout: Duration,
    /// How often expired values are removed; zero or less for never.
    #[setting(aliases("cleanupIntervalInSeconds"), default = "1h")]
    cleanup_interval: Interval,
}

const V1_COUNT: usize = ServerSettings::FIELDS.len() + StateV1Settings::FIELDS.len();
const V2_COUNT: usize = ServerSettings::FIELDS.len() + StateV2Settings::FIELDS.len();

/// What version 1 reads.
pub(crate) const V1_FIELDS: [Field; V1_COUNT] = with_server(StateV1Settings::FIELDS);
/// What version 2 reads.
pub(crate) const V2_FIELDS: [Field; V2_COUNT] = with_server(StateV2Settings::FIELDS);

/// What a store is made of.
pub(super) struct Common {
    pub(super) options: Options,
    pub(super) layout: Layout,
    pub(super) timeout: Duration,
    pub(super) cleanup: Option<Duration>,
}

impl StateV1Settings {
    pub(super) fn common(self, properties: &Properties) -> Result<Common, Error> {
        let metadata = TableName::parse("metadataTableName", &self.metadata_table_name)?;
        let layout = Layout::v1(TableName::parse("tableName", &self.table_name)?, metadata);
        common(properties, layout, self.timeout, self.cleanup_interval)
    }
}

impl StateV2Settings {
    pub(super) fn common(self, properties: &Properties) -> Result<Common, Error> {
        let metadata = TableName::parse("metadataTableName", &self.metadata_table_name)?;
        let table = TableName::parse("tablePrefix", &format!("{}state", self.table_prefix))?;
        common(properties, Layout::v2(&self.table_prefix, table, metadata), self.timeout, self.cleanup_interval)
    }
}

fn common(properties: &Properties, layout: Layout, timeout: Duration, cleanup: Interval) -> Result<Common, Error> {
    let options = Options::new(&ServerSettings::parse(properties)?)?;
    check_timeout(timeout)?;
    Ok(Common { options, layout, timeout, cleanup: cleanup.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v1(given: &[(&str, &str)]) -> Result<Common, Error> {
        let properties: Properties = [("host", "a")].iter().chain(given).copied().collect();
        StateV1Settings::parse(&properties)?.common(&properties)
    }

    #[test]
    fn cleanup_is_hourly_unless_said_otherwise() {
        let cleanup = |given: &[(&str, &str)]| v1(given).unwrap().cleanup;
        let hour = Some(Duration::from_secs(3600));
        assert_eq!((cleanup(&[]), cleanup(&[("cleanupInterval", "")])), (hour, hour));
        assert_eq!(cleanup(&[("cleanupIntervalInSeconds", "90")]), Some(Duration::from_secs(90)));
        assert_eq!((cleanup(&[("cleanupInterval", "0")]), cleanup(&[("cleanupInterval", "-1")])), (None, None));
    }

    #[test]
    fn names_of_tables_cannot_carry_statements() {
        assert!(v1(&[("tableName", "state; DROP TABLE x")]).is_err());
        assert!(v1(&[("metadataTableName", "m(")]).is_err());
        let properties: Properties = [("host", "a"), ("tablePrefix", "a; --")].into_iter().collect();
        assert!(StateV2Settings::parse(&properties).unwrap().common(&properties).is_err());
        let error = v1(&[("timeout", "1ms")]).err().unwrap().to_string();
        assert_eq!(error, "invalid value for 'timeout': must be greater than 1s");
    }
}
