//! The lock API over gRPC. Called by the Dapr service.

use blocks::lock::{Error, Locks, TryLock, Unlock, Unlocked};
use errors::ApiError;
use tonic::{Request, Status};
use wire::runtime::unlock_response::Status as Wire;
use wire::runtime::{TryLockRequest, TryLockResponse, UnlockRequest, UnlockResponse};

use crate::context::Requested;

pub(super) async fn try_lock(locks: &Locks, request: Request<TryLockRequest>) -> Result<TryLockResponse, Status> {
    let (context, request) = Requested::grpc(request);
    let wanted = TryLock {
        store: request.store_name,
        resource: request.resource_id,
        owner: request.lock_owner,
        expiry_seconds: request.expiry_in_seconds,
    };
    let success = locks.try_lock(&context, wanted).await.map_err(refusal)?;
    Ok(TryLockResponse { success })
}

pub(super) async fn unlock(locks: &Locks, request: Request<UnlockRequest>) -> Result<UnlockResponse, Status> {
    let (context, request) = Requested::grpc(request);
    let held = Unlock { store: request.store_name, resource: request.resource_id, owner: request.lock_owner };
    let unlocked = locks.unlock(&context, held).await.map_err(refusal)?;
    Ok(UnlockResponse { status: number(unlocked) })
}

/// The number of a status on the wire; over HTTP too.
pub(crate) fn number(unlocked: Unlocked) -> i32 {
    let status = match unlocked {
        Unlocked::Success => Wire::Success,
        Unlocked::DoesNotExist => Wire::LockDoesNotExist,
        Unlocked::BelongsToOthers => Wire::LockBelongsToOthers,
    };
    status as i32
}

/// The row of the catalogue that a failure of the block is; over HTTP too.
pub(crate) fn refusal(error: Error) -> ApiError {
    let error = match error {
        Error::NotConfigured => errors::lock_stores_not_configured(),
        Error::NotFound { store } => errors::lock_store_not_found(store),
        Error::ResourceEmpty { store } => errors::lock_resource_id_empty(store),
        Error::OwnerEmpty { store } => errors::lock_owner_empty(store),
        Error::ExpiryNotPositive { store } => errors::lock_expiry_not_positive(store),
        Error::TryLock { message } => errors::lock_try(message),
        Error::Unlock { message } => errors::lock_unlock(message),
    };
    tracing::debug!(target: "dapr.runtime", "{error}");
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_the_numbers_of_the_wire() {
        let numbers = [Unlocked::Success, Unlocked::DoesNotExist, Unlocked::BelongsToOthers].map(number);
        assert_eq!(numbers, [0, 1, 2]);
    }
}
