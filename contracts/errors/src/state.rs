//! Rows of the state API.

use crate::Help;

/// The list of stores and what each can do.
const SUPPORTED_STATE_STORES: Help = Help {
    url: "https://docs.dapr.io/reference/components-reference/supported-state-stores/",
    description: "Check the list of state stores and the features they support",
};

catalogue! { State:
    /// The store refused or failed the transaction; nothing of it was written. A stale etag ends here too.
    STATE_TRANSACTION = state_transaction(error) {
        tag: "ERR_STATE_TRANSACTION",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: DetailedOverGrpc,
        message: "error while executing state transaction: {error}",
    }

    /// The store failed while writing. With several keys some may be written.
    STATE_SAVE = state_save(store, error) {
        tag: "ERR_STATE_SAVE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: DetailedOverGrpc,
        message: "failed saving state in state store {store}: {error}",
    }

    /// Somebody else wrote the key since its etag was read. Read it again, and decide again.
    STATE_SAVE_ETAG_MISMATCH = state_save_etag_mismatch(store, error) {
        tag: "ERR_STATE_SAVE",
        http: CONFLICT,
        grpc: Aborted,
        family: DetailedOverGrpc,
        message: "failed saving state in state store {store}: {error}",
    }

    /// The etag is not one that this store gives out.
    STATE_SAVE_ETAG_INVALID = state_save_etag_invalid(store, error) {
        tag: "ERR_STATE_SAVE",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: DetailedOverGrpc,
        message: "failed saving state in state store {store}: {error}",
    }

    /// A value of a transaction could not be encrypted for an encrypted store.
    STATE_SAVE_ENCRYPT = state_save_encrypt(store, error) {
        tag: "ERR_STATE_SAVE",
        http: BAD_REQUEST,
        grpc: Internal,
        family: DetailedOverGrpc,
        message: "failed saving state in state store {store}: {error}",
        sent: HttpOnly,
    }

    /// An item of the request has no key. Over HTTP this is ERR_MALFORMED_REQUEST.
    STATE_SAVE_KEY_EMPTY = state_save_key_empty() {
        tag: "ERR_STATE_SAVE",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: DetailedOverGrpc,
        message: "state key cannot be empty",
        sent: GrpcOnly,
    }

    /// The store failed while reading, or an encrypted value could not be decrypted. Over HTTP the status is that
    /// of a pluggable component if it named one.
    STATE_GET = state_get(key, store, error) {
        tag: "ERR_STATE_GET",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: DetailedOverGrpc,
        message: "fail to get {key} from state store {store}: {error}",
    }

    /// The store failed while deleting.
    STATE_DELETE = state_delete(key, error) {
        tag: "ERR_STATE_DELETE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: DetailedOverGrpc,
        message: "failed deleting state with key {key}: {error}",
    }

    /// Somebody else wrote the key since its etag was read.
    STATE_DELETE_ETAG_MISMATCH = state_delete_etag_mismatch(key, error) {
        tag: "ERR_STATE_DELETE",
        http: CONFLICT,
        grpc: Aborted,
        family: DetailedOverGrpc,
        message: "failed deleting state with key {key}: {error}",
    }

    /// The etag is not one that this store gives out.
    STATE_DELETE_ETAG_INVALID = state_delete_etag_invalid(key, error) {
        tag: "ERR_STATE_DELETE",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: DetailedOverGrpc,
        message: "failed deleting state with key {key}: {error}",
    }

    /// The store failed while deleting several keys; some may be gone.
    STATE_BULK_DELETE = state_bulk_delete(store, error) {
        tag: "ERR_STATE_BULK_DELETE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: DetailedOverGrpc,
        message: "failed deleting state in state store {store}: {error}",
        sent: GrpcOnly,
    }

    /// Somebody else wrote one of the keys since its etag was read.
    STATE_BULK_DELETE_ETAG_MISMATCH = state_bulk_delete_etag_mismatch(store, error) {
        tag: "ERR_STATE_BULK_DELETE",
        http: CONFLICT,
        grpc: Aborted,
        family: DetailedOverGrpc,
        message: "failed deleting state in state store {store}: {error}",
        sent: GrpcOnly,
    }

    /// One of the etags is not one that this store gives out.
    STATE_BULK_DELETE_ETAG_INVALID = state_bulk_delete_etag_invalid(store, error) {
        tag: "ERR_STATE_BULK_DELETE",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: DetailedOverGrpc,
        message: "failed deleting state in state store {store}: {error}",
        sent: GrpcOnly,
    }

    /// The store failed while reading several keys. Over gRPC the text of the store is the whole answer.
    STATE_BULK_GET = state_bulk_get(error) {
        tag: "ERR_STATE_BULK_GET",
        http: INTERNAL_SERVER_ERROR,
        grpc: Unknown,
        family: Plain,
        message: "{error}",
    }

    /// A transaction knows the operations `upsert` and `delete` only.
    STATE_OPERATION_NOT_SUPPORTED = state_operation_not_supported(operation) {
        tag: "ERR_NOT_SUPPORTED_STATE_OPERATION",
        http: BAD_REQUEST,
        grpc: Unimplemented,
        family: DetailedOverGrpc,
        message: "operation type {operation} not supported",
    }

    /// The query cannot be read, the store is encrypted, or the store failed.
    STATE_QUERY = state_query(store, error) {
        tag: "ERR_STATE_QUERY",
        reason: "DAPR_STATE_QUERY_FAILED",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Detailed,
        message: "state store {store} query failed: {error}",
        resource: "state" store Bare,
    }

    /// No state store of this name is loaded: look at the name, the scopes of the component and the log of the
    /// sidecar. Over HTTP the metadata names the app as `appID`, except for queries.
    STATE_STORE_NOT_FOUND = state_store_not_found(store) {
        tag: "ERR_STATE_STORE_NOT_FOUND",
        reason: "DAPR_STATE_NOT_FOUND",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "state store {store} is not found",
    }

    /// No state store is loaded at all. Over HTTP the metadata names the app as `appID`, except for queries.
    STATE_STORE_NOT_CONFIGURED = state_store_not_configured(store) {
        tag: "ERR_STATE_STORE_NOT_CONFIGURED",
        reason: "DAPR_STATE_NOT_CONFIGURED",
        http: INTERNAL_SERVER_ERROR,
        grpc: FailedPrecondition,
        family: Detailed,
        message: "state store {store} is not configured",
    }

    /// This kind of store cannot write several keys as one.
    STATE_TRANSACTIONS_NOT_SUPPORTED = state_transactions_not_supported(store) {
        tag: "ERR_STATE_STORE_NOT_SUPPORTED",
        reason: "DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED",
        http: INTERNAL_SERVER_ERROR,
        grpc: Unimplemented,
        family: Detailed,
        message: "state store {store} doesn't support transactions",
        resource: "state" store Bare,
        link: SUPPORTED_STATE_STORES,
    }

    /// This kind of store cannot be queried.
    STATE_QUERY_NOT_SUPPORTED = state_query_not_supported(store) {
        tag: "ERR_STATE_STORE_NOT_SUPPORTED",
        reason: "DAPR_STATE_QUERYING_NOT_SUPPORTED",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Detailed,
        message: "state store does not support querying",
        resource: "state" store Bare,
    }

    /// The store limits how many operations one transaction may have.
    STATE_TOO_MANY_TRANSACTIONS = state_too_many_transactions(store, count, limit) {
        tag: "ERR_STATE_STORE_TOO_MANY_TRANSACTIONS",
        reason: "DAPR_STATE_TOO_MANY_TRANSACTIONS",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "the transaction contains {count} operations, which is more than what the state store supports: {limit}",
        metadata: { "currentOpsTransaction" = count, "maxOpsPerTransaction" = limit },
        resource: "state" store Bare,
    }

    /// A key must not contain `||`, which separates it from the prefix of the app. The HTTP door of the target wraps this
    /// error in itself: there the argument is the text of the whole first error, with its `api error: code = ...`.
    STATE_ILLEGAL_KEY = state_illegal_key(store, key, error) {
        tag: "ERR_MALFORMED_REQUEST",
        reason: "DAPR_STATE_ILLEGAL_KEY",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "{error}",
        resource: "state" store Bare,
        violation: key,
    }

    /// Ours, not the target's: this kind of store cannot list its keys.
    STATE_KEYS_NOT_SUPPORTED = state_keys_not_supported(store) {
        tag: "ERR_STATE_STORE_NOT_SUPPORTED",
        reason: "DAPR_STATE_KEYS_NOT_SUPPORTED",
        http: NOT_IMPLEMENTED,
        grpc: Unimplemented,
        family: Detailed,
        message: "state store {store} doesn't support listing keys",
        sent: HttpOnly,
        resource: "state" store Bare,
    }

    /// Ours, not the target's: the store failed while listing keys, or the token is none of its own.
    STATE_KEYS = state_keys(store, error) {
        tag: "ERR_STATE_KEYS",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "failed listing keys of state store {store}: {error}",
        sent: HttpOnly,
    }

    /// Ours, not the target's: the store says that the request is wrong, such as a token that is none of its own.
    STATE_KEYS_REFUSED = state_keys_refused(store, error) {
        tag: "ERR_STATE_KEYS",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "failed listing keys of state store {store}: {error}",
        sent: HttpOnly,
    }
}
