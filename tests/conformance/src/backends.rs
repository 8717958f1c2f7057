//! The list of backends under test: one line per technology here, everything about it in its file.

mod memory;

use crate::state::StateBackend;

/// Every state store.
pub fn state_backends() -> Vec<&'static StateBackend> {
    let technologies: &[&'static [StateBackend]] = &[memory::STATE];
    technologies.iter().copied().flatten().collect()
}

/// Servers that cannot be had where the suite runs, and what is therefore not shown. Told in the reference page.
pub fn unavailable() -> &'static [(&'static str, &'static str)] {
    &[]
}
