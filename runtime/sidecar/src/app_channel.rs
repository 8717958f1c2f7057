//! From the options of a sidecar to the channel to its app. Called once, at start.

use app::{Address, Channel, Health, Protocol};
use http::HeaderValue;
use loaded::Pipeline;
use service::Tasks;
use telemetry::Metrics;

use crate::{Fatal, Options};

/// What is known of the app's health before it is asked.
pub(crate) fn health(options: &Options) -> Health {
    if options.app.health.is_some() && options.app.port.is_some() { Health::probed() } else { Health::always() }
}

/// The channel to the app; `None` if there is no app.
///
/// # Errors
/// When the token is no header value, or the address is none.
pub(crate) fn open(
    options: &Options,
    health: Health,
    (max_message, pipeline, metrics): (usize, Option<Pipeline>, &Metrics),
    tasks: &Tasks,
) -> Result<Option<Channel>, Fatal> {
    let app = &options.app;
    let Some(port) = app.port else {
        tracing::warn!(target: "dapr.runtime.channels", "App channel is not initialized. Did you configure an app-port?");
        return Ok(None);
    };
    let token = app.token.reveal().map(|token| {
        let mut value = HeaderValue::from_str(token)
            .map_err(|_| Fatal::new("APP_API_TOKEN has characters that a header may not have"))?;
        value.set_sensitive(true);
        Ok::<_, Fatal>(value)
    });
    let channel = app::Options {
        address: Address { host: app.host.clone(), port },
        protocol: app.protocol.as_str().parse::<Protocol>().map_err(|()| Fatal::new("unknown app protocol"))?,
        max_concurrency: app.max_concurrency.and_then(|limit| usize::try_from(limit).ok()),
        token: token.transpose()?,
        max_message,
        max_headers: options.read_buffer_bytes,
        health_path: app.health_path.clone(),
        pipeline,
        metrics: metrics.clone(),
    };
    Channel::new(channel, health, tasks).map(Some).map_err(Fatal::new)
}
