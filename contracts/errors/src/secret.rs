//! Rows of the secrets API.

catalogue! { Secret:
    /// The store has no such secret, or failed.
    SECRET_GET = secret_get(key, store, error) {
        tag: "ERR_SECRET_GET",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed getting secret with key {key} from secret store {store}: {error}",
    }

    /// The store failed while listing its secrets, or cannot list them.
    SECRET_GET_BULK = secret_get_bulk(store, error) {
        tag: "ERR_SECRET_GET",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed getting secrets from secret store {store}: {error}",
    }

    /// No secret store of this name is loaded.
    SECRET_STORE_NOT_FOUND = secret_store_not_found(store) {
        tag: "ERR_SECRET_STORE_NOT_FOUND",
        http: UNAUTHORIZED,
        grpc: InvalidArgument,
        family: Plain,
        message: "failed finding secret store with key {store}",
    }

    /// No secret store is loaded.
    SECRET_STORES_NOT_CONFIGURED = secret_stores_not_configured() {
        tag: "ERR_SECRET_STORES_NOT_CONFIGURED",
        http: INTERNAL_SERVER_ERROR,
        grpc: FailedPrecondition,
        family: Plain,
        message: "secret store is not configured",
    }

    /// The secret scopes of the configuration do not let this app read this secret.
    SECRET_PERMISSION_DENIED = secret_permission_denied(key, store) {
        tag: "ERR_PERMISSION_DENIED",
        http: FORBIDDEN,
        grpc: PermissionDenied,
        family: Plain,
        message: "access denied by policy to get {key:?} from {store:?}",
    }
}
