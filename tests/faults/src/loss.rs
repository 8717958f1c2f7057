//! What must be true of messages after any faults, told from a history of what publishers, the app and the faults did:
//! nothing acknowledged is lost, nothing is invented, keys keep their order, nothing the app did not fail is in a
//! dead-letter topic, and what comes twice is explained by a fault. Pure: tests make histories by hand and by running.

use std::collections::{BTreeMap, BTreeSet};

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Which topic.
    pub topic: &'static str,
    /// Its key; messages of one key have an order.
    pub key: u32,
    /// Its place among those of its key.
    pub number: u32,
}

/// Something that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A publisher sent it, not for the first time perhaps.
    Sent(Name),
    /// A publisher was told that the broker has it.
    Acknowledged(Name),
    /// The app handled it.
    Handled(Name),
    /// The app failed it.
    Failed(Name),
    /// It came out of the dead-letter topic.
    DeadLettered(Name),
    /// The app was sent something that nobody had published.
    Unreadable(String),
}

/// A process that was ended and came back, with moments in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What was done to whom.
    pub what: String,
    /// When it was ended.
    pub began: u64,
    /// When it had been started again.
    pub ended: u64,
}

/// Everything that happened, in order.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Moments in milliseconds, and what happened.
    pub events: Vec<(u64, Event)>,
    /// What was done to the processes.
    pub faults: Vec<Fault>,
}

/// What a broker promises beside the loss of nothing.
#[derive(Debug, Clone, Copy)]
pub struct Promise {
    /// Topics whose keys keep their order.
    pub ordered: &'static [&'static str],
    /// How many messages one fault may make come again.
    pub again_for_a_fault: usize,
    /// How long after a fault its messages may still come again, in milliseconds.
    pub echo: u64,
}

/// What a sound history was made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages acknowledged to publishers.
    pub acknowledged: usize,
    /// Messages handled at least once.
    pub handled: usize,
    /// How often one was handled again.
    pub again: usize,
    /// Messages in the dead-letter topic.
    pub dead: usize,
}

#[derive(Debug, Default)]
struct Life {
    sent: usize,
    acknowledged: bool,
    handled: Vec<u64>,
    failed: Option<u64>,
    dead: Option<u64>,
}

/// Holds a history against what is promised.
///
/// # Errors
/// A sentence for each message that something is wrong with.
pub fn check(history: &History, promise: &Promise) -> Result<Summary, Vec<String>> {
    let (lives, mut wrong) = lives(history);
    for (name, life) in &lives {
        wrong.extend(judge(name, life));
    }
    wrong.extend(reordered(history, promise));
    let again = repeated(history, promise, &lives, &mut wrong);
    let count = |is: fn(&Life) -> bool| lives.values().filter(|life| is(life)).count();
    let summary = Summary {
        acknowledged: count(|life| life.acknowledged),
        handled: count(|life| !life.handled.is_empty()),
        again,
        dead: count(|life| life.dead.is_some()),
    };
    if wrong.is_empty() { Ok(summary) } else { Err(wrong) }
}

fn lives(history: &History) -> (BTreeMap<Name, Life>, Vec<String>) {
    let (mut lives, mut wrong) = (BTreeMap::<Name, Life>::new(), Vec::new());
    for (at, event) in &history.events {
        match event {
            Event::Sent(name) => lives.entry(*name).or_default().sent += 1,
            Event::Acknowledged(name) => lives.entry(*name).or_default().acknowledged = true,
            Event::Handled(name) => lives.entry(*name).or_default().handled.push(*at),
            Event::Failed(name) => _ = lives.entry(*name).or_default().failed.get_or_insert(*at),
            Event::DeadLettered(name) => _ = lives.entry(*name).or_default().dead.get_or_insert(*at),
            Event::Unreadable(text) => wrong.push(format!("invented: {text}")),
        }
    }
    (lives, wrong)
}

fn judge(name: &Name, life: &Life) -> Option<String> {
    if life.sent == 0 {
        return Some(format!("invented: {name:?} was never published"));
    }
    if life.acknowledged && life.handled.is_empty() && life.dead.is_none() {
        return Some(format!("lost: {name:?} was acknowledged and never handled"));
    }
    if let Some(dead) = life.dead
        && life.failed.is_none_or(|failed| failed > dead)
    {
        return Some(format!("wrongly dead-lettered: {name:?} was never failed by the app"));
    }
    None
}

/// The first handlings of each key must be in its order. That an old one comes again is no disorder.
fn reordered(history: &History, promise: &Promise) -> Vec<String> {
    let (mut seen, mut last) = (BTreeSet::new(), BTreeMap::new());
    let mut wrong = Vec::new();
    for (_, event) in &history.events {
        let Event::Handled(name) = event else { continue };
        if !promise.ordered.contains(&name.topic) || !seen.insert(*name) {
            continue;
        }
        let latest = last.entry((name.topic, name.key)).or_insert(name.number);
        if name.number < *latest {
            wrong.push(format!("reordered: {name:?} was handled after number {latest} of its key"));
        }
        *latest = (*latest).max(name.number);
    }
    wrong
}

/// What was handled again must have been published again, or a fault must have come between; and no fault may explain
/// more than was in flight.
fn repeated(history: &History, promise: &Promise, lives: &BTreeMap<Name, Life>, wrong: &mut Vec<String>) -> usize {
    let (mut again, mut explained) = (0, vec![0_usize; history.faults.len()]);
    for (name, life) in lives {
        let mut published_again = life.sent.saturating_sub(1);
        for pair in life.handled.windows(2) {
            again += 1;
            if published_again > 0 {
                published_again -= 1;
                continue;
            }
            let between = |fault: &Fault| fault.began <= pair[1] && fault.ended + promise.echo >= pair[0];
            // The fault that explains least so far, so that no sound history is found wrong.
            let faults = history.faults.iter().enumerate().filter(|(_, fault)| between(fault));
            match faults.min_by_key(|(index, _)| explained[*index]) {
                Some((index, _)) => explained[index] += 1,
                None => wrong.push(format!("repeated: {name:?} at {} and {} with no fault between", pair[0], pair[1])),
            }
        }
    }
    for (fault, count) in history.faults.iter().zip(explained) {
        if count > promise.again_for_a_fault {
            let most = promise.again_for_a_fault;
            wrong.push(format!(
                "repeated: {count} messages came again for one fault ({}), more than {most}",
                fault.what
            ));
        }
    }
    again
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event::{Acknowledged, DeadLettered, Failed, Handled, Sent};

    const PROMISE: Promise = Promise { ordered: &["orders"], again_for_a_fault: 2, echo: 100 };

    fn name(number: u32) -> Name {
        Name { topic: "orders", key: 1, number }
    }

    fn history(events: &[Event]) -> History {
        let events = events.iter().cloned().zip(1..).map(|(event, at)| (at * 1000, event));
        History { events: events.collect(), faults: Vec::new() }
    }

    fn published(numbers: &[u32]) -> Vec<Event> {
        numbers.iter().flat_map(|number| [Sent(name(*number)), Acknowledged(name(*number))]).collect()
    }

    fn verdict(history: &History) -> String {
        match check(history, &PROMISE) {
            Ok(_) => "sound".to_owned(),
            Err(wrong) => wrong[0].split(':').next().unwrap_or_default().to_owned(),
        }
    }

    fn after(before: &[Event], more: &[Event]) -> String {
        verdict(&history(&[before, more].concat()))
    }

    #[test]
    fn what_was_acknowledged_and_handled_is_sound() {
        let events = [&published(&[1, 2])[..], &[Handled(name(1)), Handled(name(2))]].concat();
        let summary = check(&history(&events), &PROMISE).unwrap();
        assert_eq!(summary, Summary { acknowledged: 2, handled: 2, again: 0, dead: 0 });
    }

    #[test]
    fn a_lost_message_is_found_and_one_that_was_not_acknowledged_is_not_missed() {
        assert_eq!(after(&published(&[1, 2]), &[Handled(name(1))]), "lost");
        assert_eq!(after(&[Sent(name(1))], &[]), "sound");
        assert_eq!(after(&[Sent(name(1))], &[Handled(name(1))]), "sound");
        assert_eq!(after(&published(&[1]), &[Failed(name(1))]), "lost");
    }

    #[test]
    fn an_invented_message_is_found() {
        assert_eq!(after(&published(&[1]), &[Handled(name(1)), Handled(name(7))]), "invented");
        assert_eq!(after(&published(&[1]), &[Handled(name(1)), DeadLettered(name(7))]), "invented");
        assert_eq!(after(&[], &[Event::Unreadable("{".to_owned())]), "invented");
    }

    #[test]
    fn a_key_out_of_order_is_found_where_order_is_promised() {
        let mixed = [Handled(name(2)), Handled(name(1))];
        assert_eq!(after(&published(&[1, 2]), &mixed), "reordered");
        let other = |number| Name { topic: "parcels", ..name(number) };
        let published: Vec<Event> = [1, 2].iter().flat_map(|n| [Sent(other(*n)), Acknowledged(other(*n))]).collect();
        assert_eq!(after(&published, &[Handled(other(2)), Handled(other(1))]), "sound");
        let of_another_key = Name { key: 2, ..name(1) };
        let published = [Sent(name(2)), Sent(of_another_key)];
        assert_eq!(after(&published, &[Handled(name(2)), Handled(of_another_key)]), "sound");
    }

    #[test]
    fn an_old_message_that_comes_again_is_no_disorder() {
        let mut repeated = history(&[&published(&[1, 2])[..], &[Handled(name(1)), Handled(name(2))]].concat());
        repeated.faults.push(Fault { what: "kill".to_owned(), began: 6500, ended: 6600 });
        repeated.events.push((7000, Handled(name(1))));
        assert_eq!(verdict(&repeated), "sound");
        repeated.faults.clear();
        assert_eq!(verdict(&repeated), "repeated");
    }

    #[test]
    fn only_what_the_app_failed_may_be_dead_lettered() {
        assert_eq!(after(&published(&[1]), &[Failed(name(1)), DeadLettered(name(1))]), "sound");
        assert_eq!(after(&published(&[1]), &[DeadLettered(name(1))]), "wrongly dead-lettered");
        assert_eq!(after(&published(&[1]), &[Handled(name(1)), DeadLettered(name(1))]), "wrongly dead-lettered");
        assert_eq!(after(&published(&[1]), &[DeadLettered(name(1)), Failed(name(1))]), "wrongly dead-lettered");
    }

    #[test]
    fn a_repetition_needs_a_fault_or_a_second_publication() {
        let twice = [Handled(name(1)), Handled(name(1))];
        assert_eq!(after(&published(&[1]), &twice), "repeated");
        assert_eq!(after(&[Sent(name(1)), Sent(name(1)), Acknowledged(name(1))], &twice), "sound");
        let thrice = [Handled(name(1)), Handled(name(1)), Handled(name(1))];
        assert_eq!(after(&[Sent(name(1)), Sent(name(1)), Acknowledged(name(1))], &thrice), "repeated");
        let mut long_after = history(&[&published(&[1])[..], &twice].concat());
        long_after.faults.push(Fault { what: "kill".to_owned(), began: 100, ended: 2800 });
        assert_eq!(verdict(&long_after), "repeated");
        long_after.faults[0].ended = 2950;
        assert_eq!(verdict(&long_after), "sound");
    }

    #[test]
    fn a_fault_explains_no_more_than_was_in_flight() {
        let mut events = published(&[1, 2, 3]);
        events.extend([1, 2, 3, 1, 2].map(|number| Handled(name(number))));
        let mut history = history(&events);
        history.faults.push(Fault { what: "kill".to_owned(), began: 9500, ended: 9600 });
        assert_eq!(verdict(&history), "sound");
        history.events.push((12_000, Handled(name(3))));
        assert_eq!(verdict(&history), "repeated");
        history.faults.push(Fault { what: "another".to_owned(), began: 9700, ended: 9800 });
        assert_eq!(verdict(&history), "sound");
    }
}
