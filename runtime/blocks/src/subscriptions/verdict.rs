//! What an outcome means for the message: the delivery rule, as a table. Asked once per message.

use std::collections::BTreeMap;

use super::Error;

/// What became of a message, whoever decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Handled.
    Handled,
    /// Nobody wants it: the app dropped it, no rule is for it, or its time is over.
    Dropped,
    /// It could not be handled: the app failed, or it cannot be read.
    Failed,
    /// It reached nobody, and nobody failed.
    Undelivered,
}

/// What to do with the message at its broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Tell the broker that it is done with.
    Acknowledge,
    /// Publish it to the dead-letter topic; acknowledge it only if that succeeds, otherwise as [`Step::Again`].
    DeadLetter,
    /// Tell the broker to deliver it again, later.
    Again,
    /// Leave it unsettled: it goes back to the broker as if it had not been delivered.
    GiveBack,
}

/// What is done with a message that failed and has no dead-letter topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum OnFailure {
    /// It is delivered again.
    #[default]
    Redeliver,
    /// It is acknowledged, and lost.
    Drop,
}

/// The setting, in the metadata of the subscription or else of the component.
pub(super) const SETTING: &str = "failedMessages";

impl OnFailure {
    /// Reads the setting.
    ///
    /// # Errors
    /// `Refused` where it is something else: what is lost must not depend on a typing error.
    pub(super) fn read(subscription: &BTreeMap<String, String>, component: Option<&str>) -> Result<Self, Error> {
        let own = subscription.iter().find(|(name, _)| name.eq_ignore_ascii_case(SETTING));
        match own.map(|(_, value)| value.as_str()).or(component).unwrap_or_default() {
            "" | "redeliver" => Ok(Self::Redeliver),
            "drop" => Ok(Self::Drop),
            other => Err(Error::Refused(format!("{SETTING} is redeliver or drop, and not {other:?}"))),
        }
    }
}

/// The table. While the subscription ends, a failure is not held against a message: it goes back.
pub(super) fn step(verdict: Verdict, has_dead_letter: bool, on_failure: OnFailure, ending: bool) -> Step {
    match (verdict, has_dead_letter) {
        (Verdict::Handled, _) | (Verdict::Dropped, false) => Step::Acknowledge,
        (Verdict::Dropped, true) => Step::DeadLetter,
        (Verdict::Undelivered, _) => Step::GiveBack,
        (Verdict::Failed, _) if ending => Step::GiveBack,
        (Verdict::Failed, true) => Step::DeadLetter,
        (Verdict::Failed, false) => match on_failure {
            OnFailure::Redeliver => Step::Again,
            OnFailure::Drop => Step::Acknowledge,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_handled_dropped_or_dead_lettered_is_acknowledged() {
        use OnFailure::{Drop, Redeliver};
        for (verdict, dead_letter, on_failure, ending, expected) in [
            (Verdict::Handled, false, Redeliver, false, Step::Acknowledge),
            (Verdict::Handled, true, Redeliver, true, Step::Acknowledge),
            (Verdict::Dropped, false, Redeliver, false, Step::Acknowledge),
            (Verdict::Dropped, true, Redeliver, true, Step::DeadLetter),
            (Verdict::Failed, false, Redeliver, false, Step::Again),
            (Verdict::Failed, false, Drop, false, Step::Acknowledge),
            (Verdict::Failed, true, Drop, false, Step::DeadLetter),
            (Verdict::Failed, true, Redeliver, false, Step::DeadLetter),
            (Verdict::Failed, true, Redeliver, true, Step::GiveBack),
            (Verdict::Failed, false, Drop, true, Step::GiveBack),
            (Verdict::Undelivered, true, Drop, false, Step::GiveBack),
        ] {
            let step = step(verdict, dead_letter, on_failure, ending);
            assert_eq!(step, expected, "{verdict:?}, {dead_letter}, {on_failure:?}, {ending}");
        }
    }

    #[test]
    fn the_subscription_decides_before_the_component_and_other_words_are_refused() {
        let of = |value: &str| BTreeMap::from([("FailedMessages".to_owned(), value.to_owned())]);
        assert_eq!(OnFailure::read(&of("redeliver"), Some("drop")).unwrap(), OnFailure::Redeliver);
        assert_eq!(OnFailure::read(&BTreeMap::new(), Some("drop")).unwrap(), OnFailure::Drop);
        assert_eq!(OnFailure::read(&BTreeMap::new(), None).unwrap(), OnFailure::Redeliver);
        assert!(OnFailure::read(&of("dorp"), None).is_err());
    }
}
