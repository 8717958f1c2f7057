//! Sentry as a whole: what is started in which order, and how it stops. Called by `entry` with options that were checked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use http::Request;
use hyper::service::service_fn;
use identity::Held;
use service::{Environment, Health, HealthTarget, Host, Listener, ServeOptions, ServerTls, Shutdown, Tasks, listen};
use telemetry::Metrics;
use wire::sentry::sign_certificate_request::TokenValidator;

use crate::authority::Authority;
use crate::cluster::{self, Cluster};
use crate::issuing::NewPair;
use crate::keeper::{Keeper, Loading};
use crate::metrics::Counts;
use crate::oidc::{FileCertificate, Oidc};
use crate::options::{JwtOptions, OidcOptions, Options};
use crate::own_identity::OwnIdentity;
use crate::rotation::{Applier, Policy};
use crate::server::{Parts, Server};
use crate::settings::{BuiltIn, Settings};
use crate::store::{FileStore, SecretStore, Store};
use crate::tokens::TokenOptions;
use crate::validator::{Insecure, Jwks, Kubernetes, Validator};

const TARGET: &str = "dapr.sentry";

/// Why sentry cannot run.
#[derive(Debug)]
pub struct Fatal(String);

impl fmt::Display for Fatal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Fatal {}

impl From<String> for Fatal {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

/// Runs sentry until a stop is requested and everything has ended.
///
/// # Errors
/// [`Fatal`] when a part without which it cannot run does not start.
pub async fn run(options: Options, environment: Environment, shutdown: Shutdown) -> Result<(), Fatal> {
    let role = Role { options, shutdown: shutdown.clone(), tasks: Tasks::new(), health: Health::new() };
    for warning in &role.options.warnings {
        tracing::warn!(target: TARGET, "{warning}");
    }
    let started = tokio::select! {
        () = shutdown.requested() => Ok(()),
        started = role.begin(&environment) => started,
    };
    if started.is_ok() {
        shutdown.requested().await;
    }
    // What was begun before something failed has to end too.
    shutdown.request();
    role.tasks.wait().await;
    started
}

/// What the parts of sentry share.
struct Role {
    options: Options,
    shutdown: Shutdown,
    tasks: Tasks,
    health: Health,
}

impl Role {
    /// Finds out what is to be started, and starts it.
    async fn begin(&self, environment: &Environment) -> Result<(), Fatal> {
        let (configuration, id) = (&self.options.configuration, &self.options.id);
        let Some(options) = &self.options.cluster else {
            let is_missing = !self.options.is_configuration_named && !configuration.exists();
            let settings = match is_missing {
                true => Settings::built_in(id)?,
                false => Settings::load(configuration, id, environment)?,
            };
            return self.start(&settings, None).await;
        };
        service::refuse_root(environment).map_err(|reason| format!("error creating security: {reason}"))?;
        let cluster = Cluster::find(options, environment, &self.tasks).await?;
        let settings = Settings::load_from(&cluster, configuration, id).await?;
        self.start(&settings, Some(cluster)).await
    }

    async fn start(&self, settings: &Settings, cluster: Option<Cluster>) -> Result<(), Fatal> {
        let metrics = Metrics::new("", &[]);
        let counts = Counts::new(&metrics);
        // Every part is known before anybody can ask whether all of them are well.
        let (security, service) = (self.health.target("security-provider"), self.health.target("sentry-server"));
        let discovery = self.options.oidc.is_some().then(|| self.health.target("oidc-server"));
        let validators = self.validators(settings, cluster.as_ref()).await?;
        self.serve_healthz().await?;
        self.serve_metrics(metrics).await?;
        let opened = Keeper::open(self.store(cluster.as_ref())?, self.loading(settings), counts.clone()).await;
        let (keeper, authority) = opened.map_err(|error| format!("error creating CA: {error}"))?;
        tracing::info!(target: TARGET, "CA certificate key pair ready");
        let own = OwnIdentity {
            id: self.options.id.clone(),
            authority: authority.clone(),
            lifetimes: settings.lifetimes,
            counts: counts.clone(),
        };
        let held = own.first().map_err(|error| format!("error creating security: {error}"))?;
        self.tasks.spawn("own identity", own.keep(held.clone(), security, self.shutdown.clone()));
        self.serve_discovery(&authority, discovery).await?;
        let (kept, shutdown, tasks) = (authority.clone(), self.shutdown.clone(), self.tasks.clone());
        self.tasks.spawn("bundle", async move { keeper.keep(kept, shutdown, &tasks).await });
        let parts = Parts {
            authority,
            default: settings.validators.default.map(kind_of),
            validators,
            lifetimes: settings.lifetimes,
            id: self.options.id.clone(),
            cluster_domain: self.cluster_domain().await,
            counts,
        };
        self.serve(parts, &held, service).await
    }

    fn store(&self, cluster: Option<&Cluster>) -> Result<Arc<dyn Store>, Fatal> {
        let files = &self.options.files;
        let folder = files.folder.display();
        let store: Arc<dyn Store> = if let Some(cluster) = cluster {
            tracing::info!(target: "dapr.sentry.ca", "Using kubernetes secret store for trust bundle storage");
            let opened = SecretStore::open(cluster.client.clone(), &cluster.namespace, files);
            Arc::new(opened.map_err(|error| error.to_string())?)
        } else {
            tracing::info!(target: "dapr.sentry.ca", "Using local file system for trust bundle storage");
            Arc::new(FileStore::open(files.clone()).map_err(|error| {
                format!("{error}; create the folder {folder}, or name another with --issuer-credentials")
            })?)
        };
        tracing::info!(target: TARGET, "Starting watch on filesystem directories: [{folder}]");
        Ok(store)
    }

    /// How the names of schedulers end. Outside a cluster it is the trust domain, as in the target.
    async fn cluster_domain(&self) -> String {
        let trust_domain = self.options.id.trust_domain();
        if self.options.cluster.is_none() {
            return trust_domain.to_owned();
        }
        cluster::domain().await.unwrap_or_else(|| {
            tracing::error!(
                target: TARGET,
                "Error getting Kubernetes cluster domain, falling back to \"{trust_domain}\": the resolver of this machine \
                 searches no svc.<domain>"
            );
            trust_domain.to_owned()
        })
    }

    async fn bind(&self, purpose: &'static str, (host, port): &(Host, u16)) -> Result<Listener, Fatal> {
        listen::bind_tcp(purpose, host, *port).await.map_err(|error| Fatal(error.to_string()))
    }

    async fn serve_healthz(&self) -> Result<(), Fatal> {
        let listener = self.bind("health (--healthz-port)", &self.options.listen.healthz).await?;
        tracing::info!(target: TARGET, "Healthz server is listening on {}", listener.address());
        self.health.target("healthz-server").ready();
        let (shutdown, tasks) = (self.shutdown.clone(), self.tasks.clone());
        self.tasks.spawn("healthz", service::serve_healthz(listener, self.health.clone(), shutdown, tasks));
        Ok(())
    }

    async fn serve_metrics(&self, metrics: Metrics) -> Result<(), Fatal> {
        let target = self.health.target("metrics-exporter");
        target.ready();
        let Some(address) = &self.options.listen.metrics else { return Ok(()) };
        let listener = self.bind("metrics (--metrics-port)", address).await?;
        tracing::info!(target: TARGET, "metrics server started on {}/", listener.address());
        let render = Arc::new(move || metrics.render());
        let (shutdown, tasks) = (self.shutdown.clone(), self.tasks.clone());
        self.tasks.spawn("metrics", service::serve_metrics(listener, render, shutdown, tasks));
        Ok(())
    }

    async fn validators(
        &self,
        settings: &Settings,
        cluster: Option<&Cluster>,
    ) -> Result<BTreeMap<i32, Arc<dyn Validator>>, Fatal> {
        let id = &self.options.id;
        let (shutdown, tasks) = (&self.shutdown, &self.tasks);
        let mut validators: BTreeMap<i32, Arc<dyn Validator>> = BTreeMap::new();
        let mut add = |kind: TokenValidator, validator: Arc<dyn Validator>| {
            match kind {
                TokenValidator::Insecure => tracing::info!(target: TARGET, "Adding validator 'insecure'"),
                _ => tracing::info!(target: TARGET, "Adding validator '{}' with Sentry ID: {id}", validator.name()),
            }
            tracing::info!(target: TARGET, "Using validator '{}'", validator.name());
            validators.insert(kind.into(), validator);
        };
        match (settings.validators.default, cluster) {
            (Some(BuiltIn::Kubernetes), Some(cluster)) => {
                let health = self.health.target("sentry-kubernetes-validator");
                let started = Kubernetes::start(&cluster.client, id.clone(), health, shutdown, tasks);
                add(TokenValidator::Kubernetes, Arc::new(started));
            }
            (Some(BuiltIn::Kubernetes), None) => return Err(Fatal("there is no cluster to ask".to_owned())),
            (Some(BuiltIn::Insecure), _) => add(TokenValidator::Insecure, Arc::new(Insecure)),
            (None, _) => {}
        }
        if let Some(options) = &settings.validators.jwks {
            let health = self.health.target("sentry-jwks-validator");
            let started = Jwks::start(id.clone(), options, health, shutdown.clone(), tasks).await?;
            add(TokenValidator::Jwks, Arc::new(started));
        }
        Ok(validators)
    }

    fn loading(&self, settings: &Settings) -> Loading {
        let (rotation, lifetimes) = (self.options.rotation, settings.lifetimes);
        let overlap = lifetimes.life + lifetimes.skew;
        if rotation.enabled && rotation.life.mul_f64(rotation.sign_at - rotation.distribute_at) < overlap {
            tracing::warn!(
                target: TARGET,
                "Roots and issuers count so short (--ca-ttl) that a new root is not known for the lifetime of a certificate \
                 before its issuer should sign; the issuer changes later, and certificates may be cut short"
            );
        }
        let token_options = |jwt: &JwtOptions| TokenOptions {
            algorithm: jwt.algorithm,
            key_id: jwt.key_id.clone(),
            issuer: jwt.issuer.clone(),
            life: jwt.life,
            skew: lifetimes.skew,
        };
        let pair = NewPair { sentry: self.options.id.clone(), life: rotation.life, skew: lifetimes.skew };
        Loading {
            sentry: self.options.id.clone(),
            tokens: self.options.jwt.as_ref().map(token_options),
            applier: Applier { pair, overlap },
            policy: Policy {
                enabled: rotation.enabled,
                distribute_at: rotation.distribute_at,
                sign_at: rotation.sign_at,
                overlap,
            },
        }
    }

    async fn serve_discovery(&self, authority: &Authority, health: Option<HealthTarget>) -> Result<(), Fatal> {
        let (Some(options), Some(health)) = (self.options.oidc.clone(), health) else {
            tracing::info!(target: TARGET, "OIDC HTTP server is disabled");
            return Ok(());
        };
        let Some(address) = &options.listen else { return Ok(()) };
        tracing::info!(target: TARGET, "Starting OIDC HTTP server on port {}", address.1);
        if let Some((certificate, key)) = &options.tls {
            let (certificate, key) = (certificate.display(), key.display());
            tracing::info!(target: TARGET, "Using OIDC TLS certificate and key files: {certificate}, {key}");
        }
        let listener = self.bind("discovery (--oidc-server-listen-port)", address).await?;
        let issuer = self.options.jwt.as_ref().and_then(|jwt| jwt.issuer.clone());
        let oidc = Oidc::new(&options, issuer, authority.clone());
        let (shutdown, tasks) = (self.shutdown.clone(), self.tasks.clone());
        let fatal = self.shutdown.clone();
        self.tasks.spawn("discovery", async move {
            let tls = match tls(&options, &shutdown, &tasks).await {
                Ok(tls) => tls,
                Err(reason) => {
                    tracing::error!(target: TARGET, "error creating OIDC server: {reason}");
                    fatal.request_because(service::Reason::Fatal(reason));
                    return;
                }
            };
            oidc.serve(listener, tls, health, (shutdown, tasks)).await;
        });
        Ok(())
    }

    async fn serve(&self, parts: Parts, held: &Held, health: HealthTarget) -> Result<(), Fatal> {
        let address = &self.options.listen.service;
        let listener = self.bind("the certificate authority (--port)", address).await?;
        let config = identity::server_config(held, None, &[b"h2"]).map_err(|error| Fatal(error.to_string()))?;
        // Connections may outlive the certificate that was shown when they were made: should it not be possible to renew it,
        // whoever asks is told why.
        let options = ServeOptions { http1: false, tls: Some(ServerTls::new(config)), ..ServeOptions::default() };
        let server = Server::new(parts);
        let service = service_fn(move |request: Request<service::Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.handle(request).await) }
        });
        tracing::info!(target: "dapr.sentry.server", "Running gRPC server on port {}", address.1);
        health.ready();
        let (shutdown, tasks) = (self.shutdown.clone(), self.tasks.clone());
        self.tasks.spawn("certificate authority", async move {
            service::serve(listener, service, options, shutdown, tasks).await;
            health.not_ready();
            tracing::info!(target: "dapr.sentry.server", "Shutting down gRPC server");
        });
        Ok(())
    }
}

async fn tls(options: &OidcOptions, shutdown: &Shutdown, tasks: &Tasks) -> Result<Option<ServerTls>, String> {
    let Some(files) = &options.tls else { return Ok(None) };
    let (certificate, watched) = tokio::select! {
        () = shutdown.requested() => return Ok(None),
        opened = FileCertificate::open(files.clone()) => opened?,
    };
    let config = certificate.config()?;
    tasks.spawn("discovery certificate", certificate.follow(watched, shutdown.clone()));
    Ok(Some(ServerTls::new(config)))
}

fn kind_of(default: BuiltIn) -> TokenValidator {
    match default {
        BuiltIn::Insecure => TokenValidator::Insecure,
        BuiltIn::Kubernetes => TokenValidator::Kubernetes,
    }
}
