//! `state.in-memory`.

use crate::Memory;
use crate::state::Capability::{Etag, ExpireTime, KeyListing, PrefixRemoval, Transactions, Ttl};
use crate::state::{Etags, Limits, StateBackend};

pub(super) const STATE: &[StateBackend] = &[StateBackend {
    name: "in-memory",
    component_type: "state.in-memory",
    version: "v1",
    capabilities: &[Etag, Transactions, Ttl, ExpireTime, PrefixRemoval, KeyListing],
    etags: Etags { foreign: "bad-etag", malformed: &[] },
    limits: Limits { value_bytes: usize::MAX, key_bytes: usize::MAX, nul_in_keys: true },
    shared: false,
    uses_given_clock: false,
    start: Memory::start,
}];
