//! What this process proves itself with, and what vouches for the API server, as they are now: files are replaced while a process
//! runs, so they are read again every minute, and a token's program is run again before its token ends. Asked by `client` before
//! every request.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use rustls::ClientConfig;
use security::tls;
use serde_json::json;
use service::Credentials;
use tokio::time::Instant;

use crate::config::{Config, Login, Source};

/// How long what was read counts. The API server honours an old token for longer.
const FRESH: Duration = Duration::from_secs(60);
/// How long before its end a token is no longer used.
const MARGIN: Duration = Duration::from_secs(60);
/// Bytes of a file: some dozens of certificates, or a token.
const MAX_BYTES: u64 = 1 << 20;
const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What connections and requests are made with.
pub(crate) struct Access {
    pub(crate) config: Config,
    login: tokio::sync::Mutex<Option<Header>>,
    texts: tokio::sync::Mutex<Option<Read>>,
    tls: Mutex<Option<Arc<ClientConfig>>>,
}

/// A header `authorization`.
struct Header {
    value: HeaderValue,
    read: Instant,
    until: Option<SystemTime>,
}

/// What TLS is made of, and when it was read.
struct Read {
    texts: Texts,
    read: Instant,
}

#[derive(PartialEq)]
struct Texts {
    authority: Option<String>,
    identity: Option<(String, String)>,
}

impl Access {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            login: tokio::sync::Mutex::default(),
            texts: tokio::sync::Mutex::default(),
            tls: Mutex::default(),
        }
    }

    /// Reads what is old, and returns the header to send, if one is sent. What cannot be read again stays as it was.
    pub(crate) async fn renew(&self) -> Result<Option<HeaderValue>, String> {
        if self.config.server.scheme_str() == Some("https") {
            self.renew_tls().await?;
        }
        if self.config.login == Login::Nothing {
            return Ok(None);
        }
        let mut kept = self.login.lock().await;
        if kept.as_ref().is_some_and(|header| header.is_fresh(&self.config.login)) {
            return Ok(kept.as_ref().map(|header| header.value.clone()));
        }
        match self.log_in().await {
            Ok(header) => Ok(Some(kept.insert(header).value.clone())),
            Err(reason) => match kept.as_ref().filter(|header| header.counts()) {
                Some(header) => Ok(Some(header.value.clone())),
                None => Err(reason),
            },
        }
    }

    /// Drops what the API server did not accept, so that it is read again.
    pub(crate) async fn forget(&self) {
        *self.login.lock().await = None;
    }

    async fn log_in(&self) -> Result<Header, String> {
        let (text, until) = match &self.config.login {
            Login::Nothing => return Err("nothing to log in with".to_owned()),
            Login::Password { user, password } => {
                (format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))), None)
            }
            Login::Token(source) => (format!("Bearer {}", read(source).await?.trim()), None),
            Login::Plugin(plugin) => {
                let authority = match &self.config.authority {
                    Some(source) => STANDARD.encode(read(source).await?),
                    None => String::new(),
                };
                let cluster = json!({
                    "server": self.config.server(),
                    "tls-server-name": self.config.server_name.as_deref().unwrap_or_default(),
                    "certificate-authority-data": authority,
                });
                let printed = plugin.run(&self.config.environment, &cluster).await?;
                (format!("Bearer {}", printed.token), printed.until)
            }
        };
        let mut value = HeaderValue::from_str(&text).map_err(|_| "the token is no header value".to_owned())?;
        value.set_sensitive(true);
        Ok(Header { value, read: Instant::now(), until })
    }

    async fn renew_tls(&self) -> Result<(), String> {
        let mut kept = self.texts.lock().await;
        if kept.as_ref().is_some_and(|texts| texts.read.elapsed() < FRESH) {
            return Ok(());
        }
        let made = match self.read_texts().await {
            Ok(texts) if kept.as_ref().is_some_and(|kept| kept.texts == texts) => Ok(None),
            Ok(texts) => texts.configuration().map(|tls| Some((texts, tls))),
            Err(reason) => Err(reason),
        };
        match (made, kept.as_mut()) {
            (Ok(Some((texts, tls))), _) => {
                *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = Some(tls);
                *kept = Some(Read { texts, read: Instant::now() });
            }
            (Err(reason), None) => return Err(reason),
            (Ok(None) | Err(_), Some(kept)) => kept.read = Instant::now(),
            (Ok(None), None) => {}
        }
        Ok(())
    }

    async fn read_texts(&self) -> Result<Texts, String> {
        let authority = match &self.config.authority {
            Some(source) => Some(read(source).await?),
            None => None,
        };
        let identity = match &self.config.identity {
            Some((certificate, key)) => Some((read(certificate).await?, read(key).await?)),
            None => None,
        };
        Ok(Texts { authority, identity })
    }
}

impl Header {
    fn is_fresh(&self, login: &Login) -> bool {
        match login {
            Login::Token(Source::File(_)) => self.read.elapsed() < FRESH,
            _ => self.until.is_none_or(|until| SystemTime::now() + MARGIN < until),
        }
    }

    fn counts(&self) -> bool {
        self.until.is_none_or(|until| SystemTime::now() < until)
    }
}

impl Texts {
    fn configuration(&self) -> Result<Arc<ClientConfig>, String> {
        let identity = self.identity.as_ref().map(|(certificate, key)| (certificate.as_str(), key.as_str()));
        tls::with_material(self.authority.as_deref(), identity, PROTOCOLS).map_err(|error| error.to_string())
    }
}

async fn read(source: &Source) -> Result<String, String> {
    let path = match source {
        Source::Text(text) => return Ok(text.clone()),
        Source::File(path) => path,
    };
    let failed = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
    if tokio::fs::metadata(path).await.map_err(|error| failed(&error))?.len() > MAX_BYTES {
        return Err(failed(&format!("more than {MAX_BYTES} bytes")));
    }
    tokio::fs::read_to_string(path).await.map_err(|error| failed(&error))
}

impl Credentials for Access {
    fn client(&self, _: &str) -> io::Result<Arc<ClientConfig>> {
        let tls = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        tls.clone().ok_or_else(|| io::Error::other("what vouches for the Kubernetes API has not been read"))
    }

    fn generation(&self) -> u64 {
        0
    }

    fn until(&self) -> SystemTime {
        // Asked by pools that close connections with their certificates; the API server judges ours itself.
        SystemTime::now() + FRESH
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use service::Environment;

    use super::*;

    fn access(login: Login) -> Access {
        Access::new(Config {
            server: "http://127.0.0.1".parse().unwrap(),
            server_name: None,
            authority: None,
            identity: None,
            login,
            namespace: String::new(),
            origin: String::new(),
            environment: Environment::default(),
        })
    }

    async fn header(access: &Access) -> String {
        access.renew().await.unwrap().unwrap().to_str().unwrap().to_owned()
    }

    async fn grow_old(access: &Access) {
        let mut kept = access.login.lock().await;
        let header = kept.as_mut().unwrap();
        header.read = header.read.checked_sub(FRESH).unwrap();
    }

    #[tokio::test]
    async fn a_replaced_token_is_read_after_a_minute_or_when_the_old_one_was_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "one\n").unwrap();
        let access = access(Login::Token(Source::File(path.clone())));
        assert_eq!(header(&access).await, "Bearer one");
        fs::write(&path, "two").unwrap();
        assert_eq!(header(&access).await, "Bearer one");
        access.forget().await;
        assert_eq!(header(&access).await, "Bearer two");
        fs::write(&path, "three").unwrap();
        grow_old(&access).await;
        assert_eq!(header(&access).await, "Bearer three");
    }

    #[tokio::test]
    async fn a_token_whose_file_is_gone_stays_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "one").unwrap();
        let access = access(Login::Token(Source::File(path.clone())));
        assert_eq!(header(&access).await, "Bearer one");
        fs::remove_file(&path).unwrap();
        grow_old(&access).await;
        assert_eq!(header(&access).await, "Bearer one");
        access.forget().await;
        assert!(access.renew().await.unwrap_err().contains("token"));
    }

    #[tokio::test]
    async fn passwords_and_nothing_are_sent_as_they_are() {
        let login = Login::Password { user: "me".to_owned(), password: "pass".to_owned() };
        assert_eq!(header(&access(login)).await, "Basic bWU6cGFzcw==");
        assert_eq!(access(Login::Nothing).renew().await.unwrap(), None);
    }
}
