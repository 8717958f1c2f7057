//! `state.in-memory` and `pubsub.in-memory`.

use std::time::Duration;

use crate::Capability::{
    Etag, ExpireTime, KeyListing, MessageMetadata, Order, PrefixRemoval, Transactions, Ttl, Wildcards,
};
use crate::pubsub::{BrokerProfile, Brokers, ODD_TOPICS};
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

pub(super) const PUBSUB: &[Backend<Brokers>] = &[Backend {
    name: "in-memory",
    component_type: "pubsub.in-memory",
    version: "v1",
    capabilities: &[MessageMetadata, Order, Wildcards],
    start: Memory::start,
    profile: BrokerProfile {
        shared: false,
        odd_topics: ODD_TOPICS,
        in_flight: 1,
        again_within: Duration::from_secs(2),
        delay: None,
        key: None,
    },
}];
