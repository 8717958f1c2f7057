//! What the Configuration says to sentry (`spec.mtls`): lifetimes and who is asked for what. Called once at start.

use std::path::Path;
use std::time::Duration;

use resources::load_configuration;
use schedule::{GoDuration, parse_go_duration};
use security::SpiffeId;
use serde_json::Value;
use service::Environment;

use crate::authority::Lifetimes;
use crate::validator::JwksOptions;

const DEFAULT_LIFE: Duration = Duration::from_secs(24 * 3600);
const DEFAULT_SKEW: Duration = Duration::from_secs(15 * 60);
const TARGET: &str = "dapr.sentry";

/// Who is asked whether a request may be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Validators {
    /// Everybody's word is taken.
    Insecure,
    /// A token is asked for, and a request has to name that validator.
    Jwks(JwksOptions),
}

/// The settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) lifetimes: Lifetimes,
    pub(crate) validators: Validators,
}

impl Settings {
    /// Reads a Configuration file.
    pub(crate) fn load(file: &Path, sentry: &SpiffeId, environment: &Environment) -> Result<Self, String> {
        let variable = |name: &str| environment.get(name).map(str::to_owned);
        Self::read(file, sentry, &variable).map_err(|reason| {
            let name = telemetry::quote(&file.display().to_string());
            format!("loading default config. couldn't find config name {name}: {reason}")
        })
    }

    fn read(file: &Path, sentry: &SpiffeId, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let configuration = load_configuration(&[file], variable).map_err(|error| error.to_string())?;
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
        let mut validators = Validators::Insecure;
        for validator in &mtls.token_validators {
            validators = match validator.name.to_ascii_lowercase().as_str() {
                "jwks" => Validators::Jwks(jwks(validator.options.as_ref())?),
                "kubernetes" | "insecure" => {
                    return Err(
                        "invalid token validator: the built-in 'kubernetes' and 'insecure' validators cannot be \
                                configured manually"
                            .to_owned(),
                    );
                }
                _ => {
                    return Err(format!(
                        "invalid token validator name: '{}'; supported values: 'jwks'",
                        validator.name
                    ));
                }
            };
        }
        Ok(Self { lifetimes, validators })
    }
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
        assert_eq!(settings.validators, Validators::Insecure);
    }

    #[test]
    fn a_missing_file_is_named() {
        let sentry = SpiffeId::parse("spiffe://localhost/ns/default/dapr-sentry").unwrap();
        let error = Settings::load(Path::new("daprsystem"), &sentry, &Environment::default()).unwrap_err();
        assert!(error.starts_with("loading default config. couldn't find config name \"daprsystem\": "), "{error}");
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
        assert_eq!(settings.unwrap().validators, Validators::Jwks(expected));
        let short = read("{tokenValidators: [{name: jwks, options: {source: x, minRefreshInterval: 1s}}]}").unwrap();
        let defaults = JwksOptions { source: "x".to_owned(), ..JwksOptions::default() };
        assert_eq!(short.validators, Validators::Jwks(defaults));
        assert!(read("{tokenValidators: [{name: jwks, options: {requestTimeout: x}}]}").is_err());
    }

    #[test]
    fn other_validators_are_refused() {
        assert!(read("{tokenValidators: [{name: insecure}]}").unwrap_err().contains("cannot be configured manually"));
        assert!(read("{tokenValidators: [{name: other}]}").unwrap_err().contains("supported values: 'jwks'"));
    }
}
