//! From `spec.accessControl` to the compiled list. What the target refuses is refused, and so is what can only be a mistake:
//! a list that does not say what its author meant guards nothing. Operations that are legal and decide nothing are noticed.

use std::collections::HashMap;
use std::fmt;

use resources::{AccessControlSpec, AppOperation, AppPolicySpec};

use super::operations::{Operation, Operations};
use super::verbs::Verbs;
use super::{AccessControl, Action, Called, Policy};
use crate::{SpiffeId, TrustDomain, path};

/// A list that no sidecar starts with; the text names the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidAccessControl(String);

impl fmt::Display for InvalidAccessControl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "invalid access control spec. {}", self.0)
    }
}

impl std::error::Error for InvalidAccessControl {}

const NO_DEFAULT_ACTION: &str = "No global default action has been specified. Setting default global action as Deny";
/// Stands for what a `*` stands for when an operation is looked up by its own name.
const SAMPLE: &str = "~";

impl AccessControl {
    /// Compiles a list; `None` when it says nothing, which allows every call. `http` is whether the app speaks HTTP: then
    /// letter case does not count and verbs do.
    ///
    /// # Errors
    /// [`InvalidAccessControl`].
    pub fn compile(spec: &AccessControlSpec, http: bool) -> Result<Option<Self>, InvalidAccessControl> {
        if *spec == AccessControlSpec::default() {
            return Ok(None);
        }
        check_names(&spec.policies)?;
        if !spec.trust_domain.is_empty() {
            check_trust_domain(&spec.trust_domain).map_err(InvalidAccessControl)?;
        }
        let mut notices = Vec::new();
        let default_action = action(&spec.default_action).map_err(InvalidAccessControl)?.unwrap_or_else(|| {
            notices.push(NO_DEFAULT_ACTION.to_owned());
            Action::Deny
        });
        let mut policies: HashMap<String, Vec<Policy>> = HashMap::new();
        for policy in &spec.policies {
            let name = || format!("policy of app {} in namespace {}", policy.app_id, policy.namespace);
            let invalid = |reason: String| InvalidAccessControl(format!("{}: {reason}", name()));
            let of_app = policies.entry(policy.app_id.clone()).or_default();
            if of_app.iter().any(|other| other.namespace == policy.namespace) {
                return Err(invalid("there are two of them, and only one can count".to_owned()));
            }
            let compiled = compile_policy(policy, http).map_err(invalid)?;
            let told = policy.operations.iter().filter_map(|operation| notice(&compiled, operation, http));
            notices.extend(told.map(|text| format!("Access control {}: {text}", name())));
            of_app.push(compiled);
        }
        Ok(Some(Self { default_action, policies, notices }))
    }
}

/// Refuses policies that do not say whose they are, all of them in one message, in the target's words.
fn check_names(policies: &[AppPolicySpec]) -> Result<(), InvalidAccessControl> {
    let without = |field: fn(&AppPolicySpec) -> &String| {
        let apps = policies.iter().filter(|policy| field(policy).is_empty()).map(|policy| policy.app_id.as_str());
        apps.collect::<Vec<_>>().join(" ")
    };
    let nameless = policies.iter().any(|policy| policy.app_id.is_empty());
    if !nameless && policies.iter().all(|policy| !policy.trust_domain.is_empty() && !policy.namespace.is_empty()) {
        return Ok(());
    }
    Err(InvalidAccessControl(format!(
        "missing trustdomain for apps: [{}], missing namespace for apps: [{}], missing app name on at least one of the app \
         policies: {nameless}",
        without(|policy| &policy.trust_domain),
        without(|policy| &policy.namespace),
    )))
}

fn compile_policy(policy: &AppPolicySpec, http: bool) -> Result<Policy, String> {
    let trust_domain = check_trust_domain(&policy.trust_domain)?;
    SpiffeId::of(&trust_domain, &policy.namespace, &policy.app_id)
        .map_err(|error| format!("no app can have this identity: {error}"))?;
    let mut operations = Operations::default();
    for operation in &policy.operations {
        let compiled = compile_operation(operation).map_err(|reason| format!("{}: {reason}", describe(operation)))?;
        operations
            .add(compiled, http)
            .map_err(|_| format!("{} is there twice, and only one can count", describe(operation)))?;
    }
    Ok(Policy {
        namespace: policy.namespace.clone(),
        trust_domain: policy.trust_domain.clone(),
        default_action: action(&policy.default_action)?,
        operations,
    })
}

fn compile_operation(operation: &AppOperation) -> Result<Operation, String> {
    if operation.name.is_empty() {
        return Err("it has no name".to_owned());
    }
    let name = rooted(&operation.name);
    let canonical = path::normalize(&name).map_err(|error| format!("no method can have this name: {error}"))?;
    if canonical != name {
        return Err(format!("no method has this form when it is checked, write {canonical}"));
    }
    let verbs = Verbs::parse(&operation.http_verb).map_err(|verb| {
        format!("unknown HTTP verb {verb:?}: write GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH or *")
    })?;
    // An operation without an action denies, as in the target.
    let action = action(&operation.action)?.unwrap_or(Action::Deny);
    Ok(Operation { name, action, verbs })
}

/// Why an operation never decides about the calls it names, if it does not.
fn notice(policy: &Policy, operation: &AppOperation, http: bool) -> Option<String> {
    let name = rooted(&operation.name);
    let described = describe(operation);
    if http && Verbs::parse(&operation.http_verb).is_ok_and(Verbs::is_empty) {
        return Some(format!(
            "{described} names no httpVerb, so the default action holds for the calls it names: add httpVerb: ['*']"
        ));
    }
    let sample = name.replace("**", SAMPLE).replace('*', SAMPLE);
    let called = if http { Called::Http { method: &sample, verb: "" } } else { Called::Grpc { method: &sample } };
    match policy.operations.find(called) {
        Some(found) if found.name == name => None,
        Some(found) => Some(format!("{described} is covered by operation {}, which decides instead", found.name)),
        None => Some(format!("{described} fits no call: a * of its own stands for the last segment of a path only")),
    }
}

fn describe(operation: &AppOperation) -> String {
    format!("operation {:?}", operation.name)
}

fn rooted(name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("/{name}") }
}

fn check_trust_domain(text: &str) -> Result<TrustDomain, String> {
    match TrustDomain::parse(text) {
        Ok(domain) if domain.as_str() == text => Ok(domain),
        Ok(domain) => Err(format!("trust domain {text:?}: write {domain}")),
        Err(error) => Err(error.to_string()),
    }
}

fn action(text: &str) -> Result<Option<Action>, String> {
    match text {
        "" => Ok(None),
        _ if text.eq_ignore_ascii_case("allow") => Ok(Some(Action::Allow)),
        _ if text.eq_ignore_ascii_case("deny") => Ok(Some(Action::Deny)),
        _ => Err(format!("unknown action {text:?}: write allow or deny")),
    }
}
