//! `middleware.http.oauth2clientcredentials`: adds a token that it obtains with a client's own credentials. One token serves
//! all requests until shortly before it ends; a request that gets none is stopped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use component::http::HttpBody;
use component::middleware::{HttpMiddleware, Next};
use component::{Backend, Constructing, Error, ErrorKind, Settings, Setup};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::pattern::PathFilter;
use crate::token_endpoint::{Parameter, Style, TokenEndpoint};
use crate::{answer, fetch};

/// How long a token is used whose server does not say how long it counts.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How long before its end a token is replaced, at most.
const EARLY: Duration = Duration::from_secs(10);
/// How long a failure stands for the requests that waited for the same answer.
const PAUSE: Duration = Duration::from_millis(500);

/// The metadata of `middleware.http.oauth2clientcredentials`.
#[derive(Settings)]
pub(crate) struct ClientCredentialsSettings {
    /// Id of the client at the server.
    #[setting(name = "clientID", required)]
    client_id: String,
    /// Its secret.
    #[setting(required, secret)]
    client_secret: String,
    /// Scopes to ask for, separated by commas.
    #[setting(required)]
    scopes: String,
    /// URL of the token endpoint.
    #[setting(name = "tokenURL", required)]
    token_url: String,
    /// Header that takes the token; one that a request brings is replaced.
    #[setting(required)]
    header_name: String,
    /// More parameters for the token endpoint, as a query string.
    endpoint_params_query: String,
    /// How the credentials are sent: 1 in the body, 2 by basic authentication, 0 tries both.
    #[setting(default = "0", min = 0, max = 2)]
    auth_style: u8,
    /// Regular expression of the paths that get a token; all without it.
    path_filter: String,
}

struct ClientCredentials {
    endpoint: TokenEndpoint,
    grant: Vec<Parameter<'static>>,
    header: HeaderName,
    filter: PathFilter,
    /// The lock is held while a token is obtained, so that requests wait for one answer instead of asking as well.
    token: Mutex<Option<Obtained>>,
    component: String,
}

/// What came of asking for a token the last time, and how long that counts.
struct Obtained {
    token: Result<HeaderValue, String>,
    until: Instant,
}

/// Reads the settings. No token is obtained before the first request.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn HttpMiddleware> {
    Box::pin(async move {
        let settings = ClientCredentialsSettings::parse(&setup.properties)?;
        let url = fetch::url("tokenURL", &settings.token_url)?;
        let header = settings.header_name.parse().map_err(|_| {
            let message = format!("metadata field headerName is {:?}: expected a header name", settings.header_name);
            Error::new(ErrorKind::InvalidArgument, message)
        })?;
        let style = match settings.auth_style {
            0 => Style::Unknown,
            1 => Style::InBody,
            _ => Style::InHeader,
        };
        let grant = grant(&settings)?;
        let client = (settings.client_id, settings.client_secret);
        let middleware: Arc<dyn HttpMiddleware> = Arc::new(ClientCredentials {
            endpoint: TokenEndpoint::new(setup.host.http, url, client, style),
            grant,
            header,
            filter: PathFilter::parse(&settings.path_filter)?,
            token: Mutex::default(),
            component: setup.name,
        });
        Ok(middleware)
    })
}

/// The parameters of the grant. A further parameter may take the place of `grant_type`, not of `scope`, as in the target.
fn grant(settings: &ClientCredentialsSettings) -> Result<Vec<Parameter<'static>>, Error> {
    let more: Vec<(String, String)> =
        form_urlencoded::parse(settings.endpoint_params_query.as_bytes()).into_owned().collect();
    if more.iter().any(|(name, _)| name == "scope") {
        let message = "metadata field endpointParamsQuery may not set scope: use scopes";
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    let mut grant: Vec<Parameter<'static>> = Vec::new();
    if !more.iter().any(|(name, _)| name == "grant_type") {
        grant.push(("grant_type".into(), "client_credentials".into()));
    }
    grant.push(("scope".into(), settings.scopes.replace(',', " ").into()));
    grant.extend(more.into_iter().map(|(name, value)| (name.into(), value.into())));
    Ok(grant)
}

impl ClientCredentials {
    async fn token(&self) -> Result<HeaderValue, String> {
        let mut last = self.token.lock().await;
        if let Some(last) = last.as_ref().filter(|last| Instant::now() < last.until) {
            return last.token.clone();
        }
        let obtained = self.obtain().await;
        let token = obtained.token.clone();
        *last = Some(obtained);
        token
    }

    async fn obtain(&self) -> Obtained {
        let token = match self.endpoint.request(&self.grant).await {
            Ok(token) => token,
            Err(error) => return Obtained { token: Err(error.to_string()), until: Instant::now() + PAUSE },
        };
        let lifetime = token.lifetime.unwrap_or(UNKNOWN_LIFETIME);
        let until = Instant::now() + lifetime.saturating_sub(EARLY.min(lifetime / 2));
        tracing::debug!(target: "dapr.contrib", component = self.component, "obtained a token that counts {lifetime:?}");
        Obtained { token: Ok(token.header), until }
    }
}

impl Backend for ClientCredentials {}

#[async_trait]
impl HttpMiddleware for ClientCredentials {
    async fn handle(&self, mut request: Request<HttpBody>, next: Next) -> Response<HttpBody> {
        if !self.filter.covers(request.uri()) {
            return next.run(request).await;
        }
        match self.token().await {
            Ok(token) => {
                request.headers_mut().insert(self.header.clone(), token);
                next.run(request).await
            }
            Err(error) => {
                tracing::error!(target: "dapr.contrib", component = self.component, "Error acquiring token: {error}");
                answer::status(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use component::Properties;

    use super::*;

    fn settings(more: &str) -> ClientCredentialsSettings {
        let pairs = [
            ("clientID", "me"),
            ("clientSecret", "hush"),
            ("scopes", "a,b"),
            ("tokenURL", "http://localhost/token"),
            ("headerName", "authorization"),
            ("endpointParamsQuery", more),
        ];
        ClientCredentialsSettings::parse(&Properties::from_iter(pairs)).unwrap()
    }

    #[test]
    fn parameters_are_added_and_scope_stays() {
        let names =
            |more| grant(&settings(more)).unwrap().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let found: Vec<String> = names("audience=x");
        assert_eq!(found, ["grant_type=client_credentials", "scope=a b", "audience=x"]);
        let found: Vec<String> = names("grant_type=own");
        assert_eq!(found, ["scope=a b", "grant_type=own"]);
        assert!(grant(&settings("scope=all")).is_err());
    }

    #[test]
    fn the_secret_is_not_shown() {
        assert!(!format!("{:?}", settings("")).contains("hush"));
    }
}
