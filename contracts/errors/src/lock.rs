//! Rows of the distributed lock API.

catalogue! { Lock:
    /// No lock store is loaded.
    LOCK_STORES_NOT_CONFIGURED = lock_stores_not_configured() {
        tag: "ERR_LOCK_STORE_NOT_CONFIGURED",
        http: INTERNAL_SERVER_ERROR,
        grpc: FailedPrecondition,
        family: Plain,
        message: "lock store is not configured",
    }

    /// No lock store of this name is loaded.
    LOCK_STORE_NOT_FOUND = lock_store_not_found(store) {
        tag: "ERR_LOCK_STORE_NOT_FOUND",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "lock store {store} not found",
    }

    /// The store failed, which is not the same as the lock being held: that is a plain answer.
    LOCK_TRY = lock_try(error) {
        tag: "ERR_TRY_LOCK",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed to try acquiring lock: {error}",
    }

    /// The store failed. The lock ends at its expiry.
    LOCK_UNLOCK = lock_unlock(error) {
        tag: "ERR_UNLOCK",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed to release lock: {error}",
    }
}
