//! From what was given to what it means: defaults, checks between flags, refusals.
//! Called by `options::parse`. Messages are the target's where it has one.

use std::path::PathBuf;
use std::time::Duration;

use schedule::{GoDuration, parse_go_duration};
use security::{SpiffeId, TrustDomain};
use service::Environment;
use service::flags::Given;
use telemetry::LogLevel;

use super::{InCluster, JwtOptions, ListenOptions, LogSettings, OidcOptions, Options, RotationOptions};
use crate::store::FileNames;
use crate::tokens::Algorithm;

/// The app id of sentry.
const OWN_APP_ID: &str = "dapr-sentry";
/// The namespace of a process that is told none.
const DEFAULT_NAMESPACE: &str = "default";
/// The Configuration of the control plane.
const DEFAULT_CONFIGURATION: &str = "daprsystem";

pub(super) fn options(given: &Given, environment: &Environment) -> Result<Options, String> {
    let cluster = match given.text("mode") {
        "standalone" => None,
        "kubernetes" => Some(in_cluster(given, environment)?),
        other => return Err(format!("invalid mode: {other}")),
    };
    let tls = oidc_tls(given)?;
    if given.is_set("jwt-issuer") && !given.boolean("jwt-enabled") {
        return Err("jwt-issuer cannot be set when jwt-enabled is false".to_owned());
    }
    let jwt = given.boolean("jwt-enabled").then(|| jwt(given)).transpose()?;
    let mut warnings = Vec::new();
    if cluster.is_none() && given.non_empty("kubeconfig").is_some() {
        warnings.push("--kubeconfig is not used: it counts with --mode kubernetes only".to_owned());
    }
    let oidc = match (given.boolean("oidc-enabled"), &jwt) {
        (true, Some(_)) => Some(oidc(given, tls)?),
        (true, None) => {
            warnings
                .push("OIDC HTTP server is disabled: there is nothing to discover without --jwt-enabled".to_owned());
            None
        }
        (false, _) => None,
    };
    let configuration = given.non_empty("config").unwrap_or(if cluster.is_some() { DEFAULT_CONFIGURATION } else { "" });
    let log = LogSettings {
        level: LogLevel::parse(given.text("log-level"))?,
        json: given.boolean("log-as-json"),
        file: given.non_empty("log-file").map(PathBuf::from),
    };
    Ok(Options {
        configuration: PathBuf::from(configuration),
        is_configuration_named: given.is_set("config"),
        cluster,
        files: files(given),
        id: id(given, environment)?,
        listen: listen(given)?,
        jwt,
        oidc,
        rotation: rotation(given)?,
        log,
        warnings,
    })
}

fn in_cluster(given: &Given, environment: &Environment) -> Result<InCluster, String> {
    let namespace = environment.get("NAMESPACE").ok_or("'NAMESPACE' environment variable not set")?;
    if namespace.is_empty() {
        return Err("'NAMESPACE' environment variable is empty".to_owned());
    }
    Ok(InCluster { kubeconfig: given.non_empty("kubeconfig").map(PathBuf::from), namespace: namespace.to_owned() })
}

fn id(given: &Given, environment: &Environment) -> Result<SpiffeId, String> {
    let trust_domain = TrustDomain::parse(given.text("trust-domain")).map_err(|error| error.to_string())?;
    let namespace = environment.get("NAMESPACE").filter(|namespace| !namespace.is_empty()).unwrap_or(DEFAULT_NAMESPACE);
    SpiffeId::of(&trust_domain, namespace, OWN_APP_ID).map_err(|error| format!("the variable NAMESPACE: {error}"))
}

fn files(given: &Given) -> FileNames {
    let name = |flag| PathBuf::from(given.text(flag));
    FileNames {
        folder: name("issuer-credentials"),
        anchors: name("issuer-ca-filename"),
        issuer_certificate: name("issuer-certificate-filename"),
        issuer_key: name("issuer-key-filename"),
        token_key: name("jwt-key-filename"),
        token_key_set: name("jwks-filename"),
    }
}

fn listen(given: &Given) -> Result<ListenOptions, String> {
    let metrics = if given.boolean("enable-metrics") {
        Some((given.host("metrics-listen-address")?, given.text_port("metrics-port", "metrics-port")?))
    } else {
        None
    };
    Ok(ListenOptions {
        service: (given.host("listen-address")?, given.port("port")?),
        healthz: (given.host("healthz-listen-address")?, given.port("healthz-port")?),
        metrics,
    })
}

fn jwt(given: &Given) -> Result<JwtOptions, String> {
    Ok(JwtOptions {
        algorithm: Algorithm::parse(given.text("jwt-signing-algorithm"))?,
        key_id: given.non_empty("jwt-key-id").map(str::to_owned),
        issuer: given.non_empty("jwt-issuer").map(str::to_owned),
        life: positive(given, "jwt-ttl")?,
    })
}

/// Checked also when nothing is served, as far as the target does.
fn oidc_tls(given: &Given) -> Result<Option<(PathBuf, PathBuf)>, String> {
    let files = ["oidc-server-tls-cert-file", "oidc-server-tls-key-file"];
    if given.boolean("oidc-enabled") && given.boolean("oidc-server-tls-enabled") {
        for name in files {
            if given.non_empty(name).is_none() {
                return Err(format!(
                    "{name} is required when OIDC HTTP server is enabled (unless oidc-server-tls-enabled is false)"
                ));
            }
        }
    }
    match files.map(|name| given.non_empty(name).map(PathBuf::from)) {
        [Some(certificate), Some(key)] => Ok(Some((certificate, key))),
        [None, None] => Ok(None),
        _ => Err("both OIDC TLS certificate and key must be provided if one is specified".to_owned()),
    }
}

fn oidc(given: &Given, tls: Option<(PathBuf, PathBuf)>) -> Result<OidcOptions, String> {
    for (flag, what) in [("oidc-jwks-uri", "JWKS URI"), ("jwt-issuer", "JWT issuer URI")] {
        if let Some(text) = given.non_empty(flag) {
            text.parse::<http::Uri>().map_err(|error| format!("invalid {what}: {error}"))?;
        }
    }
    let prefix = given.text("oidc-path-prefix").trim_matches('/');
    let path_prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    format!("{path_prefix}/")
        .parse::<http::uri::PathAndQuery>()
        .map_err(|error| format!("invalid oidc-path-prefix: {error}"))?;
    Ok(OidcOptions {
        listen: Some((given.host("oidc-server-listen-address")?, given.port("oidc-server-listen-port")?)),
        tls,
        allowed_hosts: given.list("oidc-allowed-hosts"),
        key_set_uri: given.non_empty("oidc-jwks-uri").map(str::to_owned),
        path_prefix,
    })
}

fn rotation(given: &Given) -> Result<RotationOptions, String> {
    let part = |name: &str| {
        let text = given.text(name);
        let number = text.parse::<f64>().ok().filter(|number| *number > 0.0 && *number < 1.0);
        number.ok_or_else(|| format!("invalid value for '{name}': {text} is no number between 0 and 1, such as 0.5"))
    };
    let rotation = RotationOptions {
        enabled: given.boolean("rotation"),
        distribute_at: part("rotation-distribute-at")?,
        sign_at: part("rotation-sign-at")?,
        life: positive(given, "ca-ttl")?,
    };
    if rotation.distribute_at >= rotation.sign_at {
        return Err(
            "rotation-distribute-at must be less than rotation-sign-at: a root is distributed before anything is \
                    signed below it"
                .to_owned(),
        );
    }
    Ok(rotation)
}

fn positive(given: &Given, name: &str) -> Result<Duration, String> {
    let text = given.text(name);
    let duration = parse_go_duration(text).ok().and_then(GoDuration::to_std).filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| format!("invalid value for '{name}': must be positive, got {text}"))
}
