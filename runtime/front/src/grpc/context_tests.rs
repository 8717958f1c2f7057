//! What a component is told of the gRPC request that reaches it: a probe that fails with what it was told.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use blocks::secrets::Secrets;
use blocks::state::State;
use component::secrets::{Secret, SecretStore};
use component::state::{
    BulkError, BulkItem, BulkOptions, DeleteRequest, GetRequest, SetRequest, StateStore, Stored, Transaction,
    Transactional,
};
use component::{
    Backend, CallContext, Constructing, Constructor, Error, ErrorKind, Host, Metadata, Registration, Registry, Setup,
    Spec, Tasks, Version,
};
use loaded::{LoadedComponents, Loader};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use wire::common::StateItem;
use wire::runtime as v1;

use super::{secrets, state};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Fails every call with what its context says; the key `wait` is never answered.
struct Probe;

/// The cancellation that the waiting call was given.
static WAITING: Mutex<Option<CancellationToken>> = Mutex::new(None);

fn told(context: &CallContext) -> Error {
    let trace = context.trace.as_ref().map(|trace| (&*trace.parent, &*trace.state, &*trace.baggage));
    let left = context.deadline.map(|at| at.duration_since(tokio::time::Instant::now()).as_millis());
    let here = context.cancel.is_possible() && !context.cancel.is_cancelled();
    Error::new(ErrorKind::Unavailable, format!("{trace:?} {left:?} {here}"))
}

impl Backend for Probe {}

#[async_trait]
impl StateStore for Probe {
    async fn get(&self, context: &CallContext, request: &GetRequest) -> Result<Option<Stored>, Error> {
        if request.key == "app||wait" {
            *WAITING.lock().unwrap() = context.cancel.token().cloned();
            std::future::pending::<()>().await;
        }
        Err(told(context))
    }

    async fn bulk_get(&self, context: &CallContext, _: &[GetRequest], _: BulkOptions) -> Result<Vec<BulkItem>, Error> {
        Err(told(context))
    }

    async fn set(&self, context: &CallContext, _: &SetRequest) -> Result<(), Error> {
        Err(told(context))
    }

    async fn bulk_set(&self, context: &CallContext, _: &[SetRequest], _: BulkOptions) -> Result<(), BulkError> {
        Err(told(context).into())
    }

    async fn delete(&self, context: &CallContext, _: &DeleteRequest) -> Result<(), Error> {
        Err(told(context))
    }

    async fn bulk_delete(&self, context: &CallContext, _: &[DeleteRequest], _: BulkOptions) -> Result<(), BulkError> {
        Err(told(context).into())
    }

    fn transactional(&self) -> Option<&dyn Transactional> {
        Some(self)
    }
}

#[async_trait]
impl Transactional for Probe {
    async fn transact(&self, context: &CallContext, _: &Transaction) -> Result<(), Error> {
        Err(told(context))
    }
}

#[async_trait]
impl SecretStore for Probe {
    async fn get(&self, context: &CallContext, _: &str, _: &Metadata) -> Result<Secret, Error> {
        Err(told(context))
    }

    async fn get_all(&self, context: &CallContext, _: &Metadata) -> Result<BTreeMap<String, Secret>, Error> {
        Err(told(context))
    }
}

fn state_store(_: Setup) -> Constructing<dyn StateStore> {
    Box::pin(async { Ok(Arc::new(Probe) as Arc<dyn StateStore>) })
}

fn secret_store(_: Setup) -> Constructing<dyn SecretStore> {
    Box::pin(async { Ok(Arc::new(Probe) as Arc<dyn SecretStore>) })
}

const fn row(component_type: &'static str, constructor: Constructor) -> Registration {
    Registration { component_type, aliases: &[], version: Version::Any, summary: "", fields: &[], constructor }
}

const ROWS: &[Registration] = &[
    row("state.probe", Constructor::StateStore(state_store)),
    row("secretstores.probe", Constructor::SecretStore(secret_store)),
];

async fn probes() -> (State, Secrets) {
    let host = Host::new("app", "", Tasks::new(|_, _| ()));
    let components = LoadedComponents::default();
    let admission: loaded::Admission = Arc::new(|_, properties| Ok(properties.into()));
    let loader = Loader::new(Registry::new(ROWS, &[]), host, admission, components.clone());
    let spec = |name: &str, component_type: &str| Spec {
        name: name.to_owned(),
        namespace: String::new(),
        component_type: component_type.to_owned(),
        version: "v1".to_owned(),
        metadata: Vec::new(),
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(vec![spec("store", "state.probe"), spec("vault", "secretstores.probe")]).await.unwrap();
    (State::new("app".into(), "".into(), components.clone()), Secrets::new(components, HashMap::new()))
}

/// A request with these headers, as it comes through the door.
fn request<T>(message: T, headers: &[(&'static str, &str)]) -> Request<T> {
    let mut request = http::Request::new(());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    crate::context::start_timeout(&mut request).unwrap();
    let (parts, ()) = request.into_parts();
    Request::from_parts(tonic::metadata::MetadataMap::from_headers(parts.headers), parts.extensions, message)
}

/// The message of every state and secrets call that a request with these headers makes.
async fn answers(headers: &[(&'static str, &str)]) -> Vec<String> {
    let (state, secrets) = probes().await;
    let (store_name, key) = ("store".to_owned(), "k".to_owned());
    let vault = "vault".to_owned();
    let item = StateItem { key: key.clone(), ..StateItem::default() };
    let get = v1::GetStateRequest { store_name: store_name.clone(), key: key.clone(), ..Default::default() };
    let keys = vec![key.clone()];
    let bulk = v1::GetBulkStateRequest { store_name: store_name.clone(), keys, ..Default::default() };
    let save = v1::SaveStateRequest { store_name: store_name.clone(), states: vec![item.clone()] };
    let states = vec![item.clone(), item.clone()];
    let delete = v1::DeleteStateRequest { store_name: store_name.clone(), key: key.clone(), ..Default::default() };
    let removals = v1::DeleteBulkStateRequest { store_name: store_name.clone(), states };
    let upsert = v1::TransactionalStateOperation { operation_type: "upsert".to_owned(), request: Some(item) };
    let transaction = v1::ExecuteStateTransactionRequest { store_name, operations: vec![upsert], ..Default::default() };
    let secret = v1::GetSecretRequest { store_name: vault.clone(), key, ..Default::default() };
    let all = v1::GetBulkSecretRequest { store_name: vault, ..Default::default() };
    let message = |error: Option<Status>| error.unwrap().message().to_owned();
    vec![
        message(state::get(&state, request(get, headers)).await.err()),
        message(state::get_bulk(&state, request(bulk, headers)).await.err()),
        message(state::save(&state, request(save, headers)).await.err()),
        message(state::delete(&state, request(delete, headers)).await.err()),
        message(state::delete_bulk(&state, request(removals, headers)).await.err()),
        message(state::transact(&state, request(transaction, headers)).await.err()),
        message(secrets::get(&secrets, request(secret, headers)).await.err()),
        message(secrets::get_bulk(&secrets, request(all, headers)).await.err()),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_component_is_told_trace_deadline_and_that_the_caller_waits() {
    let headers = [("traceparent", PARENT), ("tracestate", "a=b"), ("baggage", "c=d"), ("grpc-timeout", "1500m")];
    let told = format!("{:?} Some(1500) true", Some((PARENT, "a=b", "c=d")));
    for answer in answers(&headers).await {
        assert!(answer.contains(&told), "{answer}");
    }
    for answer in answers(&[]).await {
        assert!(answer.contains("None None true"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_component_is_left_at_the_deadline_and_told_when_the_caller_is_gone() {
    let (state, _) = probes().await;
    let get = || v1::GetStateRequest { store_name: "store".to_owned(), key: "wait".to_owned(), ..Default::default() };
    let late = state::get(&state, request(get(), &[("grpc-timeout", "5S")])).await.unwrap_err();
    assert!(late.message().ends_with("get on store took longer than its deadline allows"), "{}", late.message());
    let gone = tokio::time::timeout(Duration::from_secs(5), state::get(&state, request(get(), &[]))).await;
    assert!(gone.is_err());
    assert!(WAITING.lock().unwrap().take().unwrap().is_cancelled());
}
