//! What the Configuration says to sentry (`spec.mtls`): lifetimes and who is asked for what. Called once at start.

use std::path::Path;
use std::time::Duration;

use resources::{Configuration, ValidatorSpec, load_configuration};
use schedule::{GoDuration, parse_go_duration};
use security::SpiffeId;
use serde_json::Value;
use service::Environment;

use crate::authority::Lifetimes;
use crate::cluster::Cluster;
use crate::validator::JwksOptions;

const DEFAULT_LIFE: Duration = Duration::from_secs(24 * 3600);
const DEFAULT_SKEW: Duration = Duration::from_secs(15 * 60);
const TARGET: &str = "dapr.sentry";

/// Who is asked whether a request may be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    /// Who is asked when a request names nobody.
    pub(crate) default: Option<BuiltIn>,
    /// A token is asked for, when a request names that validator.
    pub(crate) jwks: Option<JwksOptions>,
}

/// A validator that no Configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    /// Everybody's word is taken.
    Insecure,
    /// The API server of the cluster is asked.
    Kubernetes,
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) lifetimes: Lifetimes,
    pub(crate) validators: Validators,
}

impl Settings {
    /// What holds without a Configuration.
    pub(crate) fn built_in(sentry: &SpiffeId) -> Result<Self, String> {
        tracing::warn!(
            target: TARGET,
            "There is no Configuration (--config): certificates count for a day, and everybody who reaches this port is taken at \
             their word (validator 'insecure')"
        );
        Self::of(Configuration::built_in(), sentry, false)
    }

    /// Reads a Configuration file.
    pub(crate) fn load(file: &Path, sentry: &SpiffeId, environment: &Environment) -> Result<Self, String> {
        let variable = |name: &str| environment.get(name).map(str::to_owned);
        let configuration = load_configuration(&[file], &variable).map_err(|error| error.to_string());
        let settings = configuration.and_then(|configuration| Self::of(configuration, sentry, false));
        settings.map_err(|reason| not_loaded(file, &reason))
    }

    /// Reads a Configuration of a cluster.
    pub(crate) async fn load_from(cluster: &Cluster, name: &Path, sentry: &SpiffeId) -> Result<Self, String> {
        let configuration = cluster.configuration(&name.to_string_lossy()).await;
        let settings = configuration.and_then(|configuration| Self::of(configuration, sentry, true));
        settings.map_err(|reason| not_loaded(name, &reason))
    }

    fn of(configuration: Configuration, sentry: &SpiffeId, in_cluster: bool) -> Result<Self, String> {
        let mtls = configuration.spec.mtls.unwrap_or_default();
        let named = mtls.control_plane_trust_domain.as_str();
        if !named.is_empty() && named != sentry.trust_domain() {
            tracing::warn!(
                target: TARGET,
                "controlPlaneTrustDomain of the Configuration is {named} and not used: --trust-domain says {}",
                sentry.trust_domain()
            );
        }
        let lifetimes = Lifetimes {
            life: duration("WorkloadCertTTL", &mtls.workload_cert_ttl, DEFAULT_LIFE)?,
            skew: duration("AllowedClockSkew", &mtls.allowed_clock_skew, DEFAULT_SKEW)?,
        };
        if lifetimes.life.is_zero() {
            return Err("error parsing WorkloadCertTTL duration: it must be positive".to_owned());
        }
        let jwks = token_validator(&mtls.token_validators)?;
        let default = match (in_cluster, &jwks) {
            (true, _) => Some(BuiltIn::Kubernetes),
            (false, None) => Some(BuiltIn::Insecure),
            (false, Some(_)) => None,
        };
        Ok(Self { lifetimes, validators: Validators { default, jwks } })
    }
}

fn not_loaded(name: &Path, reason: &str) -> String {
    let name = telemetry::quote(&name.display().to_string());
    format!("loading default config. couldn't find config name {name}: {reason}")
}

/// The one validator that can be configured, of which the last mention counts.
fn token_validator(named: &[ValidatorSpec]) -> Result<Option<JwksOptions>, String> {
    let mut options = None;
    for validator in named {
        options = match validator.name.to_ascii_lowercase().as_str() {
            "jwks" => Some(jwks(validator.options.as_ref())?),
            "kubernetes" | "insecure" => {
                return Err(
                    "invalid token validator: the built-in 'kubernetes' and 'insecure' validators cannot be configured \
                     manually"
                        .to_owned(),
                );
            }
            _ => {
                return Err(format!("invalid token validator name: '{}'; supported values: 'jwks'", validator.name));
            }
        };
    }
    Ok(options)
}

fn duration(name: &str, text: &str, default: Duration) -> Result<Duration, String> {
    if text.is_empty() {
        return Ok(default);
    }
    let failed = |reason: String| format!("error parsing {name} duration: {reason}");
    let parsed = parse_go_duration(text).map_err(|error| failed(error.to_string()))?;
    parsed.to_std().ok_or_else(|| failed(format!("{text} is negative")))
}

/// The options of the validator, whose names are read in any case, as in the target.
fn jwks(options: Option<&Value>) -> Result<JwksOptions, String> {
    let mut read = JwksOptions::default();
    let failed = |name: &str, reason: &str| format!("failed to decode validator options: {name}: {reason}");
    let empty = serde_json::Map::new();
    let given = options.and_then(Value::as_object).unwrap_or(&empty);
    for (name, value) in given {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => return Err(failed(name, "expected a text")),
        };
        let time = || interval(&text).ok_or_else(|| failed(name, &format!("{text} is no duration")));
        match name.to_ascii_lowercase().as_str() {
            "source" => read.source = text,
            "cacertificate" => read.ca_certificate = Some(text).filter(|text| !text.is_empty()),
            // What is too short to be meant is ignored, as in the target.
            "minrefreshinterval" => match time()? {
                interval if interval > Duration::from_secs(1) => read.min_refresh_interval = interval,
                _ => tracing::warn!(target: TARGET, "jwks validator: {name} {text} is too short and not used"),
            },
            "requesttimeout" => match time()? {
                timeout if timeout > Duration::from_millis(1) => read.request_timeout = timeout,
                _ => tracing::warn!(target: TARGET, "jwks validator: {name} {text} is too short and not used"),
            },
            _ => tracing::warn!(target: TARGET, "jwks validator: there is no option {name}; it is not used"),
        }
    }
    Ok(read)
}

/// A duration, or a whole number of seconds.
fn interval(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return Some(Duration::ZERO);
    }
    match parse_go_duration(text) {
        Ok(duration) => Some(GoDuration::to_std_or_zero(duration)),
        Err(_) => text.parse().ok().map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spec: &str) -> Result<Settings, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let text =
            if spec.is_empty() { String::new() } else { format!("kind: Configuration\nspec:\n  mtls: {spec}\n") };
        std::fs::write(&file, text).unwrap();
        let sentry = SpiffeId::parse("spiffe://localhost/ns/default/dapr-sentry").unwrap();
        Settings::load(&file, &sentry, &Environment::from_pairs([("KEYS", "/keys.json")]))
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        let settings = read("").unwrap();
        assert_eq!(settings.lifetimes, Lifetimes { life: DEFAULT_LIFE, skew: DEFAULT_SKEW });
        assert_eq!(settings.validators, Validators { default: Some(BuiltIn::Insecure), jwks: None });
    }

    #[test]
    fn a_missing_file_is_named() {
        let sentry = SpiffeId::parse("spiffe://localhost/ns/default/dapr-sentry").unwrap();
        let error = Settings::load(Path::new("daprsystem"), &sentry, &Environment::default()).unwrap_err();
        assert!(error.starts_with("loading default config. couldn't find config name \"daprsystem\": "), "{error}");
    }

    #[test]
    fn without_a_configuration_everybody_is_taken_at_their_word() {
        let sentry = SpiffeId::parse("spiffe://localhost/ns/default/dapr-sentry").unwrap();
        assert_eq!(Settings::built_in(&sentry).unwrap(), read("").unwrap());
    }

    #[test]
    fn lifetimes_are_read_and_checked() {
        let settings = read("{workloadCertTTL: 1h, allowedClockSkew: 0s}").unwrap();
        assert_eq!(settings.lifetimes, Lifetimes { life: Duration::from_secs(3600), skew: Duration::ZERO });
        assert!(read("{workloadCertTTL: soon}").unwrap_err().contains("error parsing WorkloadCertTTL duration"));
        assert!(read("{workloadCertTTL: 0s}").unwrap_err().contains("must be positive"));
        assert!(read("{allowedClockSkew: -1s}").unwrap_err().contains("AllowedClockSkew"));
    }

    #[test]
    fn the_options_of_jwks_are_read() {
        let settings = read(
            "{tokenValidators: [{name: JWKS, options: {source: $KEYS, minRefreshInterval: 2m, REQUESTTIMEOUT: 60, \
             caCertificate: /ca.pem}}]}",
        );
        let expected = JwksOptions {
            source: "/keys.json".to_owned(),
            ca_certificate: Some("/ca.pem".to_owned()),
            min_refresh_interval: Duration::from_secs(120),
            request_timeout: Duration::from_secs(60),
        };
        assert_eq!(settings.unwrap().validators, Validators { default: None, jwks: Some(expected) });
        let short = read("{tokenValidators: [{name: jwks, options: {source: x, minRefreshInterval: 1s}}]}").unwrap();
        let defaults = JwksOptions { source: "x".to_owned(), ..JwksOptions::default() };
        assert_eq!(short.validators.jwks, Some(defaults));
        assert!(read("{tokenValidators: [{name: jwks, options: {requestTimeout: x}}]}").is_err());
    }

    #[test]
    fn other_validators_are_refused() {
        assert!(read("{tokenValidators: [{name: insecure}]}").unwrap_err().contains("cannot be configured manually"));
        assert!(read("{tokenValidators: [{name: other}]}").unwrap_err().contains("supported values: 'jwks'"));
    }
}
