//! The metadata that every component on Redis reads, by the target's names. Used by each constructor; nothing here connects.

use std::fmt;
use std::time::Duration;

use component::settings::SettingValue;
use component::{Error, ErrorKind, Properties, Settings};

const DEFAULT_PORT: u16 = 6379;
const DEFAULT_DIAL: Duration = Duration::from_secs(5);
const DEFAULT_READ: Duration = Duration::from_secs(3);
const DEFAULT_IDLE: Duration = Duration::from_secs(5 * 60);

/// What the target's components on Redis read.
#[derive(Clone, Settings)]
pub(crate) struct RedisSettings {
    /// Host and port of the server; several, separated by commas, for a cluster or for sentinels.
    #[setting(required)]
    redis_host: String,
    /// Port, where the host names none.
    redis_port: u16,
    /// Password, if the server wants one.
    #[setting(secret)]
    redis_password: String,
    /// User of the server's access control list; empty for its default user.
    redis_username: String,
    /// Password of the sentinels, if they want one.
    #[setting(secret)]
    sentinel_password: String,
    /// User of the sentinels' access control list.
    sentinel_username: String,
    /// Number of the database; a cluster has only 0.
    #[setting(name = "redisDB", min = 0)]
    redis_db: i64,
    /// `node`, or `cluster` for Redis Cluster.
    #[setting(default = "node")]
    redis_type: String,
    /// How often a request is tried again that the server did not carry out; -1 for never.
    #[setting(aliases("maxRetries"), default = "3")]
    redis_max_retries: i32,
    /// Shortest wait before another try; -1 for none. For state stores and locks 2s unless given, otherwise 8ms.
    redis_min_retry_interval: Interval,
    /// Longest wait before another try; -1 for none. For configuration 2s unless given, otherwise 512ms.
    redis_max_retry_interval: Interval,
    /// Shortest wait before another try, in nanoseconds: the old name of redisMinRetryInterval.
    max_retry_backoff: Option<i64>,
    /// How long a connection may take; 5s unless given.
    dial_timeout: Interval,
    /// How long an answer to a read may take; 3s unless given, -1 for any time.
    read_timeout: Interval,
    /// How long an answer to a write may take; as readTimeout unless given.
    write_timeout: Interval,
    /// Read and not needed: all calls share one connection.
    pool_size: Option<i64>,
    /// Read and not needed: all calls share one connection.
    min_idle_conns: Option<i64>,
    /// Read and not needed: no call waits for a free connection.
    pool_timeout: Interval,
    /// Read and not needed: an idle connection is replaced when it is next used.
    idle_check_frequency: Interval,
    /// After how long a connection is replaced by a new one; never unless given.
    max_conn_age: Interval,
    /// After how long without use a connection is replaced by a new one; 5m unless given, -1 for never.
    idle_timeout: Interval,
    /// The name under which the sentinels know the server.
    sentinel_master_name: String,
    /// Whether redisHost names sentinels that know which server is the master.
    failover: bool,
    /// Whether connections use TLS.
    #[setting(name = "enableTLS")]
    enable_tls: bool,
    /// Accepts any certificate of the server. For tests only.
    #[setting(name = "insecureSkipTLSVerify")]
    insecure_skip_tls_verify: bool,
    /// Certificate of the client in PEM, if the server wants one.
    client_cert: String,
    /// Key of that certificate in PEM.
    #[setting(secret)]
    client_key: String,
    /// Logging in with Microsoft Entra ID, which is not built: true is refused.
    #[setting(name = "useEntraID", aliases("useAzureAD"))]
    use_entra_id: bool,
    /// State stores only: how long values live whose request does not say it; zero or less for ever.
    #[setting(name = "ttlInSeconds")]
    pub(crate) ttl_in_seconds: Option<i64>,
    /// State stores only: indexes for queries, which are not built: a value is refused.
    pub(crate) query_indexes: String,
    /// Pub/sub only: the consumer group; the app id unless given.
    #[setting(name = "consumerID")]
    pub(crate) consumer_id: String,
    /// Pub/sub only: how often forgotten messages are looked for, and how long one that failed rests before it is delivered
    /// again, doubling up to processingTimeout; 15s unless given, 0 for no redelivery.
    pub(crate) redeliver_interval: Option<Span>,
    /// Pub/sub only: how long a message must be unclaimed to be taken as forgotten; 60s unless given, 0 for no redelivery.
    pub(crate) processing_timeout: Option<Span>,
    /// Pub/sub only: how many messages of a topic may wait in the sidecar; 100 unless given.
    #[setting(min = 1)]
    pub(crate) queue_depth: Option<u32>,
    /// Pub/sub only: how many messages of all topics may be worked on at the same time; 10 unless given.
    #[setting(min = 1)]
    pub(crate) concurrency: Option<u32>,
    /// Pub/sub only: how many messages a stream keeps, about; unless given all.
    pub(crate) max_len_approx: i64,
    /// Pub/sub only: how long a stream keeps messages, about; unless given for ever. Needs Redis 6.2.
    #[setting(name = "streamTTL")]
    pub(crate) stream_ttl: Option<Span>,
}

/// Which component reads the settings: some defaults differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    State,
    Configuration,
    Lock,
    PubSub,
}

/// A time that is not negative: a Go duration, or a number of milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

impl SettingValue for Span {
    const KIND: &'static str = "duration";
    const EXPECTED: &'static str = "a duration such as 1m30s, or a number of milliseconds, not negative";

    fn from_text(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(milliseconds) => Some(Self(Duration::from_millis(milliseconds))),
            Err(_) => schedule::parse_go_duration(text).ok()?.to_std().map(Self),
        }
    }
}

/// A time in the target's notation: a Go duration, or a number of milliseconds; a negative number for never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Interval {
    /// Not given, or zero.
    #[default]
    Usual,
    Never,
    Lasting(Duration),
}

impl Interval {
    /// `None` for never.
    fn or(self, usual: Duration) -> Option<Duration> {
        match self {
            Self::Usual => Some(usual),
            Self::Never => None,
            Self::Lasting(time) => Some(time),
        }
    }
}

impl SettingValue for Interval {
    const KIND: &'static str = "duration";
    const EXPECTED: &'static str = "a duration such as 1m30s, a number of milliseconds, or -1";

    fn from_text(text: &str) -> Option<Self> {
        if let Ok(milliseconds) = text.parse::<i64>() {
            return Some(match u64::try_from(milliseconds) {
                Ok(0) => Self::Usual,
                Ok(milliseconds) => Self::Lasting(Duration::from_millis(milliseconds)),
                Err(_) => Self::Never,
            });
        }
        let time = schedule::parse_go_duration(text).ok()?;
        match time.to_std() {
            Some(Duration::ZERO) => Some(Self::Usual),
            Some(time) => Some(Self::Lasting(time)),
            None => Some(Self::Never),
        }
    }
}

/// Where servers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// One server.
    Alone(Address),
    /// Sentinels, and the name of the server they watch.
    Watched { sentinels: Vec<Address>, master: String },
    /// Some nodes of a cluster.
    Cluster(Vec<Address>),
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |addresses: &[Address]| {
            let texts: Vec<String> = addresses.iter().map(Address::to_string).collect();
            texts.join(", ")
        };
        match self {
            Self::Alone(address) => write!(formatter, "the server at {address}"),
            Self::Watched { sentinels, master } => {
                write!(formatter, "the server {master} of the sentinels at {}", listed(sentinels))
            }
            Self::Cluster(nodes) => write!(formatter, "the cluster at {}", listed(nodes)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(formatter, "[{host}]:{port}") } else { write!(formatter, "{host}:{port}") }
    }
}

/// Who we are to a server.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// TLS towards a server.
#[derive(Clone)]
pub(crate) struct TlsSettings {
    /// Accepts any certificate.
    pub(crate) insecure: bool,
    /// Certificate and key of the client, in PEM.
    pub(crate) client: Option<(String, String)>,
}

/// The settings, understood.
#[derive(Clone)]
pub(crate) struct Connecting {
    pub(crate) place: Place,
    pub(crate) login: Login,
    pub(crate) sentinel_login: Login,
    pub(crate) database: i64,
    pub(crate) tls: Option<TlsSettings>,
    pub(crate) retries: u32,
    pub(crate) shortest_wait: Duration,
    pub(crate) longest_wait: Duration,
    pub(crate) dial: Option<Duration>,
    pub(crate) read: Option<Duration>,
    pub(crate) write: Option<Duration>,
    pub(crate) age: Option<Duration>,
    pub(crate) idle: Option<Duration>,
}

impl RedisSettings {
    /// Reads the metadata of a component and says what of it has no effect.
    ///
    /// # Errors
    /// What cannot be read, does not fit together, or is not built.
    pub(crate) fn read(name: &str, properties: &Properties, kind: Kind) -> Result<(Self, Connecting), Error> {
        let settings = Self::parse(properties)?;
        for field in settings.without_effect(kind) {
            tracing::warn!("component {name}: metadata field {field} has no effect here, see its description");
        }
        let connecting = settings.understand(kind)?;
        Ok((settings, connecting))
    }

    fn without_effect(&self, kind: Kind) -> Vec<&'static str> {
        let state_only = kind != Kind::State;
        let pubsub_only = kind != Kind::PubSub;
        let unknown_type = !matches!(self.redis_type.as_str(), "" | "node" | "cluster");
        [
            (self.pool_size.is_some(), "poolSize"),
            (self.min_idle_conns.is_some(), "minIdleConns"),
            (self.pool_timeout != Interval::Usual, "poolTimeout"),
            (self.idle_check_frequency != Interval::Usual, "idleCheckFrequency"),
            (state_only && self.ttl_in_seconds.is_some(), "ttlInSeconds"),
            (state_only && !self.query_indexes.is_empty(), "queryIndexes"),
            (!matches!(kind, Kind::State | Kind::Lock) && self.max_retry_backoff.is_some(), "maxRetryBackoff"),
            (pubsub_only && !self.consumer_id.is_empty(), "consumerID"),
            (pubsub_only && self.redeliver_interval.is_some(), "redeliverInterval"),
            (pubsub_only && self.processing_timeout.is_some(), "processingTimeout"),
            (pubsub_only && self.queue_depth.is_some(), "queueDepth"),
            (pubsub_only && self.concurrency.is_some(), "concurrency"),
            (pubsub_only && self.max_len_approx != 0, "maxLenApprox"),
            (pubsub_only && self.stream_ttl.is_some(), "streamTTL"),
            (unknown_type, "redisType (neither node nor cluster, so it is read as node)"),
            (self.redis_type == "cluster" && self.redis_db != 0, "redisDB (a cluster has only database 0)"),
            (!self.enable_tls && self.insecure_skip_tls_verify, "insecureSkipTLSVerify (enableTLS is not set)"),
            (!self.enable_tls && !self.client_cert.is_empty(), "clientCert (enableTLS is not set)"),
            (!self.failover && !self.sentinel_master_name.is_empty(), "sentinelMasterName (failover is not set)"),
        ]
        .into_iter()
        .filter_map(|(given, field)| given.then_some(field))
        .collect()
    }

    fn understand(&self, kind: Kind) -> Result<Connecting, Error> {
        if self.use_entra_id {
            let text = "metadata field useEntraID is true: logging in with Microsoft Entra ID is not built";
            return Err(Error::new(ErrorKind::NotSupported, text));
        }
        let read = self.read_timeout.or(DEFAULT_READ);
        let write = if self.write_timeout == Interval::Usual { read } else { self.write_timeout.or(DEFAULT_READ) };
        let (shortest, longest) = match kind {
            Kind::Configuration => (Duration::from_millis(8), Duration::from_secs(2)),
            Kind::PubSub => (Duration::from_millis(8), Duration::from_millis(512)),
            Kind::State | Kind::Lock => (self.old_shortest_wait()?, Duration::from_millis(512)),
        };
        Ok(Connecting {
            place: self.place()?,
            login: Login { user: self.redis_username.clone(), password: self.redis_password.clone() },
            sentinel_login: Login { user: self.sentinel_username.clone(), password: self.sentinel_password.clone() },
            database: if self.redis_type == "cluster" { 0 } else { self.redis_db },
            tls: self.tls()?,
            retries: u32::try_from(self.redis_max_retries).unwrap_or(0),
            shortest_wait: self.redis_min_retry_interval.or(shortest).unwrap_or_default(),
            longest_wait: self.redis_max_retry_interval.or(longest).unwrap_or_default(),
            dial: self.dial_timeout.or(DEFAULT_DIAL),
            read,
            write,
            age: self.max_conn_age.or(Duration::MAX),
            idle: self.idle_timeout.or(DEFAULT_IDLE),
        })
    }

    fn old_shortest_wait(&self) -> Result<Duration, Error> {
        let Some(nanoseconds) = self.max_retry_backoff else { return Ok(Duration::from_secs(2)) };
        let nanoseconds = u64::try_from(nanoseconds)
            .map_err(|_| invalid("metadata field maxRetryBackoff is negative: expected a number of nanoseconds"))?;
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn place(&self) -> Result<Place, Error> {
        let addresses: Vec<Address> =
            self.redis_host.split(',').map(|part| self.address(part.trim())).collect::<Result<_, _>>()?;
        let cluster = self.redis_type == "cluster";
        if self.failover {
            if self.sentinel_master_name.is_empty() {
                return Err(invalid("metadata field sentinelMasterName is missing: failover needs the master's name"));
            }
            if cluster {
                let text = "failover together with redisType cluster is not built: a cluster fails over by itself";
                return Err(Error::new(ErrorKind::NotSupported, text));
            }
            return Ok(Place::Watched { sentinels: addresses, master: self.sentinel_master_name.clone() });
        }
        if cluster {
            return Ok(Place::Cluster(addresses));
        }
        let mut addresses = addresses.into_iter();
        match (addresses.next(), addresses.next()) {
            (Some(address), None) => Ok(Place::Alone(address)),
            _ => Err(invalid("metadata field redisHost names several hosts: set redisType to cluster, or failover")),
        }
    }

    fn address(&self, text: &str) -> Result<Address, Error> {
        let expected = "expected a host, or a host and a port, such as redis:6379";
        let wrong = || invalid(&format!("metadata field redisHost is {text:?}: {expected}"));
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':')),
            None => match text.split_once(':') {
                // A bare IPv6 address.
                Some((_, rest)) if rest.contains(':') => (text, None),
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() {
            return Err(wrong());
        }
        let port = port.map(str::parse::<u16>).transpose().map_err(|_| wrong())?;
        match port {
            Some(port) if self.redis_port != 0 && self.redis_port != port => Err(invalid(&format!(
                "redis host {text:?} already contains port {port}, but redisPort is set to {}; either remove the port \
                 from redisHost or remove the redisPort setting",
                self.redis_port
            ))),
            Some(port) => Ok(Address { host: host.to_owned(), port }),
            None if self.redis_port != 0 => Ok(Address { host: host.to_owned(), port: self.redis_port }),
            None => Ok(Address { host: host.to_owned(), port: DEFAULT_PORT }),
        }
    }

    fn tls(&self) -> Result<Option<TlsSettings>, Error> {
        if !self.enable_tls {
            return Ok(None);
        }
        let client = match (self.client_cert.is_empty(), self.client_key.is_empty()) {
            (false, false) => Some((self.client_cert.clone(), self.client_key.clone())),
            (true, true) => None,
            _ => return Err(invalid("metadata fields clientCert and clientKey belong together: one is missing")),
        };
        Ok(Some(TlsSettings { insecure: self.insecure_skip_tls_verify, client }))
    }
}

fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Connecting, String> {
        let properties: Properties = pairs.iter().copied().collect();
        RedisSettings::read("store", &properties, Kind::State).map(|(_, read)| read).map_err(|error| error.to_string())
    }

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn a_host_gets_the_port_that_is_given_or_the_usual_one() {
        let place = |pairs: &[(&str, &str)]| read(pairs).map(|read| read.place);
        assert_eq!(place(&[("redisHost", "a")]), Ok(Place::Alone(address("a", 6379))));
        assert_eq!(place(&[("redisHost", "a:1")]), Ok(Place::Alone(address("a", 1))));
        assert_eq!(place(&[("redisHost", "a"), ("redisPort", "2")]), Ok(Place::Alone(address("a", 2))));
        assert_eq!(place(&[("redisHost", "[::1]:3")]), Ok(Place::Alone(address("::1", 3))));
        assert_eq!(place(&[("redisHost", "::1")]), Ok(Place::Alone(address("::1", 6379))));
        assert!(place(&[("redisHost", "a:1"), ("redisPort", "2")]).unwrap_err().contains("already contains port 1"));
        assert!(place(&[("redisHost", "a:b")]).unwrap_err().contains("redisHost"));
        assert!(place(&[]).unwrap_err().contains("redisHost is missing"));
    }

    #[test]
    fn sentinels_need_a_name_and_a_cluster_none() {
        let sentinels = [("redisHost", "a, b:2"), ("failover", "true"), ("sentinelMasterName", "m")];
        let both = vec![address("a", 6379), address("b", 2)];
        let watched = Place::Watched { sentinels: both.clone(), master: "m".to_owned() };
        assert_eq!(read(&sentinels).unwrap().place, watched);
        assert!(read(&sentinels[..2]).err().unwrap().contains("sentinelMasterName"));
        let cluster = [("redisHost", "a,b:2"), ("redisType", "cluster"), ("redisDB", "4")];
        let read_cluster = read(&cluster).unwrap();
        assert_eq!((read_cluster.place, read_cluster.database), (Place::Cluster(both), 0));
        assert!(read(&cluster[..1]).err().unwrap().contains("redisType"));
    }

    #[test]
    fn times_are_milliseconds_or_durations_and_negative_is_never() {
        let read = |text: &str| read(&[("redisHost", "a"), ("readTimeout", text)]).map(|read| (read.read, read.write));
        let both = |time| Ok((time, time));
        assert_eq!(read("250"), both(Some(Duration::from_millis(250))));
        assert_eq!(read("1m"), both(Some(Duration::from_secs(60))));
        assert_eq!(read("-1"), both(None));
        assert_eq!(read("0"), both(Some(Duration::from_secs(3))));
        assert!(read("soon").unwrap_err().contains("readTimeout is \"soon\""));
    }

    #[test]
    fn what_is_not_built_or_half_given_is_refused() {
        let with = |name, value| read(&[("redisHost", "a"), ("enableTLS", "true"), (name, value)]).err();
        assert!(with("useAzureAD", "true").unwrap().contains("useEntraID"));
        assert!(with("clientCert", "x").unwrap().contains("clientKey"));
        assert_eq!(with("insecureSkipTLSVerify", "true"), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let pairs =
            [("redisHost", "a"), ("redisPassword", "sesame"), ("sentinelPassword", "open"), ("clientKey", "key!")];
        let settings = RedisSettings::parse(&pairs.into_iter().collect()).unwrap();
        let text = format!("{settings:?}");
        assert!(!["sesame", "open\"", "key!"].iter().any(|secret| text.contains(secret)), "{text}");
    }
}
