//! Loads components: secret stores first, then the rest in order, one at a time. Called by `sidecar` at start, and
//! later for each component that appears while it runs. Texts and log scopes are the target's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use component::{
    CallContext, Constructing, Constructor, Error, Family, Host, Properties, Registration, Registry, Setup, Spec,
    Version,
};
use tokio::time::Instant;

use crate::components::Component;
use crate::load_error::InitFailure;
use crate::secret_references::Hidden;
use crate::{BlockSettings, Details, LoadError, Loaded, LoadedComponents, Owner, Resolved, resolve};

/// How long a component may take to start when its resource does not say. From the target.
const DEFAULT_INIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A component that its block lets in.
pub struct Admitted {
    /// Its metadata as the backend is given it.
    pub properties: Properties,
    /// What the block keeps of it.
    pub settings: Option<BlockSettings>,
}

impl From<Properties> for Admitted {
    fn from(properties: Properties) -> Self {
        Self { properties, settings: None }
    }
}

/// What happens to the metadata of a component between the resolving of its secrets and its being made: `sidecar` fills
/// in placeholders and asks the blocks whether they admit the component. An error keeps it from being loaded.
pub type Admission = Arc<dyn Fn(&Spec, Properties) -> Result<Admitted, Error> + Send + Sync>;

/// Loads components into a [`LoadedComponents`].
pub struct Loader {
    registry: Registry,
    host: Host,
    admission: Admission,
    components: LoadedComponents,
    /// Components that wait for a secret store, by its name.
    waiting: Mutex<BTreeMap<String, Vec<Spec>>>,
}

/// What came of loading one component without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loading {
    /// It takes calls.
    Ready,
    /// It waits for its secret store and is loaded right after that one.
    Waiting,
    /// It failed, and its resource says to go on without it.
    Skipped,
}

impl Loader {
    /// A loader that makes backends of `registry` for `host` and puts them into `components`.
    pub fn new(registry: Registry, host: Host, admission: Admission, components: LoadedComponents) -> Self {
        Self { registry, host, admission, components, waiting: Mutex::default() }
    }

    /// Loads all components a sidecar starts with.
    ///
    /// # Errors
    /// The first failure of a component that does not ignore errors; the sidecar must then stop.
    pub async fn load_all(&self, specs: Vec<Spec>) -> Result<(), LoadError> {
        let (secret_stores, others): (Vec<Spec>, Vec<Spec>) =
            specs.into_iter().partition(|spec| spec.family() == Some(Family::SecretStores));
        for spec in secret_stores.into_iter().chain(others) {
            tracing::debug!(target: "dapr.runtime", "Found component: {}", spec.log_name());
            self.load(spec).await?;
        }
        self.tell_waiting();
        Ok(())
    }

    /// The target says nothing more of these.
    fn tell_waiting(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (store, specs) in waiting.iter() {
            let names: Vec<String> = specs.iter().map(Spec::log_name).collect();
            tracing::warn!(
                target: "dapr.runtime.processor",
                "not loaded, since they wait for secret store {store:?}: {}", names.join(", ")
            );
        }
    }

    /// Loads one component, and after a secret store everything that waited for it.
    ///
    /// # Errors
    /// The first failure of a component that does not ignore errors.
    pub async fn load(&self, spec: Spec) -> Result<Loading, LoadError> {
        let loading = self.load_or_log(spec.clone()).await?;
        let mut ready: Vec<Spec> = self.released_by(&spec, loading);
        while let Some(next) = ready.pop() {
            let loading = self.load_or_log(next.clone()).await?;
            ready.extend(self.released_by(&next, loading));
        }
        Ok(loading)
    }

    /// Components that waited for this one, in reverse order.
    fn released_by(&self, spec: &Spec, loading: Loading) -> Vec<Spec> {
        if loading != Loading::Ready || self.components.secret_store(&spec.name).is_none() {
            return Vec::new();
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut released = waiting.remove(&spec.name).unwrap_or_default();
        released.reverse();
        released
    }

    async fn load_or_log(&self, spec: Spec) -> Result<Loading, LoadError> {
        let ignore = spec.ignore_errors;
        match self.try_load(spec).await {
            Ok(loading) => Ok(loading),
            Err(error) if ignore => {
                tracing::error!(target: "dapr.runtime", "Ignoring error processing component: {error}");
                Ok(Loading::Skipped)
            }
            Err(error) => {
                tracing::warn!(
                    target: "dapr.runtime",
                    "Error processing component, daprd will exit gracefully: {error}"
                );
                Err(error)
            }
        }
    }

    async fn try_load(&self, spec: Spec) -> Result<Loading, LoadError> {
        let deadline =
            Instant::now() + spec.init_timeout.filter(|limit| !limit.is_zero()).unwrap_or(DEFAULT_INIT_TIMEOUT);
        let context = CallContext { deadline: Some(deadline), ..CallContext::default() };
        let owner =
            Owner { kind: "Component", name: &spec.name, namespace: &spec.namespace, secret_store: &spec.secret_store };
        let Resolved::Ready(properties) = resolve(&self.components, owner, &spec.metadata, &context).await else {
            self.park(spec);
            return Ok(Loading::Waiting);
        };
        if spec.family().is_none() {
            return Err(LoadError::incorrect_type(&spec));
        }
        let log_name = spec.log_name();
        let hidden = Hidden::of(&spec.metadata, &properties);
        match self.init(&spec, properties, &hidden, deadline).await {
            Ok(component) => {
                if let Some(component) = component {
                    self.components.insert(spec, component);
                }
                tracing::info!(target: "dapr.runtime.processor.loops.root", "Component loaded: {log_name}");
                Ok(Loading::Ready)
            }
            Err(failure) => {
                tracing::error!(
                    target: "dapr.runtime.processor.loops.root",
                    "Failed to init component {log_name}: {failure}"
                );
                Err(LoadError::init(&spec, failure))
            }
        }
    }

    fn park(&self, spec: Spec) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let parked = waiting.entry(spec.secret_store.clone()).or_default();
        match parked.iter_mut().find(|other| other.name == spec.name) {
            Some(other) => *other = spec,
            None => parked.push(spec),
        }
    }

    /// Makes the backend; `None` if the very same component is loaded already.
    async fn init(
        &self,
        spec: &Spec,
        properties: Properties,
        hidden: &Hidden,
        deadline: Instant,
    ) -> Result<Option<Component>, InitFailure> {
        match self.components.spec(&spec.name) {
            Some(loaded) if loaded == *spec => return Ok(None),
            Some(_) => return Err(InitFailure::Duplicate { name: spec.name.clone() }),
            None => {}
        }
        let registration = self
            .registry
            .find(&spec.component_type, &spec.version)
            .map_err(|cause| InitFailure::Create { log_name: spec.log_name(), cause })?;
        warn_of_deprecation(spec, registration);
        warn_of_misspelling(spec, registration, &properties);
        let failed = |cause| InitFailure::Init { log_name: spec.log_name(), cause: hidden.keep_out_of(cause) };
        let admitted = (self.admission)(spec, properties).map_err(failed)?;
        let made = tokio::time::timeout_at(deadline, self.construct(spec, registration.constructor, admitted)).await;
        match made {
            Ok(component) => component.map(Some).map_err(failed),
            Err(_) => Err(InitFailure::Timeout { log_name: spec.log_name() }),
        }
    }

    async fn construct(&self, spec: &Spec, how: Constructor, admitted: Admitted) -> Result<Component, Error> {
        let Admitted { properties, settings } = admitted;
        let details = Details {
            name: spec.name.as_str().into(),
            component_type: spec.component_type.as_str().into(),
            version: spec.version.as_str().into(),
            properties: Arc::new(properties.clone()),
            settings,
        };
        let setup = Setup { name: spec.name.clone(), properties, host: self.host.clone() };
        match how {
            Constructor::StateStore(make) => first_generation(details, make(setup)).await.map(Component::StateStore),
            Constructor::SecretStore(make) => first_generation(details, make(setup)).await.map(Component::SecretStore),
            Constructor::ConfigurationStore(make) => {
                first_generation(details, make(setup)).await.map(Component::ConfigurationStore)
            }
            Constructor::LockStore(make) => first_generation(details, make(setup)).await.map(Component::LockStore),
            Constructor::CryptoProvider(make) => {
                first_generation(details, make(setup)).await.map(Component::CryptoProvider)
            }
            Constructor::Conversation(make) => {
                first_generation(details, make(setup)).await.map(Component::Conversation)
            }
            Constructor::PubSub(make) => first_generation(details, make(setup)).await.map(Component::PubSub),
            Constructor::HttpMiddleware(make) => {
                first_generation(details, make(setup)).await.map(Component::HttpMiddleware)
            }
        }
    }
}

async fn first_generation<T: component::Backend + ?Sized>(
    details: Details,
    making: Constructing<T>,
) -> Result<Arc<Loaded<T>>, Error> {
    let backend = making.await?;
    Ok(Arc::new(Loaded::new(details, backend)))
}

fn warn_of_deprecation(spec: &Spec, registration: &Registration) {
    let Version::Named { name, deprecated_for: Some(better), .. } = registration.version else { return };
    let (noun, component_type) = (registration.family().noun(), spec.component_type.to_lowercase());
    tracing::warn!(
        target: "dapr.state.registry",
        "WARNING: {noun} {component_type}/{name} is deprecated and will be removed in a future version, please use \
         {component_type}/{better}"
    );
}

fn warn_of_misspelling(spec: &Spec, registration: &Registration, properties: &Properties) {
    let fields = registration.fields.iter().chain(component::runtime_fields(registration.family()));
    for unrecognized in properties.near_misses(fields.flat_map(|field| field.names())) {
        tracing::warn!(
            target: "dapr.runtime.processor",
            "Component {}: metadata {} is not known and is ignored; did you mean {}?",
            spec.log_name(), unrecognized.name, unrecognized.nearest.join(" or ")
        );
    }
}

#[cfg(test)]
mod tests;
