//! Rows of calls from app to app, and of the calls between sidecars and to the app that carry them.

catalogue! { ServiceInvocation:
    /// The app could not be called: it was not found, could not be reached, or answered nothing usable. What an app
    /// itself answers, errors included, is passed on unchanged.
    DIRECT_INVOKE = direct_invoke(app_id, error) {
        tag: "ERR_DIRECT_INVOKE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed to invoke, id: {app_id}, err: {error}",
    }

    /// The access control list of the called app denied the call, or what answered there said so.
    DIRECT_INVOKE_DENIED = direct_invoke_denied(app_id, error) {
        tag: "ERR_DIRECT_INVOKE",
        http: FORBIDDEN,
        grpc: Internal,
        family: Plain,
        message: "failed to invoke, id: {app_id}, err: {error}",
    }

    /// The address is no API, and no app id stands in the path, in `dapr-app-id` or in the user name of a basic
    /// authorization.
    DIRECT_INVOKE_NO_APP_ID = direct_invoke_no_app_id() {
        tag: "ERR_DIRECT_INVOKE",
        http: NOT_FOUND,
        grpc: NotFound,
        family: Plain,
        message: "failed getting app id either from the URL path or the header dapr-app-id",
    }

    /// The sidecar has not finished its start.
    DIRECT_INVOKE_NOT_READY = direct_invoke_not_ready() {
        tag: "ERR_DIRECT_INVOKE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "invoke API is not ready",
    }

    /// The method name holds a NUL, a control character, `#` or `?`, or leaves its root.
    INVOKE_METHOD_INVALID = invoke_method_invalid(error) {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Raw,
        message: "invalid method: {error}",
    }

    /// The access control list of this app denies the caller, which is named by its SPIFFE address, this operation.
    INVOKE_ACCESS_DENIED = invoke_access_denied(caller, operation, verb) {
        tag: "",
        http: FORBIDDEN,
        grpc: PermissionDenied,
        family: Raw,
        message: "access control policy has denied access to id: {caller} operation: {operation} verb: {verb}",
    }

    /// An access control list is in force and the certificate of the caller cannot be read.
    INVOKE_CALLER_UNREADABLE = invoke_caller_unreadable(error) {
        tag: "",
        http: FORBIDDEN,
        grpc: PermissionDenied,
        family: Raw,
        message: "{error}",
    }

    /// The sidecar of the called app was started without `--app-port`, so it has no app to call.
    APP_CHANNEL_MISSING = app_channel_missing() {
        tag: "",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Raw,
        message: "app channel is not initialized",
    }

    /// The health checks of the called app fail.
    APP_UNHEALTHY = app_unhealthy() {
        tag: "",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Raw,
        message: "app is not in a healthy state",
    }

    /// The sidecar could not reach its app, or the connection broke.
    APP_CALL_FAILED = app_call_failed(error) {
        tag: "",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Raw,
        message: "error invoking app channel: {error}",
    }

    /// Another sidecar sent a call that cannot be read.
    INTERNAL_REQUEST_INVALID = internal_request_invalid(error) {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Raw,
        message: "parsing InternalInvokeRequest error: {error}",
    }

    /// Another sidecar sent a call of a version we do not know.
    INTERNAL_VERSION_UNSUPPORTED = internal_version_unsupported(version) {
        tag: "",
        http: NOT_IMPLEMENTED,
        grpc: Unimplemented,
        family: Raw,
        message: "Unsupported spec version: {version}",
    }

    /// A call to an HTTP app must say its HTTP verb; set `http_extension` in the gRPC request.
    HTTP_EXTENSION_MISSING = http_extension_missing() {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Raw,
        message: "missing HTTP extension field",
    }

    /// The verb in `http_extension` is unset.
    HTTP_VERB_INVALID = http_verb_invalid() {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Raw,
        message: "invalid HTTP verb",
    }

    /// A gRPC call to a service that is not ours must name the app it is for in `dapr-app-id`.
    PROXY_NO_APP_ID = proxy_no_app_id() {
        tag: "",
        http: INTERNAL_SERVER_ERROR,
        grpc: Unknown,
        family: Raw,
        message: "cannot proxy request: missing dapr-callee-app-id or dapr-app-id metadata",
        sent: GrpcOnly,
    }

    /// A stream cannot be sent again. Take the retry out of the policy of this app.
    PROXY_RETRY_ON_STREAM = proxy_retry_on_stream() {
        tag: "",
        http: BAD_REQUEST,
        grpc: FailedPrecondition,
        family: Raw,
        message: "cannot use resiliency policies with retries on streaming RPCs",
        sent: GrpcOnly,
    }

    /// The stream carries no method name.
    PROXY_METHOD_MISSING = proxy_method_missing() {
        tag: "",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Raw,
        message: "full method name not found in stream",
        sent: GrpcOnly,
    }

    /// The answer of the called app could not be passed on.
    PROXY_ANSWER_BROKEN = proxy_answer_broken(error) {
        tag: "",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Raw,
        message: "failed proxying server-to-client: {error}",
        sent: GrpcOnly,
    }
}
