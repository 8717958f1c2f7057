//! The metadata of `configuration.postgresql`, and the name of the channel of a subscription.

use std::time::Duration;

use component::{Error, ErrorKind, Field, Metadata, Settings};

use crate::settings::{ServerSettings, check_timeout, with_server};
use crate::table_name::TableName;

/// The longest name the server takes.
const MAX_CHANNEL: usize = 63;

#[derive(Settings)]
pub(crate) struct ConfigurationSettings {
    /// Table with the columns `key`, `value`, `version` and `metadata`, perhaps behind its schema's name. It must be there.
    #[setting(required)]
    table: String,
    /// Channel to which the table's trigger sends its notifications. Where it is not given, a subscription names it in its
    /// metadata, as `pgNotifyChannel`.
    #[setting(aliases("pgNotifyChannel"))]
    pub(super) notify_channel: String,
    /// How long one operation may take.
    #[setting(aliases("timeoutInSeconds"), default = "20s")]
    pub(super) timeout: Duration,
    /// Deprecated: the same as `connectionMaxIdleTime`.
    pub(super) conn_max_idle_time: Duration,
}

const COUNT: usize = ServerSettings::FIELDS.len() + ConfigurationSettings::FIELDS.len();

/// What the component reads.
pub(crate) const CONFIGURATION_FIELDS: [Field; COUNT] = with_server(ConfigurationSettings::FIELDS);

impl ConfigurationSettings {
    /// The table, if everything is as it must be.
    pub(super) fn check(&self) -> Result<TableName, Error> {
        check_timeout(self.timeout)?;
        if !self.notify_channel.is_empty() {
            check_channel(&self.notify_channel)?;
        }
        TableName::parse("table", &self.table)
    }
}

/// The channel of a subscription: the component's, otherwise the request's.
pub(super) fn channel(own: &str, metadata: &Metadata) -> Result<String, Error> {
    let given = metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case("pgNotifyChannel"));
    let channel = match (own, given) {
        ("", None) => {
            let message = "unable to subscribe. notifyChannel must be set in component metadata or request metadata";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        ("", Some((_, given))) => given,
        (own, _) => own,
    };
    check_channel(channel)?;
    Ok(channel.to_owned())
}

fn check_channel(channel: &str) -> Result<(), Error> {
    let refuse = |message| Err(Error::new(ErrorKind::InvalidArgument, message));
    if channel.len() > MAX_CHANNEL {
        return refuse(format!("notifyChannel name is too long - {channel:?}. max allowed length is {MAX_CHANNEL}"));
    }
    let plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"./_".contains(&letter);
    if channel.is_empty() || !channel.bytes().all(plain) {
        let what = "non-alphanumerics or upper cased names are not supported";
        return refuse(format!("invalid notifyChannel name {channel:?}. {what}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_components_channel_wins_over_the_requests() {
        let request = Metadata::from([("PGNOTIFYCHANNEL".to_owned(), "theirs".to_owned())]);
        assert_eq!(channel("ours", &request).unwrap(), "ours");
        assert_eq!(channel("", &request).unwrap(), "theirs");
        assert!(channel("", &Metadata::new()).unwrap_err().to_string().starts_with("unable to subscribe"));
    }

    #[test]
    fn a_channel_cannot_carry_statements() {
        for bad in ["", "Config", "a;drop", "a\"", "a b", &"a".repeat(64)] {
            let request = Metadata::from([("pgNotifyChannel".to_owned(), bad.to_owned())]);
            assert_eq!(channel("", &request).unwrap_err().kind(), ErrorKind::InvalidArgument, "{bad}");
        }
    }
}
