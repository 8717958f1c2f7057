//! The tracing section of a Configuration, and the variables of OpenTelemetry that fill it when it is silent.
//!
//! Called while the process starts. It must not open a connection.

use std::collections::BTreeMap;

use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};

use super::Configuration;
use crate::duration_text::DurationText;
use crate::error::Error;
use crate::meta::unset;
use crate::named_value::NamedValue;

/// Tracing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TracingSpec {
    /// Share of calls that are traced, from `0` to `1`; empty or unreadable means 0.0001.
    pub sampling_rate: String,
    /// Prints spans on standard output.
    #[serde(skip_serializing_if = "unset")]
    pub stdout: bool,
    /// Sends spans in Zipkin's form.
    #[serde(skip_serializing_if = "unset")]
    pub zipkin: Option<ZipkinSpec>,
    /// Sends spans in OpenTelemetry's form.
    #[serde(skip_serializing_if = "unset")]
    pub otel: Option<OtelSpec>,
}

/// Spans in Zipkin's form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ZipkinSpec {
    /// Where they go.
    pub endpoint_address: String,
}

/// Spans in OpenTelemetry's form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OtelSpec {
    /// `grpc` or `http`.
    pub protocol: String,
    /// Where they go, without a scheme.
    pub endpoint_address: String,
    /// Whether TLS is used; none means true.
    #[serde(skip_serializing_if = "unset")]
    pub is_secure: Option<bool>,
    /// Headers sent along.
    #[serde(skip_serializing_if = "unset")]
    pub headers: Vec<OtelHeader>,
    /// Longest time of one export.
    #[serde(skip_serializing_if = "unset")]
    pub timeout: Option<DurationText>,
}

impl OtelSpec {
    /// Whether TLS is used; yes unless switched off.
    pub fn uses_tls(&self) -> bool {
        self.is_secure.unwrap_or(true)
    }
}

/// One header of an export: `name=value` in standalone files, a named value in Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum OtelHeader {
    /// As `name=value`.
    Text(String),
    /// As a name with a value.
    Named(NamedValue),
}

impl OtelHeader {
    /// The header as `name=value`.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Named(named) => format!("{}={}", named.name, named.text()),
        }
    }
}

impl<'de> Deserialize<'de> for OtelHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = OtelHeader;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a header as name=value")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OtelHeader, E> {
                Ok(OtelHeader::Text(text.to_owned()))
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<OtelHeader, M::Error> {
                NamedValue::deserialize(MapAccessDeserializer::new(map)).map(OtelHeader::Named)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl Configuration {
    /// The tracing section in force.
    pub fn tracing(&self) -> TracingSpec {
        self.spec.tracing.clone().unwrap_or_default()
    }

    /// Fills the OpenTelemetry section from the standard `OTEL_EXPORTER_OTLP_*` variables, unless it has an endpoint.
    ///
    /// # Errors
    /// A list of headers or a timeout that cannot be understood.
    pub fn fill_tracing(&mut self, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), Error> {
        // The variable for traces wins over the one for all signals.
        let first = |ending: &str| {
            ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"]
                .into_iter()
                .find_map(|start| variable(&format!("{start}{ending}")).filter(|value| !value.is_empty()))
        };
        let tracing = self.spec.tracing.get_or_insert_default();
        let otel = tracing.otel.get_or_insert_default();
        if !otel.endpoint_address.is_empty() {
            return Ok(());
        }
        if let Some(endpoint) = first("ENDPOINT") {
            let endpoint = endpoint.strip_prefix("http://").unwrap_or(&endpoint);
            otel.endpoint_address = endpoint.strip_prefix("https://").unwrap_or(endpoint).to_owned();
            if tracing.sampling_rate.is_empty() {
                tracing.sampling_rate = "1".to_owned();
            }
            let http = first("PROTOCOL").is_some_and(|protocol| protocol.starts_with("http"));
            otel.protocol = if http { "http" } else { "grpc" }.to_owned();
            if variable("OTEL_EXPORTER_OTLP_INSECURE").is_some_and(|value| value == "true") {
                otel.is_secure = Some(false);
            }
        }
        if let Some(headers) = first("HEADERS") {
            let headers = parse_headers(&headers)?;
            otel.headers.extend(headers.into_iter().map(|(name, value)| OtelHeader::Text(format!("{name}={value}"))));
        }
        if let Some(text) = first("TIMEOUT") {
            let parsed = text.parse::<i64>();
            let timeout =
                parsed.map_err(|error| Error::TracingVariable(format!("invalid timeout {text:?}: {error}")))?;
            if timeout > 0 {
                otel.timeout = DurationText::new(&format!("{timeout}ms"));
            }
        }
        Ok(())
    }
}

/// Reads `name1=value1,name2=value2`; values may be percent-encoded, the last of equal names wins.
///
/// # Errors
/// A part without `=`, a name that is not a token, a broken percent sequence.
fn parse_headers(text: &str) -> Result<BTreeMap<String, String>, Error> {
    let mut headers = BTreeMap::new();
    for part in text.split(',') {
        let Some((name, value)) = part.split_once('=') else {
            return Err(Error::TracingVariable(format!("missing '=' parse headers input{part}")));
        };
        let name = name.trim();
        let is_token = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(letter);
        if name.is_empty() || !name.chars().all(is_token) {
            return Err(Error::TracingVariable(format!("invalid header key{name}")));
        }
        let value = percent_decoded(value)
            .ok_or_else(|| Error::TracingVariable(format!("invalid URL escape\nescape header value{value}")))?;
        headers.insert(name.to_owned(), value.trim().to_owned());
    }
    Ok(headers)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(variables: &[(&str, &str)]) -> Result<TracingSpec, Error> {
        let mut configuration = Configuration::built_in();
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        configuration.fill_tracing(&variable).map(|()| configuration.tracing())
    }

    #[test]
    fn variables_fill_an_empty_section() {
        let tracing = filled(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all:4317"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1, b = x%20y"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
        ])
        .unwrap();
        let otel = tracing.otel.unwrap();
        assert_eq!((tracing.sampling_rate.as_str(), otel.endpoint_address.as_str()), ("1", "traces:4317"));
        assert_eq!((otel.protocol.as_str(), otel.is_secure, otel.uses_tls()), ("http", Some(false), false));
        assert_eq!(otel.headers.iter().map(OtelHeader::text).collect::<Vec<_>>(), ["a=1", "b=x y"]);
        assert_eq!(otel.timeout.unwrap().as_str(), "1500ms");
    }

    #[test]
    fn an_endpoint_in_the_file_wins() {
        let mut configuration = Configuration::built_in();
        configuration.spec.tracing.as_mut().unwrap().otel.as_mut().unwrap().endpoint_address = "own:1".to_owned();
        let before = configuration.clone();
        configuration.fill_tracing(&|_| Some("x".to_owned())).unwrap();
        assert_eq!(configuration, before);
    }

    #[test]
    fn broken_variables_are_named() {
        let message = |name, value| filled(&[(name, value)]).unwrap_err().to_string();
        assert_eq!(message("OTEL_EXPORTER_OTLP_HEADERS", "abc"), "missing '=' parse headers inputabc");
        assert_eq!(message("OTEL_EXPORTER_OTLP_HEADERS", "a b=1"), "invalid header keya b");
        assert!(message("OTEL_EXPORTER_OTLP_HEADERS", "a=%zz").ends_with("escape header value%zz"));
        assert!(message("OTEL_EXPORTER_OTLP_TIMEOUT", "1s").contains("1s"));
        assert_eq!(filled(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]).unwrap().otel.unwrap().timeout, None);
    }
}
