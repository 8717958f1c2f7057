//! The state API over HTTP: paths, query strings and JSON bodies to the state block and back. Called by the HTTP door.
//! Values are never parsed: what stands in the body is stored and read. Where the target tells in Go's words what is wrong
//! with a body, so do we: apps and SDKs compare them.

use std::collections::BTreeMap;

use blocks::state::{BulkGet, Error, State};
use blocks::state::{
    BulkItem, Concurrency, Consistency, DeleteRequest, GetRequest, Operation, Options, SetRequest, Transaction,
};
use blocks::{ErrorKind, Metadata};
use bytes::Bytes;
use errors::ApiError;
use http::header::{ETAG, IF_MATCH};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;
use serde_json::value::RawValue;
use service::{Body, ReadError};
use tonic::Code;

use super::secrets::{metadata, without_markup};
use super::{Routed, respond};
use crate::Api;
use crate::context::Requested;
use crate::json_fault;

struct Door<'a> {
    state: &'a State,
    app: &'a str,
    max_body: u64,
}

pub(super) async fn get(api: &Api, request: Routed) -> Response<Body> {
    answer(Door::of(api).get(request).await)
}

pub(super) async fn save(api: &Api, request: Routed) -> Response<Body> {
    answer(Door::of(api).save(request).await)
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

    async fn get(&self, request: Routed) -> Result<Response<Body>, ApiError> {
        let store = self.state.store(request.parameter("storeName")).map_err(|error| self.refusal(error))?;
        // A word that is no consistency is no wish: stores look at it when they write.
        let consistency = Consistency::from_word(&first(&request, "consistency")).unwrap_or_default();
        let wanted = GetRequest { key: request.parameter("key").to_owned(), consistency, metadata: metadata(&request) };
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

    async fn save(&self, request: Routed) -> Result<Response<Body>, ApiError> {
        let name = request.parameter("storeName").to_owned();
        let store = self.state.store(&name).map_err(|error| self.refusal(error))?;
        let (context, extra) = (Requested::http(&request.headers), metadata(&request));
        let body = self.read(request.body).await.map_err(errors::malformed_request_bare)?;
        let items = save_body(&body).map_err(errors::malformed_request_bare)?;
        let mut requests = Vec::with_capacity(items.len());
        let mut unknown = Vec::new();
        for item in items {
            if item.key.is_empty() {
                return Err(self.refusal(Error::EmptyKey { store: name.clone() }));
            }
            let options = options(&item.concurrency, &item.consistency).unwrap_or_else(|error| {
                unknown.push(error.to_string());
                Options::default()
            });
            requests.push(item.into_set(&body, &extra, options));
        }
        if !unknown.is_empty() {
            return Err(errors::state_save(&name, unknown.join("\n")));
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
        Ok(respond::json(StatusCode::OK, bulk_answer(&items)))
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
                operations.push(Operation::Upsert(item.into_set(&body, &extra, options)));
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
        self.read(request.body).await.map_err(errors::body_read)?;
        let asked = self.state.store(&name).and_then(|store| store.query());
        asked.map_err(|error| Door { app: "", ..*self }.refusal(error))?;
        Ok(respond::empty())
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

/// The first value of a query parameter, or nothing.
fn first(request: &Routed, name: &str) -> String {
    request.query().into_iter().find_map(|(known, value)| (known == name).then_some(value)).unwrap_or_default()
}

/// A line break becomes a space, as the target's server writes it.
fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(text.replace(['\r', '\n'], " ")).ok()
}

fn options(concurrency: &str, consistency: &str) -> Result<Options, blocks::ComponentError> {
    let consistency = Consistency::from_word(consistency)?;
    Ok(Options { consistency, concurrency: Concurrency::from_word(concurrency)? })
}

/// The answer of a bulk read. Where a value is not JSON the target answers nothing at all; here its item says so.
fn bulk_answer(items: &[BulkItem]) -> String {
    let mut out = String::from("[");
    for (index, item) in items.iter().enumerate() {
        out.extend([if index == 0 { "{\"key\":" } else { ",{\"key\":" }, &json(&json!(item.key))]);
        match item.result.as_ref().map(|stored| stored.as_ref().map(|stored| (stored, raw(&stored.data)))) {
            Ok(None) => {}
            Ok(Some((_, Err(not_json)))) => out.extend([",\"error\":", &json(&json!(not_json))]),
            Ok(Some((stored, Ok(data)))) => {
                out.extend(data.into_iter().flat_map(|data| [",\"data\":", data.get()]));
                out.extend(stored.etag.iter().flat_map(|etag| [",\"etag\":".to_owned(), json(&json!(**etag))]));
                if !stored.metadata.is_empty() {
                    out.extend([",\"metadata\":", &json(&json!(stored.metadata))]);
                }
            }
            Err(error) => out.extend([",\"error\":", &json(&json!(error.to_string()))]),
        }
        out.push('}');
    }
    out.push_str("]\n");
    out
}

/// A stored value as it is, if it is JSON; none if it is empty.
fn raw(data: &[u8]) -> Result<Option<&RawValue>, String> {
    if data.is_empty() {
        return Ok(None);
    }
    // As an option, null would be no value at all.
    let value = serde_json::from_slice::<&RawValue>(data);
    value.map(Some).map_err(|error| format!("the value is not JSON, read it by itself: {error}"))
}

fn json(value: &serde_json::Value) -> String {
    without_markup(&value.to_string())
}

/// Where a value stands, in the words of the target's two readers.
#[derive(Clone, Copy)]
enum Path<'a> {
    /// The body, or an element of it.
    Whole,
    /// A field, to Go's JSON reader.
    Field(&'a str),
    /// A field, to the mapper that the request of an operation goes through; empty for the request itself.
    Mapped(&'a str),
}

/// What is said of a value of the wrong type.
fn wrong(value: &RawValue, path: Path<'_>, wanted: &str) -> String {
    // What the value is to Go: in JSON, as a kind, and as a type.
    let (json, kind, own) = match value.get().as_bytes().first() {
        Some(b'{') => ("object", "map", "map[string]interface {}"),
        Some(b'[') => ("array", "slice", "[]interface {}"),
        Some(b'"') => ("string", "string", "string"),
        Some(b't' | b'f') => ("bool", "bool", "bool"),
        _ => ("number", "float64", "float64"),
    };
    let text = value.get();
    match path {
        Path::Whole => format!("json: cannot unmarshal {json} into Go value of type {wanted}"),
        Path::Field(field) if (json, wanted) == ("number", "int") => {
            format!("json: cannot unmarshal number {text} into Go struct field {field} of type int")
        }
        Path::Field(field) => format!("json: cannot unmarshal {json} into Go struct field {field} of type {wanted}"),
        Path::Mapped("") => format!("'' expected a map, got '{kind}'"),
        Path::Mapped(field) if wanted == "string" => format!(
            "1 error(s) decoding:\n\n* '{field}' expected type 'string', got unconvertible type '{own}', value: '{text}'"
        ),
        Path::Mapped(field) => format!("1 error(s) decoding:\n\n* '{field}' expected a map, got '{kind}'"),
    }
}

/// The first value of a body, however deep: what follows it is not looked at.
fn first_value(body: &[u8]) -> Result<&RawValue, String> {
    if let Some(Ok(value)) = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>().next() {
        return Ok(value);
    }
    let value = body.get(..json_fault::first_value(body)?).unwrap_or_default();
    serde_json::from_slice(value).map_err(|error| error.to_string())
}

/// The fields of an object, by name in lower case; those that are null are as good as missing.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

fn fields<'a>(value: &'a RawValue, path: Path<'_>, wanted: &str) -> Result<Fields<'a>, String> {
    let fields: Result<Option<Fields<'a>>, _> = serde_json::from_str(value.get());
    let fields = fields.map_err(|_| wrong(value, path, wanted))?.unwrap_or_default();
    let present = fields.into_iter().filter(|(_, value)| value.get() != "null");
    Ok(present.map(|(name, value)| (name.to_lowercase(), value)).collect())
}

fn elements<'a>(value: &'a RawValue, path: Path<'_>, wanted: &str) -> Result<Vec<&'a RawValue>, String> {
    let elements: Result<Option<Vec<&'a RawValue>>, _> = serde_json::from_str(value.get());
    elements.map(Option::unwrap_or_default).map_err(|_| wrong(value, path, wanted))
}

/// A text; null is an empty one.
fn text(value: &RawValue, path: Path<'_>) -> Result<String, String> {
    let text: Result<Option<String>, _> = serde_json::from_str(value.get());
    text.map(Option::unwrap_or_default).map_err(|_| wrong(value, path, "string"))
}

fn text_field(fields: &Fields<'_>, name: &str, path: Path<'_>) -> Result<Option<String>, String> {
    fields.get(name).map(|value| text(value, path)).transpose()
}

/// The field `metadata`, an object of texts. Names in it keep their case.
fn metadata_field(fields: &Fields<'_>, path: Path<'_>) -> Result<Metadata, String> {
    let Some(value) = fields.get("metadata") else { return Ok(Metadata::new()) };
    let pairs: BTreeMap<String, &RawValue> =
        serde_json::from_str(value.get()).map_err(|_| wrong(value, path, "map[string]string"))?;
    let read = |(name, value): (String, &RawValue)| {
        let read = match path {
            Path::Mapped(field) => text(value, Path::Mapped(&format!("{field}[{name}]"))),
            path => text(value, path),
        };
        read.map(|text| (name, text))
    };
    pairs.into_iter().map(read).collect()
}

/// One value to store or remove, as it stands in a body.
#[derive(Default)]
struct Item<'a> {
    key: String,
    value: Option<&'a RawValue>,
    etag: Option<String>,
    metadata: Metadata,
    concurrency: String,
    consistency: String,
    content_type: Option<String>,
}

impl<'a> Item<'a> {
    /// An element of a save.
    fn saved(value: &'a RawValue) -> Result<Self, String> {
        let fields = fields(value, Path::Whole, "state.SetRequest")?;
        Self::of(&fields, |json, _| Path::Field(json))
    }

    /// The request of an operation.
    fn mapped(value: Option<&'a RawValue>) -> Result<Self, String> {
        let Some(value) = value else { return Ok(Self::default()) };
        let fields = fields(value, Path::Mapped(""), "")?;
        Self::of(&fields, |_, mapped| Path::Mapped(mapped))
    }

    fn of(fields: &Fields<'a>, path: fn(&'static str, &'static str) -> Path<'static>) -> Result<Self, String> {
        let options = match fields.get("options") {
            Some(options) => self::fields(options, path("SetRequest.options", "Options"), "state.SetStateOption")?,
            None => Fields::new(),
        };
        let concurrency = path("SetStateOption.options.Concurrency", "Options.Concurrency");
        let consistency = path("SetStateOption.options.Consistency", "Options.Consistency");
        Ok(Self {
            key: text_field(fields, "key", path("SetRequest.key", "Key"))?.unwrap_or_default(),
            value: fields.get("value").copied(),
            etag: text_field(fields, "etag", path("SetRequest.etag", "ETag"))?,
            metadata: metadata_field(fields, path("SetRequest.metadata", "Metadata"))?,
            concurrency: text_field(&options, "concurrency", concurrency)?.unwrap_or_default(),
            consistency: text_field(&options, "consistency", consistency)?.unwrap_or_default(),
            content_type: text_field(fields, "contenttype", path("SetRequest.contentType", "ContentType"))?,
        })
    }

    /// `extra` wins over the item's own metadata.
    fn into_set(mut self, body: &Bytes, extra: &Metadata, options: Options) -> SetRequest {
        self.metadata.extend(extra.clone());
        let value = self.value.map_or_else(|| Bytes::from_static(b"null"), |value| part_of(body, value.get()));
        let Self { key, etag, metadata, content_type, .. } = self;
        SetRequest { key, value, etag, options, metadata, content_type }
    }

    fn into_delete(mut self, extra: &Metadata) -> DeleteRequest {
        self.metadata.extend(extra.clone());
        let options = Options {
            consistency: Consistency::from_word(&self.consistency).unwrap_or_default(),
            concurrency: Concurrency::from_word(&self.concurrency).unwrap_or_default(),
        };
        DeleteRequest { key: self.key, etag: self.etag, options, metadata: self.metadata }
    }
}

/// A part of a body without copying it, unless a small value would keep a large body in memory.
fn part_of(body: &Bytes, part: &str) -> Bytes {
    if part.len() >= body.len() / 2 { body.slice_ref(part.as_bytes()) } else { Bytes::copy_from_slice(part.as_bytes()) }
}

fn save_body(body: &[u8]) -> Result<Vec<Item<'_>>, String> {
    let items = elements(first_value(body)?, Path::Whole, "[]state.SetRequest")?;
    items.into_iter().map(Item::saved).collect()
}

fn bulk_body(body: &[u8]) -> Result<BulkGet, String> {
    let fields = fields(first_value(body)?, Path::Whole, "http.BulkGetRequest")?;
    let path = Path::Field("BulkGetRequest.keys");
    let keys = fields.get("keys").map(|keys| elements(keys, path, "[]string")).transpose()?.unwrap_or_default();
    let keys = keys.into_iter().map(|key| text(key, path)).collect::<Result<_, _>>()?;
    let number = |value: &&RawValue| {
        let path = Path::Field("BulkGetRequest.parallelism");
        value.get().parse::<i64>().map_err(|_| wrong(value, path, "int"))
    };
    let parallelism = fields.get("parallelism").map(number).transpose()?;
    let metadata = metadata_field(&fields, Path::Field("BulkGetRequest.metadata"))?;
    // Below zero is no limit.
    Ok(BulkGet { keys, metadata, parallelism: parallelism.and_then(|number| usize::try_from(number).ok()) })
}

/// The operations as words with their requests, and the metadata of a transaction.
type TransactionBody<'a> = (Vec<(String, Option<&'a RawValue>)>, Metadata);

fn transaction_body(body: &[u8]) -> Result<TransactionBody<'_>, String> {
    const PATH: Path<'_> = Path::Field("stateTransactionRequestBody.operations");
    let whole = fields(first_value(body)?, Path::Whole, "http.stateTransactionRequestBody")?;
    let operations = match whole.get("operations") {
        Some(list) => elements(list, PATH, "[]http.stateTransactionRequestBodyOperation")?,
        None => Vec::new(),
    };
    let operation = |value| {
        let fields = fields(value, PATH, "http.stateTransactionRequestBodyOperation")?;
        let path = Path::Field("stateTransactionRequestBodyOperation.operations.operation");
        let word = text_field(&fields, "operation", path)?.unwrap_or_default();
        Ok::<_, String>((word, fields.get("request").copied()))
    };
    let operations = operations.into_iter().map(operation).collect::<Result<_, _>>()?;
    Ok((operations, metadata_field(&whole, Path::Field("stateTransactionRequestBody.metadata"))?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use component::{Host, Registry, Spec, Tasks};
    use http::{HeaderMap, Method, Uri};
    use loaded::{LoadedComponents, Loader};

    use super::*;

    async fn state() -> State {
        let components = LoadedComponents::default();
        let tasks = Tasks::new(|_, _| ());
        let host = Host::new("app", "", tasks);
        let admission: loaded::Admission = Arc::new(|_, properties| Ok(properties));
        let loader = Loader::new(Registry::new(local::REGISTRATIONS, &[]), host, admission, components.clone());
        let spec = Spec {
            name: "store".to_owned(),
            namespace: String::new(),
            component_type: "state.in-memory".to_owned(),
            version: "v1".to_owned(),
            metadata: Vec::new(),
            secret_store: String::new(),
            ignore_errors: false,
            init_timeout: None,
        };
        loader.load_all(vec![spec]).await.unwrap();
        State::new("app".into(), "".into(), components)
    }

    /// Status and body of an answer, behind its `etag` if it has one.
    type Answered = (u16, String);

    async fn ask(state: &State, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
        let door = Door { state, app: "app", max_body: 1 << 20 };
        let uri: Uri = path.parse().unwrap();
        let mut segments = uri.path().split('/').skip(1).map(str::to_owned);
        let store = segments.next().unwrap();
        let key = segments.next().unwrap_or_default();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap());
        }
        let routed = Routed {
            method: Method::GET,
            uri: uri.clone(),
            headers: map,
            parameters: vec![("storeName", store), ("key", key.clone())],
            body: service::body::full(body.to_vec()),
        };
        let response = answer(match (method, key.as_str()) {
            ("GET", _) => door.get(routed).await,
            ("DELETE", _) => door.delete(routed).await,
            (_, "bulk") => door.get_bulk(routed).await,
            (_, "transaction") => door.transact(routed).await,
            (_, "query") => door.query(routed).await,
            _ => door.save(routed).await,
        });
        let status = response.status().as_u16();
        let body = service::read_bounded(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn post(state: &State, path: &str, body: &str) -> Answered {
        ask(state, "POST", path, &[], body.as_bytes()).await
    }

    async fn get(state: &State, path: &str) -> Answered {
        ask(state, "GET", path, &[], b"").await
    }

    fn message(answered: &Answered) -> (u16, String, String) {
        let body: serde_json::Value = serde_json::from_str(&answered.1).unwrap();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        (answered.0, text("errorCode"), text("message"))
    }

    #[tokio::test]
    async fn a_value_comes_back_byte_for_byte() {
        let state = state().await;
        for value in ["{\"b\": 1,\"a\":\"<\"}", "null", "12345678901234567890123", "\"\\ud800\"", "[ 1 ]", "\"\""] {
            let body = format!(" [{{\"KEY\": \"k\", \"Value\": {value} }}] what follows");
            assert_eq!(post(&state, "/store", &body).await, (204, String::new()));
            assert_eq!(get(&state, "/store/k").await, (200, value.to_owned()));
        }
        assert_eq!(post(&state, "/store", "[{\"key\":\"k\"}]").await.0, 204);
        assert_eq!(get(&state, "/store/k").await, (200, "null".to_owned()));
        assert_eq!(ask(&state, "POST", "/store", &[], b"[{\"key\":\"k\",\"value\":\"\xff\"}]").await.0, 204);
        assert_eq!(get(&state, "/store/k").await, (200, "\"\u{fffd}\"".to_owned()));
        assert_eq!(get(&state, "/store/none?consistency=odd").await, (204, String::new()));
    }

    #[tokio::test]
    async fn a_body_that_is_no_save_is_refused_in_the_targets_words() {
        let state = state().await;
        let unmarshal = "json: cannot unmarshal ";
        for (body, said) in [
            ("", "EOF".to_owned()),
            ("  ", "EOF".to_owned()),
            ("[{\"key\":\"k\"", "unexpected EOF".to_owned()),
            ("nul", "unexpected EOF".to_owned()),
            ("foobar", "invalid character 'o' in literal false (expecting 'a')".to_owned()),
            ("[{\"key\":\"k\",\"value\":1},]", "invalid character ']' looking for beginning of value".to_owned()),
            ("7x", format!("{unmarshal}number into Go value of type []state.SetRequest")),
            ("{}", format!("{unmarshal}object into Go value of type []state.SetRequest")),
            ("\"x\"", format!("{unmarshal}string into Go value of type []state.SetRequest")),
            ("[7]", format!("{unmarshal}number into Go value of type state.SetRequest")),
            ("[{}]", "\"key\" is a required field".to_owned()),
            ("[null]", "\"key\" is a required field".to_owned()),
            ("[{\"key\":7}]", format!("{unmarshal}number into Go struct field SetRequest.key of type string")),
            (
                "[{\"key\":\"k\",\"etag\":{}}]",
                format!("{unmarshal}object into Go struct field SetRequest.etag of type string"),
            ),
            (
                "[{\"key\":\"k\",\"contentType\":true}]",
                format!("{unmarshal}bool into Go struct field SetRequest.contentType of type string"),
            ),
            (
                "[{\"key\":\"k\",\"metadata\":7}]",
                format!("{unmarshal}number into Go struct field SetRequest.metadata of type map[string]string"),
            ),
            (
                "[{\"key\":\"k\",\"metadata\":{\"a\":[]}}]",
                format!("{unmarshal}array into Go struct field SetRequest.metadata of type string"),
            ),
            (
                "[{\"key\":\"k\",\"options\":7}]",
                format!("{unmarshal}number into Go struct field SetRequest.options of type state.SetStateOption"),
            ),
            (
                "[{\"key\":\"k\",\"options\":{\"concurrency\":7}}]",
                format!("{unmarshal}number into Go struct field SetStateOption.options.Concurrency of type string"),
            ),
        ] {
            let expected = (400, "ERR_MALFORMED_REQUEST".to_owned(), said);
            assert_eq!(message(&post(&state, "/store", body).await), expected, "{body}");
        }
        for body in ["[]", "null"] {
            assert_eq!(post(&state, "/store", body).await.0, 204);
        }
    }

    #[tokio::test]
    async fn deep_json_is_neither_a_crash_nor_slow() {
        let state = state().await;
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        assert_eq!(post(&state, "/store", &format!("[{{\"key\":\"k\",\"value\":{deep}}}]")).await.0, 204);
        assert_eq!(post(&state, "/store", &deep).await.0, 400);
        assert_eq!(post(&state, "/store/bulk", "{\"keys\":[\"k\"]}").await.0, 200);
        let upsert = format!("{{\"operations\":[{{\"operation\":\"upsert\",\"request\":{{\"value\":{deep}}}}}]}}");
        assert_eq!(post(&state, "/store/transaction", &upsert).await.0, 204);
    }

    #[tokio::test]
    async fn a_body_above_the_limit_is_refused() {
        let state = state().await;
        let body = " ".repeat((1 << 20) + 1);
        let refused = |message: &str| (400, "ERR_MALFORMED_REQUEST".to_owned(), message.to_owned());
        assert_eq!(message(&post(&state, "/store", &body).await), refused("stream too large"));
        for path in ["/store/bulk", "/store/transaction"] {
            let said = message(&post(&state, path, &body).await);
            assert_eq!(said, refused("failed deserializing HTTP body: stream too large"));
        }
        let said = message(&post(&state, "/other/query", &body).await);
        let expected = "failed to read request body: stream too large".to_owned();
        assert_eq!(said, (400, "ERR_BODY_READ".to_owned(), expected));
    }

    #[tokio::test]
    async fn metadata_of_the_query_string_wins() {
        let state = state().await;
        let save = |ttl: &str| format!("[{{\"key\":\"k\",\"value\":1,\"metadata\":{{\"ttlInSeconds\":\"{ttl}\"}}}}]");
        assert_eq!(post(&state, "/store", &save("soon")).await.0, 500);
        assert_eq!(post(&state, "/store?metadata.ttlInSeconds=100", &save("soon")).await.0, 204);
        assert_eq!(post(&state, "/store?metadata.ttlInSeconds=soon", &save("100")).await.0, 500);
        let upsert = "{\"operations\":[{\"operation\":\"upsert\",\"request\":{\"key\":\"k\"}}]}";
        assert_eq!(post(&state, "/store/transaction?metadata.ttlInSeconds=soon", upsert).await.0, 500);
    }

    #[tokio::test]
    async fn a_stale_etag_is_a_conflict_everywhere() {
        let state = state().await;
        post(&state, "/store", "[{\"key\":\"k\",\"value\":1}]").await;
        let stale = "{\"key\":\"k\",\"value\":1,\"etag\":\"stale\"}";
        let conflict = |answered: Answered, code: &str, start: &str| {
            let (status, tag, said) = message(&answered);
            assert_eq!((status, tag.as_str()), (409, code));
            assert!(said.starts_with(&format!("{start}: possible etag mismatch. error from state store: ")), "{said}");
        };
        let saved = post(&state, "/store", &format!("[{stale}]")).await;
        conflict(saved, "ERR_STATE_SAVE", "failed saving state in state store store");
        let deleted = ask(&state, "DELETE", "/store/k", &[("if-match", "stale")], b"").await;
        conflict(deleted, "ERR_STATE_DELETE", "failed deleting state with key k");
        let transaction = format!("{{\"operations\":[{{\"operation\":\"upsert\",\"request\":{stale}}}]}}");
        let transacted = post(&state, "/store/transaction", &transaction).await;
        conflict(transacted, "ERR_STATE_TRANSACTION", "error while executing state transaction");
        assert_eq!(ask(&state, "DELETE", "/store/k", &[("if-match", "")], b"").await, (204, String::new()));
        assert_eq!(get(&state, "/store/k").await.0, 204);
    }

    #[tokio::test]
    async fn unknown_words_fail_a_write_but_not_a_removal_in_a_transaction() {
        let state = state().await;
        let save = "[{\"key\":\"k\",\"options\":{\"consistency\":\"odd\",\"Concurrency\":\"odd\"}}]";
        let expected = "failed saving state in state store store: unrecognized consistency model 'odd'";
        let said = message(&post(&state, "/store", save).await);
        assert_eq!(said, (500, "ERR_STATE_SAVE".to_owned(), expected.to_owned()));
        let said = message(&ask(&state, "DELETE", "/store/k?concurrency=odd", &[], b"").await);
        let expected = "failed deleting state with key k: unrecognized concurrency model 'odd'";
        assert_eq!(said, (500, "ERR_STATE_DELETE".to_owned(), expected.to_owned()));
        let transaction = |word: &str| {
            let request = "{\"key\":\"k\",\"options\":{\"concurrency\":\"odd\"}}";
            format!("{{\"operations\":[{{\"operation\":\"{word}\",\"request\":{request}}}]}}")
        };
        let said = message(&post(&state, "/store/transaction", &transaction("upsert")).await);
        let expected = "error while executing state transaction: unrecognized concurrency model 'odd'";
        assert_eq!(said, (500, "ERR_STATE_TRANSACTION".to_owned(), expected.to_owned()));
        assert_eq!(post(&state, "/store/transaction", &transaction("delete")).await.0, 204);
    }

    #[tokio::test]
    async fn an_illegal_key_is_an_error_within_itself() {
        let state = state().await;
        let inner = "api error: code = InvalidArgument desc = input key/keyPrefix 'a||b' can't contain '||'";
        let expected = |field: &str| {
            format!(
                "{{\"errorCode\":\"ERR_MALFORMED_REQUEST\",\"message\":\"{inner}\",\"details\":[{{\"@type\":\
                 \"type.googleapis.com/google.rpc.BadRequest\",\"field_violations\":[{{{field}\"description\":\
                 \"{inner}\"}}]}},{{\"@type\":\"type.googleapis.com/google.rpc.ResourceInfo\",\"description\":\"\",\
                 \"owner\":\"\",\"resource_name\":\"store\",\"resource_type\":\"state\"}},{{\"@type\":\
                 \"type.googleapis.com/google.rpc.ErrorInfo\",\"domain\":\"dapr.io\",\"metadata\":null,\"reason\":\
                 \"DAPR_STATE_ILLEGAL_KEY\"}}]}}"
            )
        };
        let named = expected("\"field\":\"a||b\",");
        assert_eq!(post(&state, "/store", "[{\"key\":\"a||b\"}]").await, (400, named.clone()));
        assert_eq!(post(&state, "/store/bulk", "{\"keys\":[\"a||b\"]}").await, (400, named));
        let transaction = "{\"operations\":[{\"operation\":\"delete\",\"request\":{\"key\":\"a||b\"}}]}";
        assert_eq!(post(&state, "/store/transaction", transaction).await, (400, expected("")));
    }

    #[tokio::test]
    async fn a_missing_store_names_the_app_except_in_a_query() {
        let missing = |metadata: &str, what: &str, tag: &str, reason: &str| {
            format!(
                "{{\"errorCode\":\"{tag}\",\"message\":\"state store other is not {what}\",\"details\":[{{\"@type\":\
                 \"type.googleapis.com/google.rpc.ErrorInfo\",\"domain\":\"dapr.io\",\"metadata\":{metadata},\
                 \"reason\":\"{reason}\"}}]}}"
            )
        };
        let found = |metadata| missing(metadata, "found", "ERR_STATE_STORE_NOT_FOUND", "DAPR_STATE_NOT_FOUND");
        let state = state().await;
        for path in ["/other", "/other/bulk", "/other/transaction"] {
            assert_eq!(post(&state, path, "odd").await, (400, found("{\"appID\":\"app\"}")), "{path}");
        }
        assert_eq!(get(&state, "/other/k").await, (400, found("{\"appID\":\"app\"}")));
        assert_eq!(post(&state, "/other/query", "{}").await, (400, found("null")));
        let none = State::new("app".into(), "".into(), LoadedComponents::default());
        let tag = "ERR_STATE_STORE_NOT_CONFIGURED";
        let expected = missing("{\"appID\":\"app\"}", "configured", tag, "DAPR_STATE_NOT_CONFIGURED");
        assert_eq!(get(&none, "/other/k").await, (500, expected));
        let said = message(&post(&state, "/store/query", "{}").await);
        let expected = "state store does not support querying".to_owned();
        assert_eq!(said, (500, "ERR_STATE_STORE_NOT_SUPPORTED".to_owned(), expected));
    }

    #[tokio::test]
    async fn a_bulk_read_answers_every_key_in_order() {
        let state = state().await;
        post(&state, "/store", "[{\"key\":\"k\",\"value\":{\"b\":1}}]").await;
        for body in ["{}", "null", "{\"keys\":[]}"] {
            assert_eq!(post(&state, "/store/bulk", body).await, (200, "[]\n".to_owned()));
        }
        let (status, body) = post(&state, "/store/bulk", "{\"keys\":[\"<none>\",\"k\",null],\"parallelism\":-2}").await;
        assert_eq!(status, 200);
        assert!(body.starts_with("[{\"key\":\"\\u003cnone\\u003e\"},{\"key\":\"k\",\"data\":{\"b\":1},\"etag\":\""));
        assert!(body.ends_with("\"},{\"key\":\"\"}]\n"), "{body}");
        let expected = "failed deserializing HTTP body: invalid character '}' looking for beginning of value";
        let expected = (400, "ERR_MALFORMED_REQUEST".to_owned(), expected.to_owned());
        assert_eq!(message(&post(&state, "/store/bulk", "{\"keys\":}").await), expected);
        assert_eq!(message(&post(&state, "/store/transaction", "{\"operations\":[}").await), expected);
        let unmarshal = "failed deserializing HTTP body: json: cannot unmarshal ";
        for (body, said) in [
            ("[]", "array into Go value of type http.BulkGetRequest"),
            ("{\"keys\":\"k\"}", "string into Go struct field BulkGetRequest.keys of type []string"),
            ("{\"keys\":[1]}", "number into Go struct field BulkGetRequest.keys of type string"),
            ("{\"parallelism\":1.5}", "number 1.5 into Go struct field BulkGetRequest.parallelism of type int"),
            ("{\"parallelism\":\"2\"}", "string into Go struct field BulkGetRequest.parallelism of type int"),
        ] {
            let expected = (400, "ERR_MALFORMED_REQUEST".to_owned(), format!("{unmarshal}{said}"));
            assert_eq!(message(&post(&state, "/store/bulk", body).await), expected);
        }
    }

    #[test]
    fn a_bulk_answer_says_what_could_not_be_read() {
        let stored = |data: &'static str| {
            let metadata = Metadata::from([("ttlExpireTime".to_owned(), "soon".to_owned())]);
            Ok(Some(component::state::Stored { data: data.into(), etag: Some("1".into()), metadata }))
        };
        let item = |key: &str, result| BulkItem { key: key.to_owned(), result };
        let lost = Err(component::Error::new(ErrorKind::Unavailable, "lost \"it\""));
        let items = [
            item("a", stored("1")),
            item("b", stored("odd")),
            item("c", lost),
            item("d", stored("")),
            item("e", stored("null")),
        ];
        assert_eq!(
            bulk_answer(&items),
            "[{\"key\":\"a\",\"data\":1,\"etag\":\"1\",\"metadata\":{\"ttlExpireTime\":\"soon\"}},\
             {\"key\":\"b\",\"error\":\"the value is not JSON, read it by itself: expected value at line 1 column 1\"},\
             {\"key\":\"c\",\"error\":\"lost \\\"it\\\"\"},\
             {\"key\":\"d\",\"etag\":\"1\",\"metadata\":{\"ttlExpireTime\":\"soon\"}},\
             {\"key\":\"e\",\"data\":null,\"etag\":\"1\",\"metadata\":{\"ttlExpireTime\":\"soon\"}}]\n"
        );
    }

    #[tokio::test]
    async fn a_transaction_is_read_as_the_target_reads_it() {
        let state = state().await;
        let body = "{\"operations\":[{\"operation\":\"upsert\",\"request\":{\"KEY\":\"a\",\"value\":1}},\
                    {\"operation\":\"upsert\",\"request\":{\"key\":\"b\",\"value\":2}},\
                    {\"operation\":\"delete\",\"request\":{\"key\":\"a\"}}],\"metadata\":{\"x\":\"y\"}}";
        assert_eq!(post(&state, "/store/transaction", body).await, (204, String::new()));
        assert_eq!((get(&state, "/store/a").await.0, get(&state, "/store/b").await), (204, (200, "2".to_owned())));
        assert_eq!(post(&state, "/store/transaction", "{}").await.0, 204);
        assert_eq!(post(&state, "/store/transaction", "{\"operations\":[{\"operation\":\"upsert\"}]}").await.0, 204);
        let unconvertible = |field: &str, own: &str, value: &str| {
            format!(
                "1 error(s) decoding:\n\n* '{field}' expected type 'string', got unconvertible type '{own}', value: \
                 '{value}'"
            )
        };
        for (request, said) in [
            ("7", "'' expected a map, got 'float64'".to_owned()),
            ("[{}]", "'' expected a map, got 'slice'".to_owned()),
            ("{\"key\":7}", unconvertible("Key", "float64", "7")),
            ("{\"etag\":true}", unconvertible("ETag", "bool", "true")),
            ("{\"metadata\":{\"a\":7}}", unconvertible("Metadata[a]", "float64", "7")),
            ("{\"metadata\":[]}", "1 error(s) decoding:\n\n* 'Metadata' expected a map, got 'slice'".to_owned()),
            ("{\"options\":7}", "1 error(s) decoding:\n\n* 'Options' expected a map, got 'float64'".to_owned()),
            ("{\"options\":{\"concurrency\":7}}", unconvertible("Options.Concurrency", "float64", "7")),
        ] {
            let body = format!("{{\"operations\":[{{\"operation\":\"upsert\",\"request\":{request}}}]}}");
            let said = format!("failed deserializing HTTP body: {said}");
            let expected = (400, "ERR_MALFORMED_REQUEST".to_owned(), said);
            assert_eq!(message(&post(&state, "/store/transaction", &body).await), expected);
        }
        for word in ["Upsert", "odd", ""] {
            let body = format!("{{\"operations\":[{{\"operation\":\"{word}\",\"request\":{{}}}}]}}");
            let said = format!("operation type {word} not supported");
            let expected = (400, "ERR_NOT_SUPPORTED_STATE_OPERATION".to_owned(), said);
            assert_eq!(message(&post(&state, "/store/transaction", &body).await), expected);
        }
    }

    #[tokio::test]
    async fn an_answer_carries_etag_and_metadata_as_headers() {
        let state = state().await;
        post(&state, "/store?metadata.ttlInSeconds=100", "[{\"key\":\"k\",\"value\":1}]").await;
        let door = Door { state: &state, app: "app", max_body: 9 };
        let routed = Routed {
            method: Method::GET,
            uri: Uri::from_static("/store/k"),
            headers: HeaderMap::new(),
            parameters: vec![("storeName", "store".to_owned()), ("key", "k".to_owned())],
            body: service::body::empty(),
        };
        let response = door.get(routed).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        assert!(!response.headers()["etag"].is_empty());
        assert!(response.headers()["metadata.ttlexpiretime"].to_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_small_value_does_not_keep_a_large_body() {
        let body = Bytes::from("x".repeat(100));
        let whole = |part: &Bytes| body.as_ptr_range().contains(&part.as_ptr());
        assert!(whole(&part_of(&body, std::str::from_utf8(&body[..60]).unwrap())));
        assert!(!whole(&part_of(&body, std::str::from_utf8(&body[..40]).unwrap())));
    }
}
