//! Rows of the cryptography API.

catalogue! { Crypto:
    /// The operation failed; to callers over the network the reason is often withheld on purpose.
    CRYPTO_OPERATION = crypto_operation(error) {
        tag: "ERR_CRYPTO",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed to perform operation: {error}",
    }

    /// The provider has no such key or may not give it out.
    CRYPTO_KEY = crypto_key(key, error) {
        tag: "ERR_CRYPTO_KEY",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed to retrieve key {key}: {error}",
    }

    /// No crypto component of this name is loaded.
    CRYPTO_PROVIDER_NOT_FOUND = crypto_provider_not_found(provider) {
        tag: "ERR_CRYPTO_PROVIDER_NOT_FOUND",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "crypto provider {provider} not found",
    }

    /// No crypto component is loaded.
    CRYPTO_PROVIDERS_NOT_CONFIGURED = crypto_providers_not_configured() {
        tag: "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "crypto providers not configured",
    }
}
