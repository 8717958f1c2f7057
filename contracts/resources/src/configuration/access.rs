//! What a Configuration says about access: APIs, secrets, components, and the logging of calls.
//!
//! Called by the doors of the sidecar and the secrets building block. The list of calling apps is only typed here; it is
//! compiled by the security base.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    ApiAccessRule, ApiLoggingSpec, Configuration, HandlerSpec, MtlsSpec, RetentionPolicy, SecretsScope, ValidatorSpec,
    WorkflowSpec,
};
use crate::duration_text::DurationText;
use crate::error::Error;
use crate::meta::log_name;
use crate::named_value::DynamicValue;

/// The protocol an API rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiProtocol {
    /// The HTTP API.
    Http,
    /// The gRPC API.
    Grpc,
}

impl ApiProtocol {
    /// The name that rules use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

/// The rules of one protocol, each as `version/name`.
fn rules_of(rules: &[ApiAccessRule], protocol: ApiProtocol) -> BTreeSet<String> {
    let of_protocol = rules.iter().filter(|rule| rule.protocol.eq_ignore_ascii_case(protocol.as_str()));
    of_protocol.map(|rule| format!("{}/{}", rule.version, rule.name)).collect()
}

impl Configuration {
    /// Rules of `spec.api.allowed` for a protocol, each as `version/name`. When it is not empty, nothing else is allowed.
    pub fn allowed_apis(&self, protocol: ApiProtocol) -> BTreeSet<String> {
        self.spec.api.as_ref().map(|api| rules_of(&api.allowed, protocol)).unwrap_or_default()
    }

    /// Rules of `spec.api.denied` for a protocol, each as `version/name`; they are checked before the allowed ones.
    pub fn denied_apis(&self, protocol: ApiProtocol) -> BTreeSet<String> {
        self.spec.api.as_ref().map(|api| rules_of(&api.denied, protocol)).unwrap_or_default()
    }

    /// Component types that may not be loaded, each as `type` or `type/version`.
    pub fn denied_components(&self) -> &[String] {
        self.spec.components.as_ref().map_or(&[], |components| &components.deny)
    }

    /// How calls are logged; all off when the section is absent.
    pub fn api_logging(&self) -> ApiLoggingSpec {
        self.spec.logging.as_ref().and_then(|logging| logging.api_logging.clone()).unwrap_or_default()
    }

    /// Whether WebAssembly components are forced into the strict sandbox.
    pub fn strict_sandbox(&self) -> bool {
        self.spec.wasm.as_ref().is_some_and(|wasm| wasm.strict_sandbox)
    }

    /// The scope of a secret store, if the Configuration has one.
    pub fn secrets_scope(&self, store: &str) -> Option<&SecretsScope> {
        self.spec.secrets.as_ref()?.scopes.iter().find(|scope| scope.store_name == store)
    }

    /// Whether the app may read a secret of a store; true for stores without a scope.
    pub fn is_secret_allowed(&self, store: &str, secret: &str) -> bool {
        self.secrets_scope(store).is_none_or(|scope| scope.is_secret_allowed(secret))
    }

    /// Limits and retention of workflows; the defaults when the section is absent.
    pub fn workflow(&self) -> WorkflowSpec {
        self.spec.workflow.clone().unwrap_or_default()
    }

    /// Refuses two scopes of one store and unknown defaults, and sorts the lists of secrets.
    pub(super) fn check_secrets(&mut self) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        for scope in self.spec.secrets.iter_mut().flat_map(|secrets| &mut secrets.scopes) {
            if !seen.insert(scope.store_name.clone()) {
                return Err(Error::RepeatedSecretStore(scope.store_name.clone()));
            }
            let access = &scope.default_access;
            if !["", "allow", "deny"].iter().any(|known| access.eq_ignore_ascii_case(known)) {
                return Err(Error::SecretDefaultAccess(access.clone()));
            }
            scope.allowed_secrets.sort();
            scope.denied_secrets.sort();
        }
        Ok(())
    }
}

impl SecretsScope {
    /// Whether a secret may be read: the allowed list decides alone when there is one, then the denied list, then the
    /// default.
    pub fn is_secret_allowed(&self, secret: &str) -> bool {
        if !self.allowed_secrets.is_empty() {
            return self.allowed_secrets.iter().any(|allowed| allowed == secret);
        }
        let denied = self.denied_secrets.iter().any(|denied| denied == secret);
        !denied && !self.default_access.eq_ignore_ascii_case("deny")
    }
}

impl HandlerSpec {
    /// The name that logs use.
    pub fn log_name(&self) -> String {
        log_name(&self.name, &self.r#type, &self.version)
    }
}

impl MtlsSpec {
    /// Whether certificates are used when only this section says so: absent means no.
    pub fn is_enabled(&self) -> bool {
        self.enabled.unwrap_or(false)
    }
}

impl ValidatorSpec {
    /// The options as texts by name; none when there are none, or they are not a mapping.
    pub fn options_map(&self) -> Option<BTreeMap<String, String>> {
        let Some(Value::Object(options)) = &self.options else { return None };
        let text = |value: &Value| DynamicValue::Json(value.clone()).to_string();
        Some(options.iter().map(|(name, value)| (name.clone(), text(value))).collect())
    }
}

impl WorkflowSpec {
    /// Most workflows at once in this sidecar; none means no limit.
    pub fn max_workflows(&self) -> Option<i32> {
        Some(self.max_concurrent_workflow_invocations).filter(|limit| *limit > 0)
    }

    /// Most activities at once in this sidecar; none means no limit.
    pub fn max_activities(&self) -> Option<i32> {
        Some(self.max_concurrent_activity_invocations).filter(|limit| *limit > 0)
    }

    /// Most workflows at once in all replicas; none means no limit.
    pub fn global_max_workflows(&self) -> Option<i32> {
        self.global_max_concurrent_workflow_invocations.filter(|limit| *limit > 0)
    }

    /// Most activities at once in all replicas; none means no limit.
    pub fn global_max_activities(&self) -> Option<i32> {
        self.global_max_concurrent_activity_invocations.filter(|limit| *limit > 0)
    }
}

impl RetentionPolicy {
    /// How long a completed workflow is kept.
    pub fn after_completed(&self) -> Option<&DurationText> {
        self.completed.as_ref().or(self.any_terminal.as_ref())
    }

    /// How long a failed workflow is kept.
    pub fn after_failed(&self) -> Option<&DurationText> {
        self.failed.as_ref().or(self.any_terminal.as_ref())
    }

    /// How long a terminated workflow is kept.
    pub fn after_terminated(&self) -> Option<&DurationText> {
        self.terminated.as_ref().or(self.any_terminal.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(default: &str, allowed: &[&str], denied: &[&str]) -> SecretsScope {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        SecretsScope {
            store_name: "store".to_owned(),
            default_access: default.to_owned(),
            allowed_secrets: owned(allowed),
            denied_secrets: owned(denied),
        }
    }

    #[test]
    fn secrets_are_allowed_by_list_then_by_default() {
        assert!(scope("", &[], &[]).is_secret_allowed("a"));
        assert!(!scope("Deny", &[], &[]).is_secret_allowed("a"));
        assert!(scope("deny", &["a"], &[]).is_secret_allowed("a"));
        assert!(!scope("allow", &["b"], &[]).is_secret_allowed("a"));
        assert!(!scope("allow", &[], &["a"]).is_secret_allowed("a"));
        assert!(scope("allow", &["a"], &["a"]).is_secret_allowed("a"));
    }

    #[test]
    fn rules_are_of_one_protocol_in_any_case() {
        let rule = |protocol: &str| ApiAccessRule {
            name: "state".to_owned(),
            version: "v1.0".to_owned(),
            protocol: protocol.to_owned(),
        };
        let rules = [rule("HTTP"), rule("grpc"), rule("")];
        assert_eq!(rules_of(&rules, ApiProtocol::Http).into_iter().collect::<Vec<_>>(), ["v1.0/state"]);
        assert_eq!(rules_of(&rules[..1], ApiProtocol::Grpc).len(), 0);
    }

    #[test]
    fn limits_of_zero_and_less_are_none() {
        let mut workflow = WorkflowSpec { max_concurrent_workflow_invocations: -1, ..WorkflowSpec::default() };
        assert_eq!((workflow.max_workflows(), workflow.max_activities()), (None, None));
        workflow.global_max_concurrent_activity_invocations = Some(0);
        workflow.global_max_concurrent_workflow_invocations = Some(7);
        assert_eq!((workflow.global_max_workflows(), workflow.global_max_activities()), (Some(7), None));
    }

    #[test]
    fn options_become_texts() {
        let options = serde_json::json!({"issuer": "me", "retries": 3});
        let validator = ValidatorSpec { name: "jwks".to_owned(), options: Some(options) };
        let map = validator.options_map().unwrap();
        assert_eq!(map.get("retries").map(String::as_str), Some("3"));
        assert_eq!(ValidatorSpec::default().options_map(), None);
    }
}
