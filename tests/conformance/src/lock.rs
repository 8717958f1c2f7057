//! What every lock store promises: one holder at a time, and an end to each hold. The checks talk to `&dyn LockStore`.

mod holding;
mod restarts;
mod rivalry;
mod subject;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use subject::Subject;

use crate::kind::checks;
use crate::{Backend, Capability, Check, Checking, Ground, Kind};

/// Lock stores as a kind of component.
pub struct LockStores;

/// What the checks have to know of a lock store.
#[derive(Debug, Clone, Copy)]
pub struct LockProfile {
    /// Whether two components on one ground see the same locks.
    pub shared: bool,
}

impl Kind for LockStores {
    const NAME: &'static str = "lock";
    const TITLE: &'static str = "Lock stores";
    type Profile = LockProfile;
    type Subject = Subject;

    fn checks() -> Vec<Check<Self>> {
        checks![
            holding::a_held_lock_is_refused_to_all[],
            holding::resources_are_locked_apart[],
            holding::only_the_holder_gives_a_lock_back[],
            holding::a_lock_that_nobody_holds_cannot_be_given_back[],
            holding::a_lock_ends_after_its_time_and_not_before[],
            holding::an_ended_holder_cannot_release_the_next_one[],
            holding::odd_names_are_kept_apart[],
            rivalry::there_are_never_two_holders[],
            rivalry::of_eight_contenders_one_gets_the_lock[],
            rivalry::a_dropped_call_leaves_the_lock_held_or_free[],
            restarts::it_works_again_soon_after_a_restart[Restart],
        ]
    }

    fn capabilities() -> &'static [Capability] {
        &[Capability::Restart]
    }

    fn open(
        backend: &'static Backend<Self>,
        ground: Arc<dyn Ground>,
        scope: String,
    ) -> Pin<Box<dyn Future<Output = Subject> + Send>> {
        Box::pin(Subject::open(backend, ground, scope))
    }

    fn close(subject: Subject) -> Checking {
        Box::pin(subject.close())
    }

    fn notes(_: &LockProfile) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}
