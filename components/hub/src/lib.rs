//! Components on the hub: state, configuration, locks.
