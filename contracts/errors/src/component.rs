//! The row of errors that a pluggable component made itself. Only [`ApiError::from_component`] fills it.
//!
//! [`ApiError::from_component`]: crate::ApiError::from_component

catalogue! { PluggableComponent:
    /// A pluggable component answered with a complete error of its own: status, tag, reason and words are passed on as
    /// they are.
    COMPONENT_ERROR = component_error(error) {
        tag: "",
        http: INTERNAL_SERVER_ERROR,
        grpc: Unknown,
        family: PassedThrough,
        message: "{error}",
    }
}
