//! When the issuer and its root are replaced: a pure decision from dates. A new root is distributed long before anything is
//! signed below it, the old one is retired when nothing signed below it can count any more, and only bundles that sentry has
//! made itself are touched. Called by `keeper`; what a step does to the texts is in `apply`.

mod apply;
mod record;

use std::time::{Duration, SystemTime};

use security::certificate::Validity;

use crate::issuing::Fingerprint;

pub use apply::{Applier, Next, next_pair};
pub use record::{Record, RecordError};

/// A bundle that is not rotated is warned about from so long before its end, once a day.
const WARNING: Duration = Duration::from_secs(30 * 24 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How rotation is meant to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Whether there is any.
    pub enabled: bool,
    /// From this part of an issuer's life on (0 to 1) its successor's root is distributed.
    pub distribute_at: f64,
    /// From this part on the successor signs.
    pub sign_at: f64,
    /// How long a certificate can count that was signed just now: the lifetime of workload certificates, and the tolerated
    /// difference of clocks. As long at least lie between distributing a root and signing below it.
    pub overlap: Duration,
}

/// A root and the issuer below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Which root.
    pub root: Fingerprint,
    /// When both count.
    pub life: Validity,
}

/// How far the rotation of a bundle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What signs.
    pub current: Pair,
    /// Whether sentry has made it.
    pub is_ours: bool,
    /// What is to sign next, and since when its root has been distributed.
    pub next: Option<(Pair, SystemTime)>,
    /// A successor was begun that cannot be used.
    pub is_next_broken: bool,
    /// Roots of the past, and when each can go.
    pub retiring: Vec<(Fingerprint, SystemTime)>,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a successor and distribute its root; the old issuer goes on signing.
    Distribute,
    /// Let the successor sign.
    Sign,
    /// Take these roots out of the trust anchors.
    Retire(Vec<Fingerprint>),
    /// Drop a successor that cannot be used, with its root.
    Discard,
    /// What signs has expired: make a successor that signs at once.
    Replace,
    /// Say that this bundle ends then, and that nobody here replaces it.
    Warn(SystemTime),
}

/// What to do, or until when there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Do this and ask again.
    Now(Step),
    /// Ask again then.
    Later(SystemTime),
}

/// Decides. `warned` is when [`Step::Warn`] was decided last.
#[must_use]
pub fn decide(now: SystemTime, state: &State, policy: &Policy, warned: Option<SystemTime>) -> Decision {
    if !policy.enabled || !state.is_ours {
        return warn(now, state.current.life.until, warned);
    }
    if now < state.current.life.from {
        // The clock is behind, and knows nothing: to make anything now would be to make it for the past.
        return Decision::Later(state.current.life.from);
    }
    // A root that signs again was brought back by somebody, and stays.
    let retiring = || state.retiring.iter().filter(|(root, _)| *root != state.current.root);
    let gone: Vec<_> = retiring().filter(|(_, after)| *after <= now).map(|(root, _)| root.clone()).collect();
    if !gone.is_empty() {
        return Decision::Now(Step::Retire(gone));
    }
    let succession = succession(now, state, policy);
    let Decision::Later(due) = succession else { return succession };
    Decision::Later(retiring().map(|(_, after)| *after).fold(due, SystemTime::min))
}

fn succession(now: SystemTime, state: &State, policy: &Policy) -> Decision {
    let life = state.current.life;
    if state.is_next_broken {
        return Decision::Now(Step::Discard);
    }
    let Some((next, distributed)) = &state.next else {
        let due = part_of(life, policy.distribute_at);
        return match now {
            now if now > life.until => Decision::Now(Step::Replace),
            now if now >= due => Decision::Now(Step::Distribute),
            _ => Decision::Later(due),
        };
    };
    if now > next.life.until {
        return Decision::Now(Step::Discard);
    }
    // A clock that was ahead must not hold up for ever what follows.
    let distributed = (*distributed).min(now);
    let due = part_of(life, policy.sign_at).min(part_of(next.life, policy.sign_at));
    let due = due.max(distributed + policy.overlap).min(life.until).max(next.life.from);
    if now >= due { Decision::Now(Step::Sign) } else { Decision::Later(due) }
}

fn warn(now: SystemTime, until: SystemTime, warned: Option<SystemTime>) -> Decision {
    let first = until.checked_sub(WARNING).unwrap_or(SystemTime::UNIX_EPOCH);
    // Once warned, the next is a day later; a warning from the future was that of a wrong clock.
    let due = warned.filter(|warned| *warned <= now).map_or(first, |warned| first.max(warned + DAY));
    if now >= due { Decision::Now(Step::Warn(until)) } else { Decision::Later(due) }
}

/// The moment at which this part of a life is over.
fn part_of(life: Validity, part: f64) -> SystemTime {
    let whole = life.until.duration_since(life.from).unwrap_or_default();
    life.from + whole.mul_f64(part.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
