//! Addresses of etcd's members, as settings give them. Pure.

use component::{Error, ErrorKind};

const DEFAULT_PORT: u16 = 2379;

/// Where one member listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Name or numeric address.
    pub(crate) host: String,
    /// Port.
    pub(crate) port: u16,
    /// Whether `http` or `https` was asked for; `None` where neither was.
    pub(crate) secure: Option<bool>,
}

/// Reads a list between commas: `host:port`, or URLs.
pub(crate) fn parse(text: &str) -> Result<Vec<Endpoint>, Error> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let endpoints = parts.map(endpoint).collect::<Option<Vec<_>>>();
    match endpoints {
        Some(endpoints) if !endpoints.is_empty() => Ok(endpoints),
        Some(_) => Err(Error::new(ErrorKind::InvalidArgument, "endpoints required")),
        None => {
            let message = format!("metadata field endpoints is {text:?}: expected a list such as host:2379,other:2379");
            Err(Error::new(ErrorKind::InvalidArgument, message))
        }
    }
}

fn endpoint(text: &str) -> Option<Endpoint> {
    let (secure, address) = match text.split_once("://") {
        None => (None, text),
        Some(("http", address)) => (Some(false), address),
        Some(("https", address)) => (Some(true), address),
        Some(_) => return None,
    };
    let address = address.strip_suffix('/').unwrap_or(address);
    let (host, port) = match address.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
    };
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | ':' | '%');
    let sound = !host.is_empty() && host.chars().all(plain);
    sound.then(|| Endpoint { host: host.to_owned(), port, secure })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, u16, Option<bool>)> {
        parse(text).unwrap().into_iter().map(|found| (found.host, found.port, found.secure)).collect()
    }

    #[test]
    fn addresses_and_urls_are_read() {
        let expected =
            [("localhost".to_owned(), 1, None), ("b".to_owned(), 2379, Some(false)), ("::1".to_owned(), 3, Some(true))];
        assert_eq!(read("localhost:1, http://b/,https://[::1]:3"), expected);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        assert_eq!(parse(" ,").unwrap_err().to_string(), "endpoints required");
        for text in ["a:0", "a:b", "ftp://a", "a/b", "[::1", "a:1:2", "a b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
