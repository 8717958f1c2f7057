//! When a subscription takes in more, and how it ends: a pure core that is told what happened and says what to do. Driven by
//! `running`; it has no clock and no I/O.
//!
//! Ending means: take nothing new, finish what is in flight for as long as there is time, leave the rest to the broker.

/// How much of one subscription is worked on at the same time, in messages and in bytes of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// A message of this size was taken in.
    Took(usize),
    /// A message of this size is done with, whatever became of it.
    Finished(usize),
    /// The subscription is to end.
    Stop,
    /// The broker has no more.
    SourceEnded,
    /// There is no more time to wait for what is in flight.
    TimeOver,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Let go of the source: what it holds goes back to the broker.
    CloseSource,
    /// Start the time for what is in flight; it ends with [`Event::TimeOver`].
    StartTimer,
    /// Let go of what is in flight, unsettled.
    Abandon,
    /// It is over.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing more comes; `timed` once somebody waits for the end.
    Closing {
        timed: bool,
    },
    Over,
}

/// The state of one subscription.
#[derive(Debug)]
pub(super) struct Drain {
    limits: Limits,
    messages: usize,
    bytes: usize,
    phase: Phase,
}

impl Drain {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, messages: 0, bytes: 0, phase: Phase::Open }
    }

    /// Whether the next message may be taken. One that is larger than all the room is taken alone.
    pub(super) fn may_take(&self) -> bool {
        self.phase == Phase::Open && self.messages < self.limits.messages && self.bytes < self.limits.bytes
    }

    /// Whether it goes on until it is stopped.
    pub(super) fn is_stoppable(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Closing { timed: false })
    }

    /// Takes in what happened, and says what to do, in this order.
    pub(super) fn step(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Took(bytes) => {
                self.messages += 1;
                self.bytes = self.bytes.saturating_add(bytes);
            }
            Event::Finished(bytes) => {
                self.messages = self.messages.saturating_sub(1);
                self.bytes = self.bytes.saturating_sub(bytes);
            }
            Event::Stop if self.is_stoppable() => {
                if self.phase == Phase::Open {
                    effects.push(Effect::CloseSource);
                }
                self.phase = Phase::Closing { timed: true };
                if self.messages > 0 {
                    effects.push(Effect::StartTimer);
                }
            }
            Event::SourceEnded if self.phase == Phase::Open => {
                effects.push(Effect::CloseSource);
                self.phase = Phase::Closing { timed: false };
            }
            Event::TimeOver if self.phase != Phase::Over => {
                self.phase = Phase::Closing { timed: true };
                self.messages = 0;
                effects.push(Effect::Abandon);
            }
            Event::Stop | Event::SourceEnded | Event::TimeOver => {}
        }
        if self.messages == 0 && matches!(self.phase, Phase::Closing { .. }) {
            self.phase = Phase::Over;
            effects.push(Effect::End);
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain() -> Drain {
        Drain::new(Limits { messages: 2, bytes: 100 })
    }

    #[test]
    fn in_flight_is_bounded_in_messages_and_in_bytes() {
        let mut drain = drain();
        assert!(drain.step(Event::Took(10)).is_empty() && drain.may_take());
        drain.step(Event::Took(10));
        assert!(!drain.may_take());
        drain.step(Event::Finished(10));
        assert!(drain.may_take());
        drain.step(Event::Finished(10));
        drain.step(Event::Took(500));
        assert!(!drain.may_take());
    }

    #[test]
    fn a_stop_takes_nothing_new_and_waits_for_what_is_in_flight() {
        let mut drain = drain();
        drain.step(Event::Took(1));
        assert_eq!(drain.step(Event::Stop), [Effect::CloseSource, Effect::StartTimer]);
        assert!(!drain.may_take() && !drain.is_stoppable());
        assert_eq!(drain.step(Event::Finished(1)), [Effect::End]);
        assert!(drain.step(Event::Stop).is_empty());
    }

    #[test]
    fn an_idle_subscription_ends_at_once() {
        assert_eq!(drain().step(Event::Stop), [Effect::CloseSource, Effect::End]);
    }

    #[test]
    fn what_is_not_done_in_time_is_left_to_the_broker() {
        let mut drain = drain();
        drain.step(Event::Took(1));
        drain.step(Event::Stop);
        assert_eq!(drain.step(Event::TimeOver), [Effect::Abandon, Effect::End]);
    }

    #[test]
    fn a_source_that_ends_is_drained_without_a_limit_until_it_is_stopped() {
        let mut drain = drain();
        drain.step(Event::Took(1));
        assert_eq!(drain.step(Event::SourceEnded), [Effect::CloseSource]);
        assert!(drain.is_stoppable());
        assert_eq!(drain.step(Event::Stop), [Effect::StartTimer]);
        assert_eq!(drain.step(Event::TimeOver), [Effect::Abandon, Effect::End]);
    }

    proptest! {
        #[test]
        fn however_it_goes_it_ends_once_and_never_takes_after_a_stop(
            events in proptest::collection::vec(0_u8..5, 0..60),
        ) {
            let mut drain = drain();
            let (mut in_flight, mut stopped, mut ends) = (0_usize, false, 0_usize);
            for event in events {
                let event = match event {
                    0 if drain.may_take() => { in_flight += 1; Event::Took(60) }
                    1 if in_flight > 0 => { in_flight -= 1; Event::Finished(60) }
                    2 => { stopped = true; Event::Stop }
                    3 => { stopped = true; Event::SourceEnded }
                    4 if stopped => { in_flight = 0; Event::TimeOver }
                    _ => continue,
                };
                ends += drain.step(event).iter().filter(|effect| **effect == Effect::End).count();
                prop_assert!(in_flight <= 2);
                prop_assert!(!(stopped && drain.may_take()));
                prop_assert_eq!(ends, usize::from(stopped && in_flight == 0));
                if ends == 1 { break; }
            }
        }
    }
}
