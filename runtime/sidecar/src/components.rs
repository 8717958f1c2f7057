//! From Component resources to loaded components: references to variables, placeholders, the list of denied types.

use std::sync::Arc;
use std::time::Duration;

use component::{Clock, Error, ErrorKind, Host, IdentitySource, MetadataItem, Properties, SecretReference, Spec};
use loaded::{LoadedComponents, Loader};
use resources::{Component, Configuration, Placeholders, Resource as _};
use service::{Environment, Tasks};
use telemetry::Metrics;
use telemetry::metrics::names;

use crate::models::Models;
use crate::{Fatal, Options};

/// What components live in.
pub(crate) struct Surroundings<'a> {
    pub(crate) tasks: &'a Tasks,
    pub(crate) identity: Option<Arc<dyn IdentitySource>>,
    pub(crate) metrics: &'a Metrics,
}

/// Loads every component of the folders into `components`.
pub(crate) async fn load(
    (options, environment): (&Options, &Environment),
    configuration: &Configuration,
    found: Vec<Component>,
    components: &LoadedComponents,
    surroundings: Surroundings<'_>,
) -> Result<(), Fatal> {
    let specs = found
        .into_iter()
        .filter(|component| is_permitted(component, configuration))
        .map(|component| spec(component, environment))
        .collect();
    let spawner = surroundings.tasks.clone();
    let host = Host {
        app: Arc::from(options.app_id.as_str()),
        namespace: Arc::from(options.namespace.as_str()),
        clock: Clock::system(),
        tasks: component::Tasks::new(move |name, work| drop(spawner.spawn(name, work))),
        identity: surroundings.identity,
        http: crate::outbound::client(surroundings.tasks),
        variables: environment.iter().collect(),
        cluster: crate::cluster::cluster(environment, surroundings.tasks),
    };
    let loader = Loader::new(components::registry(), host, admission(options, environment), components.clone());
    loader.load_all(specs).await.map_err(|error| Fatal::new(format!("failed to load components: {error}")))?;
    for loaded in components.list() {
        surroundings.metrics.counter(&names::COMPONENTS_INITIALISED, &[&loaded.component_type]).add(1);
    }
    Ok(())
}

fn is_permitted(component: &Component, configuration: &Configuration) -> bool {
    let denied = configuration.denied_components();
    let (kind, version) = (&component.spec.r#type, &component.spec.version);
    let with_version = format!("{kind}/{}", if version.is_empty() { "v1" } else { version.as_str() });
    let refused = denied.iter().any(|rule| rule.eq_ignore_ascii_case(kind) || rule.eq_ignore_ascii_case(&with_version));
    if refused {
        let name = component.log_name();
        tracing::warn!(target: "dapr.runtime", "component '{name}' is not allowed by the Configuration (spec.components.deny)");
    }
    !refused
}

fn spec(mut component: Component, environment: &Environment) -> Spec {
    let variable = |name: &str| environment.get(name).map(str::to_owned);
    for line in resources::resolve_environment(&mut component, &variable) {
        tracing::warn!(target: "dapr.runtime", "{line}");
    }
    let item = |value: &resources::NamedValue| MetadataItem {
        name: value.name.clone(),
        value: value.text(),
        secret: (!value.secret_key_ref.name.is_empty()).then(|| SecretReference {
            name: value.secret_key_ref.name.clone(),
            key: value.secret_key_ref.key.clone(),
        }),
    };
    Spec {
        metadata: component.spec.metadata.iter().map(item).collect(),
        secret_store: resources::secret_store_of(&component, false).to_owned(),
        ignore_errors: component.spec.ignore_errors,
        init_timeout: init_timeout(&component),
        component_type: component.spec.r#type,
        version: component.spec.version,
        namespace: component.metadata.namespace,
        name: component.metadata.name,
    }
}

/// The target counts what is no duration as its default too.
fn init_timeout(component: &Component) -> Option<Duration> {
    let text = component.spec.init_timeout.as_str();
    schedule::parse_go_duration(text).ok().and_then(schedule::GoDuration::to_std)
}

/// Fills in placeholders, then asks the blocks.
fn admission(options: &Options, environment: &Environment) -> loaded::Admission {
    let (app, namespace) = (options.app_id.clone(), crate::settings::namespace(environment).to_owned());
    let (pod, models) = (environment.get("POD_NAME").map(str::to_owned), Models::read(environment));
    Arc::new(move |spec: &Spec, properties: Properties| {
        let placeholders = Placeholders { app_id: &app, namespace: &namespace, pod_name: pod.as_deref() };
        let mut new_uuid = || uuid::Uuid::new_v4().to_string();
        let mut pairs = Vec::new();
        for (name, value) in properties.iter() {
            let filled = resources::fill_placeholders(name, value, placeholders, &mut new_uuid);
            let filled = filled.map_err(|error| Error::new(ErrorKind::InvalidArgument, error.to_string()))?;
            pairs.push((name.to_owned(), filled));
        }
        models.apply(&spec.component_type, &mut pairs);
        blocks::admit(&app, spec, &properties, Properties::from_iter(pairs))
    })
}
