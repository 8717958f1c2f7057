//! The configuration API over gRPC. Called by the Dapr service.

use blocks::configuration::{Change, Configuration, Error, Items, Request as Wanted, Subscription};
use errors::ApiError;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};
use wire::common::ConfigurationItem;
use wire::runtime as v1;

use super::stream;
use crate::context::Requested;
use crate::noted::Noted;

pub(super) async fn get(
    configuration: &Configuration,
    request: Request<v1::GetConfigurationRequest>,
) -> Result<v1::GetConfigurationResponse, Status> {
    let (context, request) = Requested::grpc(request);
    let wanted = Wanted { keys: request.keys, metadata: request.metadata.into_iter().collect() };
    let got = configuration.get(&context, &request.store_name, wanted).await;
    Ok(v1::GetConfigurationResponse { items: items(got.map_err(refusal)?).collect() })
}

/// A stream that starts with the id of the subscription and goes on with changes, until the caller, the app or the sidecar
/// ends it.
pub(super) async fn subscribe(
    configuration: &Configuration,
    request: Request<v1::SubscribeConfigurationRequest>,
) -> Result<BoxStream<v1::SubscribeConfigurationResponse>, Status> {
    let (context, mut request) = Requested::grpc(request);
    request.keys.sort();
    let wanted = Wanted { keys: request.keys, metadata: request.metadata.into_iter().collect() };
    let subscription = configuration.subscribe(&context, &request.store_name, wanted).await.map_err(refusal)?;
    let start = Stage::Subscribed { subscription, store: request.store_name };
    Ok(stream::unfold(start, |stage| async move {
        match stage {
            Stage::Subscribed { subscription, store } => {
                let id = subscription.id().to_owned();
                let first = v1::SubscribeConfigurationResponse { id, ..Default::default() };
                Some((Ok(first), Stage::Changing { subscription, store }))
            }
            Stage::Changing { mut subscription, store } => match subscription.next().await {
                Change::Items(changed) => {
                    let id = subscription.id().to_owned();
                    let next = v1::SubscribeConfigurationResponse { id, items: items(changed).collect() };
                    Some((Ok(next), Stage::Changing { subscription, store }))
                }
                Change::Ended => None,
                Change::Lost => {
                    let lost = errors::configuration_closed(store);
                    Some((Err(Status::from(lost)), Stage::Over))
                }
            },
            Stage::Over => None,
        }
    }))
}

enum Stage {
    Subscribed { subscription: Subscription, store: String },
    Changing { subscription: Subscription, store: String },
    Over,
}

/// What is wrong is part of the answer, as in the target.
pub(super) fn unsubscribe(
    configuration: &Configuration,
    request: Request<v1::UnsubscribeConfigurationRequest>,
) -> Response<v1::UnsubscribeConfigurationResponse> {
    let error = configuration.unsubscribe(&request.into_inner().id).map_err(refusal).err();
    let message = error.as_ref().map(|error| error.message().to_owned()).unwrap_or_default();
    let mut response = Response::new(v1::UnsubscribeConfigurationResponse { ok: message.is_empty(), message });
    // No error of the call, but one that is counted, as in the target.
    if let Some(noted) = error.as_ref().and_then(Noted::of) {
        response.extensions_mut().insert(noted);
    }
    response
}

fn items(items: Items) -> impl Iterator<Item = (String, ConfigurationItem)> {
    items.into_iter().map(|(key, item)| {
        let metadata = item.metadata.into_iter().collect();
        (key, ConfigurationItem { value: item.value, version: item.version, metadata })
    })
}

/// The row of the catalogue that a failure of the block is; over HTTP too.
pub(crate) fn refusal(error: Error) -> ApiError {
    let error = match error {
        Error::NotConfigured => errors::configuration_store_not_configured(),
        Error::NotFound { store } => errors::configuration_store_not_found(store),
        Error::Get { store, keys, source } => errors::configuration_get(Error::list(&keys), store, source),
        Error::Subscribe { store, keys, message } => {
            errors::configuration_subscribe(Error::list(&keys), store, message)
        }
        Error::NoApp => errors::app_channel_nil(),
        Error::Unsubscribe { id, message } => errors::configuration_unsubscribe(id, message),
    };
    tracing::debug!(target: "dapr.runtime", "{error}");
    error
}

#[cfg(test)]
mod tests;
