//! Where a server is, who we are to it, and how the way there is protected: from settings to an open stream. Used by `link`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use component::{Error, ErrorKind};
use lapin::ConnectionProperties;
use lapin::uri::{AMQPScheme, AMQPUri, SASLMechanism};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls::{self, Pem};
use crate::wire::Both;

/// The largest frame: the library keeps two buffers of 32 of them for each connection.
const LARGEST_FRAME: u32 = 32 * 1024;

/// A server as we know it.
#[derive(Clone)]
pub(crate) struct Place {
    uri: AMQPUri,
    tls: Option<Arc<ClientConfig>>,
    properties: ConnectionProperties,
    has_files: bool,
}

impl Place {
    /// Reads a connection string by the rules of the target's client.
    ///
    /// # Errors
    /// When it is none; the text is not shown, since it holds a password.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut uri: AMQPUri = text.parse().map_err(|_| invalid("it is not an address such as amqp://host:5672"))?;
        if text.contains(char::is_whitespace) {
            return Err(invalid("it has white space"));
        }
        if uri.vhost.is_empty() {
            // The target reads an empty path as the default.
            "/".clone_into(&mut uri.vhost);
        }
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let host = address.rsplit_once('@').or_else(|| address.split_once("//")).map_or("", |(_, host)| host);
        if let Some((host, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            // The library knows no addresses of this kind.
            host.clone_into(&mut uri.authority.host);
        }
        let has_files = ["cacertfile=", "certfile=", "keyfile="].iter().any(|name| query.contains(name));
        uri.query.frame_max = Some(uri.query.frame_max.unwrap_or(LARGEST_FRAME).clamp(4096, LARGEST_FRAME));
        Ok(Self { uri, tls: None, properties: ConnectionProperties::default(), has_files })
    }

    /// Who we are, where the connection string does not say it.
    pub(crate) fn log_in_as(&mut self, user: &str, password: &str) {
        if user.is_empty() {
            return;
        }
        user.clone_into(&mut self.uri.authority.userinfo.username);
        if !password.is_empty() {
            password.clone_into(&mut self.uri.authority.userinfo.password);
        }
    }

    /// How the way is protected, where it is to be; `external` logs in with our certificate.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub(crate) fn encrypt(&mut self, pem: Pem<'_>, external: bool) -> Result<(), Error> {
        if self.uri.scheme == AMQPScheme::AMQPS {
            self.tls = Some(tls::configure(pem)?);
            if external {
                self.uri.query.auth_mechanism = Some(SASLMechanism::External);
            }
        }
        Ok(())
    }

    /// What the server is told of us.
    ///
    /// # Errors
    /// A heartbeat that no server takes.
    pub(crate) fn tell(&mut self, name: &str, heartbeat: Duration) -> Result<(), Error> {
        let seconds = u16::try_from(heartbeat.as_secs());
        let seconds = seconds.map_err(|_| Error::new(ErrorKind::InvalidArgument, "rabbitmq: heartBeat is too long"))?;
        // One in the connection string goes first, as in the target.
        self.uri.query.heartbeat = self.uri.query.heartbeat.or(Some(seconds).filter(|seconds| *seconds > 0));
        if !name.is_empty() {
            self.properties = ConnectionProperties::default().with_connection_name(name.into());
        }
        Ok(())
    }

    /// `amqp` or `amqps`.
    pub(crate) fn scheme(&self) -> &'static str {
        match self.uri.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        }
    }

    /// Whether TLS protects the way.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether the connection string names files of certificates.
    pub(crate) fn has_files(&self) -> bool {
        self.has_files
    }

    /// What the client library needs to know.
    pub(crate) fn handshake(&self) -> (AMQPUri, ConnectionProperties) {
        (self.uri.clone(), self.properties.clone())
    }

    /// A new stream to the server.
    pub(crate) async fn open(&self) -> io::Result<Box<dyn Both>> {
        let authority = &self.uri.authority;
        let stream = TcpStream::connect((authority.host.as_str(), authority.port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from(authority.host.clone()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
        Ok(Box::new(stream))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the server at {}:{}", self.uri.authority.host, self.uri.authority.port)
    }
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("rabbitmq: invalid connectionString: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, u16, String, String) {
        let uri = Place::parse(text).unwrap().uri;
        (uri.authority.host, uri.authority.port, uri.authority.userinfo.username, uri.vhost)
    }

    #[test]
    fn connection_strings_are_read_as_the_target_reads_them() {
        let owned =
            |host: &str, port, user: &str, vhost: &str| (host.to_owned(), port, user.to_owned(), vhost.to_owned());
        assert_eq!(read("amqp://h"), owned("h", 5672, "guest", "/"));
        assert_eq!(read("amqp://h/"), owned("h", 5672, "guest", "/"));
        assert_eq!(read("amqps://a:b@h:1/v%2Fw"), owned("h", 1, "a", "v/w"));
        assert_eq!(read("amqps://[::1]"), owned("::1", 5671, "guest", "/"));
        assert_eq!(read("amqp://a:p%5Bx%5D@[::2]:3/v"), owned("::2", 3, "a", "v"));
        assert_eq!(read("amqp://a:b@h?certfile=c"), owned("h", 5672, "a", "/"));
        assert!(Place::parse("amqp://a:sesame @h").is_err());
    }
}
