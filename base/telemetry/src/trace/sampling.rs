//! Which span a hop passes on, by the tracing settings of the role.
//! Called once per hop; settings are read once at start.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use super::SpanContext;

/// What an unset or unreadable sampling rate counts as.
const DEFAULT_RATE: f64 = 1e-4;
/// Bound of the part of a trace id that decides, 2^63.
const RANGE: f64 = 9_223_372_036_854_775_808.0;

/// How a role treats trace context; see the rules in the parent module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    /// Sampling rate 0: headers pass as they come, nothing is returned.
    Off,
    /// No rate and no exporter: the span that came in is passed on.
    PassOn,
    /// Each hop makes a span.
    Spans {
        /// A new trace is sampled when the upper 63 bits of the second half of its id are below this.
        sample_below: u64,
    },
}

impl Tracing {
    /// From the sampling rate of the Configuration (empty when unset) and whether any exporter is set.
    #[must_use]
    pub fn from_settings(sampling_rate: &str, has_exporter: bool) -> Self {
        let rate = sampling_rate.trim().parse::<f64>().unwrap_or(DEFAULT_RATE);
        if rate == 0.0 {
            return Self::Off;
        }
        if sampling_rate.is_empty() && !has_exporter {
            return Self::PassOn;
        }
        if rate >= 1.0 {
            return Self::Spans { sample_below: u64::MAX };
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is in 0..2^63")]
        let sample_below = (rate.max(0.0) * RANGE) as u64;
        Self::Spans { sample_below }
    }

    /// Whether responses carry the span, and baggage is checked and returned.
    #[must_use]
    pub fn is_on(self) -> bool {
        self != Self::Off
    }

    /// The span of this hop, from the one that came in. `None`: nothing to set; with [`Tracing::Off`] the headers that
    /// came in go on untouched.
    #[must_use]
    pub fn next(self, incoming: Option<&SpanContext>) -> Option<SpanContext> {
        match self {
            Self::Off => None,
            Self::PassOn => incoming.cloned(),
            Self::Spans { sample_below } => Some(match incoming {
                Some(parent) => SpanContext { span_id: random(), ..parent.clone() },
                None => new_root(sample_below),
            }),
        }
    }
}

fn new_root(sample_below: u64) -> SpanContext {
    let (first, second): ([u8; 8], [u8; 8]) = (random(), random());
    let mut trace_id = [0; 16];
    for (place, byte) in trace_id.iter_mut().zip(first.into_iter().chain(second)) {
        *place = byte;
    }
    let sampled = u64::from_be_bytes(second) >> 1 < sample_below;
    SpanContext { trace_id, span_id: random(), flags: u8::from(sampled), state: None }
}

/// Eight random bytes, not all zero. Ids must be unique, not secret: keys of the standard library's hasher will do.
fn random() -> [u8; 8] {
    RandomState::new().build_hasher().finish().max(1).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(flags: u8) -> SpanContext {
        SpanContext { trace_id: [7; 16], span_id: [8; 8], flags, state: Some("a=1".into()) }
    }

    #[test]
    fn without_settings_the_span_that_came_in_goes_on() {
        let tracing = Tracing::from_settings("", false);
        assert_eq!(tracing.next(Some(&parent(1))), Some(parent(1)));
        assert_eq!(tracing.next(None), None);
        assert!(tracing.is_on());
    }

    #[test]
    fn rate_zero_has_no_spans() {
        let tracing = Tracing::from_settings("0", true);
        assert_eq!(tracing, Tracing::Off);
        assert_eq!(tracing.next(Some(&parent(1))), None);
    }

    #[test]
    fn with_a_rate_every_hop_has_a_span_of_its_own() {
        let tracing = Tracing::from_settings("1", false);
        let child = tracing.next(Some(&parent(0))).unwrap();
        assert_eq!((child.trace_id, child.flags, child.state.as_deref()), ([7; 16], 0, Some("a=1")));
        assert_ne!(child.span_id, [8; 8]);
        let root = tracing.next(None).unwrap();
        assert!(root.is_sampled());
        assert_ne!(tracing.next(None).unwrap().trace_id, root.trace_id);
    }

    #[test]
    fn new_traces_are_sampled_by_the_rate() {
        let tracing = Tracing::from_settings("0.5", false);
        let sampled = (0..2000).filter(|_| tracing.next(None).is_some_and(|span| span.is_sampled())).count();
        assert!((800..1200).contains(&sampled), "{sampled}");
        let rare = Tracing::from_settings("nonsense", false);
        let sampled = (0..2000).filter(|_| rare.next(None).is_some_and(|span| span.is_sampled())).count();
        assert!(sampled < 20, "{sampled}");
    }
}
