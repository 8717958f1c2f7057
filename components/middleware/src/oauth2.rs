//! `middleware.http.oauth2`: the authorization code flow (RFC 6749, section 4.1) for browsers. Whoever has no session is
//! sent to log in and comes back to the address first asked for; whoever has one gets its token added to every request.
//!
//! What has to be remembered until the browser comes back is sealed into a cookie of that browser, so that nobody can
//! finish a login that another began, and nobody fills our memory without logging in.

mod seal;
mod sessions;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use component::http::HttpBody;
use component::middleware::{HttpMiddleware, Next};
use component::{Backend, Clock, Constructing, Error, ErrorKind, Settings, Setup};
use http::header::{COOKIE, HOST, SET_COOKIE};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri};

use crate::pattern::PathFilter;
use crate::token_endpoint::{Parameter, Style, TokenEndpoint};
use crate::{answer, fetch};
use seal::{Login, Seal};
use sessions::Sessions;

/// The cookie of a session, and that of a login that is under way.
const SESSION_COOKIE: &str = "gosessionid";
const LOGIN_COOKIE: &str = "gosessionid-login";
/// How long a session lasts whose token does not say how long it counts.
const SESSION: Duration = Duration::from_secs(2 * 60 * 60);
/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(10 * 60);
/// Bytes of an address that is returned to; longer ones lead to the root.
const LONGEST_ADDRESS: usize = 2048;

/// The metadata of `middleware.http.oauth2`.
#[derive(Settings)]
pub(crate) struct OAuth2Settings {
    /// Id of the client at the server.
    #[setting(name = "clientID", required)]
    client_id: String,
    /// Its secret.
    #[setting(required, secret)]
    client_secret: String,
    /// Scopes to ask for, separated by commas.
    scopes: String,
    /// URL where the browser logs in.
    #[setting(name = "authURL", required)]
    auth_url: String,
    /// URL of the token endpoint.
    #[setting(name = "tokenURL", required)]
    token_url: String,
    /// Header that takes the token; one that a request brings is replaced.
    #[setting(default = "Authorization")]
    auth_header_name: String,
    /// URL the browser is sent back to after the login.
    #[setting(name = "redirectURL")]
    redirect_url: String,
    /// Return to the address first asked for by `https`, and send cookies by it only.
    #[setting(name = "forceHTTPS")]
    force_https: bool,
    /// Regular expression of the paths that need a login; all without it.
    path_filter: String,
}

struct OAuth2 {
    endpoint: TokenEndpoint,
    /// The login URL with everything but the state.
    login_url: String,
    redirect_url: String,
    header: HeaderName,
    force_https: bool,
    filter: PathFilter,
    sessions: Mutex<Sessions>,
    seal: Seal,
    clock: Clock,
    component: String,
}

/// Reads the settings. No server is asked.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn HttpMiddleware> {
    Box::pin(async move {
        let settings = OAuth2Settings::parse(&setup.properties)?;
        let auth_url = fetch::url("authURL", &settings.auth_url)?;
        let token_url = fetch::url("tokenURL", &settings.token_url)?;
        let header = settings.auth_header_name.parse().map_err(|_| {
            let message =
                format!("metadata field authHeaderName is {:?}: expected a header name", settings.auth_header_name);
            Error::new(ErrorKind::InvalidArgument, message)
        })?;
        let login_url = login_url(&auth_url, &settings);
        let client = (settings.client_id, settings.client_secret);
        let middleware: Arc<dyn HttpMiddleware> = Arc::new(OAuth2 {
            endpoint: TokenEndpoint::new(setup.host.http, token_url, client, Style::Unknown),
            login_url,
            redirect_url: settings.redirect_url,
            header,
            force_https: settings.force_https,
            filter: PathFilter::parse(&settings.path_filter)?,
            sessions: Mutex::default(),
            seal: Seal::new()?,
            clock: setup.host.clock,
            component: setup.name,
        });
        Ok(middleware)
    })
}

/// The parameters in the order in which the target writes them; the state is to follow.
fn login_url(auth_url: &Uri, settings: &OAuth2Settings) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("access_type", "offline").append_pair("client_id", &settings.client_id);
    if !settings.redirect_url.is_empty() {
        query.append_pair("redirect_uri", &settings.redirect_url);
    }
    query.append_pair("response_type", "code");
    if !settings.scopes.is_empty() {
        query.append_pair("scope", &settings.scopes.replace(',', " "));
    }
    let joint = if auth_url.query().is_some() { '&' } else { '?' };
    format!("{auth_url}{joint}{}&state=", query.finish())
}

impl Backend for OAuth2 {}

#[async_trait]
impl HttpMiddleware for OAuth2 {
    async fn handle(&self, mut request: Request<HttpBody>, next: Next) -> Response<HttpBody> {
        if !self.filter.covers(request.uri()) {
            return next.run(request).await;
        }
        let session = cookie(request.headers(), SESSION_COOKIE).and_then(|id| self.token_of(&id));
        if let Some(token) = session {
            remove_cookies(request.headers_mut());
            request.headers_mut().insert(self.header.clone(), token);
            return next.run(request).await;
        }
        match parameter(request.uri(), "state").filter(|state| !state.is_empty()) {
            Some(state) => self.finish_login(request.headers(), request.uri(), &state).await,
            None => self.begin_login(request.headers(), request.uri()),
        }
    }
}

impl OAuth2 {
    fn token_of(&self, id: &str) -> Option<HeaderValue> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).token(id, self.clock.now())
    }

    fn begin_login(&self, headers: &HeaderMap, uri: &Uri) -> Response<HttpBody> {
        let begun = seal::random().and_then(|state| {
            let ends = self.clock.now() + LOGIN;
            let address = self.return_address(headers, uri);
            let sealed = self.seal.close(&Login { state: state.clone(), address, ends: seal::seconds(ends) })?;
            Ok((state, sealed))
        });
        let location = begun.and_then(|(state, sealed)| {
            let location = HeaderValue::from_str(&format!("{}{state}", self.login_url));
            let cookie = self.set_cookie(LOGIN_COOKIE, &sealed, LOGIN)?;
            location.map(|location| (location, cookie)).map_err(|_| internal("the login URL is no header value"))
        });
        match location {
            Ok((location, cookie)) => {
                let mut response = answer::redirect(location);
                response.headers_mut().append(SET_COOKIE, cookie);
                response
            }
            Err(error) => self.failed(&error),
        }
    }

    async fn finish_login(&self, headers: &HeaderMap, uri: &Uri, state: &str) -> Response<HttpBody> {
        let login = cookie(headers, LOGIN_COOKIE).and_then(|sealed| self.seal.open(&sealed));
        let login =
            login.filter(|login| seal::seconds(self.clock.now()) < login.ends && seal::equal(&login.state, state));
        let Some(login) = login else { return answer::text(StatusCode::BAD_REQUEST, "invalid state") };
        let Some(code) = parameter(uri, "code").filter(|code| !code.is_empty()) else {
            return answer::text(StatusCode::BAD_REQUEST, "code not found");
        };
        let mut grant: Vec<Parameter<'_>> =
            vec![("grant_type".into(), "authorization_code".into()), ("code".into(), code.into())];
        if !self.redirect_url.is_empty() {
            grant.push(("redirect_uri".into(), self.redirect_url.as_str().into()));
        }
        let token = match self.endpoint.request(&grant).await {
            Ok(token) => token,
            Err(error) => return self.failed(&error),
        };
        let lifetime = token.lifetime.unwrap_or(SESSION);
        let now = self.clock.now();
        let begun = seal::random().and_then(|id| {
            let cookies =
                [self.set_cookie(SESSION_COOKIE, &id, lifetime)?, self.set_cookie(LOGIN_COOKIE, "", Duration::ZERO)?];
            let location =
                HeaderValue::from_str(&login.address).map_err(|_| internal("the address is no header value"))?;
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.begin(id, token.header, (now, now + lifetime));
            Ok((location, cookies))
        });
        match begun {
            Ok((location, cookies)) => {
                let mut response = answer::redirect(location);
                for cookie in cookies {
                    response.headers_mut().append(SET_COOKIE, cookie);
                }
                response
            }
            Err(error) => self.failed(&error),
        }
    }

    /// Where the browser goes after the login: the same path of the same host. A path is never read as a host.
    fn return_address(&self, headers: &HeaderMap, uri: &Uri) -> String {
        let asked = uri.path_and_query().map_or("/", |asked| asked.as_str());
        let path = format!("/{}", asked.trim_start_matches(['/', '\\']));
        let path = if path.len() > LONGEST_ADDRESS { "/".to_owned() } else { path };
        if !self.force_https {
            return path;
        }
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(str::to_owned);
        let host = uri.authority().map(|authority| authority.as_str().to_owned()).or(host);
        let host = host.filter(|host| !host.contains('@')).and_then(|host| host.parse::<Authority>().ok());
        host.map_or(path.clone(), |host| format!("https://{host}{path}"))
    }

    fn set_cookie(&self, name: &str, value: &str, lifetime: Duration) -> Result<HeaderValue, Error> {
        let secure = if self.force_https { "; Secure" } else { "" };
        let seconds = lifetime.as_secs();
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        let mut value = HeaderValue::from_str(&text).map_err(|_| internal("the cookie is no header value"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    fn failed(&self, error: &Error) -> Response<HttpBody> {
        tracing::error!(target: "dapr.contrib", component = self.component, "Failed to exchange token: {error}");
        answer::status(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

fn internal(message: &str) -> Error {
    Error::new(ErrorKind::Internal, message)
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let found = form_urlencoded::parse(uri.query()?.as_bytes()).find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    cookies(headers).find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

/// Our cookies are not for what stands behind us.
fn remove_cookies(headers: &mut HeaderMap) {
    let rest: Vec<String> = cookies(headers)
        .filter(|(name, _)| ![SESSION_COOKIE, LOGIN_COOKIE].contains(name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    headers.remove(COOKIE);
    if let Some(line) = HeaderValue::from_str(&rest.join("; ")).ok().filter(|line| !line.is_empty()) {
        headers.insert(COOKIE, line);
    }
}

#[cfg(test)]
mod tests;
