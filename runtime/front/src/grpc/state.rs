//! The state API over gRPC: messages to the state block and back. Called by the Dapr service.

use blocks::ErrorKind;
use blocks::state::{BulkGet, Error, State};
use blocks::state::{
    BulkItem, Concurrency, Consistency, DeleteRequest, GetRequest, Operation, Options, SetRequest, Stored, Transaction,
};
use errors::ApiError;
use serde_json::value::RawValue;
use tonic::{Request, Status};
use wire::common::state_options::{StateConcurrency, StateConsistency};
use wire::common::{StateItem, StateOptions};
use wire::runtime as v1;

use crate::context::Requested;
use crate::json_fault;

pub(super) async fn get(state: &State, request: Request<v1::GetStateRequest>) -> Result<v1::GetStateResponse, Status> {
    let (context, request) = Requested::grpc(request);
    let store = state.store(&request.store_name).map_err(refusal)?;
    let consistency = consistency(request.consistency);
    let wanted = GetRequest { key: request.key, consistency, metadata: request.metadata.into_iter().collect() };
    let Some(stored) = store.get(&context, wanted).await.map_err(refusal)? else {
        return Ok(v1::GetStateResponse::default());
    };
    Ok(v1::GetStateResponse {
        data: stored.data,
        etag: stored.etag.as_deref().unwrap_or_default().to_owned(),
        metadata: stored.metadata.into_iter().collect(),
    })
}

pub(super) async fn get_bulk(
    state: &State,
    request: Request<v1::GetBulkStateRequest>,
) -> Result<v1::GetBulkStateResponse, Status> {
    let (context, request) = Requested::grpc(request);
    let store = state.store(&request.store_name).map_err(refusal)?;
    let wanted = BulkGet {
        keys: request.keys,
        metadata: request.metadata.into_iter().collect(),
        parallelism: usize::try_from(request.parallelism).ok(),
    };
    let items = store.bulk_get(&context, wanted).await.map_err(refusal)?;
    Ok(v1::GetBulkStateResponse { items: items.into_iter().map(bulk_item).collect() })
}

pub(super) async fn save(state: &State, request: Request<v1::SaveStateRequest>) -> Result<(), Status> {
    let (context, request) = Requested::grpc(request);
    let store = state.store(&request.store_name).map_err(refusal)?;
    for item in &request.states {
        check_json(item)?;
    }
    let requests = request.states.into_iter().map(saved).collect();
    store.save(&context, requests).await.map_err(refusal)?;
    Ok(())
}

pub(super) async fn delete(state: &State, request: Request<v1::DeleteStateRequest>) -> Result<(), Status> {
    let (context, request) = Requested::grpc(request);
    let store = state.store(&request.store_name).map_err(refusal)?;
    let removal = DeleteRequest {
        key: request.key,
        etag: request.etag.map(|etag| etag.value),
        options: options(request.options),
        metadata: request.metadata.into_iter().collect(),
    };
    store.delete(&context, removal).await.map_err(refusal)?;
    Ok(())
}

pub(super) async fn delete_bulk(state: &State, request: Request<v1::DeleteBulkStateRequest>) -> Result<(), Status> {
    let (context, request) = Requested::grpc(request);
    let store = state.store(&request.store_name).map_err(refusal)?;
    let requests = request.states.into_iter().map(delete_request).collect();
    store.bulk_delete(&context, requests).await.map_err(refusal)?;
    Ok(())
}

pub(super) async fn transact(
    state: &State,
    request: Request<v1::ExecuteStateTransactionRequest>,
) -> Result<(), Status> {
    let (context, request) = Requested::grpc(request);
    let store = state.store(&request.store_name).map_err(refusal)?;
    store.require_transactions().map_err(refusal)?;
    let operations = request.operations.into_iter().map(operation).collect::<Result<_, _>>().map_err(refusal)?;
    let transaction = Transaction { operations, metadata: request.metadata.into_iter().collect() };
    store.transact(&context, transaction).await.map_err(refusal)?;
    Ok(())
}

pub(super) async fn query(
    state: &State,
    request: Request<v1::QueryStateRequest>,
) -> Result<v1::QueryStateResponse, Status> {
    let (context, request) = Requested::grpc(request);
    let store = state.store(&request.store_name).map_err(refusal)?;
    let metadata = request.metadata.into_iter().collect();
    let page = store.query(&context, &request.query, metadata).await.map_err(refusal)?;
    if page.results.is_empty() {
        return Ok(v1::QueryStateResponse::default());
    }
    let item = |(key, stored): (String, Stored)| v1::QueryStateItem {
        key,
        data: stored.data,
        etag: stored.etag.as_deref().unwrap_or_default().to_owned(),
        error: String::new(),
    };
    Ok(v1::QueryStateResponse {
        results: page.results.into_iter().map(item).collect(),
        token: page.token,
        metadata: page.metadata.into_iter().collect(),
    })
}

fn bulk_item(item: BulkItem) -> v1::BulkStateItem {
    let key = item.key;
    match item.result {
        Ok(None) => v1::BulkStateItem { key, ..v1::BulkStateItem::default() },
        Ok(Some(stored)) => v1::BulkStateItem {
            key,
            data: stored.data,
            etag: stored.etag.as_deref().unwrap_or_default().to_owned(),
            metadata: stored.metadata.into_iter().collect(),
            error: String::new(),
        },
        Err(error) => v1::BulkStateItem { key, error: error.to_string(), ..v1::BulkStateItem::default() },
    }
}

/// A value said to be JSON must be JSON. It is stored as it is all the same. A missing key is told by the block.
fn check_json(item: &StateItem) -> Result<(), ApiError> {
    if !is_json(item) || item.key.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice::<&RawValue>(&item.value) {
        Ok(_) => Ok(()),
        Err(_) => json_fault::only_value(&item.value).map_err(errors::generic),
    }
}

fn is_json(item: &StateItem) -> bool {
    item.metadata.get("contentType").is_some_and(|given| given == "application/json")
}

/// The target looks at the content type of what is saved; values of a transaction are bytes to it.
fn saved(item: StateItem) -> SetRequest {
    SetRequest { json: is_json(&item), ..set_request(item) }
}

fn set_request(item: StateItem) -> SetRequest {
    SetRequest {
        key: item.key,
        value: item.value,
        etag: item.etag.map(|etag| etag.value),
        options: options(item.options),
        metadata: item.metadata.into_iter().collect(),
        content_type: None,
        json: false,
    }
}

fn delete_request(item: StateItem) -> DeleteRequest {
    DeleteRequest {
        key: item.key,
        etag: item.etag.map(|etag| etag.value),
        options: options(item.options),
        metadata: item.metadata.into_iter().collect(),
    }
}

fn operation(operation: v1::TransactionalStateOperation) -> Result<Operation, Error> {
    let item = operation.request.unwrap_or_default();
    match operation.operation_type.as_str() {
        "upsert" => Ok(Operation::Upsert(set_request(item))),
        "delete" => Ok(Operation::Delete(delete_request(item))),
        _ => Err(Error::UnsupportedOperation { operation: operation.operation_type }),
    }
}

fn options(options: Option<StateOptions>) -> Options {
    let options = options.unwrap_or_default();
    Options { consistency: consistency(options.consistency), concurrency: concurrency(options.concurrency) }
}

/// A number that is none of the enumeration is no wish, as is zero.
fn consistency(number: i32) -> Consistency {
    match StateConsistency::try_from(number) {
        Ok(StateConsistency::ConsistencyEventual) => Consistency::Eventual,
        Ok(StateConsistency::ConsistencyStrong) => Consistency::Strong,
        _ => Consistency::Unspecified,
    }
}

/// A number that is none of the enumeration is no wish, as is zero.
fn concurrency(number: i32) -> Concurrency {
    match StateConcurrency::try_from(number) {
        Ok(StateConcurrency::ConcurrencyFirstWrite) => Concurrency::FirstWrite,
        Ok(StateConcurrency::ConcurrencyLastWrite) => Concurrency::LastWrite,
        _ => Concurrency::Unspecified,
    }
}

/// The row of the catalogue that a failure of the block is. Unlike over HTTP, a conflict within a transaction is the
/// target's `Internal`, and the app is not named.
fn refusal(error: Error) -> ApiError {
    let error = match error {
        Error::NotConfigured { store } => errors::state_store_not_configured(store),
        Error::NotFound { store } => errors::state_store_not_found(store),
        Error::IllegalKey { store, key, message } => errors::state_illegal_key(store, key, message),
        Error::EmptyKey { .. } => errors::state_save_key_empty(),
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
        Error::BulkDelete { store, source } => match source.kind() {
            ErrorKind::EtagMismatch => errors::state_bulk_delete_etag_mismatch(store, source),
            ErrorKind::EtagInvalid => errors::state_bulk_delete_etag_invalid(store, source),
            _ => errors::state_bulk_delete(store, source),
        },
        Error::TransactionsNotSupported { store } => errors::state_transactions_not_supported(store),
        Error::TooManyOperations { store, count, maximum } => {
            errors::state_too_many_transactions(store, count, maximum)
        }
        Error::UnsupportedOperation { operation } => errors::state_operation_not_supported(operation),
        Error::Transaction { source, .. } => errors::state_transaction(source),
        Error::QueryNotSupported { store } => errors::state_query_not_supported(store),
        Error::Query { store, message } => errors::state_query(store, message),
        // No method of the service lists keys.
        Error::KeysNotSupported { store } => errors::state_keys_not_supported(store),
        Error::KeysMalformed { message } => errors::bad_request(message),
        Error::Keys { store, source } => errors::state_keys(store, source),
    };
    tracing::debug!(target: "dapr.runtime.grpc.api", "{error}");
    error
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn item(value: &'static str, content_type: &str) -> StateItem {
        let metadata = [("contentType".to_owned(), content_type.to_owned())].into();
        StateItem { key: "k".to_owned(), value: value.into(), metadata, ..StateItem::default() }
    }

    #[test]
    fn only_a_value_said_to_be_json_must_be_json() {
        assert!(check_json(&item("odd", "text/plain")).is_ok());
        assert!(check_json(&item("{\"a\": 1}", "application/json")).is_ok());
        let error = Status::from(check_json(&item("", "application/json")).unwrap_err());
        assert_eq!((error.code(), error.message()), (Code::Unknown, "unexpected end of JSON input"));
        let error = Status::from(check_json(&item("odd", "application/json")).unwrap_err());
        let said = "invalid character 'o' looking for beginning of value";
        assert_eq!((error.code(), error.message()), (Code::Unknown, said));
        let nameless = StateItem { key: String::new(), ..item("odd", "application/json") };
        assert!(check_json(&nameless).is_ok(), "the block tells the missing key");
    }

    #[test]
    fn only_what_is_saved_as_json_is_json_to_the_store() {
        assert!(saved(item("1", "application/json")).json);
        assert!(!saved(item("1", "text/plain")).json);
        assert!(!set_request(item("1", "application/json")).json, "values of a transaction are bytes");
    }

    #[test]
    fn operations_are_told_by_exact_words() {
        let of = |word: &str| {
            let request = Some(item("v", "text/plain"));
            operation(v1::TransactionalStateOperation { operation_type: word.to_owned(), request })
        };
        assert!(matches!(of("upsert"), Ok(Operation::Upsert(request)) if request.key == "k" && request.value == "v"));
        assert!(matches!(of("delete"), Ok(Operation::Delete(request)) if request.key == "k"));
        let error = Status::from(refusal(of("Upsert").unwrap_err()));
        assert_eq!((error.code(), error.message()), (Code::Unimplemented, "operation type Upsert not supported"));
    }

    #[test]
    fn unknown_numbers_are_no_wish() {
        let read = |concurrency, consistency| options(Some(StateOptions { concurrency, consistency }));
        assert_eq!(read(9, -1), Options::default());
        let known = Options { consistency: Consistency::Strong, concurrency: Concurrency::FirstWrite };
        assert_eq!(read(1, 2), known);
        assert_eq!(options(None), Options::default());
    }

    #[test]
    fn conflicts_are_aborted_except_in_a_transaction() {
        let mismatch = || component::Error::etag_mismatch("k");
        let (store, key) = ("s".to_owned(), "k".to_owned());
        let code = |error| Status::from(refusal(error)).code();
        assert_eq!(code(Error::Save { store: store.clone(), source: mismatch().into() }), Code::Aborted);
        assert_eq!(code(Error::BulkDelete { store: store.clone(), source: mismatch().into() }), Code::Aborted);
        assert_eq!(code(Error::Delete { store: store.clone(), key: key.clone(), source: mismatch() }), Code::Aborted);
        assert_eq!(code(Error::Transaction { store: store.clone(), source: mismatch() }), Code::Internal);
        let invalid = component::Error::etag_invalid("k");
        assert_eq!(code(Error::Delete { store: store.clone(), key, source: invalid }), Code::InvalidArgument);
        assert_eq!(code(Error::EmptyKey { store }), Code::InvalidArgument);
    }
}
