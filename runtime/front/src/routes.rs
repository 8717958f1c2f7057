//! Which API a request means, and whether it may be used at all. Built once from the table and the access rules.
//!
//! Denied rows are not routed, as in the target: over HTTP they fall through to service invocation (404 without a target),
//! over gRPC they answer Unimplemented.

use std::collections::HashMap;

use http::Method;
use matchit::Router;

use crate::table::apis;

/// A version of an API: its path segment over HTTP and its name in access rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// Stable.
    V1,
    /// First preview.
    V1Alpha1,
    /// Second preview.
    V1Alpha2,
    /// Nearly stable.
    V1Beta1,
}

impl Version {
    /// The first segment of HTTP paths.
    pub fn path(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::V1Alpha1 => "v1.0-alpha1",
            Self::V1Alpha2 => "v1.0-alpha2",
            Self::V1Beta1 => "v1.0-beta1",
        }
    }

    /// The name in access rules.
    pub fn rule(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1Alpha1 => "v1alpha1",
            Self::V1Alpha2 => "v1alpha2",
            Self::V1Beta1 => "v1beta1",
        }
    }
}

/// What a built API does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each operation is the API of the same name")]
pub enum Operation {
    GetState,
    SaveState,
    DeleteState,
    DeleteBulkState,
    GetBulkState,
    ExecuteStateTransaction,
    QueryState,
    ListStateKeys,
    PublishEvent,
    BulkPublishEvent,
    SubscribeTopicEvents,
    GetSecret,
    GetBulkSecret,
    GetConfiguration,
    SubscribeConfiguration,
    UnsubscribeConfiguration,
    TryLock,
    Unlock,
    EncryptDocument,
    DecryptDocument,
    SubtleGetKey,
    SubtleEncrypt,
    SubtleDecrypt,
    SubtleWrapKey,
    SubtleUnwrapKey,
    SubtleSign,
    SubtleVerify,
    InvokeService,
    ConverseAlpha1,
    ConverseAlpha2,
    GetMetadata,
    PutMetadata,
    Shutdown,
    Healthz,
    HealthzOutbound,
}

/// How an API is reached over HTTP.
#[derive(Debug, Clone, Copy)]
pub struct Http {
    /// Methods; empty means any.
    pub methods: &'static [Method],
    /// Versions under which the path exists.
    pub versions: &'static [Version],
    /// Path after the version; `{name}` is one segment, `*` at the end is the rest.
    pub path: &'static str,
    /// Whether the public port has it too.
    pub public: bool,
}

/// How an API is reached over gRPC.
#[derive(Debug, Clone, Copy)]
pub struct Grpc {
    /// Method of `dapr.proto.runtime.v1.Dapr`.
    pub method: &'static str,
    /// Version in access rules.
    pub version: Version,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Api {
    /// Name in API logs and spans.
    pub name: &'static str,
    /// Group name in access rules.
    pub group: &'static str,
    /// HTTP door, if there is one.
    pub http: Option<Http>,
    /// gRPC methods.
    pub grpc: &'static [Grpc],
    /// What it does; `None` while it is not built.
    pub operation: Option<Operation>,
}

impl Api {
    fn is_health_check(&self) -> bool {
        self.group == "healthz"
    }
}

/// One rule of `spec.api.allowed` or `spec.api.denied`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Group name, or for HTTP a path prefix in the older form.
    pub name: String,
    /// Version name, or for HTTP a path segment in the older form.
    pub version: String,
    /// `http` or `grpc`.
    pub protocol: String,
}

/// The access rules of the Configuration.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// When not empty for a protocol, only these APIs exist there.
    pub allowed: Vec<Rule>,
    /// These APIs do not exist; checked first.
    pub denied: Vec<Rule>,
}

impl Access {
    fn http(rules: &[Rule]) -> Vec<String> {
        let http = rules.iter().filter(|rule| rule.protocol.eq_ignore_ascii_case("http"));
        http.map(|rule| format!("{}/{}", rule.version, rule.name)).collect()
    }

    fn permits_http(&self, api: &Api, version: Version, path: &str) -> bool {
        if api.is_health_check() {
            return true;
        }
        let group = format!("{}/{}", version.rule(), api.group);
        let path = format!("{}/{path}", version.path());
        let matches = |rules: &[String]| rules.iter().any(|rule| *rule == group || path.starts_with(rule.as_str()));
        let (allowed, denied) = (Self::http(&self.allowed), Self::http(&self.denied));
        !matches(&denied) && (allowed.is_empty() || matches(&allowed))
    }

    fn permits_grpc(&self, api: &Api, grpc: &Grpc) -> bool {
        let is_grpc = |rule: &&Rule| rule.protocol == "grpc";
        let matches = |rule: &Rule| rule.name == api.group && rule.version == grpc.version.rule();
        let known = |rule: &&Rule| {
            apis().any(|api| api.grpc.iter().any(|grpc| rule.name == api.group && rule.version == grpc.version.rule()))
        };
        let denied = self.denied.iter().filter(is_grpc).any(matches);
        let mut allowed = self.allowed.iter().filter(is_grpc).filter(known).peekable();
        !denied && (allowed.peek().is_none() || allowed.any(matches))
    }
}

/// A matched HTTP route.
pub struct Matched<'path> {
    /// The row.
    pub api: &'static Api,
    /// The path's parameters as they stand in the path, not yet decoded.
    pub parameters: Vec<(&'static str, &'path str)>,
}

/// A path of the table, and the names of its parameters in their order.
struct Row {
    api: &'static Api,
    names: Vec<&'static str>,
}

/// The HTTP and gRPC routes of one listener.
pub struct Routes {
    /// Few methods, so that looking through them is the quickest.
    by_method: Vec<(Method, Router<Row>)>,
    grpc: HashMap<&'static str, (&'static Api, bool)>,
}

impl Routes {
    /// Every permitted API; only those of the public port if `public`.
    pub fn new(access: &Access, public: bool) -> Self {
        let mut routes = Self { by_method: Vec::new(), grpc: HashMap::new() };
        for api in apis() {
            if let Some(http) = api.http.as_ref().filter(|http| http.public || !public) {
                routes.add_http(api, http, access);
            }
            for grpc in api.grpc {
                routes.grpc.insert(grpc.method, (api, access.permits_grpc(api, grpc)));
            }
        }
        routes
    }

    fn add_http(&mut self, api: &'static Api, http: &'static Http, access: &Access) {
        for version in http.versions.iter().filter(|version| access.permits_http(api, **version, http.path)) {
            for method in http.methods {
                let path = format!("/{}/{}", version.path(), http.path.replace('*', "{*rest}"));
                let at = self.by_method.iter().position(|(known, _)| known == method).unwrap_or_else(|| {
                    self.by_method.push((method.clone(), Router::new()));
                    self.by_method.len() - 1
                });
                if let Some((_, router)) = self.by_method.get_mut(at) {
                    // Every path of the table is legal and unique for its method: a test inserts them all.
                    let _ = router.insert(path, Row { api, names: names(http.path) });
                }
            }
        }
    }

    /// The API that a cleaned path means, if any.
    pub fn http<'path>(&self, method: &Method, path: &'path str) -> Option<Matched<'path>> {
        let (_, router) = self.by_method.iter().find(|(known, _)| known == method)?;
        let matched = router.at(path).ok()?;
        let Row { api, names } = matched.value;
        let values = matched.params.iter().map(|(_, value)| value);
        Some(Matched { api, parameters: names.iter().copied().zip(values).collect() })
    }

    /// The API of a method of the Dapr service, and whether it may be used.
    pub fn grpc(&self, method: &str) -> Option<(&'static Api, bool)> {
        self.grpc.get(method).copied()
    }
}

/// The names of the parameters of a path of the table.
fn names(path: &'static str) -> Vec<&'static str> {
    let name = |segment: &'static str| match segment {
        "*" => Some("rest"),
        named => named.strip_prefix('{')?.strip_suffix('}'),
    };
    path.split('/').filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, version: &str, protocol: &str) -> Rule {
        Rule { name: name.into(), version: version.into(), protocol: protocol.into() }
    }

    #[test]
    fn every_path_of_the_table_can_be_routed() {
        let routes = Routes::new(&Access::default(), false);
        for api in apis() {
            let Some(http) = api.http else { continue };
            for (version, method) in http.versions.iter().flat_map(|v| http.methods.iter().map(move |m| (v, m))) {
                let path = format!("/{}/{}", version.path(), http.path.replace('*', "rest").replace(['{', '}'], "x"));
                let matched = routes.http(method, &path).unwrap_or_else(|| panic!("{method} {path}"));
                assert_eq!(matched.api.name, api.name, "{method} {path}");
            }
        }
    }

    #[test]
    fn a_key_named_like_an_operation_is_a_key_where_the_method_differs() {
        let routes = Routes::new(&Access::default(), false);
        let matched = routes.http(&Method::GET, "/v1.0/state/store/bulk").unwrap();
        assert_eq!((matched.api.name, matched.parameters), ("GetState", vec![("storeName", "store"), ("key", "bulk")]));
        assert_eq!(routes.http(&Method::POST, "/v1.0/state/store/bulk").unwrap().api.name, "GetBulkState");
        assert_eq!(routes.http(&Method::POST, "/v1.0/publish/bulk/a/b").unwrap().api.name, "BulkPublishEvent");
    }

    #[test]
    fn the_public_port_has_health_and_metadata_only() {
        let routes = Routes::new(&Access::default(), true);
        assert!(routes.http(&Method::GET, "/v1.0/healthz").is_some());
        assert!(routes.http(&Method::GET, "/v1.0/metadata").is_some());
        assert!(routes.http(&Method::GET, "/v1.0/state/a/b").is_none());
    }

    #[test]
    fn denied_apis_vanish_over_both_protocols_and_health_never_does() {
        let denied = vec![rule("state", "v1", "http"), rule("state", "v1", "grpc"), rule("healthz", "v1", "http")];
        let routes = Routes::new(&Access { denied, ..Access::default() }, false);
        assert!(routes.http(&Method::GET, "/v1.0/state/a/b").is_none());
        assert!(!routes.grpc("GetState").unwrap().1);
        assert!(routes.grpc("GetSecret").unwrap().1);
        assert!(routes.http(&Method::GET, "/v1.0/healthz").is_some());
    }

    #[test]
    fn an_allow_list_of_one_protocol_leaves_the_other_open() {
        let routes = Routes::new(&Access { allowed: vec![rule("state", "v1.0", "http")], ..Access::default() }, false);
        assert!(routes.http(&Method::GET, "/v1.0/state/a/b").is_some());
        assert!(routes.http(&Method::GET, "/v1.0/secrets/a/b").is_none());
        assert!(routes.grpc("GetSecret").unwrap().1);
    }
}
