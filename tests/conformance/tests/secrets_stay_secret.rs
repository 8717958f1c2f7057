//! SEC-07: what a component's settings call a secret is in none of its errors, log lines and panics, whatever becomes of the
//! component. Holds every type of this build against it, without servers: nothing listens where these settings point.

use std::error::Error as _;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use component::{Backend, Constructor, Field, Properties, Registration};
use tracing::field::Visit;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use trilby_conformance::Apparatus;

const CANARY: &str = "hunter2-canary";

/// Everything logged, with every field.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

struct Writer<'a>(&'a mut String);

impl Visit for Writer<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0, "{field}={value:?}").expect("text can be written to");
    }
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        event.record(&mut Writer(&mut self.0.lock().expect("no writer panics")));
    }

    fn on_new_span(&self, span: &tracing::span::Attributes<'_>, _: &tracing::span::Id, _: Context<'_, S>) {
        span.record(&mut Writer(&mut self.0.lock().expect("no writer panics")));
    }
}

/// Shapes a secret may come in: a word, an address with a password, pairs, a broken certificate, JSON.
fn shapes() -> Vec<String> {
    vec![
        CANARY.to_owned(),
        format!("postgres://user:{CANARY}@127.0.0.1:1/db?sslmode={CANARY}"),
        format!("host=127.0.0.1 port=1 user=user password={CANARY} dbname=db"),
        format!("host=127.0.0.1 port=x password={CANARY} {CANARY}"),
        format!("redis://:{CANARY}@127.0.0.1:1"),
        format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"),
        format!("{{\"keys\":[{{\"kty\":\"oct\",\"k\":\"{CANARY}\"}}"),
        format!("{CANARY}\0\n{CANARY}"),
    ]
}

/// What a field that is no secret is given: an address where nothing listens, or nothing.
fn plain(field: &Field) -> Option<String> {
    let name = field.name.to_lowercase();
    let value = match name.as_str() {
        _ if name.contains("host") || name.contains("endpoint") || name.contains("address") => "127.0.0.1:1",
        _ if name.contains("url") => "http://127.0.0.1:1",
        _ if name.contains("timeout") => "300ms",
        _ if field.required => "x",
        _ => return None,
    };
    Some(value.to_owned())
}

async fn close<T: Backend + ?Sized>(made: Result<Arc<T>, component::Error>) -> Result<(), component::Error> {
    made?.close().await
}

async fn construct(registration: &'static Registration, properties: Properties) -> Result<(), component::Error> {
    let setup = Apparatus::default().setup(properties);
    match registration.constructor {
        Constructor::StateStore(make) => close(make(setup).await).await,
        Constructor::SecretStore(make) => close(make(setup).await).await,
        Constructor::ConfigurationStore(make) => close(make(setup).await).await,
        Constructor::LockStore(make) => close(make(setup).await).await,
        Constructor::CryptoProvider(make) => close(make(setup).await).await,
        Constructor::Conversation(make) => close(make(setup).await).await,
        Constructor::HttpMiddleware(make) => close(make(setup).await).await,
        Constructor::PubSub(make) => close(make(setup).await).await,
    }
}

/// All that an error tells, however deep.
fn told(error: &component::Error) -> String {
    let mut text = format!("{error}\n{error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        write!(text, "\n{cause}\n{cause:?}").expect("text can be written to");
        source = cause.source();
    }
    text
}

#[test]
fn a_secret_setting_is_in_no_error_log_line_or_panic() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::registry().with(lines.clone());
    // A process of its own: the one subscriber sees every thread.
    tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut with_secrets = 0;
    for registration in components::registrations() {
        let (secrets, others): (Vec<&Field>, Vec<&Field>) = registration.fields.iter().partition(|field| field.secret);
        if secrets.is_empty() {
            continue;
        }
        with_secrets += 1;
        for shape in shapes() {
            let pairs = secrets.iter().map(|field| (field.name, shape.clone()));
            let pairs = pairs.chain(others.iter().filter_map(|field| Some((field.name, plain(field)?))));
            let properties: Properties = pairs.collect();
            let name = registration.component_type;
            assert!(!format!("{properties:?}").contains(CANARY), "{name}: its metadata show a secret");
            let made = runtime.spawn(construct(registration, properties));
            match runtime.block_on(async { tokio::time::timeout(Duration::from_secs(3), made).await }) {
                Ok(Ok(Err(error))) => assert!(!told(&error).contains(CANARY), "{name} tells: {}", told(&error)),
                Ok(Err(_)) => panic!("{name} panicked"),
                Ok(Ok(Ok(()))) | Err(_) => {}
            }
            let logged = std::mem::take(&mut *lines.0.lock().expect("no writer panics"));
            assert!(!logged.contains(CANARY), "{name} logs: {logged}");
        }
    }
    assert!(with_secrets > 0, "no type of this build has a secret setting");
}

/// Names under which no setting may be shown.
const SECRET_WORDS: &[&str] = &["password", "secret", "token", "apikey", "privatekey", "clientkey", "connectionstring"];

#[test]
fn what_is_called_like_a_secret_is_one() {
    // Paths, names and switches around secrets.
    let harmless = |name: &str| {
        [
            "maxtoken",
            "file",
            "path",
            "url",
            "enable",
            "name",
            "expiry",
            "header",
            "use",
            "scopes",
            "separator",
            "length",
        ]
        .iter()
        .any(|word| name.contains(word))
    };
    let mut found = Vec::new();
    for registration in components::registrations() {
        // Its connection string is the path of a file.
        if registration.component_type == "state.sqlite" {
            continue;
        }
        for field in registration.fields.iter().filter(|field| !field.secret) {
            let name = field.name.to_lowercase();
            let suspicious = SECRET_WORDS.iter().any(|word| name.contains(word)) && !harmless(&name);
            if suspicious {
                found.push(format!("{} {}", registration.component_type, field.name));
            }
        }
    }
    assert!(found.is_empty(), "no secrets? {found:?}");
}
