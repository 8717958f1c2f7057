//! Rows of output bindings.

catalogue! { Binding:
    /// There is no output binding of this name, it does not know the operation, or it failed.
    BINDING_INVOKE = binding_invoke(binding, error) {
        tag: "ERR_INVOKE_OUTPUT_BINDING",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: DetailedOverGrpc,
        message: "error invoking output binding {binding}: {error}",
    }
}
