//! Who may call the app: `spec.accessControl` of the Configuration, compiled before anything is started, and told. Called by
//! `run`; `blocks::invoke` follows the list.

use app::Protocol;
use resources::Configuration;
use security::{AccessControl, Action};

use crate::{Fatal, Options};

/// The list for this app; `None` lets every call pass. What its author should know is logged.
pub(crate) fn load(options: &Options, configuration: &Configuration) -> Result<Option<AccessControl>, Fatal> {
    let protocol = options.app.protocol.as_str().parse().map_err(|()| Fatal::new("unknown app protocol"))?;
    let compile = |spec| AccessControl::compile(spec, Protocol::is_http(protocol));
    let compiled = configuration.spec.access_control.as_ref().map_or(Ok(None), compile);
    let list = compiled.map_err(|error| Fatal::new(error.to_string()))?;
    let notices = list.as_ref().map(AccessControl::notices).unwrap_or_default();
    for notice in notices {
        tracing::warn!(target: "dapr.acl", "{notice}");
    }
    if list.is_none() {
        tracing::debug!(target: "dapr.acl", "No Access control policy specified");
    }
    Ok(list)
}

/// Says what the policies are worth while no peer can prove who it is.
pub(crate) fn tell_unproven(list: &AccessControl) {
    if !list.tells_callers_apart() {
        return;
    }
    let action = match list.default_action() {
        Action::Allow => "allow",
        Action::Deny => "deny",
    };
    tracing::warn!(
        target: "dapr.acl",
        "Access control policies name calling apps, but without mTLS no caller can prove which app it is: the global default \
         action ({action}) applies to every call"
    );
}
