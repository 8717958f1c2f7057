//! `/v1.0/healthz` and `/v1.0/healthz/outbound`.

use http::Response;
use service::Body;

use super::{Routed, respond};
use crate::Api;

pub(super) fn healthz(api: &Api, request: &Routed) -> Response<Body> {
    let missing = api.readiness.missing();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|target| target.name).collect();
        return respond::error(&errors::health_not_ready(format!("[{}]", names.join(" "))));
    }
    let asked = request.query().into_iter().find(|(name, _)| name == "appid");
    if asked.is_some_and(|(_, id)| id != api.app_id) {
        return respond::error(&errors::health_app_id_not_match());
    }
    respond::empty()
}

pub(super) fn outbound(api: &Api) -> Response<Body> {
    if api.outbound.missing().is_empty() {
        return respond::empty();
    }
    respond::error(&errors::health_outbound_not_ready())
}
