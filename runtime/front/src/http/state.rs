//! The state API over HTTP: paths, query strings and JSON bodies to the state block and back. Called by the HTTP door.
//! Values are never parsed: what stands in the body is stored and read. Where the target tells in Go's words what is wrong
//! with a body, so do we: apps and SDKs compare them.

mod answers;
mod bodies;

use blocks::ErrorKind;
use blocks::state::{
    Concurrency, Consistency, DeleteRequest, Error, GetRequest, ListKeys, MAX_PAGE, Operation, Options, State,
    Transaction,
};
use bytes::Bytes;
use errors::ApiError;
use http::header::{ETAG, IF_MATCH};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use service::{Body, ReadError};
use tonic::Code;

use super::secrets::metadata;
use super::{Head, Routed, respond};
use crate::Api;
use crate::context::Requested;

use answers::{bulk_answer, keys_answer, query_answer};
use bodies::{Item, bulk_body, save_body, transaction_body};
pub(super) use bodies::{Path, elements, fields, first_value, metadata_field, text_field};

struct Door<'a> {
    state: &'a State,
    app: &'a str,
    max_body: u64,
}

pub(super) async fn get(api: &Api, request: Routed) -> Response<Body> {
    answer(Door::of(api).get(&request.head).await)
}

pub(super) async fn save(api: &Api, request: Routed) -> Response<Body> {
    answer(Door::of(api).save(&request.head, request.body).await)
}

pub(super) async fn delete(api: &Api, request: Routed) -> Response<Body> {
    answer(Door::of(api).delete(request).await)
}

pub(super) async fn get_bulk(api: &Api, request: Routed) -> Response<Body> {
    answer(Door::of(api).get_bulk(request).await)
}

pub(super) async fn transact(api: &Api, request: Routed) -> Response<Body> {
    answer(Door::of(api).transact(request).await)
}

pub(super) async fn keys(api: &Api, request: Routed) -> Response<Body> {
    answer(Door::of(api).keys(request).await)
}

pub(super) async fn query(api: &Api, request: Routed) -> Response<Body> {
    answer(Door::of(api).query(request).await)
}

fn answer(result: Result<Response<Body>, ApiError>) -> Response<Body> {
    result.unwrap_or_else(|error| {
        tracing::debug!(target: "dapr.runtime.http", "{error}");
        respond::error(&error)
    })
}

impl<'a> Door<'a> {
    fn of(api: &'a Api) -> Self {
        Self { state: &api.state, app: &api.app_id, max_body: api.limits.max_body }
    }

    async fn get(&self, request: &Head) -> Result<Response<Body>, ApiError> {
        let store = self.state.store(request.parameter("storeName")).map_err(|error| self.refusal(error))?;
        // A word that is no consistency is no wish: stores look at it when they write.
        let consistency = Consistency::from_word(&first(request, "consistency")).unwrap_or_default();
        let wanted = GetRequest { key: request.parameter("key").to_owned(), consistency, metadata: metadata(request) };
        let got = store.get(&Requested::http(&request.headers), wanted).await.map_err(|error| self.refusal(error))?;
        let Some(stored) = got.filter(|stored| !stored.data.is_empty()) else { return Ok(respond::empty()) };
        let mut response = respond::json(StatusCode::OK, stored.data);
        let headers = response.headers_mut();
        if let Some(etag) = stored.etag.as_deref().and_then(header_value) {
            headers.insert(ETAG, etag);
        }
        for (name, value) in &stored.metadata {
            // What cannot be a header is left out, as the target's server does.
            let name = HeaderName::try_from(format!("metadata.{name}"));
            if let (Ok(name), Some(value)) = (name, header_value(value)) {
                headers.insert(name, value);
            }
        }
        Ok(response)
    }

    async fn save(&self, request: &Head, body: Body) -> Result<Response<Body>, ApiError> {
        let name = request.parameter("storeName");
        let store = self.state.store(name).map_err(|error| self.refusal(error))?;
        let (context, extra) = (Requested::http(&request.headers), metadata(request));
        let body = self.read(body).await.map_err(errors::malformed_request_bare)?;
        let items = save_body(&body).map_err(errors::malformed_request_bare)?;
        let mut requests = Vec::with_capacity(items.len());
        let mut unknown = Vec::new();
        for item in items {
            if item.key.is_empty() {
                return Err(self.refusal(Error::EmptyKey { store: name.to_owned() }));
            }
            let options = options(&item.concurrency, &item.consistency).unwrap_or_else(|error| {
                unknown.push(error.to_string());
                Options::default()
            });
            let set = item.into_set((&body, store.encrypts()), &extra, options);
            requests.push(set.map_err(errors::malformed_request_bare)?);
        }
        if !unknown.is_empty() {
            return Err(errors::state_save(name, unknown.join("\n")));
        }
        store.save(&context, requests).await.map_err(|error| self.refusal(error))?;
        Ok(respond::empty())
    }

    async fn delete(&self, request: Routed) -> Result<Response<Body>, ApiError> {
        let store = self.state.store(request.parameter("storeName")).map_err(|error| self.refusal(error))?;
        let key = request.parameter("key").to_owned();
        let (concurrency, consistency) = (first(&request, "concurrency"), first(&request, "consistency"));
        let options = options(&concurrency, &consistency).map_err(|error| errors::state_delete(&key, error))?;
        let etag = request.headers.get(IF_MATCH).map(|etag| String::from_utf8_lossy(etag.as_bytes()).into_owned());
        let removal = DeleteRequest { key, etag, options, metadata: metadata(&request) };
        store.delete(&Requested::http(&request.headers), removal).await.map_err(|error| self.refusal(error))?;
        Ok(respond::empty())
    }

    async fn get_bulk(&self, request: Routed) -> Result<Response<Body>, ApiError> {
        let name = request.parameter("storeName").to_owned();
        let store = self.state.store(&name).map_err(|error| self.refusal(error))?;
        let (context, extra) = (Requested::http(&request.headers), metadata(&request));
        let body = self.read(request.body).await.map_err(errors::malformed_request)?;
        let mut wanted = bulk_body(&body).map_err(errors::malformed_request)?;
        wanted.metadata.extend(extra);
        let items = store.bulk_get(&context, wanted).await.map_err(|error| self.refusal(error))?;
        Ok(respond::json(StatusCode::OK, bulk_answer(&items, store.encrypts())))
    }

    async fn transact(&self, request: Routed) -> Result<Response<Body>, ApiError> {
        let name = request.parameter("storeName").to_owned();
        let store = self.state.store(&name).map_err(|error| self.refusal(error))?;
        store.require_transactions().map_err(|error| self.refusal(error))?;
        let (context, extra) = (Requested::http(&request.headers), metadata(&request));
        let body = self.read(request.body).await.map_err(errors::malformed_request)?;
        let (words, mut metadata) = transaction_body(&body).map_err(errors::malformed_request)?;
        if words.is_empty() {
            return Ok(respond::empty());
        }
        let mut operations = Vec::with_capacity(words.len());
        let mut unknown = None;
        for (operation, request) in words {
            let upsert = operation == "upsert";
            if !upsert && operation != "delete" {
                return Err(self.refusal(Error::UnsupportedOperation { operation }));
            }
            let item = Item::mapped(request).map_err(errors::malformed_request)?;
            if upsert {
                let options = options(&item.concurrency, &item.consistency).unwrap_or_else(|error| {
                    unknown.get_or_insert(error);
                    Options::default()
                });
                let set = item.into_set((&body, store.encrypts()), &extra, options);
                operations.push(Operation::Upsert(set.map_err(errors::malformed_request)?));
            } else {
                // The target's stores do not look at the words of a removal in a transaction.
                operations.push(Operation::Delete(item.into_delete(&extra)));
            }
        }
        if let Some(error) = unknown {
            return Err(errors::state_transaction(error));
        }
        metadata.extend(extra);
        let done = store.transact(&context, Transaction { operations, metadata }).await;
        done.map_err(|error| match error {
            // Here the target loses the key.
            Error::IllegalKey { store, message, .. } => illegal_key(&store, "", &message),
            error => self.refusal(error),
        })?;
        Ok(respond::empty())
    }

    /// Unlike the others, this one reads the body first and does not name the app.
    async fn query(&self, request: Routed) -> Result<Response<Body>, ApiError> {
        let name = request.parameter("storeName").to_owned();
        let (context, extra) = (Requested::http(&request.headers), metadata(&request));
        let body = self.read(request.body).await.map_err(errors::body_read)?;
        let unnamed = Door { app: "", ..*self };
        let store = self.state.store(&name).map_err(|error| unnamed.refusal(error))?;
        let text = String::from_utf8_lossy(&body);
        let page = store.query(&context, &text, extra).await.map_err(|error| unnamed.refusal(error))?;
        if page.results.is_empty() {
            return Ok(respond::empty());
        }
        Ok(respond::json(StatusCode::OK, query_answer(&page)))
    }

    /// Ours: the keys of the app, in pages.
    async fn keys(&self, request: Routed) -> Result<Response<Body>, ApiError> {
        let store = self.state.store(request.parameter("storeName")).map_err(|error| self.refusal(error))?;
        store.require_listing().map_err(|error| self.refusal(error))?;
        let wanted = list_keys(&request)?;
        let list = store.keys(&Requested::http(&request.headers), wanted).await;
        Ok(respond::json(StatusCode::OK, keys_answer(&list.map_err(|error| self.refusal(error))?)))
    }

    /// The whole body as UTF-8; what is not is replaced, as the target does.
    async fn read(&self, body: Body) -> Result<Bytes, String> {
        let body = service::read_bounded(body, self.max_body).await.map_err(|error| match error {
            ReadError::TooLarge(_) => "stream too large".to_owned(),
            ReadError::Failed(error) if error.is::<service::BodyTooLarge>() => "stream too large".to_owned(),
            ReadError::Failed(error) => error.to_string(),
        })?;
        Ok(match std::str::from_utf8(&body) {
            Ok(_) => body,
            Err(_) => Bytes::from(String::from_utf8_lossy(&body).into_owned()),
        })
    }

    /// The row of the catalogue that a failure of the block is.
    fn refusal(&self, error: Error) -> ApiError {
        match error {
            Error::NotConfigured { store } => self.naming_app(errors::state_store_not_configured(store)),
            Error::NotFound { store } => self.naming_app(errors::state_store_not_found(store)),
            Error::IllegalKey { store, key, message } => illegal_key(&store, &key, &message),
            Error::EmptyKey { .. } => errors::malformed_request_bare("\"key\" is a required field"),
            Error::Get { store, key, source } => errors::state_get(key, store, source),
            Error::BulkGet { source, .. } => errors::state_bulk_get(source),
            Error::Save { store, source } => match source.kind() {
                ErrorKind::EtagMismatch => errors::state_save_etag_mismatch(store, source),
                ErrorKind::EtagInvalid => errors::state_save_etag_invalid(store, source),
                _ => errors::state_save(store, source),
            },
            Error::Delete { key, source, .. } => match source.kind() {
                ErrorKind::EtagMismatch => errors::state_delete_etag_mismatch(key, source),
                ErrorKind::EtagInvalid => errors::state_delete_etag_invalid(key, source),
                _ => errors::state_delete(key, source),
            },
            Error::BulkDelete { store, source } => errors::state_bulk_delete(store, source),
            Error::TransactionsNotSupported { store } => errors::state_transactions_not_supported(store),
            Error::TooManyOperations { store, count, maximum } => {
                errors::state_too_many_transactions(store, count, maximum)
            }
            Error::UnsupportedOperation { operation } => errors::state_operation_not_supported(operation),
            // Ours: the target answers 500, so that an app cannot tell a conflict from a broken store.
            Error::Transaction { source, .. } => match source.kind() {
                ErrorKind::EtagMismatch => errors::state_transaction(source).with_grpc_code(Code::Aborted),
                ErrorKind::EtagInvalid => errors::state_transaction(source).with_grpc_code(Code::InvalidArgument),
                _ => errors::state_transaction(source),
            },
            Error::QueryNotSupported { store } => errors::state_query_not_supported(store),
            Error::Query { store, message } => errors::state_query(store, message),
            Error::KeysNotSupported { store } => errors::state_keys_not_supported(store),
            Error::KeysMalformed { message } => errors::malformed_request_bare(message),
            Error::Keys { store, source } => match source.kind() {
                ErrorKind::InvalidArgument => errors::state_keys_refused(store, source),
                _ => errors::state_keys(store, source),
            },
        }
    }

    fn naming_app(&self, error: ApiError) -> ApiError {
        if self.app.is_empty() { error } else { error.with_metadata([("appID", self.app)]) }
    }
}

/// The target's HTTP door wraps this error once more.
fn illegal_key(store: &str, key: &str, message: &str) -> ApiError {
    errors::state_illegal_key(store, key, errors::state_illegal_key(store, key, message))
}

/// The query string of a listing of keys.
fn list_keys(request: &Head) -> Result<ListKeys, ApiError> {
    let present = |name| Some(first(request, name)).filter(|value| !value.is_empty());
    let page_size = present("pageSize").map(|text| text.parse().map_err(|_| text)).transpose();
    let page_size = page_size.map_err(|text| {
        errors::malformed_request_bare(format!("pageSize is {text:?}: expected a whole number from 1 to {MAX_PAGE}"))
    })?;
    Ok(ListKeys { prefix: first(request, "prefix"), page_size, token: present("token") })
}

/// The first value of a query parameter, or nothing.
fn first(request: &Head, name: &str) -> String {
    request.query().into_iter().find_map(|(known, value)| (known == name).then_some(value)).unwrap_or_default()
}

/// A line break becomes a space, as the target's server writes it.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).or_else(|_| HeaderValue::try_from(text.replace(['\r', '\n'], " "))).ok()
}

fn options(concurrency: &str, consistency: &str) -> Result<Options, blocks::ComponentError> {
    let consistency = Consistency::from_word(consistency)?;
    Ok(Options { consistency, concurrency: Concurrency::from_word(concurrency)? })
}

#[cfg(test)]
mod tests;
