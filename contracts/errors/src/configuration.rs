//! Rows of the configuration API.

catalogue! { Configuration:
    /// The store failed while reading. The keys are written as the target writes a list: `[a b]`.
    CONFIGURATION_GET = configuration_get(keys, store, error) {
        tag: "ERR_CONFIGURATION_GET",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: DetailedOverGrpc,
        message: "failed to get {keys} from Configuration store {store}: {error}",
    }

    /// No configuration store is loaded.
    CONFIGURATION_STORE_NOT_CONFIGURED = configuration_store_not_configured() {
        tag: "ERR_CONFIGURATION_STORE_NOT_CONFIGURED",
        http: INTERNAL_SERVER_ERROR,
        grpc: FailedPrecondition,
        family: DetailedOverGrpc,
        message: "configuration stores not configured",
    }

    /// No configuration store of this name is loaded.
    CONFIGURATION_STORE_NOT_FOUND = configuration_store_not_found(store) {
        tag: "ERR_CONFIGURATION_STORE_NOT_FOUND",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: DetailedOverGrpc,
        message: "configuration store {store} not found",
    }

    /// The store could not watch these keys. They are written as the target writes a list: `[a b]`.
    CONFIGURATION_SUBSCRIBE = configuration_subscribe(keys, store, error) {
        tag: "ERR_CONFIGURATION_SUBSCRIBE",
        http: INTERNAL_SERVER_ERROR,
        grpc: InvalidArgument,
        family: DetailedOverGrpc,
        message: "failed to subscribe {keys} from Configuration store {store}: {error}",
    }

    /// The subscription is not known, or the store could not end it. Neither door sends this as an error: the
    /// answer says `ok: false` with this message, over HTTP with status 500.
    CONFIGURATION_UNSUBSCRIBE = configuration_unsubscribe(subscription, error) {
        tag: "ERR_CONFIGURATION_UNSUBSCRIBE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed to unsubscribe to configuration request {subscription}: {error}",
    }

    /// Ours, not the target's: the store of a running subscription was closed, or can never go on. Subscribe again.
    CONFIGURATION_CLOSED = configuration_closed(store) {
        tag: "ERR_CONFIGURATION_SUBSCRIBE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Unavailable,
        family: Plain,
        message: "configuration store {store} is closed",
        sent: GrpcOnly,
    }
}
