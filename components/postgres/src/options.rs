//! Settings and connection string as what a pool needs: whom to call, how, and with how many connections. Refuses what
//! is not built, so that nothing is accepted and ignored.

use std::net::IpAddr;
use std::time::Duration;

use component::{Error, ErrorKind};
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, LoadBalanceHosts, SslMode, SslNegotiation, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connection_string::Parameters;
use crate::settings::ServerSettings;
use crate::tls;

const DEFAULT_CONNECTIONS: usize = 4;
/// How long data may be unacknowledged. It ends connections that a cut network left behind, so that work goes on soon
/// after the network is back.
const UNACKNOWLEDGED: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a pool needs to know.
#[derive(Clone)]
pub(crate) struct Options {
    /// Whom to call.
    pub(crate) config: Config,
    /// How to encrypt.
    pub(crate) tls: MakeRustlsConnect,
    /// How long making a connection may take, greeting included.
    pub(crate) connect_timeout: Duration,
    /// How many connections there may be.
    pub(crate) connections: usize,
    /// After how long without use a connection is closed.
    pub(crate) idle: Duration,
    /// At which age a connection is not used again.
    pub(crate) lifetime: Duration,
    /// Whether statements are prepared and kept on the server.
    pub(crate) prepare: bool,
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

impl Options {
    /// Works settings out.
    pub(crate) fn new(settings: &ServerSettings) -> Result<Self, Error> {
        refuse_tokens(settings)?;
        let mut parameters = merged(settings)?;
        let tls = tls::take(&mut parameters)?;
        let mut config = Config::new();
        config.ssl_mode(tls.mode);
        let connect_timeout = address(&mut config, &mut parameters)?;
        session(&mut config, &mut parameters)?;
        let prepare = prepares(settings, &mut parameters)?;
        let (connections, idle, lifetime) = limits(settings, &mut parameters)?;
        refuse_unbuilt(&mut parameters)?;
        runtime_parameters(&mut config, &mut parameters)?;
        let tls = MakeRustlsConnect::new(tls.config);
        Ok(Self { config, tls, connect_timeout, connections, idle, lifetime, prepare })
    }
}

fn refuse_tokens(settings: &ServerSettings) -> Result<(), Error> {
    let message = |field: &str, what: &str| {
        refuse(format!("metadata field {field} is true, but tokens of {what} are not built: use a password instead"))
    };
    match settings {
        ServerSettings { use_azure_ad: true, .. } => Err(message("useAzureAD", "Azure AD")),
        ServerSettings { use_aws_iam: true, .. } => Err(message("useAWSIAM", "AWS IAM")),
        ServerSettings { aws_access_key: access, aws_secret_key: secret, .. } => {
            if !access.is_empty() || !secret.is_empty() {
                tracing::warn!(target: "dapr.contrib", "awsAccessKey and awsSecretKey have no effect without useAWSIAM");
            }
            Ok(())
        }
    }
}

fn merged(settings: &ServerSettings) -> Result<Parameters, Error> {
    let mut parameters = Parameters::parse(&settings.connection_string)?;
    for (name, value) in [
        ("user", &settings.user),
        ("host", &settings.host),
        ("hostaddr", &settings.host_address),
        ("port", &settings.port),
        ("database", &settings.database),
        ("password", &settings.password),
        ("sslrootcert", &settings.ssl_root_cert),
    ] {
        parameters.replace(name, value);
    }
    if parameters.is_empty() {
        return Err(refuse("failed to build connection string: metadata field connectionString is missing"));
    }
    Ok(parameters)
}

fn address(config: &mut Config, parameters: &mut Parameters) -> Result<Duration, Error> {
    let addresses = parameters.take("hostaddr");
    let hosts = parameters.take("host").unwrap_or_else(|| match addresses {
        Some(ref addresses) => addresses.clone(),
        None if std::path::Path::new("/var/run/postgresql").exists() => "/var/run/postgresql".to_owned(),
        None => "localhost".to_owned(),
    });
    for host in hosts.split(',') {
        config.host(host);
        if host.starts_with('/') {
            // libpq does not encrypt what stays on the machine.
            config.ssl_mode(SslMode::Disable);
        }
    }
    for address in addresses.iter().flat_map(|addresses| addresses.split(',')) {
        let address: IpAddr = address.parse().map_err(|_| refuse("hostaddr is no numeric address"))?;
        config.hostaddr(address);
    }
    let ports = parameters.take("port").unwrap_or_else(|| "5432".to_owned());
    for port in ports.split(',') {
        config.port(port.parse().ok().filter(|port| *port > 0).ok_or_else(|| refuse("invalid port"))?);
    }
    let timeout = number(parameters, "connect_timeout")?.filter(|seconds| *seconds > 0);
    let timeout = timeout.map_or(CONNECT_TIMEOUT, Duration::from_secs);
    config.connect_timeout(timeout);
    Ok(timeout)
}

fn session(config: &mut Config, parameters: &mut Parameters) -> Result<(), Error> {
    if let Some(user) = parameters.take("user") {
        config.user(user);
    }
    if let Some(password) = parameters.take("password") {
        config.password(password);
    }
    if let Some(database) = parameters.take("database") {
        config.dbname(database);
    }
    if let Some(name) = parameters.take("application_name") {
        config.application_name(name);
    }
    if parameters.take("sslnegotiation").is_some() {
        config.ssl_negotiation(SslNegotiation::Direct);
    }
    config.target_session_attrs(match parameters.take("target_session_attrs").as_deref() {
        None | Some("any") => TargetSessionAttrs::Any,
        Some("read-write") => TargetSessionAttrs::ReadWrite,
        Some("read-only") => TargetSessionAttrs::ReadOnly,
        Some(other) => {
            return Err(refuse(format!(
                "target_session_attrs {other:?} is not built: expected any, read-write or read-only"
            )));
        }
    });
    config.channel_binding(match parameters.take("channel_binding").as_deref() {
        None | Some("prefer") => ChannelBinding::Prefer,
        Some("disable") => ChannelBinding::Disable,
        Some("require") => ChannelBinding::Require,
        Some(other) => return Err(refuse(format!("unknown channel_binding value: {other}"))),
    });
    config.load_balance_hosts(match parameters.take("load_balance_hosts").as_deref() {
        None | Some("disable") => LoadBalanceHosts::Disable,
        Some("random") => LoadBalanceHosts::Random,
        Some(other) => return Err(refuse(format!("unknown load_balance_hosts value: {other}"))),
    });
    keep_alive(config, parameters)
}

fn keep_alive(config: &mut Config, parameters: &mut Parameters) -> Result<(), Error> {
    let unacknowledged = number(parameters, "tcp_user_timeout")?.map_or(UNACKNOWLEDGED, Duration::from_millis);
    config.tcp_user_timeout(unacknowledged);
    config.keepalives(number(parameters, "keepalives")?.is_none_or(|on| on != 0));
    config.keepalives_idle(number(parameters, "keepalives_idle")?.map_or(Duration::from_secs(15), Duration::from_secs));
    let interval = number(parameters, "keepalives_interval")?.map_or(Duration::from_secs(5), Duration::from_secs);
    config.keepalives_interval(interval);
    config.keepalives_retries(
        number(parameters, "keepalives_count")?.and_then(|count| u32::try_from(count).ok()).unwrap_or(3),
    );
    Ok(())
}

fn number(parameters: &mut Parameters, name: &str) -> Result<Option<u64>, Error> {
    let given = parameters.take(name);
    given.map(|text| text.parse().map_err(|_| refuse(format!("invalid {name}: expected a whole number")))).transpose()
}

fn duration(parameters: &mut Parameters, name: &str) -> Result<Option<Duration>, Error> {
    let given = parameters.take(name);
    let read = |text: String| schedule::parse_go_duration(&text).ok().and_then(schedule::GoDuration::to_std);
    given.map(|text| read(text).ok_or_else(|| refuse(format!("cannot parse {name}: expected a duration")))).transpose()
}

fn prepares(settings: &ServerSettings, parameters: &mut Parameters) -> Result<bool, Error> {
    let in_string = parameters.take("default_query_exec_mode");
    let mode = if settings.query_exec_mode.is_empty() { in_string } else { Some(settings.query_exec_mode.clone()) };
    match mode.as_deref() {
        None | Some("cache_statement") => Ok(true),
        Some("cache_describe" | "describe_exec" | "exec" | "simple_protocol") => Ok(false),
        Some(other) => Err(refuse(format!("invalid queryExecMode metadata value: {other}"))),
    }
}

fn limits(settings: &ServerSettings, parameters: &mut Parameters) -> Result<(usize, Duration, Duration), Error> {
    let in_string = number(parameters, "pool_max_conns")?;
    if in_string == Some(0) {
        return Err(refuse("pool_max_conns too small"));
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = u64::try_from(settings.max_conns).ok().filter(|wanted| *wanted > 0).or(in_string);
    let connections = match wanted {
        Some(wanted) => usize::try_from(wanted).unwrap_or(usize::MAX).min(tokio::sync::Semaphore::MAX_PERMITS),
        None => processors.max(DEFAULT_CONNECTIONS),
    };
    let idle_in_string = duration(parameters, "pool_max_conn_idle_time")?;
    let idle = match settings.connection_max_idle_time {
        Duration::ZERO => idle_in_string.unwrap_or(Duration::from_secs(30 * 60)),
        given => given,
    };
    let lifetime = duration(parameters, "pool_max_conn_lifetime")?.unwrap_or(Duration::from_secs(60 * 60));
    Ok((connections, idle, lifetime))
}

/// Parameters that the target's driver knows and that would be ignored here.
fn refuse_unbuilt(parameters: &mut Parameters) -> Result<(), Error> {
    for name in ["passfile", "service", "servicefile", "krbspn", "krbsrvname"] {
        if parameters.take(name).is_some() {
            return Err(refuse(format!("the parameter {name} of the connection string is not built")));
        }
    }
    if parameters.take("min_protocol_version").is_some_and(|version| version != "3.0") {
        return Err(refuse("min_protocol_version: only 3.0 is built"));
    }
    drop(parameters.take("max_protocol_version"));
    for name in [
        "pool_min_conns",
        "pool_min_idle_conns",
        "pool_health_check_period",
        "pool_max_conn_lifetime_jitter",
        "statement_cache_capacity",
        "description_cache_capacity",
    ] {
        if parameters.take(name).is_some() {
            tracing::warn!(target: "dapr.contrib",
                "the parameter {name} of the connection string has no effect: connections are made when needed, and the \
                 statements of a component are few");
        }
    }
    Ok(())
}

/// Everything else is a setting of the session, such as `search_path`.
fn runtime_parameters(config: &mut Config, parameters: &mut Parameters) -> Result<(), Error> {
    let mut options = parameters.take("options").unwrap_or_default();
    for (name, value) in parameters.rest() {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(refuse("the connection string has a parameter whose name is none"));
        }
        let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
        options.push_str(&format!(" -c {name}={value}"));
    }
    if !options.is_empty() {
        config.options(options.trim_start());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use component::{Properties, Settings};

    use super::*;

    fn options(given: &[(&str, &str)]) -> Result<Options, Error> {
        Options::new(&ServerSettings::parse(&given.iter().copied().collect::<Properties>())?)
    }

    fn why(given: &[(&str, &str)]) -> String {
        options(given).err().unwrap().to_string()
    }

    #[test]
    fn fields_win_over_the_connection_string() {
        let string = "host=a user=u dbname=d password=p search_path=my\\ schema pool_max_conns=7";
        let options =
            options(&[("connectionString", string), ("host", "b"), ("database", "e"), ("password", "q")]).unwrap();
        assert_eq!(options.config.get_hosts(), [tokio_postgres::config::Host::Tcp("b".to_owned())]);
        assert_eq!(options.config.get_dbname(), Some("e"));
        assert_eq!(options.config.get_password(), Some(b"q".as_slice()));
        assert_eq!(options.config.get_options(), Some("-c search_path=my\\ schema"));
        assert_eq!((options.connections, options.prepare), (7, true));
    }

    #[test]
    fn the_size_of_the_pool_is_taken_from_the_field_first() {
        let connections =
            |wanted: &str| options(&[("url", "host=a pool_max_conns=7"), ("maxConns", wanted)]).unwrap().connections;
        assert_eq!((connections("2"), connections("1"), connections("0"), connections("-3")), (2, 1, 7, 7));
        let idle = options(&[("host", "a"), ("connectionMaxIdleTime", "5m")]).unwrap().idle;
        assert_eq!(idle, Duration::from_secs(300));
    }

    #[test]
    fn a_socket_of_the_machine_is_not_encrypted() {
        let options = options(&[("url", "host=/tmp sslmode=require")]).unwrap();
        assert_eq!(options.config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn modes_for_proxies_prepare_nothing() {
        for mode in ["cache_describe", "describe_exec", "exec", "simple_protocol"] {
            assert!(!options(&[("host", "a"), ("queryExecMode", mode)]).unwrap().prepare);
        }
        assert_eq!(why(&[("host", "a"), ("queryExecMode", "fast")]), "invalid queryExecMode metadata value: fast");
    }

    #[test]
    fn what_is_not_built_or_wrong_is_refused() {
        assert!(why(&[]).starts_with("failed to build connection string"));
        assert!(why(&[("host", "a"), ("useAzureAD", "true")]).contains("not built"));
        assert!(why(&[("host", "a"), ("useAWSIAM", "true")]).contains("not built"));
        for string in [
            "host=a service=s",
            "host=a target_session_attrs=standby",
            "host=a port=0",
            "hostaddr=here",
            "host=a pool_max_conns=0",
            "host=a channel_binding=maybe",
            "host=a connect_timeout=soon",
            "host=a a'b=c",
        ] {
            assert!(options(&[("url", string)]).is_err(), "{string}");
        }
    }
}
