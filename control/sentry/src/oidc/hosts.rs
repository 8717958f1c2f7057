//! Which hosts requests may name, and which of two names counts. A forwarded host is believed only where a list says which
//! hosts there are: what it says ends up in a document that others trust (CWE-346).

use http::header::{GetAll, HOST, HeaderValue};
use http::uri::Authority;
use http::{Request, Uri};

/// Allows every host. Then a forwarded one is not believed.
const ANY: &str = "*";

/// The hosts that requests may name.
pub(super) struct Hosts {
    allowed: Vec<String>,
}

/// What `X-Forwarded-Host` says.
pub(super) enum Forwarded {
    Nothing,
    Host(String),
    /// Several values, or one that is no text: nobody can say which counts.
    Unclear,
}

impl Forwarded {
    pub(super) fn of(values: GetAll<'_, HeaderValue>) -> Self {
        let mut values = values.iter();
        match (values.next().map(HeaderValue::to_str), values.next()) {
            (None | Some(Ok("")), None) => Self::Nothing,
            (Some(Ok(host)), None) => Self::Host(host.to_owned()),
            _ => Self::Unclear,
        }
    }
}

/// The host that a request names itself; `None` when it names several or something that is no host.
pub(super) fn host_of(request: &Request<()>) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.to_string());
    }
    let mut named = request.headers().get_all(HOST).iter();
    match (named.next(), named.next()) {
        (None, _) => Some(String::new()),
        (Some(host), None) => host.to_str().ok().map(str::to_owned),
        _ => None,
    }
}

impl Hosts {
    pub(super) fn new(allowed: Vec<String>) -> Self {
        Self { allowed }
    }

    /// Whether requests may name any host.
    pub(super) fn are_all_allowed(&self) -> bool {
        self.allowed.is_empty() || self.allowed.iter().any(|allowed| allowed == ANY)
    }

    /// Checks the host that counts.
    ///
    /// # Errors
    /// What was named instead.
    pub(super) fn check<'a>(&self, host: &'a str, forwarded: &'a Forwarded) -> Result<(), &'a str> {
        if self.are_all_allowed() {
            return Ok(());
        }
        let named = match forwarded {
            Forwarded::Unclear => return Err("several forwarded hosts"),
            Forwarded::Host(forwarded) => forwarded,
            Forwarded::Nothing => host,
        };
        let allows = |host: &str| self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(host));
        let without_port = named.parse::<Authority>().ok().filter(|authority| authority.port().is_some());
        if allows(named) || without_port.is_some_and(|authority| allows(bare(authority.host()))) {
            return Ok(());
        }
        Err(named)
    }

    /// The host that a document should name.
    pub(super) fn named<'a>(&self, host: &'a str, forwarded: &'a Forwarded) -> &'a str {
        match forwarded {
            Forwarded::Host(forwarded) if !self.are_all_allowed() => forwarded,
            _ => host,
        }
    }
}

/// An IPv6 address without its brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// `scheme://host`, if that is a host and nothing more.
pub(super) fn base(is_secure: bool, host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok()?;
    let is_host = !authority.host().is_empty() && !host.contains('@');
    let scheme = if is_secure { "https" } else { "http" };
    is_host.then(|| format!("{scheme}://{authority}"))
}

/// The scheme and host of a URL.
pub(super) fn base_of(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}
