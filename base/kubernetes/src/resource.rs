//! What kinds of things there are, and their paths. Names come from outside and never change where a path leads.

use std::fmt::Write as _;

use crate::Error;

/// A kind of object, as paths name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// Its API group; empty for the core.
    pub group: &'static str,
    /// The version of the group.
    pub version: &'static str,
    /// Its name in paths: lower case, in the plural.
    pub plural: &'static str,
}

impl Resource {
    /// Pods.
    pub const PODS: Self = Self::core("pods");
    /// Secrets.
    pub const SECRETS: Self = Self::core("secrets");
    /// ConfigMaps.
    pub const CONFIG_MAPS: Self = Self::core("configmaps");
    /// Questions whose token it is.
    pub const TOKEN_REVIEWS: Self = Self { group: "authentication.k8s.io", version: "v1", plural: "tokenreviews" };
    /// The target's Configurations.
    pub const CONFIGURATIONS: Self = Self { group: "dapr.io", version: "v1alpha1", plural: "configurations" };

    /// A kind of the core group.
    #[must_use]
    pub const fn core(plural: &'static str) -> Self {
        Self { group: "", version: "v1", plural }
    }

    /// The path of all objects of this kind, in one namespace or everywhere.
    ///
    /// # Errors
    /// [`Error::Name`] when the namespace is no name.
    pub(crate) fn collection(&self, namespace: Option<&str>) -> Result<String, Error> {
        let mut path = match self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        if let Some(namespace) = namespace {
            path.push_str("/namespaces/");
            path.push_str(checked(namespace)?);
        }
        path.push('/');
        path.push_str(self.plural);
        Ok(path)
    }

    /// The path of one object.
    ///
    /// # Errors
    /// [`Error::Name`] when namespace or name is none.
    pub(crate) fn object(&self, namespace: Option<&str>, name: &str) -> Result<String, Error> {
        let mut path = self.collection(namespace)?;
        path.push('/');
        path.push_str(checked(name)?);
        Ok(path)
    }
}

/// Letters of any case, digits, `-`, `.`, `_` and `:` (the strictest object names have only lower case, digits, `-` and `.`;
/// those of roles have `:`), and not a step in a path.
fn checked(name: &str) -> Result<&str, Error> {
    const LONGEST: usize = 253;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if name.is_empty() || name.len() > LONGEST || name == "." || name == ".." || !name.bytes().all(fits) {
        return Err(Error::Name(name.chars().take(LONGEST).collect()));
    }
    Ok(name)
}

/// A query made of names and values, both percent-encoded.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = String::new();
    for (name, value) in pairs {
        query.push(if query.is_empty() { '?' } else { '&' });
        encode(name, &mut query);
        query.push('=');
        encode(value, &mut query);
    }
    query
}

fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let pods = Resource::PODS;
        assert_eq!(pods.collection(None).unwrap(), "/api/v1/pods");
        assert_eq!(pods.object(Some("default"), "web-0").unwrap(), "/api/v1/namespaces/default/pods/web-0");
        let configurations = Resource::CONFIGURATIONS.object(Some("ns"), "daprsystem").unwrap();
        assert_eq!(configurations, "/apis/dapr.io/v1alpha1/namespaces/ns/configurations/daprsystem");
        let reviews = Resource::TOKEN_REVIEWS.collection(None).unwrap();
        assert_eq!(reviews, "/apis/authentication.k8s.io/v1/tokenreviews");
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for name in ["", ".", "..", "../secrets/x", "a/b", "a?watch=true", "a%2fb", "a#b", "a b", "a\0", "é"] {
            assert!(Resource::PODS.object(Some("default"), name).is_err(), "{name:?}");
            assert!(Resource::PODS.object(Some(name), "a").is_err(), "{name:?}");
        }
        assert!(Resource::PODS.object(None, &"a".repeat(254)).is_err());
        assert!(Resource::PODS.object(None, "system:node.a_B-0").is_ok());
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(query(&[]), "");
        assert_eq!(
            query(&[("watch", "true"), ("labelSelector", "a=b,c in (d)")]),
            "?watch=true&labelSelector=a%3Db%2Cc%20in%20%28d%29"
        );
    }
}
