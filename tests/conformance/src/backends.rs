//! The list of backends under test: one line per technology and kind here, everything about it in its file.

mod memory;
mod redis;

use crate::Backend;
use crate::state::StateStores;

/// Every state store.
pub(crate) fn state_stores() -> Vec<&'static Backend<StateStores>> {
    let technologies: &[&'static [Backend<StateStores>]] = &[memory::STATE, redis::STATE];
    technologies.iter().copied().flatten().collect()
}

/// Servers that cannot be had where the suites run, and what is therefore not shown.
pub(crate) const MISSING_SERVERS: &[(&str, &str)] = &[];
