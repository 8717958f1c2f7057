//! Everything that a comparison needs, started: the app, the proxies, the servers, and of each side the sidecars. Called by
//! `compare`. It measures nothing but how soon sidecars are ready and what they hold when idle.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::case::{Backend, Case, ENDPOINT, Kind};
use crate::client::{Call, Client, Protocol};
use crate::fleet::{Extras, Fleet, Side};
use crate::helper_process::{AppProcess, Helper};
use crate::offer::Target;
use crate::process::Process;
use crate::sidecar::Sidecar;

const FOUND_WITHIN: Duration = Duration::from_secs(30);
const HUB_SOCKET: &str = "TRILBY_HUB_SOCKET";

/// All that runs.
pub(crate) struct Stage {
    /// The app that is called.
    pub(crate) app: AppProcess,
    /// The proxies before it, by name.
    pub(crate) proxies: Vec<(&'static str, Helper)>,
    /// The sidecars of each side.
    pub(crate) troupes: Vec<Troupe>,
    /// What is missing here, one line each.
    pub(crate) missing: Vec<String>,
    redis: Option<Helper>,
    hub: Option<Helper>,
}

/// The sidecars of one side.
pub(crate) struct Troupe {
    /// Whose.
    pub(crate) side: Side,
    /// The app calls this one.
    pub(crate) caller: Sidecar,
    /// This one calls the HTTP app.
    pub(crate) callee: Sidecar,
    /// This one calls the gRPC app, where a case needs it.
    pub(crate) grpc_callee: Option<Sidecar>,
    /// Each with an app of its own that subscribed at this broker.
    pub(crate) subscribers: Vec<(Backend, AppProcess, Sidecar)>,
}

impl Troupe {
    /// Ends its sidecars, one after the other; their apps stay until then.
    ///
    /// # Errors
    /// When one has ended before.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let subscribers = self.subscribers.into_iter().map(|(_, app, sidecar)| (Some(app), sidecar));
        let all = [Some(self.caller), Some(self.callee), self.grpc_callee].into_iter().flatten();
        for (_app, sidecar) in all.map(|sidecar| (None, sidecar)).chain(subscribers) {
            sidecar.end().await?;
        }
        Ok(())
    }
}

/// Where a call goes and whose CPU it takes.
pub(crate) struct Way {
    /// `direct`, a proxy, or a side.
    pub(crate) name: &'static str,
    /// Whose sidecars.
    pub(crate) side: Option<Side>,
    /// The call.
    pub(crate) target: Target,
    /// Whose CPU and memory count, each with its role.
    pub(crate) processes: Vec<(&'static str, Process)>,
}

impl Stage {
    /// Starts what these cases need.
    ///
    /// # Errors
    /// When something does not start.
    pub(crate) async fn set(fleet: &Fleet, cases: &[Case]) -> anyhow::Result<Self> {
        let app = AppProcess::start(None).await?;
        let mut missing = Vec::new();
        let mut proxies = Vec::new();
        if cases.iter().any(|case| case.kind == Kind::Invoke && case.protocol == Protocol::Http) {
            proxies.push(("hyper", Helper::bare_proxy(app.http).await?));
            for (name, proxy) in
                [("nginx", Helper::nginx(app.http).await?), ("haproxy", Helper::haproxy(app.http).await?)]
            {
                match proxy {
                    Some(proxy) => proxies.push((name, proxy)),
                    None => missing.push(format!("SKIPPED {name}: it is not installed (apt-get install {name})")),
                }
            }
        }
        let needs = |backend| cases.iter().any(|case| case.backend == backend);
        let redis = if needs(Backend::Redis) { Helper::redis().await? } else { None };
        if needs(Backend::Redis) && redis.is_none() {
            missing.push("SKIPPED cases with Redis: it is not installed (apt-get install redis-server)".to_owned());
        }
        let hub = match needs(Backend::Hub) {
            true => Some(Helper::hub(fleet.program(Side::Ours)?).await?),
            false => None,
        };
        let mut stage = Self { app, proxies, troupes: Vec::new(), missing, redis, hub };
        for side in fleet.sides() {
            let troupe = stage.troupe(fleet, side, cases).await?;
            stage.troupes.push(troupe);
        }
        Ok(stage)
    }

    async fn troupe(&self, fleet: &Fleet, side: Side, cases: &[Case]) -> anyhow::Result<Troupe> {
        let resources = self.resources(side, cases);
        let socket = self.hub.as_ref().map(|hub| (HUB_SOCKET, hub.socket().display().to_string()));
        let variables: Vec<_> = socket.into_iter().collect();
        let extras = Extras { resources: &resources, variables: &variables, ..Extras::default() };
        let alone: Vec<String> = resources.first().cloned().into_iter().collect();
        let plain = Extras { resources: &alone, ..Extras::default() };
        let callee = fleet.start_with(side, "callee", Some(self.app.http_port()), &plain).await?;
        let caller = fleet.start_with(side, "caller", None, &extras).await?;
        let grpc_callee = match cases.iter().any(Case::calls_grpc_app) {
            true => Some(fleet.start_with(side, "grpc-callee", Some(self.app.grpc_port()), &plain).await?),
            false => None,
        };
        let mut subscribers = Vec::new();
        for case in cases.iter().filter(|case| case.kind == Kind::Deliver) {
            if case.backend == Backend::Hub && side != Side::Ours || !self.has(case.backend) {
                continue;
            }
            let app = AppProcess::start(Some(&case.backend.broker())).await?;
            let role = format!("subscriber{}", case.backend.broker());
            let sidecar = fleet.start_with(side, &role, Some(app.http_port()), &extras).await?;
            subscribers.push((case.backend, app, sidecar));
        }
        let troupe = Troupe { side, caller, callee, grpc_callee, subscribers };
        if cases.iter().any(Case::is_between_apps) {
            troupe.found(fleet).await?;
        }
        Ok(troupe)
    }

    /// Whether the server of a backend is here.
    pub(crate) fn has(&self, backend: Backend) -> bool {
        match backend {
            Backend::Memory => true,
            Backend::Redis => self.redis.is_some(),
            Backend::Hub => self.hub.is_some(),
        }
    }

    /// The resources of a caller; the first is what every sidecar has.
    fn resources(&self, side: Side, cases: &[Case]) -> Vec<String> {
        let mut all = vec![component("broker", "pubsub.in-memory", "")];
        all.push(format!(
            "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {{name: {ENDPOINT}}}\nspec: {{baseUrl: \"http://{}\"}}\n",
            self.app.http
        ));
        let kind = |kind: Kind| if matches!(kind, Kind::StateGet | Kind::StateSet) { "state" } else { "pubsub" };
        for (backend, technology) in [(Backend::Redis, "redis"), (Backend::Hub, "embedded")] {
            if !self.has(backend) || (backend == Backend::Hub && side != Side::Ours) {
                continue;
            }
            let settings = match &self.redis {
                Some(redis) if backend == Backend::Redis => {
                    format!(
                        "\n  metadata:\n  - {{name: redisHost, value: \"{}\"}}\n  - {{name: redisPassword, value: \"\"}}",
                        redis.address
                    )
                }
                _ => String::new(),
            };
            let mut kinds: Vec<&str> =
                cases.iter().filter(|case| case.backend == backend).map(|case| kind(case.kind)).collect();
            kinds.sort_unstable();
            kinds.dedup();
            for family in kinds {
                let name = if family == "state" { backend.store() } else { backend.broker() };
                all.push(component(&name, &format!("{family}.{technology}"), &settings));
            }
        }
        all
    }

    /// The ways of a case, the yardsticks first.
    ///
    /// # Errors
    /// When a call cannot be written.
    pub(crate) fn ways(&self, case: Case, size: usize) -> anyhow::Result<Vec<Way>> {
        let mut ways = Vec::new();
        if let Some((protocol, call)) = case.direct(size) {
            let address = if protocol == Protocol::Http { self.app.http } else { self.app.grpc };
            let processes = vec![("app", self.app.process())];
            ways.push(Way {
                name: "direct",
                side: None,
                target: Target { address, protocol, call: call.clone() },
                processes,
            });
            if protocol == case.protocol && protocol == Protocol::Http {
                for (name, proxy) in &self.proxies {
                    let target = Target { address: proxy.address, protocol, call: call.clone() };
                    ways.push(Way { name, side: None, target, processes: vec![("proxy", proxy.process())] });
                }
            }
        }
        for troupe in &self.troupes {
            if case.backend == Backend::Hub && troupe.side != Side::Ours {
                continue;
            }
            ways.extend(troupe.ways(case, size)?);
        }
        Ok(ways)
    }
}

impl Troupe {
    fn ways(&self, case: Case, size: usize) -> anyhow::Result<Vec<Way>> {
        let callee = if case.calls_grpc_app() { self.grpc_callee.as_ref() } else { Some(&self.callee) };
        let callee = callee.context("no sidecar before a gRPC app was started")?;
        let (protocol, mut caller) = (case.protocol, &self.caller);
        let mut processes = Vec::new();
        if case.kind == Kind::Deliver {
            let found = self.subscribers.iter().find(|(backend, ..)| *backend == case.backend);
            let Some((_, _, subscriber)) = found else { return Ok(Vec::new()) };
            caller = subscriber;
        }
        let address = if protocol == Protocol::Http { caller.http } else { caller.grpc };
        processes.push(("caller", caller.process()));
        if case.is_between_apps() {
            processes.push(("callee", callee.process()));
        }
        let target = Target { address, protocol, call: case.call(&callee.app_id, size)? };
        let mut ways = vec![Way { name: self.side.name(), side: Some(self.side), target, processes }];
        if case.kind == Kind::Invoke && protocol == Protocol::Http {
            let name = if self.side == Side::Ours { "ours, one" } else { "peer, one" };
            let target = Target { address, protocol, call: case.call(ENDPOINT, size)? };
            ways.push(Way { name, side: Some(self.side), target, processes: vec![("caller", caller.process())] });
        }
        Ok(ways)
    }

    /// Waits until the caller reaches the apps behind the callees.
    async fn found(&self, fleet: &Fleet) -> anyhow::Result<()> {
        let http = Call::get(&format!("/v1.0/invoke/{}/method/hello", self.callee.app_id));
        let mut probes = vec![Target { address: self.caller.http, protocol: Protocol::Http, call: http }];
        if let Some(callee) = &self.grpc_callee {
            let proxied = Case { kind: Kind::ProxyUnary, protocol: Protocol::Grpc, backend: Backend::Memory };
            let call = proxied.call(&callee.app_id, 1)?;
            probes.push(Target { address: self.caller.grpc, protocol: Protocol::Grpc, call });
        }
        for probe in probes {
            let started = Instant::now();
            while let Err(error) = succeeds(&probe, fleet).await {
                if started.elapsed() > FOUND_WITHIN {
                    bail!("{} finds nobody: {error:#}", self.caller.app_id);
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Ok(())
    }

    /// All of it, to be asked what went wrong.
    pub(crate) fn examine(&mut self) -> String {
        let others = self.grpc_callee.iter_mut().chain(self.subscribers.iter_mut().map(|(.., sidecar)| sidecar));
        [&mut self.caller, &mut self.callee].into_iter().chain(others).map(|sidecar| sidecar.examine() + "\n").collect()
    }
}

/// Makes one call that must succeed.
///
/// # Errors
/// When it does not.
pub(crate) async fn succeeds(target: &Target, fleet: &Fleet) -> anyhow::Result<()> {
    Client::connect(target.protocol, target.address, &fleet.tasks).await?.call(&target.call).await?;
    Ok(())
}

/// A component that does not stop a sidecar which lacks its type: the case is then left out, and says so.
fn component(name: &str, kind: &str, settings: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\nspec:\n  type: {kind}\n  version: v1\n  \
         ignoreErrors: true{settings}\n"
    )
}
