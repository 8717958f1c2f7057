//! Components on etcd: state in the target's layouts.

/// none
pub const REGISTRATIONS: &[component::Registration] = &[];
