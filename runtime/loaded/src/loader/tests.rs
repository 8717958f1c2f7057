//! What loading promises, and the log lines that the target's users know.

use std::fmt::Write as _;

use component::secrets::{Secret, SecretStore};
use component::{Backend, ErrorKind, Metadata, MetadataItem, SecretReference, Tasks};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;

/// A secret store that has what its metadata says, fails with `fail`, and never starts with `hang`.
struct Probe(Properties);

impl Backend for Probe {}

#[async_trait::async_trait]
impl SecretStore for Probe {
    async fn get(&self, _: &CallContext, name: &str, metadata: &Metadata) -> Result<Secret, Error> {
        if name == "namespace" {
            return Ok(Secret(metadata.clone()));
        }
        let value =
            self.0.get(name).ok_or_else(|| Error::new(ErrorKind::NotFound, format!("secret {name} not found")))?;
        Ok(Secret(BTreeMap::from([(name.to_owned(), value.to_owned()), ("other".to_owned(), "o".to_owned())])))
    }

    async fn get_all(&self, _: &CallContext, _: &Metadata) -> Result<BTreeMap<String, Secret>, Error> {
        Ok(BTreeMap::new())
    }

    fn multiple_key_values(&self) -> bool {
        true
    }
}

fn construct(setup: Setup) -> Constructing<dyn SecretStore> {
    Box::pin(async move {
        if setup.properties.get("hang").is_some() {
            std::future::pending::<()>().await;
        }
        if let Some(message) = setup.properties.get("fail") {
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let store: Arc<dyn SecretStore> = Arc::new(Probe(setup.properties));
        Ok(store)
    })
}

const FIELD: component::Field = component::Field {
    name: "password",
    aliases: &[],
    kind: "text",
    default: None,
    required: false,
    secret: true,
    minimum: None,
    maximum: None,
    doc: "",
    judge: component::settings::judge::<String>,
};

const ROWS: &[Registration] = &[Registration {
    component_type: "secretstores.probe",
    aliases: &[],
    version: Version::Any,
    summary: "",
    fields: &[FIELD],
    constructor: Constructor::SecretStore(construct),
}];

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut line = format!("{} {} ", event.metadata().level(), event.metadata().target());
        event.record(&mut Message(&mut line));
        self.0.lock().unwrap().push(line);
    }
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{value:?}").unwrap();
    }
}

struct Fixture {
    loader: Loader,
    lines: Lines,
    _log: tracing::subscriber::DefaultGuard,
}

fn fixture() -> Fixture {
    let lines = Lines::default();
    let log = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let host = Host::new("app", "", Tasks::new(|_, _| ()));
    let admission: Admission = Arc::new(|spec, properties| match spec.name.as_str() {
        "banned" => Err(Error::new(ErrorKind::InvalidArgument, "no")),
        _ => Ok(properties
            .iter()
            .map(|(name, value)| (name, value.replace("{appID}", "app")))
            .collect::<Properties>()
            .into()),
    });
    let loader = Loader::new(Registry::new(ROWS, &[]), host, admission, LoadedComponents::default());
    Fixture { loader, lines, _log: log }
}

impl Fixture {
    fn lines(&self) -> Vec<String> {
        self.lines.0.lock().unwrap().iter().filter(|line| !line.starts_with("DEBUG")).cloned().collect()
    }

    fn names(&self) -> Vec<String> {
        self.loader.components.list().into_iter().map(|info| info.name).collect()
    }

    fn property(&self, component: &str, name: &str) -> Option<String> {
        let pinned = self.loader.components.secret_store(component)?.pin().unwrap();
        pinned.details().properties.get(name).map(str::to_owned)
    }
}

fn item(name: &str, value: &str) -> MetadataItem {
    MetadataItem { name: name.to_owned(), value: value.to_owned(), secret: None }
}

fn reference(name: &str, secret: &str, key: &str) -> MetadataItem {
    let secret = SecretReference { name: secret.to_owned(), key: key.to_owned() };
    MetadataItem { name: name.to_owned(), value: "written".to_owned(), secret: Some(secret) }
}

fn spec(name: &str, metadata: Vec<MetadataItem>) -> Spec {
    Spec {
        name: name.to_owned(),
        namespace: "ns".to_owned(),
        component_type: "secretstores.probe".to_owned(),
        version: "v1".to_owned(),
        metadata,
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    }
}

#[tokio::test]
async fn a_loaded_component_is_listed_and_logged() {
    let fixture = fixture();
    fixture.loader.load_all(vec![spec("vault", vec![])]).await.unwrap();
    assert_eq!(
        fixture.lines(),
        ["INFO dapr.runtime.processor.loops.root Component loaded: vault (secretstores.probe/v1)"]
    );
    let list = fixture.loader.components.list();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].component_type.as_str(), list[0].version.as_str()), ("secretstores.probe", "v1"));
    assert_eq!(list[0].capabilities, ["MULTIPLE_KEY_VALUES_PER_SECRET"]);
}

#[tokio::test]
async fn a_failure_is_fatal_and_told_in_the_targets_words() {
    let fixture = fixture();
    let error = fixture.loader.load_all(vec![spec("a", vec![item("fail", "bad day")])]).await.unwrap_err();
    let inner = "[INIT_COMPONENT_FAILURE]: initialization error occurred for a (secretstores.probe/v1): ";
    assert_eq!(error.to_string(), format!("process component a error: {inner}{inner}bad day"));
    assert_eq!(
        fixture.lines(),
        [
            format!(
                "ERROR dapr.runtime.processor.loops.root Failed to init component a (secretstores.probe/v1): \
                 {inner}bad day"
            ),
            format!("WARN dapr.runtime Error processing component, daprd will exit gracefully: {error}"),
        ]
    );
}

#[tokio::test]
async fn an_ignored_failure_is_logged_and_the_rest_is_loaded() {
    let fixture = fixture();
    let failing = Spec { ignore_errors: true, ..spec("a", vec![item("fail", "bad day")]) };
    fixture.loader.load_all(vec![failing, spec("b", vec![])]).await.unwrap();
    assert_eq!(fixture.names(), ["b"]);
    assert!(
        fixture.lines()[1]
            .starts_with("ERROR dapr.runtime Ignoring error processing component: process component a error: ")
    );
}

#[tokio::test]
async fn a_type_that_is_no_component_is_named() {
    let fixture = fixture();
    let workflow = Spec { component_type: "workflow.dapr".to_owned(), ..spec("myworkflow", vec![]) };
    let error = fixture.loader.load_all(vec![workflow]).await.unwrap_err();
    assert_eq!(error.to_string(), "process component myworkflow error: incorrect type workflow.dapr");
}

#[tokio::test]
async fn a_type_that_does_not_exist_is_answered_with_the_nearest() {
    let fixture = fixture();
    let misspelt = Spec { component_type: "secretstores.prob".to_owned(), ..spec("a", vec![]) };
    let error = fixture.loader.load_all(vec![misspelt]).await.unwrap_err().to_string();
    assert!(error.contains(
        "[CREATE_COMPONENT_FAILURE]: initialization error occurred for a (secretstores.prob/v1): couldn't find secret \
         store secretstores.prob/v1: there is no such type, did you mean secretstores.probe?"
    ), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_component_that_does_not_start_in_time_fails() {
    let fixture = fixture();
    let started = Instant::now();
    let error = fixture.loader.load(spec("a", vec![item("hang", "1")])).await.unwrap_err().to_string();
    assert!(error.ends_with("init timeout for component a (secretstores.probe/v1)"), "{error}");
    assert_eq!(started.elapsed().as_secs(), 5);
    let patient = Spec { init_timeout: Some(Duration::from_secs(9)), ..spec("a", vec![item("hang", "1")]) };
    fixture.loader.load(patient).await.unwrap_err();
    assert_eq!(started.elapsed().as_secs(), 14);
}

#[tokio::test]
async fn a_name_is_given_once_but_the_same_component_twice_is_one() {
    let fixture = fixture();
    fixture.loader.load_all(vec![spec("a", vec![]), spec("a", vec![])]).await.unwrap();
    assert_eq!(fixture.names(), ["a"]);
    let error = fixture.loader.load(spec("a", vec![item("x", "y")])).await.unwrap_err().to_string();
    assert!(error.ends_with("for a (secretstores.probe/v1): component a already exists"), "{error}");
}

#[tokio::test]
async fn what_a_block_does_not_admit_is_not_loaded() {
    let fixture = fixture();
    let error = fixture.loader.load(spec("banned", vec![])).await.unwrap_err().to_string();
    assert!(error.ends_with(": no"), "{error}");
    assert!(fixture.names().is_empty());
}

#[tokio::test]
async fn admission_may_complete_the_metadata() {
    let fixture = fixture();
    fixture.loader.load(spec("a", vec![item("topic", "{appID}-in")])).await.unwrap();
    assert_eq!(fixture.property("a", "topic").as_deref(), Some("app-in"));
}

#[tokio::test]
async fn secret_references_are_resolved_from_loaded_stores() {
    let fixture = fixture();
    let user = Spec {
        secret_store: "vault".to_owned(),
        ..spec(
            "user",
            vec![
                reference("byName", "token", ""),
                reference("byKey", "token", "other"),
                reference("noKey", "token", "missing"),
                reference("noSecret", "missing", ""),
                reference("empty", "blank", ""),
                reference("namespace", "namespace", ""),
            ],
        )
    };
    fixture.loader.load_all(vec![spec("vault", vec![item("token", "s3cret"), item("blank", "")]), user]).await.unwrap();
    let property = |name| fixture.property("user", name).unwrap();
    assert_eq!([property("byName"), property("byKey"), property("namespace")], ["s3cret", "o", "ns"]);
    assert_eq!([property("noKey"), property("noSecret"), property("empty")], ["written", "written", "written"]);
    assert!(
        fixture
            .lines()
            .contains(&"ERROR dapr.runtime.processor.secret Error getting secret: secret missing not found".to_owned())
    );
    assert!(!fixture.lines().concat().contains("s3cret"));
}

#[tokio::test]
async fn an_error_does_not_quote_what_came_from_a_secret() {
    let fixture = fixture();
    let secret = "s3cret\twith \"quotes\"";
    let user = Spec {
        secret_store: "vault".to_owned(),
        ..spec("user", vec![reference("fail", "token", ""), reference("part", "part", ""), item("plain", "plain")])
    };
    let vault = spec("vault", vec![item("token", secret), item("part", "s3cret")]);
    let error = fixture.loader.load_all(vec![vault, user]).await.unwrap_err().to_string();
    assert!(error.ends_with(": ***"), "{error}");
    assert!(!fixture.lines().concat().contains("s3cret"), "{:?}", fixture.lines());
}

#[tokio::test]
async fn a_component_waits_for_its_secret_store() {
    let fixture = fixture();
    let waits = |name: &str, store: &str, secret: &str| Spec {
        secret_store: store.to_owned(),
        ..spec(name, vec![reference("token", secret, ""), item("chain", "c")])
    };
    let first = fixture.loader.load(waits("third", "second", "chain")).await.unwrap();
    let second = fixture.loader.load(waits("second", "first", "token")).await.unwrap();
    assert_eq!((first, second), (Loading::Waiting, Loading::Waiting));
    assert_eq!(
        fixture.lines()[0],
        "WARN dapr.runtime.processor.secret Component third references a secret store that isn't loaded: second"
    );
    assert!(fixture.names().is_empty());
    fixture.loader.load(spec("first", vec![item("token", "t")])).await.unwrap();
    assert_eq!(fixture.names(), ["first", "second", "third"]);
    assert_eq!(fixture.property("second", "token").as_deref(), Some("t"));
    assert_eq!(fixture.property("third", "token").as_deref(), Some("c"));
}

#[tokio::test]
async fn components_whose_secret_store_never_comes_are_named_at_the_end() {
    let fixture = fixture();
    let waits = |name: &str, store: &str| Spec {
        secret_store: store.to_owned(),
        ..spec(name, vec![reference("token", "secret", "")])
    };
    fixture.loader.load_all(vec![waits("a", "b"), waits("b", "a"), waits("c", "none")]).await.unwrap();
    let said: Vec<_> = fixture.lines().into_iter().filter(|line| line.contains("not loaded, since")).collect();
    let line = |store: &str, name: &str| {
        format!(
            "WARN dapr.runtime.processor not loaded, since they wait for secret store {store:?}: {name} \
             (secretstores.probe/v1)"
        )
    };
    assert_eq!(said, [line("a", "b"), line("b", "a"), line("none", "c")]);
}

#[tokio::test]
async fn secret_stores_are_loaded_before_the_rest() {
    let fixture = fixture();
    let other = Spec { component_type: "state.probe".to_owned(), ignore_errors: true, ..spec("state", vec![]) };
    fixture.loader.load_all(vec![other, spec("vault", vec![])]).await.unwrap();
    let lines = fixture.lines();
    assert!(lines[0].contains("Component loaded: vault"), "{lines:?}");
    assert!(lines[1].contains("couldn't find state store state.probe/v1"), "{lines:?}");
}

#[tokio::test]
async fn a_misspelt_name_is_worth_a_warning_and_a_foreign_one_is_not() {
    let fixture = fixture();
    fixture.loader.load(spec("a", vec![item("pasword", "hunter2"), item("ownersMail", "x")])).await.unwrap();
    assert_eq!(
        fixture.lines()[0],
        "WARN dapr.runtime.processor Component a (secretstores.probe/v1): metadata pasword is not known and is \
         ignored; did you mean password?"
    );
    assert_eq!(fixture.lines().len(), 2);
}

#[tokio::test]
async fn closing_takes_everything_out_of_use() {
    let fixture = fixture();
    fixture.loader.load_all(vec![spec("a", vec![]), spec("b", vec![])]).await.unwrap();
    let held = fixture.loader.components.secret_store("a").unwrap();
    assert!(fixture.loader.components.close().await.is_empty());
    assert!(held.pin().is_err());
    assert!(!fixture.loader.components.has_any(component::Family::SecretStores));
}
