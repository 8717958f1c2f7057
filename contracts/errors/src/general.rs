//! Rows that every API shares, and those that the target counts as common although one API sends them.

catalogue! { Common:
    /// Any failure that has no row of its own.
    GENERIC = generic(error) {
        tag: "ERROR",
        http: INTERNAL_SERVER_ERROR,
        grpc: Unknown,
        family: Plain,
        message: "{error}",
    }

    /// The target has this API in its protos and does not serve it.
    API_UNIMPLEMENTED = api_unimplemented() {
        tag: "ERR_API_UNIMPLEMENTED",
        http: NOT_IMPLEMENTED,
        grpc: Unimplemented,
        family: Plain,
        message: "this API is currently not implemented",
    }

    /// Ours: the target serves this API, and this release does not yet. See docs/reference/differences.md.
    API_NOT_BUILT = api_not_built(api) {
        tag: "ERR_API_UNIMPLEMENTED",
        http: NOT_IMPLEMENTED,
        grpc: Unimplemented,
        family: Plain,
        message: "this API is currently not implemented: {api} is not built yet",
    }

    /// Ours: the Configuration puts a middleware in front of this API or app that is not loaded, and what it guards stays
    /// closed. See docs/reference/differences.md.
    MIDDLEWARE_NOT_LOADED = middleware_not_loaded(name, kind, pipeline) {
        tag: "ERR_MIDDLEWARE_NOT_LOADED",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "the middleware {name} ({kind}) of the {pipeline} HTTP pipeline is not loaded: requests are refused",
    }

    /// A field of the request is missing or holds what it must not.
    BAD_REQUEST = bad_request(error) {
        tag: "ERR_BAD_REQUEST",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "invalid request: {error}",
    }

    /// The connection broke, or the body is larger than `--max-body-size`.
    BODY_READ = body_read(error) {
        tag: "ERR_BODY_READ",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "failed to read request body: {error}",
    }

    /// The body is not the JSON that this API expects.
    MALFORMED_REQUEST = malformed_request(error) {
        tag: "ERR_MALFORMED_REQUEST",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "failed deserializing HTTP body: {error}",
    }

    /// The same where the target sends the reason alone: saving state over HTTP (an item without a key says `"key"
    /// is a required field`).
    MALFORMED_REQUEST_BARE = malformed_request_bare(error) {
        tag: "ERR_MALFORMED_REQUEST",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "{error}",
        sent: HttpOnly,
    }

    /// The data of a binding request cannot be written as bytes.
    MALFORMED_REQUEST_DATA = malformed_request_data(error) {
        tag: "ERR_MALFORMED_REQUEST_DATA",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "can't serialize request data field: {error}",
        sent: HttpOnly,
    }

    /// Configuration changes go to the app, and the sidecar has none: set `--app-port`.
    APP_CHANNEL_NIL = app_channel_nil() {
        tag: "ERR_APP_CHANNEL_NIL",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "app channel is not initialized. cannot subscribe to configuration updates",
        sent: HttpOnly,
    }

    /// The answer could not be written as JSON.
    INTERNAL = internal(error) {
        tag: "ERR_INTERNAL",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed to encode response as JSON: {error}",
        sent: HttpOnly,
    }

    /// The error of a gRPC app could not be written as JSON.
    MALFORMED_RESPONSE = malformed_response(error) {
        tag: "ERR_MALFORMED_RESPONSE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "{error}",
        sent: HttpOnly,
    }

    /// The request does not say what to lock.
    LOCK_RESOURCE_ID_EMPTY = lock_resource_id_empty(store) {
        tag: "ERR_MALFORMED_REQUEST",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "ResourceId is empty in lock store {store}",
    }

    /// The request does not say who locks.
    LOCK_OWNER_EMPTY = lock_owner_empty(store) {
        tag: "ERR_MALFORMED_REQUEST",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "LockOwner is empty in lock store {store}",
    }

    /// A lock must end by itself after at least a second.
    LOCK_EXPIRY_NOT_POSITIVE = lock_expiry_not_positive(store) {
        tag: "ERR_MALFORMED_REQUEST",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "ExpiryInSeconds is not positive in lock store {store}",
    }
}
