//! Rows of what the doors refuse before any API is reached: tokens, lists of allowed APIs, paths and headers.

catalogue! { Common:
    /// The sidecar has a token (`DAPR_API_TOKEN`) and the header `dapr-api-token` is missing or another.
    API_TOKEN_INVALID = api_token_invalid() {
        tag: "",
        http: UNAUTHORIZED,
        grpc: Unauthenticated,
        family: Text,
        message: "invalid api token",
        sent: HttpOnly,
    }

    /// The sidecar has a token (`DAPR_API_TOKEN`) and the call carries no metadata.
    API_TOKEN_NO_METADATA = api_token_no_metadata() {
        tag: "",
        http: UNAUTHORIZED,
        grpc: Unauthenticated,
        family: Text,
        message: "missing metadata in request",
        sent: GrpcOnly,
    }

    /// The sidecar has a token (`DAPR_API_TOKEN`) and the call carries no `dapr-api-token`.
    API_TOKEN_MISSING = api_token_missing() {
        tag: "",
        http: UNAUTHORIZED,
        grpc: Unauthenticated,
        family: Text,
        message: "missing api token in request metadata",
        sent: GrpcOnly,
    }

    /// The sidecar has a token (`DAPR_API_TOKEN`) and `dapr-api-token` is another.
    API_TOKEN_MISMATCH = api_token_mismatch() {
        tag: "",
        http: UNAUTHORIZED,
        grpc: Unauthenticated,
        family: Text,
        message: "authentication error: api token mismatch",
        sent: GrpcOnly,
    }

    /// The configuration of this sidecar does not allow this API (`api.allowed`, `api.denied`). Over HTTP a denied
    /// API does not exist: the request is taken for a call without app id, or is ROUTE_NOT_FOUND.
    API_DENIED = api_denied() {
        tag: "",
        http: NOT_IMPLEMENTED,
        grpc: Unimplemented,
        family: Text,
        message: "requested endpoint is not available",
        sent: GrpcOnly,
    }

    /// Nothing is served at this address, and calls to apps are not allowed either.
    ROUTE_NOT_FOUND = route_not_found() {
        tag: "",
        http: NOT_FOUND,
        grpc: NotFound,
        family: Text,
        message: "404 page not found",
        sent: HttpOnly,
    }

    /// A part of the path is not properly escaped.
    PATH_UNREADABLE = path_unreadable(error) {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Text,
        message: "{error}",
        sent: HttpOnly,
    }

    /// The header `baggage` cannot be read.
    BAGGAGE_HEADER_INVALID = baggage_header_invalid(error) {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Text,
        message: "invalid baggage header: {error}",
        sent: HttpOnly,
    }

    /// The metadata `baggage` cannot be read.
    BAGGAGE_METADATA_INVALID = baggage_metadata_invalid(error) {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Raw,
        message: "invalid baggage header: {error}",
        sent: GrpcOnly,
    }
}
