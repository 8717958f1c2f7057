//! Making a connection: to a server, to the one that sentinels call the master, or to a cluster. Used by `link` and by
//! subscriptions.

use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClientBuilder;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, Value, cmd,
};

use crate::failure::Failure;
use crate::settings::{Address, Connecting, Login, Place, TlsSettings};
use crate::wire::Wire;

/// After how long without a word the system asks whether the other end is still there, and how often.
const QUIET: Duration = Duration::from_secs(15);
const PROBE_EVERY: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

impl Connecting {
    /// A new connection.
    pub(crate) async fn dial(&self) -> Result<Wire, Failure> {
        in_time(self.dial, async {
            match &self.place {
                Place::Alone(address) => Ok(Wire::One(self.connect(&self.client(address)?).await?)),
                Place::Watched { sentinels, master } => {
                    let address = self.ask_sentinels(sentinels, master).await?;
                    Ok(Wire::One(self.connect_to_master(&address).await?))
                }
                Place::Cluster(nodes) => self.dial_cluster(nodes).await,
            }
        })
        .await
    }

    /// A connection of its own for a subscription; a cluster has none.
    pub(crate) async fn dial_subscription(&self) -> Result<PubSub, Failure> {
        in_time(self.dial, async {
            let address = match &self.place {
                Place::Alone(address) => address.clone(),
                Place::Watched { sentinels, master } => self.ask_sentinels(sentinels, master).await?,
                Place::Cluster(_) => {
                    return Err((ErrorKind::InvalidClientConfig, "a cluster has no subscriptions here").into());
                }
            };
            self.client(&address)?.get_async_pubsub().await
        })
        .await
    }

    async fn connect(&self, client: &Client) -> RedisResult<MultiplexedConnection> {
        client.get_multiplexed_async_connection_with_config(&self.config()).await
    }

    /// Timeouts are ours: what the library gives up may still be on its way.
    fn config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new().set_connection_timeout(self.dial).set_response_timeout(None)
    }

    fn client(&self, address: &Address) -> RedisResult<Client> {
        self.client_as(address, &self.login, self.database)
    }

    fn client_as(&self, address: &Address, login: &Login, database: i64) -> RedisResult<Client> {
        let info = self.info(address, login, database)?;
        match &self.tls {
            Some(tls) => Client::build_with_tls(info, certificates(tls)),
            None => Client::open(info),
        }
    }

    fn info(&self, address: &Address, login: &Login, database: i64) -> RedisResult<ConnectionInfo> {
        let mut settings = RedisConnectionInfo::default().set_db(database).set_skip_set_lib_name();
        if !login.user.is_empty() {
            settings = settings.set_username(&login.user);
        }
        if !login.password.is_empty() {
            settings = settings.set_password(&login.password);
        }
        let info = connection_address(address, self.tls.as_ref()).into_connection_info()?;
        Ok(info.set_redis_settings(settings).set_tcp_settings(tcp_settings()))
    }

    /// Each sentinel in turn; the first that knows the master counts.
    async fn ask_sentinels(&self, sentinels: &[Address], master: &str) -> RedisResult<Address> {
        let mut last = RedisError::from((ErrorKind::EmptySentinelList, "no sentinel is named"));
        let share = self.dial.map(|whole| whole / u32::try_from(sentinels.len().max(1)).unwrap_or(1));
        for sentinel in sentinels {
            let asked = self.ask_sentinel(sentinel, master);
            let answer = match share {
                Some(share) => tokio::time::timeout(share, asked).await.unwrap_or_else(|_| Err(timed_out())),
                None => asked.await,
            };
            match answer {
                Ok(address) => return Ok(address),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn ask_sentinel(&self, sentinel: &Address, master: &str) -> RedisResult<Address> {
        let client = self.client_as(sentinel, &self.sentinel_login, 0)?;
        let mut connection = self.connect(&client).await?;
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let found: Option<(String, u16)> = question.query_async(&mut connection).await?;
        let unknown = (ErrorKind::MasterNameNotFoundBySentinel, "the sentinels know no master of that name");
        let (host, port) = found.ok_or(unknown)?;
        Ok(Address { host, port })
    }

    /// A sentinel may be behind: only a server that calls itself master is taken.
    async fn connect_to_master(&self, address: &Address) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.connect(&self.client(address)?).await?;
        let role = connection.req_packed_command(&cmd("ROLE")).await?.extract_error()?;
        let is_master = match role {
            Value::Array(parts) => matches!(parts.first(), Some(Value::BulkString(first)) if first == b"master"),
            _ => false,
        };
        if is_master {
            return Ok(connection);
        }
        let text = "the sentinels name a server that is not the master (yet)";
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionRefused, text).into())
    }

    async fn dial_cluster(&self, nodes: &[Address]) -> RedisResult<Wire> {
        let infos = nodes.iter().map(|node| self.info(node, &self.login, 0)).collect::<RedisResult<Vec<_>>>()?;
        let mut builder = ClusterClientBuilder::new(infos).retries(0).tcp_settings(tcp_settings());
        if let Some(tls) = &self.tls {
            builder = builder.certs(certificates(tls));
        }
        // The library wants some time; a year is as good as for ever. A node that does not answer must leave time for others.
        let for_ever = Duration::from_secs(365 * 24 * 60 * 60);
        builder = builder.connection_timeout(self.dial.map_or(for_ever, |dial| dial / 3)).response_timeout(for_ever);
        Ok(Wire::Cluster(builder.build()?.get_async_connection().await?))
    }
}

fn connection_address(address: &Address, tls: Option<&TlsSettings>) -> ConnectionAddr {
    let (host, port) = (address.host.clone(), address.port);
    match tls {
        Some(tls) => ConnectionAddr::TcpTls { host, port, insecure: tls.insecure, tls_params: None },
        None => ConnectionAddr::Tcp(host, port),
    }
}

fn certificates(tls: &TlsSettings) -> TlsCertificates {
    let client_tls = tls.client.as_ref().map(|(certificate, key)| ClientTlsConfig {
        client_cert: certificate.clone().into_bytes(),
        client_key: key.clone().into_bytes(),
    });
    TlsCertificates { client_tls, root_cert: None }
}

/// What is still on its way when a connection is given up is thrown away: a write that timed out must not arrive after
/// later ones that went over a new connection.
fn tcp_settings() -> TcpSettings {
    let probes = socket2::TcpKeepalive::new().with_time(QUIET).with_interval(PROBE_EVERY).with_retries(PROBES);
    let settings = TcpSettings::default().set_nodelay(true).set_linger_time(Duration::ZERO).set_keepalive(probes);
    settings.set_user_timeout(QUIET + PROBE_EVERY * PROBES)
}

fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

async fn in_time<T>(limit: Option<Duration>, work: impl Future<Output = RedisResult<T>>) -> Result<T, Failure> {
    let Some(limit) = limit else { return Ok(work.await?) };
    match tokio::time::timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failure::NoConnection),
    }
}
