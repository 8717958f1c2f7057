//! SPIFFE ids in Dapr's form, `spiffe://<trust domain>/ns/<namespace>/<app id>`: who a process is. Used wherever a
//! certificate is made, asked for, shown or judged. It does not say whether an id is proven: see `peer`.
//!
//! Characters and lengths are those of the SPIFFE standard (SPIFFE-ID sections 2.1 to 2.3) as go-spiffe v2 applies them.

use std::fmt;
use std::sync::Arc;

const SCHEME: &str = "spiffe://";
/// The standard's limits, in bytes.
const MAX_TRUST_DOMAIN: usize = 255;
const MAX_ID: usize = 2048;

/// Why a text is no SPIFFE id, or no trust domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MalformedId {
    /// It does not begin with `spiffe://`.
    Scheme,
    /// The trust domain is empty, too long, or has another character than `a-z`, `0-9`, `.`, `-` and `_`.
    TrustDomain(String),
    /// A segment of the path is empty, `.`, `..`, or has another character than letters, digits, `.`, `-` and `_`.
    Segment(String),
    /// The path is not `/ns/<namespace>/<app id>`, nor that with more segments behind it.
    Path(String),
    /// It is longer than 2048 bytes.
    TooLong,
}

impl fmt::Display for MalformedId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => formatter.write_str("malformed SPIFFE ID: the scheme is missing or invalid"),
            Self::TrustDomain(text) => write!(
                formatter,
                "malformed trust domain {text:?}: only lowercase letters, numbers, dots, dashes, and underscores are allowed, \
                 1 to {MAX_TRUST_DOMAIN} of them"
            ),
            Self::Segment(text) => write!(
                formatter,
                "malformed SPIFFE ID: path segment {text:?} may only have letters, numbers, dots, dashes, and underscores, and \
                 is never empty, . or .."
            ),
            Self::Path(path) => write!(formatter, "malformed SPIFFE ID: {path:?} is not /ns/<namespace>/<app id>"),
            Self::TooLong => write!(formatter, "malformed SPIFFE ID: longer than {MAX_ID} bytes"),
        }
    }
}

impl std::error::Error for MalformedId {}

/// A trust domain: whose certificate authority vouches for an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Arc<str>);

impl TrustDomain {
    /// Reads a name (`cluster.local`), or takes the trust domain of an id (`spiffe://cluster.local/...`).
    ///
    /// # Errors
    /// [`MalformedId::TrustDomain`].
    pub fn parse(text: &str) -> Result<Self, MalformedId> {
        let name = text.strip_prefix(SCHEME).map_or(text, |rest| rest.split('/').next().unwrap_or_default());
        let legal = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if name.is_empty() || name.len() > MAX_TRUST_DOMAIN || !name.bytes().all(legal) {
            return Err(MalformedId::TrustDomain(text.to_owned()));
        }
        Ok(Self(name.into()))
    }

    /// The name, without the scheme.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The id of a workload. A clone is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    uri: Arc<str>,
    /// Where in `uri` the path begins, the namespace ends and the app id ends.
    path_at: usize,
    namespace_end: usize,
    app_end: usize,
}

const NAMESPACE_PREFIX: &str = "/ns/";

impl SpiffeId {
    /// Reads an id. Segments behind the app id are kept in [`SpiffeId::path`] and mean nothing else, as in the target.
    ///
    /// # Errors
    /// [`MalformedId`].
    pub fn parse(uri: &str) -> Result<Self, MalformedId> {
        if uri.len() > MAX_ID {
            return Err(MalformedId::TooLong);
        }
        let rest = uri.strip_prefix(SCHEME).ok_or(MalformedId::Scheme)?;
        let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        TrustDomain::parse(domain)?;
        let mut segments = path.split('/').skip(1);
        for segment in segments.clone() {
            check_segment(segment)?;
        }
        let (Some("ns"), Some(namespace), Some(app)) = (segments.next(), segments.next(), segments.next()) else {
            return Err(MalformedId::Path(path.to_owned()));
        };
        let path_at = SCHEME.len() + domain.len();
        let namespace_end = path_at + NAMESPACE_PREFIX.len() + namespace.len();
        Ok(Self { uri: uri.into(), path_at, namespace_end, app_end: namespace_end + 1 + app.len() })
    }

    /// The id of an app.
    ///
    /// # Errors
    /// [`MalformedId`] when the namespace or the app id cannot be part of an id.
    pub fn of(trust_domain: &TrustDomain, namespace: &str, app_id: &str) -> Result<Self, MalformedId> {
        check_segment(namespace)?;
        check_segment(app_id)?;
        Self::parse(&format!("{SCHEME}{trust_domain}{NAMESPACE_PREFIX}{namespace}/{app_id}"))
    }

    /// The whole id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// Its trust domain, as text.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        self.uri.get(SCHEME.len()..self.path_at).unwrap_or_default()
    }

    /// The path, with its first slash.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri.get(self.path_at..).unwrap_or_default()
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.uri.get(self.path_at + NAMESPACE_PREFIX.len()..self.namespace_end).unwrap_or_default()
    }

    /// Its app id.
    #[must_use]
    pub fn app_id(&self) -> &str {
        self.uri.get(self.namespace_end + 1..self.app_end).unwrap_or_default()
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.uri)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.uri)
    }
}

fn check_segment(segment: &str) -> Result<(), MalformedId> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if matches!(segment, "" | "." | "..") || !segment.bytes().all(legal) {
        return Err(MalformedId::Segment(segment.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_taken_apart() {
        let id = SpiffeId::parse("spiffe://cluster.local/ns/prod/orders").unwrap();
        assert_eq!((id.trust_domain(), id.namespace(), id.app_id()), ("cluster.local", "prod", "orders"));
        assert_eq!(id.path(), "/ns/prod/orders");
        assert_eq!(id, SpiffeId::of(&TrustDomain::parse("cluster.local").unwrap(), "prod", "orders").unwrap());
    }

    #[test]
    fn later_segments_are_allowed_and_mean_nothing() {
        let id = SpiffeId::parse("spiffe://td/ns/n/app/more").unwrap();
        assert_eq!((id.namespace(), id.app_id(), id.path()), ("n", "app", "/ns/n/app/more"));
    }

    #[test]
    fn what_is_no_workload_of_ours_is_refused() {
        for uri in [
            "",
            "spiffe://",
            "spiffe://td",
            "spiffe://td/",
            "spiffe://td/ns",
            "spiffe://td/ns/n",
            "spiffe://td/ns/n/",
            "spiffe://td/ns//app",
            "spiffe://td//ns/n/app",
            "spiffe://td/ns/n/app/",
            "spiffe://td/NS/n/app",
            "spiffe://TD/ns/n/app",
            "SPIFFE://td/ns/n/app",
            "https://td/ns/n/app",
            "spiffe://td:80/ns/n/app",
            "spiffe://u@td/ns/n/app",
            "spiffe://td/ns/n/a%2fb",
            "spiffe://td/ns/n/app?q",
            "spiffe://td/ns/n/app#f",
            "spiffe://td/ns/../app",
            "spiffe://td/ns/n/.",
            "spiffe://td/ns/n/ä",
            "spiffe://td/ns/n/a\0b",
        ] {
            assert!(SpiffeId::parse(uri).is_err(), "{uri}");
        }
        let long = format!("spiffe://td/ns/n/{}", "a".repeat(2048));
        assert_eq!(SpiffeId::parse(&long), Err(MalformedId::TooLong));
    }

    #[test]
    fn an_app_id_cannot_become_more_segments() {
        let domain = TrustDomain::parse("td").unwrap();
        assert!(SpiffeId::of(&domain, "n", "a/b").is_err());
        assert!(SpiffeId::of(&domain, "n/x", "a").is_err());
        assert!(TrustDomain::parse("td/ns/n/a").is_err());
        assert!(TrustDomain::parse("Td").is_err());
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_gives_the_same_id_back(uri in "(spiffe://)?[a-z/.A-Z0-9%?#-]{0,40}") {
            if let Ok(id) = SpiffeId::parse(&uri) {
                prop_assert_eq!(id.as_str(), uri.as_str());
                let rebuilt = format!("spiffe://{}/ns/{}/{}", id.trust_domain(), id.namespace(), id.app_id());
                prop_assert!(uri.starts_with(&rebuilt));
            }
        }
    }
}
