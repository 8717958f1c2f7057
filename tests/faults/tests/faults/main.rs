//! What must be true after faults, for everything that keeps something. The long form (`cargo xtask test --long`) does
//! each fault often; the short one shows that the machinery works. `TRILBY_SEED` repeats a run.

mod kills;
mod loss;
mod memory;
mod mixed;
mod power;
mod shared;
mod syncs;

/// How often to do something: seldom, or in the long form.
fn times(short: u64, long: u64) -> u64 {
    if is_long() { long } else { short }
}

/// Whether this is the long form.
fn is_long() -> bool {
    testkit::variable("TRILBY_LONG").is_some()
}
