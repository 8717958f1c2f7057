//! Who calls, said by the sidecar: what an app says of itself is stripped first, in any spelling, and what a peer says of
//! itself gives way to what its certificate says.

use call::{Metadata, Values};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use security::Peer;

use super::Identity;

pub(super) const CALLER: &str = "dapr-caller-app-id";
const CALLER_NAMESPACE: &str = "dapr-caller-namespace";
/// Names of the app that is called.
const RECEIVER: [&str; 2] = ["dapr-callee-app-id", "destination-app-id"];

/// Names that only a sidecar may set.
pub(super) const IDENTITY: [&str; 7] = [
    "dapr-caller-app-id",
    "dapr-caller-namespace",
    "dapr-callee-app-id",
    "destination-app-id",
    "dapr-api-token",
    "x-dapr-remote",
    "dapr-api-call",
];

/// Whether only a sidecar may set a header of this name, in its one spelling.
fn is_identity(name: &str) -> bool {
    IDENTITY.contains(&name)
}

/// Removes what only a sidecar may set.
pub(super) fn strip_headers(headers: &mut HeaderMap) {
    // Mostly there is nothing, and a look at each name is cheaper than seven searches.
    if headers.keys().any(|name| is_identity(name.as_str())) {
        for name in IDENTITY {
            headers.remove(name);
        }
    }
}

/// Of those, what no peer has to tell an app.
pub(super) const NEVER_TOLD: [&str; 3] = ["dapr-api-token", "x-dapr-remote", "dapr-api-call"];

/// Removes every spelling of the identity headers, and an API token.
pub(super) fn strip(metadata: &mut Metadata) {
    metadata.retain(|name, _| !IDENTITY.iter().any(|own| name.eq_ignore_ascii_case(own)));
}

/// Says who calls whom.
pub(super) fn caller(metadata: &mut Metadata, identity: &Identity, callee: &str) {
    call::set(metadata, "dapr-caller-namespace", identity.namespace.as_str());
    call::set(metadata, "dapr-caller-app-id", identity.app_id.as_str());
    call::set(metadata, "dapr-callee-app-id", callee);
}

/// Says in a peer's metadata who calls whom. A peer that proved who it is is named after its certificate. Of another, its
/// own sidecar's stamp is kept as information: the exact lower-case names, one value each. Another spelling came from the
/// peer's app.
pub(super) fn receive(metadata: &mut Metadata, peer: &Peer, own_id: &str) {
    metadata.retain(|name, values| {
        let Some(own) = IDENTITY.iter().find(|own| name.eq_ignore_ascii_case(own)) else { return true };
        values.truncate(1);
        name == *own && !NEVER_TOLD.contains(own)
    });
    for name in RECEIVER {
        if let Some(values) = metadata.get_mut(name) {
            *values = Values::from_buf([own_id.into()]);
        }
    }
    if let Some(id) = peer.id() {
        call::set(metadata, CALLER, id.app_id());
        call::set(metadata, CALLER_NAMESPACE, id.namespace());
    }
}

/// As [`receive`], for the headers of a request that is passed on as it is.
pub(super) fn receive_headers(headers: &mut HeaderMap, peer: &Peer, own_id: &str) {
    if headers.keys().any(|name| NEVER_TOLD.contains(&name.as_str())) {
        for name in NEVER_TOLD {
            headers.remove(name);
        }
    }
    // One value of each is kept; mostly no name has more.
    if headers.len() > headers.keys_len() {
        for name in [CALLER, CALLER_NAMESPACE] {
            if let Some(first) = headers.get(name).cloned() {
                headers.insert(HeaderName::from_static(name), first);
            }
        }
    }
    let is_there = |own: &&'static str| headers.keys().any(|name| name.as_str() == *own);
    let named = RECEIVER.into_iter().filter(is_there).map(|name| (name, own_id));
    let mut stamps: Vec<(&'static str, &str)> = named.collect();
    if let Some(id) = peer.id() {
        stamps.extend([(CALLER, id.app_id()), (CALLER_NAMESPACE, id.namespace())]);
    }
    for (name, text) in stamps {
        match HeaderValue::from_str(text) {
            Ok(value) => headers.insert(HeaderName::from_static(name), value),
            Err(_) => headers.remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&'static str, &str)]) -> Metadata {
        pairs.iter().copied().collect()
    }

    #[test]
    fn what_an_app_says_of_itself_is_replaced() {
        let mut given = metadata(&[("Dapr-Caller-App-Id", "admin"), ("DAPR-CALLER-NAMESPACE", "prod"), ("X-A", "1")]);
        strip(&mut given);
        let identity = Identity { app_id: "me".into(), namespace: "default".into() };
        caller(&mut given, &identity, "you");
        assert_eq!(given.len(), 4);
        assert_eq!(call::first(&given, "dapr-caller-app-id"), Some("me"));
        assert_eq!(call::first(&given, "dapr-caller-namespace"), Some("default"));
        assert_eq!(call::first(&given, "dapr-callee-app-id"), Some("you"));
    }

    #[test]
    fn only_the_peer_sidecars_own_spelling_is_kept() {
        let mut given =
            metadata(&[("Dapr-Caller-App-Id", "admin"), ("dapr-caller-app-id", "me"), ("dapr-api-token", "t")]);
        given.get_mut("dapr-caller-app-id").unwrap().push("second".into());
        receive(&mut given, &Peer::Unauthenticated, "me");
        assert_eq!(given.len(), 1);
        assert_eq!(call::first(&given, "dapr-caller-app-id"), Some("me"));
    }
}
