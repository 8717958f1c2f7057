//! Rows of the conversation API.

catalogue! { Conversation:
    /// A part of the request is missing or of no known kind.
    CONVERSATION_INVALID_PARAMETERS = conversation_invalid_parameters(component, error) {
        tag: "ERR_CONVERSATION_INVALID_PARMS",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "failed conversing with component {component}: invalid params: {error}",
    }

    /// The model did not answer, or its answer cannot be used.
    CONVERSATION_INVOKE = conversation_invoke(component, error) {
        tag: "ERR_CONVERSATION_INVOKE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed conversing with component {component}: {error}",
    }

    /// The request has no inputs.
    CONVERSATION_MISSING_INPUTS = conversation_missing_inputs(component) {
        tag: "ERR_CONVERSATION_MISSING_INPUTS",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "failed conversing with component {component}: missing inputs in request",
    }

    /// No conversation component of this name is loaded.
    CONVERSATION_NOT_FOUND = conversation_not_found(component) {
        tag: "ERR_CONVERSATION_NOT_FOUND",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "failed finding conversation component {component}",
    }
}
