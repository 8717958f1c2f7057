//! One sidecar from its options to its end, in the target's order: internal port, components, API ports, then the app.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use app::{Channel, EndpointSettings, Endpoints, Health, HealthOptions};
use blocks::health::{Readiness, Target};
use blocks::invoke::{Forwarded, Identity, Invoker, Parts};
use blocks::metadata::Metadata;
use blocks::subscriptions::Subscriptions;
use component::resolver::{Instance, Resolver};
use front::{Api, Cors, GrpcDoor, HttpDoor, HttpOptions};
use identity::Security;
use loaded::{LoadedComponents, Pipeline};
use mesh::{Resolution, Server, Sidecars};
use resources::{Configuration, Selection};
use security::AccessControl;
use service::{Environment, Lifetimes, ServerTls, Shutdown, Tasks};
use telemetry::Metrics;

use crate::assemble::{self, Foundations};
use crate::found::Found;
use crate::pipelines::{self, Pipelines};
use crate::servers::{Serving, Sockets, bind_internal};
use crate::{
    Options, access_control, app_channel, components, counting, discovery, endpoints, host, messages, own_identity,
    providers, settings, variables,
};

/// Why the role cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal(String);

impl Fatal {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Fatal {}

/// Messages between sidecars are at least this long, so that a small body limit does not cut heads off.
const MIN_MESSAGE: u64 = 64 << 10;

/// After so long, probes and the first words with the app are over: what only they needed is given back once more.
const SETTLED: Duration = Duration::from_secs(10);

/// Runs a sidecar until a stop is requested. `force` ends the process at once; the shutdown API uses it.
///
/// # Errors
/// [`Fatal`] when it cannot start.
pub async fn run(
    options: Options,
    environment: Environment,
    shutdown: Shutdown,
    force: Arc<dyn Fn() + Send + Sync>,
) -> Result<(), Fatal> {
    let started = Instant::now();
    for warning in &options.warnings {
        tracing::warn!(target: "dapr.runtime", "{warning}");
    }
    let environment = variables::with_own(&options, &environment);
    let configuration = settings::load(&options, &environment)?;
    let access_control = access_control::load(&options, &configuration)?;
    if options.identity.is_none() {
        access_control.iter().for_each(access_control::tell_unproven);
    }
    for notice in options.notices.iter().chain(&settings::notices(&configuration)) {
        tracing::info!(target: "dapr.runtime", "{notice}");
    }
    tracing::info!(target: "dapr.runtime", "standalone mode configured");
    tracing::info!(target: "dapr.runtime", "app id: {}", options.app_id);
    tell_disabled(&options);
    let role = Role { options, environment, configuration, access_control, shutdown, force, tasks: Tasks::new() };
    let mut running = role.start().await?;
    running.wait_for_app(&role, started).await;
    role.shutdown.requested().await;
    running.stop(&role).await;
    Ok(())
}

fn give_back_memory() {
    if let Err(error) = footprint::release_code() {
        tracing::debug!(target: "dapr.runtime", "memory of the start stays: {error}");
    }
}

/// What is off because no address was given for it, in the words that scripts wait for.
fn tell_disabled(options: &Options) {
    if options.placement.is_empty() {
        let reason = "api error: code = Unavailable desc = placement service is not configured";
        tracing::info!(target: "dapr.runtime.actors", "Actor runtime disabled: {reason}");
    }
    if options.schedulers.is_empty() {
        tracing::warn!(
            target: "dapr.runtime.scheduler.watchhosts",
            "No scheduler host addresses provided. Scheduler disabled"
        );
    }
}

/// What a sidecar is started with, and what its parts share.
pub(crate) struct Role {
    pub(crate) options: Options,
    environment: Environment,
    pub(crate) configuration: Configuration,
    access_control: Option<AccessControl>,
    pub(crate) shutdown: Shutdown,
    pub(crate) force: Arc<dyn Fn() + Send + Sync>,
    pub(crate) tasks: Tasks,
}

/// A sidecar whose ports are open.
struct Running {
    components: LoadedComponents,
    resolver: Arc<dyn Resolver>,
    channel: Option<Channel>,
    subscriptions: Subscriptions,
    health: Health,
    ready: Target,
    /// Stops intake; the parts that still work through what was taken in go on until then.
    intake: Shutdown,
}

impl Role {
    async fn start(&self) -> Result<Running, Fatal> {
        let options = &self.options;
        let metrics = counting::metrics(options, &self.configuration)?;
        self.serve_metrics(&metrics).await?;
        let internal = bind_internal(options).await?;
        let security = own_identity::obtain(options, &metrics, &self.tasks, &self.shutdown).await?;
        let internal_port = internal.address().port().unwrap_or_default();
        let address = host::address(&self.environment)
            .ok_or_else(|| Fatal::new("failed to determine host address: could not determine host IP address"))?;
        let (resolver, resolver_name) = discovery::resolver(&self.configuration).await;
        let instance = self.instance(&address, internal_port);
        let own_address = instance.endpoint();
        discovery::register(Arc::clone(&resolver), resolver_name, instance, &self.tasks);
        let found = self.load_resources()?;
        let components = self.load_components(found.components, (security.as_ref(), &metrics)).await?;
        let Pipelines { server: server_pipeline, app: app_pipeline } =
            pipelines::build(&self.configuration, &components);
        let endpoints =
            self.prepare_endpoints(found.http_endpoints, &components, (app_pipeline.clone(), &metrics)).await?;
        let health = app_channel::health(options);
        let channel =
            app_channel::open(options, health.clone(), (self.max_message(), app_pipeline, &metrics), &self.tasks)?;
        let readiness = Readiness::new();
        let (ready, outbound_ready) = (readiness.target("runtime"), Readiness::new());
        let outbound = outbound_ready.target("app");
        let endpoint_names = endpoints.names();
        let resolution = Resolution::new(Arc::clone(&resolver), internal_port, self.tasks.clone());
        let connections = own_identity::connections(security.as_ref(), self.lifetimes(), self.tasks.clone());
        let sidecars = Sidecars::new(connections, self.max_message());
        let invoker = self.invoker(channel.clone(), endpoints, (resolution, own_address, sidecars), &address);
        let invoker = invoker.counted(&metrics);
        let surroundings = messages::Surroundings {
            options,
            environment: &self.environment,
            configuration: &self.configuration,
            components: &components,
            metrics: &metrics,
            tasks: &self.tasks,
        };
        let (pubsub, subscriptions) = messages::prepare(&surroundings, found.subscriptions, channel.clone());
        let mut providers = providers::all(options, &self.configuration, &components, endpoint_names, &found.names);
        providers.push(providers::subscriptions(subscriptions.clone()));
        providers.extend(security.clone().map(own_identity::told));
        let intake = Shutdown::new();
        let api = assemble::api(Foundations {
            role: self,
            invoker: invoker.clone(),
            components: components.clone(),
            channel: channel.clone(),
            messages: (pubsub, subscriptions.clone()),
            metrics: &metrics,
            metadata: Metadata::new(providers),
            readiness: (readiness, outbound_ready),
            intake: intake.clone(),
        });
        let tls = own_identity::server_tls(security.as_ref())?;
        self.open((api, server_pipeline, &metrics), invoker, (internal, tls), intake.clone()).await?;
        outbound.ready();
        Ok(Running { components, resolver, channel, subscriptions, health, ready, intake })
    }

    async fn load_components(
        &self,
        found: Result<Vec<resources::Component>, resources::Error>,
        (security, metrics): (Option<&Security>, &Metrics),
    ) -> Result<LoadedComponents, Fatal> {
        let found = found.map_err(|error| Fatal::new(format!("failed to load components: {error}")))?;
        let (count, components) = (found.len(), LoadedComponents::default());
        let identity = security.map(own_identity::offered);
        let surroundings = components::Surroundings { tasks: &self.tasks, identity, metrics };
        let sidecar = (&self.options, &self.environment);
        components::load(sidecar, &self.configuration, found, &components, surroundings).await?;
        tracing::debug!(target: "dapr.runtime", "{count} component resources read");
        Ok(components)
    }

    async fn prepare_endpoints(
        &self,
        found: Result<Vec<resources::HttpEndpoint>, resources::Error>,
        components: &LoadedComponents,
        (pipeline, metrics): (Option<Pipeline>, &Metrics),
    ) -> Result<Endpoints, Fatal> {
        let found = found.unwrap_or_else(|error| {
            tracing::warn!(target: "dapr.runtime", "failed to load HTTP endpoints: {error}");
            Vec::new()
        });
        let settings = EndpointSettings {
            max_headers: self.options.read_buffer_bytes,
            pipeline,
            metrics: metrics.clone(),
            tasks: self.tasks.clone(),
        };
        endpoints::prepare(&self.environment, found, components, settings).await
    }

    async fn serve_metrics(&self, metrics: &Metrics) -> Result<(), Fatal> {
        let Some((host, port)) = &self.options.listen.metrics else { return Ok(()) };
        if !metrics.is_on() {
            return Ok(());
        }
        let bound = service::listen::bind_tcp("metrics", host, *port).await;
        let listener = bound.map_err(|error| Fatal::new(format!("failed to start metrics server: {error}")))?;
        tracing::info!(target: "dapr.runtime", "metrics server started on {}", listener.address());
        let metrics = metrics.clone();
        let render = Arc::new(move || metrics.render());
        let serving = service::serve_metrics(listener, render, self.shutdown.clone(), self.tasks.clone());
        self.tasks.spawn("metrics", serving);
        Ok(())
    }

    fn instance(&self, address: &str, internal_port: u16) -> Instance {
        let own = self.options.listen.internal_host.to_string();
        let local = ["127.0.0.1", "localhost", "[::1]", "::1"].contains(&own.as_str());
        Instance {
            app_id: self.options.app_id.clone(),
            namespace: self.options.namespace.clone(),
            address: if local { own } else { address.to_owned() },
            internal_port,
            http_port: self.options.listen.http_port,
            app_port: self.options.app.port.unwrap_or_default(),
        }
    }

    fn load_resources(&self) -> Result<Found, Fatal> {
        let namespace = Some(self.options.namespace.clone()).filter(|namespace| !namespace.is_empty());
        let selection = Selection { app_id: self.options.app_id.clone(), namespace };
        let loaded = resources::load_folders(&self.options.resources, &selection)
            .map_err(|error| Fatal::new(format!("failed to load resources from disk: {error}")))?;
        for warning in &loaded.warnings {
            tracing::warn!(target: "dapr.runtime.loader.disk", "{warning}");
        }
        Found::from(loaded)
    }

    fn max_message(&self) -> usize {
        usize::try_from(self.options.max_body_bytes.unwrap_or(u64::MAX).max(MIN_MESSAGE)).unwrap_or(usize::MAX)
    }

    fn invoker(
        &self,
        channel: Option<Channel>,
        endpoints: Endpoints,
        (resolution, own_address, sidecars): (Resolution, String, Sidecars),
        address: &str,
    ) -> Invoker {
        Invoker::new(Parts {
            identity: Identity {
                app_id: self.options.app_id.clone(),
                namespace: match self.options.namespace.as_str() {
                    "" => "default".to_owned(),
                    own => own.to_owned(),
                },
            },
            access_control: self.access_control.clone(),
            channel,
            endpoints,
            own_address,
            resolution,
            sidecars,
            forwarded: Forwarded::new(address, &service::host_name()),
            tracing: settings::tracing(&self.configuration),
            max_message: self.options.max_body_bytes.unwrap_or(u64::MAX),
        })
    }

    fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            idle: self.duration("DAPR_GRPC_MAX_CONN_IDLE", Lifetimes::default().idle),
            sweep: self.duration("DAPR_GRPC_CONN_COLLECTOR_INTERVAL", Lifetimes::default().sweep),
            ..Lifetimes::default()
        }
    }

    fn duration(&self, variable: &str, default: Duration) -> Duration {
        let Some(text) = self.environment.get(variable) else { return default };
        let parsed = schedule::parse_go_duration(text).ok().and_then(schedule::GoDuration::to_std);
        parsed.filter(|duration| !duration.is_zero()).unwrap_or_else(|| {
            tracing::warn!(
                target: "dapr.runtime.grpc.manager",
                "Ignoring invalid duration {text:?} in {variable}; using default {}",
                schedule::format_go_duration(default)
            );
            default
        })
    }

    async fn open(
        &self,
        (api, pipeline, metrics): (Arc<Api>, Option<Pipeline>, &Metrics),
        invoker: Invoker,
        (internal, tls): (service::Listener, Option<ServerTls>),
        intake: Shutdown,
    ) -> Result<(), Fatal> {
        let options = &self.options;
        let sockets = Sockets::bind(options).await?;
        let (access, log) = (settings::access(&self.configuration), settings::api_log(options, &self.configuration));
        let http = HttpOptions {
            cors: Cors::parse(&options.allowed_origins),
            token: options.api_token.clone(),
            log,
            access: access.clone(),
            pipeline,
            public: false,
            metrics: metrics.clone(),
        };
        let grpc_door = GrpcDoor::new(Arc::clone(&api), &access, options.api_token.clone(), log);
        let grpc_door = Arc::new(grpc_door.counted(metrics));
        let public_door = HttpDoor::new(
            Arc::clone(&api),
            HttpOptions { public: true, metrics: metrics.clone(), ..HttpOptions::default() },
        );
        let (http_door, public_door) = (Arc::new(HttpDoor::new(api, http)), Arc::new(public_door));
        let serving = Serving { options, shutdown: intake, tasks: self.tasks.clone() };
        for listener in sockets.grpc {
            serving.grpc(listener, &grpc_door);
        }
        for listener in sockets.http {
            serving.http(listener, &http_door);
        }
        if let Some(listener) = sockets.public {
            serving.http(listener, &public_door);
        }
        for listener in sockets.profiles {
            let profiles = service::serve_profiles(listener, self.shutdown.clone(), self.tasks.clone());
            self.tasks.spawn("profiles", profiles);
        }
        tracing::info!(target: "dapr.runtime", "HTTP server is running on port {}", options.listen.http_port);
        if let Some(bytes) = options.max_body_bytes {
            tracing::info!(target: "dapr.runtime", "The request body size parameter is: {bytes} bytes");
        }
        let address = internal.address();
        serving.internal(internal, tls, Server::new(Arc::new(invoker), self.max_message()));
        tracing::info!(target: "dapr.runtime", "Internal gRPC server is running on {address}");
        Ok(())
    }
}

impl Running {
    /// Waits until the app listens and is well, asks for its configuration, and reports ready.
    async fn wait_for_app(&mut self, role: &Role, started: Instant) {
        if let Some(channel) = &self.channel {
            let options = channel.options();
            if !app::wait_until_listening(&options.address, options.protocol, &role.shutdown).await {
                return;
            }
            self.start_probes(role, channel);
            self.load_app_configuration(role, channel);
        }
        let health = (self.health.clone(), role.options.app.health.is_some());
        messages::start(&self.subscriptions, health, &role.tasks, &role.shutdown).await;
        let elapsed = started.elapsed().as_millis();
        tracing::info!(target: "dapr.runtime", "dapr initialized. Status: Running. Init Elapsed {elapsed}ms");
        self.ready.ready();
        give_back_memory();
        let shutdown = role.shutdown.clone();
        role.tasks.spawn("footprint", async move {
            tokio::select! {
                () = shutdown.requested() => {}
                () = tokio::time::sleep(SETTLED) => give_back_memory(),
            }
        });
    }

    fn start_probes(&self, role: &Role, channel: &Channel) {
        let app = &role.options.app;
        if let Some(limit) = app.max_concurrency {
            tracing::info!(target: "dapr.runtime", "app max concurrency set to {limit}");
        }
        let Some(health) = app.health else { return };
        let options = HealthOptions { interval: health.interval, timeout: health.timeout, threshold: health.threshold };
        // Until intake stops: an app that gets unwell ends a shutdown that is held up.
        self.health.start(options, channel.clone(), self.intake.clone(), &role.tasks);
    }

    /// Asks an HTTP app which actors it hosts, once it is well. Nothing here hosts actors yet, and says so.
    fn load_app_configuration(&self, role: &Role, channel: &Channel) {
        if role.options.app.skip_config {
            tracing::warn!(
                target: "dapr.runtime",
                "Skipping programmatic dapr configuration loading (see 'disable-init-endpoints' flag/annotation)"
            );
            return;
        }
        let (health, channel, shutdown) = (self.health.clone(), channel.clone(), role.shutdown.clone());
        let app_id = role.options.app_id.clone();
        role.tasks.spawn("app configuration", async move {
            let asked = async {
                health.healthy().await;
                channel.configuration(&app_id).await
            };
            let answer = tokio::select! {
                () = shutdown.requested() => return,
                answer = asked => answer,
            };
            match answer {
                Ok(Some(document)) => tell_configuration(&document),
                Ok(None) => {}
                Err(failure) => tracing::debug!(target: "dapr.runtime", "application configuration: {failure}"),
            }
        });
    }

    /// Readiness drops, intake stops, work in flight finishes, then the parts close.
    async fn stop(self, role: &Role) {
        self.ready.not_ready("shutting down");
        if let Some(block) = role.options.block_shutdown {
            self.hold(block).await;
        }
        tracing::info!(target: "dapr.runtime", "Dapr is shutting down");
        // What the app does with its last messages may need us.
        self.subscriptions.stop_forever().await;
        self.intake.request();
        if let Err(error) = self.resolver.close().await {
            tracing::warn!(target: "dapr.runtime", "closing the name resolver: {error}");
        }
        let grace = role.options.graceful_shutdown;
        for (name, error) in tokio::time::timeout(grace, self.components.close()).await.unwrap_or_default() {
            tracing::warn!(target: "dapr.runtime", "closing component {name}: {error}");
        }
        drop(self);
        if tokio::time::timeout(grace, role.tasks.wait()).await.is_err() {
            tracing::warn!(target: "dapr.runtime", "{} task(s) did not end in time", role.tasks.count());
        }
        tracing::info!(target: "dapr.runtime", "Dapr runtime stopped");
    }

    /// `--dapr-block-shutdown-duration`: goes on serving until the time is over or the app is unwell.
    async fn hold(&self, block: Duration) {
        tracing::info!(
            target: "dapr.runtime",
            "Blocking graceful shutdown for {} or until app reports unhealthy...",
            schedule::format_go_duration(block)
        );
        self.subscriptions.stop_forever().await;
        tokio::select! {
            () = tokio::time::sleep(block) => {
                tracing::info!(target: "dapr.runtime", "Block shutdown period expired, entering shutdown...");
            }
            () = self.health.unhealthy() => {
                tracing::info!(target: "dapr.runtime", "App reported unhealthy, entering shutdown...");
            }
        }
    }
}

fn tell_configuration(document: &serde_json::Value) {
    tracing::info!(target: "dapr.runtime", "Application configuration loaded");
    let hosts_actors =
        document.get("entities").and_then(serde_json::Value::as_array).is_some_and(|list| !list.is_empty());
    if hosts_actors {
        tracing::warn!(target: "dapr.runtime", "The app hosts actors, which this build does not have yet: they are not called");
    }
}
