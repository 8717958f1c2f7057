//! A subscription as a gRPC caller sees it, on a store in memory.

use std::sync::{Arc, Mutex};

use component::configuration::{Changes, ConfigurationStore, Item};
use component::{
    Backend, CallContext, Constructing, Constructor, Host, Registration, Registry, Setup, Spec, Tasks, Version,
};
use loaded::{Admitted, LoadedComponents, Loader};
use service::Shutdown;
use tokio::sync::mpsc;
use tonic::Code;
use tonic::codegen::tokio_stream::StreamExt as _;

use super::*;

static INLET: Mutex<Option<mpsc::Sender<Items>>> = Mutex::new(None);

struct Memory;

impl Backend for Memory {}

#[async_trait::async_trait]
impl ConfigurationStore for Memory {
    async fn get(&self, _: &CallContext, request: &Wanted) -> Result<Items, component::Error> {
        Ok(request.keys.iter().map(|key| (key.clone(), item("v"))).collect())
    }

    async fn subscribe(&self, _: &CallContext, request: &Wanted) -> Result<Changes, component::Error> {
        assert_eq!(request.keys, ["a", "b"], "keys come sorted");
        let (inlet, changes) = mpsc::channel(4);
        *INLET.lock().unwrap() = Some(inlet);
        Ok(changes)
    }
}

fn item(value: &str) -> Item {
    Item { value: value.to_owned(), version: "1".to_owned(), ..Item::default() }
}

fn make(_: Setup) -> Constructing<dyn ConfigurationStore> {
    Box::pin(async { Ok(Arc::new(Memory) as Arc<dyn ConfigurationStore>) })
}

const ROWS: &[Registration] = &[Registration {
    component_type: "configuration.memory",
    aliases: &[],
    version: Version::Any,
    summary: "",
    fields: &[],
    constructor: Constructor::ConfigurationStore(make),
}];

async fn api() -> Configuration {
    let components = LoadedComponents::default();
    let host = Host::new("app", "", Tasks::new(|_, _| ()));
    let admission: loaded::Admission = Arc::new(|_, properties| Ok(Admitted::from(properties)));
    let loader = Loader::new(Registry::new(ROWS, &[]), host, admission, components.clone());
    let spec = Spec {
        name: "store".to_owned(),
        namespace: String::new(),
        component_type: "configuration.memory".to_owned(),
        version: "v1".to_owned(),
        metadata: Vec::new(),
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(vec![spec]).await.unwrap();
    Configuration::new(components, None, service::Tasks::new(), Shutdown::new())
}

fn subscription() -> Request<v1::SubscribeConfigurationRequest> {
    let keys = vec!["b".to_owned(), "a".to_owned()];
    Request::new(v1::SubscribeConfigurationRequest { store_name: "store".to_owned(), keys, ..Default::default() })
}

#[tokio::test]
async fn a_stream_starts_with_its_id_brings_changes_and_ends_when_it_is_let_go_or_lost() {
    let api = api().await;
    let mut stream = subscribe(&api, subscription()).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert!(!first.id.is_empty() && first.items.is_empty());
    let inlet = INLET.lock().unwrap().take().unwrap();
    inlet.send(Items::from([("a".to_owned(), item("1"))])).await.unwrap();
    let next = stream.next().await.unwrap().unwrap();
    assert_eq!((&next.id, next.items["a"].value.as_str(), next.items["a"].version.as_str()), (&first.id, "1", "1"));
    let ending = || v1::UnsubscribeConfigurationRequest { id: first.id.clone(), ..Default::default() };
    assert!(unsubscribe(&api, Request::new(ending())).into_inner().ok);
    assert!(stream.next().await.is_none());
    let again = unsubscribe(&api, Request::new(ending())).into_inner();
    let said = format!("failed to unsubscribe to configuration request {}: subscription does not exist", first.id);
    assert_eq!((again.ok, again.message), (false, said));

    let mut stream = subscribe(&api, subscription()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(INLET.lock().unwrap().take());
    let lost = stream.next().await.unwrap().unwrap_err();
    assert_eq!((lost.code(), lost.message()), (Code::Unavailable, "configuration store store is closed"));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn values_are_read_and_a_missing_store_is_told() {
    let api = api().await;
    let asked = |store: &str| {
        let keys = vec!["k".to_owned()];
        Request::new(v1::GetConfigurationRequest { store_name: store.to_owned(), keys, ..Default::default() })
    };
    assert_eq!(get(&api, asked("store")).await.unwrap().items["k"].value, "v");
    let error = get(&api, asked("other")).await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Code::InvalidArgument, "configuration store other not found"));
}
