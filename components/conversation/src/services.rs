//! The services that speak OpenAI's protocol: their settings, and what each of them wants differently.

use std::sync::Arc;
use std::time::Duration;

use component::conversation::Conversation;
use component::{Constructing, Error, ErrorKind, Settings, Setup};
use http::{HeaderName, HeaderValue, Uri, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::cache::Cache;
use crate::chat::{Chat, Dialect};

const OPENAI: &str = "https://api.openai.com/v1";
const DEEPSEEK: &str = "https://api.deepseek.com";
const MISTRAL: &str = "https://api.mistral.ai/v1";
const OLLAMA: &str = "http://localhost:11434/v1";

const OPENAI_MODEL: &str = "gpt-5-nano";
const AZURE_MODEL: &str = "gpt-4.1-nano";

/// The metadata of `conversation.openai`.
#[derive(Settings)]
pub(crate) struct OpenAiSettings {
    /// Key of the service.
    #[setting(required, secret)]
    key: String,
    /// Model, or with Azure the deployment. Without it `gpt-5-nano`, with Azure `gpt-4.1-nano`; the variables
    /// `OPENAI_MODEL` and `AZURE_OPENAI_MODEL` of the sidecar come before both.
    model: String,
    /// URL of a service that speaks the same protocol; with Azure that of the resource. Without it, OpenAI's own.
    endpoint: String,
    /// How long an answer is given again to the same request; not at all without it.
    #[setting(name = "responseCacheTTL", aliases("cacheTTL"))]
    response_cache_ttl: Option<Duration>,
    /// `open_ai` or `azure`.
    #[setting(default = "open_ai")]
    api_type: String,
    /// Version of the API; with Azure only.
    api_version: String,
}

/// The metadata of `conversation.deepseek`.
#[derive(Settings)]
pub(crate) struct DeepSeekSettings {
    /// Key of the service.
    #[setting(required, secret)]
    key: String,
    /// Model.
    #[setting(default = "deepseek-chat")]
    model: String,
    /// URL of the service. Without it, DeepSeek's own.
    endpoint: String,
    /// How long an answer is given again to the same request; not at all without it.
    #[setting(name = "responseCacheTTL", aliases("cacheTTL"))]
    response_cache_ttl: Option<Duration>,
    /// Tokens of one answer, at most; without it, what the service allows.
    #[setting(min = 0)]
    max_tokens: Option<u64>,
}

/// The metadata of `conversation.mistral`.
#[derive(Settings)]
pub(crate) struct MistralSettings {
    /// Key of the service.
    #[setting(required, secret)]
    key: String,
    /// Model. The variable `MISTRAL_MODEL` of the sidecar comes before it.
    #[setting(default = "open-mistral-7b")]
    model: String,
    /// URL of the service. Without it, Mistral's own.
    endpoint: String,
    /// How long an answer is given again to the same request; not at all without it.
    #[setting(name = "responseCacheTTL", aliases("cacheTTL"))]
    response_cache_ttl: Option<Duration>,
}

/// The metadata of `conversation.ollama`.
#[derive(Settings)]
pub(crate) struct OllamaSettings {
    /// Key, where something in front of the server wants one.
    #[setting(default = "ollama", secret)]
    key: String,
    /// Model. The variable `OLLAMA_MODEL` of the sidecar comes before it.
    #[setting(default = "llama3.2:latest")]
    model: String,
    /// URL of the server. Without it, this machine's.
    endpoint: String,
    /// How long an answer is given again to the same request; not at all without it.
    #[setting(name = "responseCacheTTL", aliases("cacheTTL"))]
    response_cache_ttl: Option<Duration>,
}

/// Makes `conversation.openai`.
pub(crate) fn openai(setup: Setup) -> Constructing<dyn Conversation> {
    Box::pin(async move {
        let settings = OpenAiSettings::parse(&setup.properties)?;
        let azure = match settings.api_type.as_str() {
            word if word.eq_ignore_ascii_case("azure") => true,
            word if word.is_empty() || word.eq_ignore_ascii_case("open_ai") => false,
            word => return Err(invalid(format!("metadata field apiType is {word:?}: expected open_ai or azure"))),
        };
        let own = azure || settings.endpoint.is_empty();
        let model = or(&settings.model, if azure { AZURE_MODEL } else { OPENAI_MODEL });
        let (path, key) = if azure {
            if settings.endpoint.is_empty() || settings.api_version.is_empty() {
                let message = "endpoint and apiVersion must be provided when apiType is set to 'azure'";
                return Err(invalid(message));
            }
            (azure_path(&model, &settings.api_version), (HeaderName::from_static("api-key"), secret(&settings.key)?))
        } else {
            ("/chat/completions".to_owned(), bearer(&settings.key)?)
        };
        let dialect = Dialect {
            developer: if own { "developer" } else { "system" },
            prompt_cache_retention: true,
            ..Dialect::default()
        };
        let url = url(&or(&settings.endpoint, OPENAI), &path)?;
        let parts = Parts { url, key, model, cache: settings.response_cache_ttl, dialect };
        Ok(parts.open(setup, &settings.key))
    })
}

/// Makes `conversation.deepseek`.
pub(crate) fn deepseek(setup: Setup) -> Constructing<dyn Conversation> {
    Box::pin(async move {
        let settings = DeepSeekSettings::parse(&setup.properties)?;
        let parts = Parts {
            url: url(&or(&settings.endpoint, DEEPSEEK), "/chat/completions")?,
            key: bearer(&settings.key)?,
            model: settings.model,
            cache: settings.response_cache_ttl,
            dialect: Dialect { max_tokens: settings.max_tokens.filter(|most| *most > 0), ..Dialect::default() },
        };
        Ok(parts.open(setup, &settings.key))
    })
}

/// Makes `conversation.mistral`.
pub(crate) fn mistral(setup: Setup) -> Constructing<dyn Conversation> {
    Box::pin(async move {
        let settings = MistralSettings::parse(&setup.properties)?;
        let parts = Parts {
            url: url(&or(&settings.endpoint, MISTRAL), "/chat/completions")?,
            key: bearer(&settings.key)?,
            model: settings.model,
            cache: settings.response_cache_ttl,
            dialect: Dialect { default_temperature: 1.0, metadata: false, ..Dialect::default() },
        };
        Ok(parts.open(setup, &settings.key))
    })
}

/// Makes `conversation.ollama`.
pub(crate) fn ollama(setup: Setup) -> Constructing<dyn Conversation> {
    Box::pin(async move {
        let settings = OllamaSettings::parse(&setup.properties)?;
        let key = or(&settings.key, "ollama");
        let parts = Parts {
            url: url(&or(&settings.endpoint, OLLAMA), "/chat/completions")?,
            key: bearer(&key)?,
            model: settings.model,
            cache: settings.response_cache_ttl,
            dialect: Dialect::default(),
        };
        Ok(parts.open(setup, &key))
    })
}

/// What a service is made of.
struct Parts {
    url: Uri,
    key: (HeaderName, HeaderValue),
    model: String,
    cache: Option<Duration>,
    dialect: Dialect,
}

impl Parts {
    fn open(self, setup: Setup, key: &str) -> Arc<dyn Conversation> {
        if self.url.scheme_str() == Some("http") && !is_here(&self.url) {
            tracing::warn!(
                target: "dapr.contrib",
                component = setup.name,
                "the endpoint is an http URL: prompts and key are sent to {} without TLS",
                self.url.host().unwrap_or_default()
            );
        }
        Arc::new(Chat {
            http: setup.host.http,
            url: self.url,
            key: self.key,
            secret: key.to_owned(),
            model: self.model,
            cache: self.cache.filter(|life| !life.is_zero()).map(Cache::new),
            dialect: self.dialect,
        })
    }
}

fn is_here(url: &Uri) -> bool {
    matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

fn or(given: &str, otherwise: &str) -> String {
    if given.is_empty() { otherwise.to_owned() } else { given.to_owned() }
}

fn azure_path(model: &str, version: &str) -> String {
    let segment =
        |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string().replace("%2D", "-").replace("%2E", ".");
    format!("/openai/deployments/{}/chat/completions?api-version={}", segment(model), segment(version))
}

fn url(endpoint: &str, path: &str) -> Result<Uri, Error> {
    let wrong = |why: &str| invalid(format!("metadata field endpoint {why}: expected an http or https URL"));
    let whole = format!("{}{path}", endpoint.trim_end_matches('/'));
    let url: Uri = whole.parse().map_err(|error| wrong(&format!("is no URL ({error})")))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(wrong("has another scheme, or none"));
    }
    let authority = url.authority().ok_or_else(|| wrong("names no host"))?;
    if authority.host().is_empty() || authority.as_str().contains('@') {
        return Err(wrong("names no host, or carries a user name"));
    }
    if endpoint.contains(['?', '#']) {
        return Err(wrong("has a query"));
    }
    Ok(url)
}

fn bearer(key: &str) -> Result<(HeaderName, HeaderValue), Error> {
    Ok((header::AUTHORIZATION, secret(&format!("Bearer {key}"))?))
}

fn secret(value: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| invalid("metadata field key has characters that a header may not have"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use component::{Host, Properties, Tasks};

    use super::*;

    fn setup(pairs: &[(&str, &str)]) -> Setup {
        let properties = Properties::from_iter(pairs.iter().copied());
        Setup { name: "c".to_owned(), properties, host: Host::new("app", "", Tasks::new(|_, _| ())) }
    }

    #[test]
    fn a_deployment_of_azure_is_one_segment_of_its_path() {
        let path = azure_path("gpt-4.1/../x", "2025-01-01");
        assert_eq!(path, "/openai/deployments/gpt-4.1%2F..%2Fx/chat/completions?api-version=2025-01-01");
        let whole = url("https://r.openai.azure.com/", &path).unwrap();
        assert_eq!(whole.host(), Some("r.openai.azure.com"));
    }

    #[tokio::test]
    async fn what_is_missing_or_wrong_is_named_and_no_key_is_shown() {
        let error = async |make: fn(Setup) -> Constructing<dyn Conversation>, pairs: &[(&str, &str)]| {
            make(setup(pairs)).await.map(|_| ()).unwrap_err().to_string()
        };
        assert!(error(openai, &[]).await.starts_with("metadata field key is missing"));
        assert!(error(mistral, &[]).await.starts_with("metadata field key is missing"));
        assert_eq!(
            error(openai, &[("key", "hush"), ("apiType", "azure")]).await,
            "endpoint and apiVersion must be provided when apiType is set to 'azure'"
        );
        assert!(error(openai, &[("key", "hush"), ("apiType", "bedrock")]).await.contains("expected open_ai or azure"));
        assert!(error(deepseek, &[("key", "k"), ("maxTokens", "-1")]).await.contains("maxTokens"));
        for endpoint in ["ftp://x", "https://user:hush@x", "x", "https://x/?a=b"] {
            let message = error(ollama, &[("endpoint", endpoint)]).await;
            assert!(message.starts_with("metadata field endpoint") && !message.contains("hush"), "{message}");
        }
        assert!(!error(openai, &[("key", "hu\nsh")]).await.contains("sh"), "a key is not quoted");
        let settings = OpenAiSettings::parse(&setup(&[("key", "hush")]).properties).unwrap();
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
