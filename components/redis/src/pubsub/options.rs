//! The settings of a broker on streams, understood: defaults, what turns something off, what does not fit together.

use std::sync::Arc;
use std::time::Duration;

use component::{Error, ErrorKind};

use crate::settings::RedisSettings;

const PROCESSING: Duration = Duration::from_secs(60);
const REDELIVER: Duration = Duration::from_secs(15);
const DEPTH: usize = 100;
const CONCURRENCY: usize = 10;

/// How a broker works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// The group, and the consumer in it: all replicas have the same, as in the target.
    pub(super) consumer: Arc<str>,
    /// `None` if nothing is ever delivered again.
    pub(super) redelivery: Option<Redelivery>,
    /// How many messages of a topic may wait here.
    pub(super) depth: usize,
    /// How many messages may be worked on.
    pub(super) concurrency: usize,
    pub(super) trimming: Trimming,
}

/// When a message that was not acknowledged is delivered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Redelivery {
    /// How long nobody must have claimed it.
    pub(super) idle: Duration,
    /// How often such messages are looked for, and how long one that failed rests.
    pub(super) every: Duration,
}

/// What of a stream is forgotten when something is added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trimming {
    Nothing,
    AboveLength(i64),
    OlderThan(Duration),
}

impl Options {
    /// # Errors
    /// What can mean nothing.
    pub(super) fn understand(name: &str, settings: &RedisSettings, app: &Arc<str>) -> Result<Self, Error> {
        let consumer = match settings.consumer_id.trim() {
            "" if app.is_empty() => {
                let text = "metadata field consumerID is missing, and the sidecar has no app id to take instead";
                return Err(Error::new(ErrorKind::InvalidArgument, text));
            }
            "" => Arc::clone(app),
            given => given.into(),
        };
        let idle = settings.processing_timeout.map_or(PROCESSING, |given| given.0);
        let every = settings.redeliver_interval.map_or(REDELIVER, |given| given.0);
        let redelivery = (!idle.is_zero() && !every.is_zero()).then_some(Redelivery { idle, every });
        if redelivery.is_none() {
            tracing::warn!(
                "component {name}: redeliverInterval or processingTimeout is 0, so nothing is delivered again: what the app \
                 does not handle stays pending in its stream"
            );
        }
        let ttl = settings.stream_ttl.map(|given| given.0).filter(|ttl| !ttl.is_zero());
        let trimming = match (settings.max_len_approx, ttl) {
            (length, ttl) if length > 0 => {
                if ttl.is_some() {
                    tracing::warn!(
                        "component {name}: metadata field streamTTL has no effect beside maxLenApprox: a stream is trimmed \
                         by one of them only"
                    );
                }
                Trimming::AboveLength(length)
            }
            (_, Some(ttl)) => Trimming::OlderThan(ttl),
            (_, None) => Trimming::Nothing,
        };
        let number = |given: Option<u32>, usual| given.map_or(usual, |given| usize::try_from(given).unwrap_or(usual));
        let (depth, concurrency) = (number(settings.queue_depth, DEPTH), number(settings.concurrency, CONCURRENCY));
        Ok(Self { consumer, redelivery, depth, concurrency, trimming })
    }

    /// After how long of nobody claiming it a message may be taken to be forgotten, by whoever looks.
    pub(super) fn forgotten(&self) -> Duration {
        self.redelivery.map_or(PROCESSING, |redelivery| redelivery.idle)
    }
}

impl Redelivery {
    /// How long a message rests that failed after so many deliveries: twice as long each time, and never longer than one
    /// that nobody has answered for.
    pub(super) fn rest(&self, deliveries: u64) -> Duration {
        let doublings = u32::try_from(deliveries.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.every.saturating_mul(factor).min(self.idle)
    }
}

#[cfg(test)]
mod tests {
    use component::{Properties, Settings as _};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Options, String> {
        let properties: Properties = [("redisHost", "a")].iter().chain(pairs).copied().collect();
        let settings = RedisSettings::parse(&properties).map_err(|error| error.to_string())?;
        Options::understand("broker", &settings, &"app".into()).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_target() {
        let options = read(&[]).unwrap();
        let redelivery = Redelivery { idle: Duration::from_secs(60), every: Duration::from_secs(15) };
        assert_eq!(options.redelivery, Some(redelivery));
        assert_eq!((&*options.consumer, options.depth, options.concurrency), ("app", 100, 10));
        assert_eq!(options.trimming, Trimming::Nothing);
        assert_eq!(&*read(&[("consumerID", " group ")]).unwrap().consumer, "group");
    }

    #[test]
    fn times_are_milliseconds_or_durations_and_nought_turns_redelivery_off() {
        let redelivery = |name, value| read(&[(name, value)]).map(|options| options.redelivery);
        let every = |time| Ok(Some(Redelivery { idle: PROCESSING, every: time }));
        assert_eq!(redelivery("redeliverInterval", "250"), every(Duration::from_millis(250)));
        assert_eq!(redelivery("redeliverInterval", "2s"), every(Duration::from_secs(2)));
        assert_eq!(redelivery("redeliverInterval", "0"), Ok(None));
        assert_eq!(redelivery("processingTimeout", "0s"), Ok(None));
        for wrong in ["-1", "-3s", "soon"] {
            assert!(redelivery("processingTimeout", wrong).unwrap_err().contains("processingTimeout"), "{wrong}");
        }
    }

    #[test]
    fn a_stream_is_trimmed_by_length_before_age() {
        let trimming = |pairs: &[(&str, &str)]| read(pairs).unwrap().trimming;
        assert_eq!(trimming(&[("streamTTL", "1h")]), Trimming::OlderThan(Duration::from_secs(3600)));
        assert_eq!(trimming(&[("maxLenApprox", "5"), ("streamTTL", "1h")]), Trimming::AboveLength(5));
        assert_eq!(trimming(&[("maxLenApprox", "-5")]), Trimming::Nothing);
    }

    #[test]
    fn room_for_nothing_is_refused() {
        assert!(read(&[("queueDepth", "0")]).unwrap_err().contains("queueDepth"));
        assert!(read(&[("concurrency", "0")]).unwrap_err().contains("concurrency"));
    }

    #[test]
    fn what_fails_again_rests_longer_but_never_longer_than_what_is_forgotten() {
        let redelivery = Redelivery { idle: Duration::from_secs(60), every: Duration::from_secs(15) };
        let rests: Vec<u64> = [1, 2, 3, 4, 200].iter().map(|count| redelivery.rest(*count).as_secs()).collect();
        assert_eq!(rests, [15, 30, 60, 60, 60]);
    }
}
