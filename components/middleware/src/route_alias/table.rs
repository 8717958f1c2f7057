//! Reads the routes of a component: the property `routes`, or in the old notation one property per path.

use std::fmt;

use component::{Error, ErrorKind, Setup};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::route::Route;

const DEPRECATED: &str = "Listing routes as key-value pairs is deprecated. Please use the 'routes' property instead. See: \
                          https://docs.dapr.io/reference/components-reference/supported-middleware/middleware-routeralias/";

/// The routes in the order in which they are written.
///
/// # Errors
/// When they cannot be read.
pub(super) fn read(setup: &Setup) -> Result<Vec<Route>, Error> {
    let properties = &setup.properties;
    let routes = properties.get("routes").unwrap_or_default();
    let count = properties.iter().count();
    let pairs = match count {
        0 => Vec::new(),
        1 if !routes.is_empty() => parse(routes)?,
        _ => {
            tracing::warn!(target: "dapr.contrib", component = setup.name, "{DEPRECATED}");
            let pairs = properties.iter().map(|(from, to)| (from.to_owned(), to.to_owned()));
            pairs.collect()
        }
    };
    if pairs.iter().any(|(from, to)| from.is_empty() || to.is_empty()) {
        return Err(invalid("invalid key/value pair in metadata: must not be empty"));
    }
    pairs.iter().map(|(from, to)| Route::new(from, to).map_err(invalid)).collect()
}

fn parse(text: &str) -> Result<Vec<(String, String)>, Error> {
    let Pairs(pairs) = match serde_json::from_str(text) {
        Ok(pairs) => pairs,
        Err(_) => serde_saphyr::from_str(text).map_err(|cause| {
            let message = "failed to decode 'routes' property as JSON or YAML";
            Error::new(ErrorKind::InvalidArgument, message).caused_by(cause.to_string())
        })?,
    };
    Ok(pairs)
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, reason)
}

/// An object as its pairs, in their order.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object whose names and values are paths")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_keep_their_order() {
        let expected = vec![("/z".to_owned(), "/1".to_owned()), ("/a".to_owned(), "/2".to_owned())];
        assert_eq!(parse("{\"/z\": \"/1\",\t\"/a\": \"/2\"}").unwrap(), expected);
        assert_eq!(parse("/z: /1\n/a: /2\n").unwrap(), expected);
        assert!(parse("nonsense").unwrap_err().to_string().starts_with("failed to decode 'routes' property"));
    }
}
