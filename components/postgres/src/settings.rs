//! The metadata that every component on PostgreSQL reads to find its server. Read by the constructors; what it means for
//! a connection is worked out in `options`.

use std::time::Duration;

use component::settings::SettingValue;
use component::{Error, ErrorKind, Field, Settings};

/// Where the server is, who we are, and how many connections there may be.
#[derive(Settings)]
pub(crate) struct ServerSettings {
    /// Connection string, as keywords (`host=localhost user=postgres`) or as a URL (`postgres://...`), with the parameters
    /// of libpq. The fields below win over it.
    #[setting(aliases("url"), secret)]
    pub(crate) connection_string: String,
    /// Host of the server.
    pub(crate) host: String,
    /// Numeric address of the server, which saves looking its name up.
    #[setting(name = "hostaddr")]
    pub(crate) host_address: String,
    /// Port of the server.
    pub(crate) port: String,
    /// Name of the database.
    pub(crate) database: String,
    /// Who to connect as.
    pub(crate) user: String,
    /// Password of the user.
    #[setting(secret)]
    pub(crate) password: String,
    /// File with the certificates that may vouch for the server.
    pub(crate) ssl_root_cert: String,
    /// How long a connection may be unused before it is closed; 30 minutes if not given.
    pub(crate) connection_max_idle_time: Duration,
    /// How many connections there may be. Zero or less means 4, or the number of processors if that is more.
    pub(crate) max_conns: i64,
    /// How statements are sent: `cache_statement` (the default) prepares and keeps them; `cache_describe`, `describe_exec`,
    /// `exec` and `simple_protocol` keep nothing on the server, for proxies such as PgBouncer.
    pub(crate) query_exec_mode: String,
    /// Tokens of Azure AD in place of a password. Not built: true is refused.
    #[setting(name = "useAzureAD")]
    pub(crate) use_azure_ad: bool,
    /// Tokens of AWS IAM in place of a password. Not built: true is refused.
    #[setting(name = "useAWSIAM")]
    pub(crate) use_aws_iam: bool,
    /// For `useAWSIAM`.
    #[setting(secret)]
    pub(crate) aws_access_key: String,
    /// For `useAWSIAM`.
    #[setting(secret)]
    pub(crate) aws_secret_key: String,
}

/// A duration that is switched off by zero, a negative number or a negative duration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Interval(pub(crate) Option<Duration>);

impl SettingValue for Interval {
    const KIND: &'static str = "duration";
    const EXPECTED: &'static str = "a duration such as 1m30s, or a number of seconds; zero or less for never";

    fn from_text(text: &str) -> Option<Self> {
        if let Ok(seconds) = text.parse::<i64>() {
            return Some(Self(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)));
        }
        let duration = schedule::parse_go_duration(text).ok()?;
        Some(Self(duration.to_std().filter(|duration| !duration.is_zero())))
    }
}

/// The shortest time an operation may be given; less is the target's error.
pub(crate) fn check_timeout(timeout: Duration) -> Result<(), Error> {
    if timeout < Duration::from_secs(1) {
        let message = "invalid value for 'timeout': must be greater than 1s";
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    Ok(())
}

/// The fields of the server, and behind them those of one component.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index out of bounds")]
pub(crate) const fn with_server<const COUNT: usize>(own: &[Field]) -> [Field; COUNT] {
    let server = ServerSettings::FIELDS;
    let mut fields = [server[0]; COUNT];
    let mut index = 0;
    while index < COUNT {
        fields[index] = if index < server.len() { server[index] } else { own[index - server.len()] };
        index += 1;
    }
    fields
}

#[cfg(test)]
mod tests {
    use component::Properties;

    use super::*;

    #[test]
    fn intervals_are_switched_off_by_zero_and_less() {
        for off in ["0", "-1", "0s", "-5m"] {
            assert_eq!(Interval::from_text(off), Some(Interval(None)), "{off}");
        }
        assert_eq!(Interval::from_text("90"), Some(Interval(Some(Duration::from_secs(90)))));
        assert_eq!(Interval::from_text("1m30s"), Some(Interval(Some(Duration::from_secs(90)))));
        assert_eq!(Interval::from_text("soon"), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let given = [("url", "host=h password=p4ss"), ("password", "p4ss"), ("awsSecretKey", "p4ss")];
        let settings = ServerSettings::parse(&Properties::from_iter(given)).unwrap();
        let shown = format!("{settings:?}");
        assert!(!shown.contains("p4ss"), "{shown}");
        assert_eq!(settings.connection_string, "host=h password=p4ss");
    }

    #[test]
    fn a_timeout_below_a_second_is_refused() {
        assert!(check_timeout(Duration::from_millis(999)).is_err());
        assert!(check_timeout(Duration::from_secs(1)).is_ok());
    }
}
