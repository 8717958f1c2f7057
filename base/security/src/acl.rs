//! Who may call which operation of an app: `spec.accessControl` of a Configuration, compiled once at start.
//!
//! Called by service invocation for every call of another sidecar. Of a call it reads the proven peer, the canonical method
//! and the verb, nothing else, and it allocates nothing. How operations match is the target's rule (`pkg/acl` and
//! `pkg/config/acl_trie.go`), surprises included: see `operations`. It does not say what a denial looks like.

mod compile;
mod letter_case;
mod operations;
mod verbs;

use std::collections::HashMap;

pub use compile::InvalidAccessControl;

use crate::{Peer, SpiffeId};
use operations::Operations;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It reaches the app.
    Allow,
    /// It does not.
    Deny,
}

/// What is called, in the form in which it is sent to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called<'a> {
    /// A method of an HTTP app. Letter case does not count.
    Http {
        /// The canonical method.
        method: &'a str,
        /// The verb in capitals; `NONE` where the caller gave none.
        verb: &'a str,
    },
    /// A method of a gRPC app, or the path of a proxied call. Verbs do not count, letter case does.
    Grpc {
        /// The canonical method.
        method: &'a str,
    },
}

impl<'a> Called<'a> {
    fn method(&self) -> &'a str {
        match self {
            Self::Http { method, .. } | Self::Grpc { method } => method,
        }
    }
}

/// The compiled list. A Configuration without one allows every call.
#[derive(Clone, Debug)]
pub struct AccessControl {
    default_action: Action,
    /// By app id, then one for each namespace.
    policies: HashMap<String, Vec<Policy>>,
    notices: Vec<String>,
}

/// What one calling app may do.
#[derive(Clone, Debug)]
struct Policy {
    namespace: String,
    trust_domain: String,
    default_action: Option<Action>,
    operations: Operations,
}

impl AccessControl {
    /// Whether a call reaches the app. A peer that proved nothing gets the default action of the whole list, as does one
    /// that no policy names.
    #[must_use]
    pub fn allows(&self, peer: &Peer, called: Called<'_>) -> bool {
        self.judge(peer, called).0
    }

    /// As [`AccessControl::allows`], and whether the default of the caller's own policy was asked rather than that of the list, as the
    /// target tells it.
    #[must_use]
    pub fn judge(&self, peer: &Peer, called: Called<'_>) -> (bool, bool) {
        let policy = peer.id().and_then(|id| self.policy(id));
        let action = policy.map_or(self.default_action, |policy| policy.action(called, self.default_action));
        (action == Action::Allow, policy.is_some_and(|policy| policy.default_action.is_some()))
    }

    /// What happens to calls of peers that no policy names, or that proved nothing.
    #[must_use]
    pub fn default_action(&self) -> Action {
        self.default_action
    }

    /// Whether the outcome depends on who calls.
    #[must_use]
    pub fn tells_callers_apart(&self) -> bool {
        !self.policies.is_empty()
    }

    /// What whoever wrote the list should know: defaults that were filled in, operations that decide nothing.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    fn policy(&self, id: &SpiffeId) -> Option<&Policy> {
        let policies = self.policies.get(id.app_id())?;
        policies.iter().find(|policy| policy.namespace == id.namespace() && policy.trust_domain == id.trust_domain())
    }
}

impl Policy {
    fn action(&self, called: Called<'_>, default_of_list: Action) -> Action {
        let default_action = self.default_action.unwrap_or(default_of_list);
        let Some(operation) = self.operations.find(called) else { return default_action };
        match called {
            Called::Grpc { .. } => operation.action,
            // Without a verb, the target asks the default of the policy alone; where there is none, it denies.
            Called::Http { verb: verbs::NONE, .. } => self.default_action.unwrap_or(Action::Deny),
            Called::Http { verb, .. } if operation.verbs.contains(verb) => operation.action,
            Called::Http { .. } => default_action,
        }
    }
}
