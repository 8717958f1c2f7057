//! The `nameformat` resolver: an address is a pattern with the app id put into it. Who registers is told to nobody:
//! the pattern must name something that another system resolves.

use async_trait::async_trait;
use component::resolver::{Configuration, Error, Freshness, Instance, ResolveRequest, Resolved, Resolver};

const PLACEHOLDER: &str = "{appid}";

/// Turns an app id into an address by a fixed pattern.
#[derive(Debug)]
pub struct NameFormat {
    format: String,
}

impl NameFormat {
    /// Reads the one setting, `format`, which must contain `{appid}`.
    pub fn new(configuration: &Configuration) -> Result<Self, Error> {
        let Some(format) = configuration.text(&["format"]) else {
            return Err(Error::Configuration("format is required in metadata".to_owned()));
        };
        if !format.contains(PLACEHOLDER) {
            return Err(Error::Configuration("format must contain {appid} placeholder".to_owned()));
        }
        tracing::debug!(target: "dapr.contrib", component = "nr (nameformat/v1)", "Initialized with format: {format}");
        Ok(Self { format: format.to_owned() })
    }
}

#[async_trait]
impl Resolver for NameFormat {
    async fn register(&self, _: &Instance) -> Result<(), Error> {
        Ok(())
    }

    async fn resolve(&self, request: &ResolveRequest) -> Result<Resolved, Error> {
        if request.id.is_empty() {
            return Err(Error::Configuration("empty ID not allowed".to_owned()));
        }
        let address = self.format.replace(PLACEHOLDER, &request.id);
        Ok(Resolved { addresses: vec![address], freshness: Freshness::default() })
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolver(format: &str) -> Result<NameFormat, Error> {
        NameFormat::new(&Configuration::from_pairs([("Format", format)]))
    }

    #[tokio::test]
    async fn every_placeholder_becomes_the_app_id() {
        let request = ResolveRequest { id: "orders".into(), namespace: "shop".into(), ..ResolveRequest::default() };
        let resolved = resolver("{appid}.{appid}.internal:3500").unwrap().resolve(&request).await.unwrap();
        assert_eq!(resolved.addresses, ["orders.orders.internal:3500"]);
    }

    #[tokio::test]
    async fn an_empty_app_id_is_refused() {
        let error = resolver("{appid}").unwrap().resolve(&ResolveRequest::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "empty ID not allowed");
    }

    #[test]
    fn a_format_without_the_placeholder_is_refused() {
        assert_eq!(resolver("").unwrap_err().to_string(), "format is required in metadata");
        assert_eq!(resolver("orders:1").unwrap_err().to_string(), "format must contain {appid} placeholder");
    }
}
