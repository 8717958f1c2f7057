//! `state.in-memory`.

use crate::Capability::{Etag, ExpireTime, KeyListing, PrefixRemoval, Transactions, Ttl};
use crate::state::{Etags, Limits, StateProfile, StateStores};
use crate::{Backend, Memory};

pub(super) const STATE: &[Backend<StateStores>] = &[Backend {
    name: "in-memory",
    component_type: "state.in-memory",
    version: "v1",
    capabilities: &[Etag, Transactions, Ttl, ExpireTime, PrefixRemoval, KeyListing],
    start: Memory::start,
    profile: StateProfile {
        etags: Etags { foreign: "bad-etag", malformed: &[] },
        limits: Limits { value_bytes: usize::MAX, key_bytes: usize::MAX, nul_in_keys: true },
        shared: false,
        uses_given_clock: false,
    },
}];
