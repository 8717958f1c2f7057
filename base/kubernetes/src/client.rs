//! The client: one request, one answer of bounded size. It sends nothing twice; whoever calls knows what that would mean. Lists
//! and watches are in `follow`, on the same connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::TokioTimer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::{Body, Credentials, Dialer, Executor, ReadError, Tasks, read_bounded};
use tokio::sync::Semaphore;

use crate::access::Access;
use crate::object::read;
use crate::{Config, Error, Refusal, Resource};

/// Bytes of one object. The API server takes objects of 3 MiB, and its database 1.5.
pub(crate) const MAX_OBJECT: usize = 4 << 20;
/// Bytes of a refusal; what is longer is told by its HTTP status alone.
const MAX_REFUSAL: u64 = 64 << 10;
/// From the request to the end of an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Calls at the same time; more wait. Over HTTP/1.1 each of them is a connection.
const MAX_CALLS: usize = 64;
const IDLE: Duration = Duration::from_secs(90);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(15);
const AGENT: HeaderValue = HeaderValue::from_static("trilby");
const JSON: &str = "application/json";

/// A client of one API server. A clone is the same client.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    access: Arc<Access>,
    http: legacy::Client<Dialer, Body>,
    calls: Semaphore,
    /// Of every URL: scheme, host and port, and the path under which the API is, without a slash at its end.
    base: String,
}

/// How a patch is written.
#[derive(Clone, Copy, Debug)]
pub enum Patch<'a> {
    /// Fields to set, and those to remove as null (RFC 7386).
    Merge(&'a serde_json::Value),
    /// A list of steps (RFC 6902).
    Json(&'a serde_json::Value),
}

impl Client {
    /// A client that is connected when it is first used. Its connections run in `tasks`.
    #[must_use]
    pub fn new(config: Config, tasks: &Tasks) -> Self {
        let base = format!(
            "{}://{}{}",
            config.server.scheme_str().unwrap_or("https"),
            config.server.authority().map_or("", |authority| authority.as_str()),
            config.server.path().trim_end_matches('/'),
        );
        let name = config.server_name.clone();
        let access = Arc::new(Access::new(config));
        let credentials: Arc<dyn Credentials> = Arc::<Access>::clone(&access);
        let dialer = Dialer::with_credentials(credentials);
        let dialer = match name {
            Some(name) => dialer.expecting_name(&name),
            None => dialer,
        };
        let http = legacy::Client::builder(Executor::new(tasks.clone()))
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .http2_keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .build(dialer);
        Self { inner: Arc::new(Inner { access, http, calls: Semaphore::new(MAX_CALLS), base }) }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<T, Error> {
        self.call(Method::GET, &resource.object(namespace, name)?, None).await
    }

    /// Creates an object, and returns what the API server has made of it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn create<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        object: &impl Serialize,
    ) -> Result<T, Error> {
        self.call(Method::POST, &resource.collection(namespace)?, Some((JSON, write(object)?))).await
    }

    /// Replaces an object, and returns it as it is then. If `object` names a `metadata.resourceVersion`, it is only replaced
    /// while it has that version; else [`Error::is_conflict`].
    ///
    /// # Errors
    /// [`Error`].
    pub async fn replace<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        object: &impl Serialize,
    ) -> Result<T, Error> {
        self.call(Method::PUT, &resource.object(namespace, name)?, Some((JSON, write(object)?))).await
    }

    /// Changes a part of an object, and returns it as it is then.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn patch<T: DeserializeOwned>(
        &self,
        resource: Resource,
        namespace: Option<&str>,
        name: &str,
        patch: Patch<'_>,
    ) -> Result<T, Error> {
        let body = match patch {
            Patch::Merge(fields) => ("application/merge-patch+json", write(fields)?),
            Patch::Json(steps) => ("application/json-patch+json", write(steps)?),
        };
        self.call(Method::PATCH, &resource.object(namespace, name)?, Some(body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<T, Error> {
        let call = async {
            // The semaphore is never closed.
            let _permit = self.inner.calls.acquire().await;
            let answer = self.send(method, path, body).await?;
            whole(answer.into_body(), MAX_OBJECT).await
        };
        let late = |_| Error::Unreachable(format!("no answer within {} seconds", CALL_TIMEOUT.as_secs()));
        let json = tokio::time::timeout(CALL_TIMEOUT, call).await.map_err(late)??;
        read(&json)
    }

    /// Sends a request, and returns the answer if it is a success.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&'static str, Bytes)>,
    ) -> Result<Response<Incoming>, Error> {
        let authorization = self.inner.access.renew().await.map_err(Error::Credentials)?;
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.inner.base));
        request = request.header(ACCEPT, JSON).header(USER_AGENT, AGENT);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let body = match body {
            Some((kind, bytes)) => {
                request = request.header(CONTENT_TYPE, kind);
                service::body::full(bytes)
            }
            None => service::body::empty(),
        };
        let request = request.body(body).map_err(|error| Error::Unreadable(error.to_string()))?;
        let answer = self.inner.http.request(request).await.map_err(|error| Error::Unreachable(causes(&error)))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.inner.access.forget().await;
        }
        Err(Error::Refused(refusal(answer).await))
    }
}

fn write(object: &impl Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(object).map(Bytes::from).map_err(|error| Error::Unreadable(error.to_string()))
}

async fn whole(body: Incoming, limit: usize) -> Result<Bytes, Error> {
    read_bounded(body, limit as u64).await.map_err(|error| match error {
        ReadError::TooLarge(_) => Error::TooLarge(limit),
        ReadError::Failed(error) => Error::Unreachable(error.to_string()),
    })
}

async fn refusal(answer: Response<Incoming>) -> Refusal {
    let code = answer.status().as_u16();
    let told: Option<Refusal> = match read_bounded(answer.into_body(), MAX_REFUSAL).await {
        Ok(text) => read(&text).ok(),
        Err(_) => None,
    };
    Refusal { code, ..told.unwrap_or_default() }
}

/// An error with what is behind it.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        told.push_str(": ");
        told.push_str(&next.to_string());
        cause = next.source();
    }
    told
}
