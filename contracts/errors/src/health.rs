//! Rows of the health endpoints.

catalogue! { Health:
    /// The sidecar has not finished its start or is shutting down. The message lists what is missing, as the target
    /// writes a list: `[a b]`.
    HEALTH_NOT_READY = health_not_ready(targets) {
        tag: "ERR_HEALTH_NOT_READY",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "dapr is not ready: {targets}",
    }

    /// The sidecar at this address serves another app than the one in `appid`.
    HEALTH_APP_ID_NOT_MATCH = health_app_id_not_match() {
        tag: "ERR_HEALTH_APPID_NOT_MATCH",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "dapr app-id does not match",
    }

    /// Components and APIs are not ready yet.
    HEALTH_OUTBOUND_NOT_READY = health_outbound_not_ready() {
        tag: "ERR_OUTBOUND_HEALTH_NOT_READY",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "dapr outbound is not ready",
    }
}
