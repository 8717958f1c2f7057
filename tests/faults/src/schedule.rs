//! Which process is ended when and how, from a seed. Pure.

use crate::random::Random;

/// A process of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The sidecar that publishes.
    Publisher,
    /// The sidecar that subscribes.
    Subscriber,
    /// The app that handles.
    App,
    /// The broker.
    Broker,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With signal 9.
    Killed,
    /// As a service manager would end it.
    Asked,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Who.
    pub part: Part,
    /// How.
    pub end: End,
    /// When so many messages have been acknowledged.
    pub acknowledged: u64,
    /// For so long, in milliseconds, it is away.
    pub away: u64,
}

/// How much is to happen.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Messages to publish.
    pub messages: u64,
    /// Kills of sidecars and app.
    pub kills: u64,
    /// Kills of the broker.
    pub broker_kills: u64,
    /// Graceful restarts of sidecars and app.
    pub restarts: u64,
}

/// The steps of a plan, spread over all messages in an order that the seed decides.
#[must_use]
pub fn steps(plan: Plan, random: &mut Random) -> Vec<Step> {
    const PARTS: [Part; 3] = [Part::Subscriber, Part::Publisher, Part::App];
    let mut wanted: Vec<(Part, End)> = Vec::new();
    let turns = PARTS.iter().copied().cycle();
    wanted.extend(turns.clone().zip(0..plan.kills).map(|(part, _)| (part, End::Killed)));
    wanted.extend(turns.zip(0..plan.restarts).map(|(part, _)| (part, End::Asked)));
    wanted.extend((0..plan.broker_kills).map(|_| (Part::Broker, End::Killed)));
    let mut steps = Vec::new();
    let every = plan.messages / (wanted.len() as u64 + 1);
    while !wanted.is_empty() {
        let chosen = usize::try_from(random.below(wanted.len() as u64)).expect("a list is small");
        let (part, end) = wanted.swap_remove(chosen);
        let acknowledged = every * (steps.len() as u64 + 1) - random.below(every.max(2) / 2);
        steps.push(Step { part, end, acknowledged, away: random.between(0, 500) });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { messages: 1000, kills: 7, broker_kills: 3, restarts: 5 };

    #[test]
    fn the_same_seed_gives_the_same_steps_and_another_gives_others() {
        let of = |seed| steps(PLAN, &mut Random::from_seed(seed));
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn everything_planned_happens_while_messages_flow() {
        let steps = steps(PLAN, &mut Random::from_seed(1));
        assert_eq!(steps.len(), 15);
        assert!(steps.is_sorted_by_key(|step| step.acknowledged));
        assert!(steps.iter().all(|step| step.acknowledged < PLAN.messages));
        let count = |part| steps.iter().filter(|step| step.part == part).count();
        assert_eq!([Part::Broker, Part::Subscriber, Part::Publisher, Part::App].map(count), [3, 5, 4, 3]);
        assert!(steps.iter().all(|step| step.part != Part::Broker || step.end == End::Killed));
    }
}
