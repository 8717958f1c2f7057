//! A span's identity and its three notations: `traceparent`, `tracestate` and `grpc-trace-bin`.
//! Called by the hops. The rules for what is valid are those of the target.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderValue};

use super::{GRPC_TRACE_BIN, TRACEPARENT, TRACESTATE};

/// The highest version of `traceparent` that is read.
const MAX_VERSION: u8 = 254;
/// A longer trace state is not written.
const MAX_STATE_BYTES: usize = 512;
/// More members make a trace state invalid.
const MAX_STATE_MEMBERS: usize = 32;
/// gRPC writes binary headers without padding and reads both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Which span a call belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanContext {
    /// The trace, not all zero.
    pub trace_id: [u8; 16],
    /// The span.
    pub span_id: [u8; 8],
    /// Bit 0: sampled.
    pub flags: u8,
    /// The normalised `tracestate`, if there is a valid one.
    pub state: Option<Arc<str>>,
}

impl SpanContext {
    /// Whether the span is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// Reads a `traceparent`; `None` when it is invalid.
    #[must_use]
    pub fn from_traceparent(text: &str) -> Option<Self> {
        let mut sections = text.split('-');
        let (version, trace_id) = (sections.next()?, sections.next()?);
        let (span_id, flags) = (sections.next()?, sections.next()?);
        let version = match hex::<1>(version)? {
            [version] if version <= MAX_VERSION => version,
            _ => return None,
        };
        if version == 0 && sections.next().is_some() {
            return None;
        }
        let trace_id = lower_hex::<16>(trace_id)?;
        let span_id = lower_hex::<8>(span_id)?;
        if trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        let is_hex = flags.len() >= 2 && flags.len().is_multiple_of(2) && flags.bytes().all(|b| b.is_ascii_hexdigit());
        let [flags] = hex::<1>(flags.get(..2).filter(|_| is_hex)?)?;
        Some(Self { trace_id, span_id, flags, state: None })
    }

    /// The `traceparent` of this span.
    #[must_use]
    pub fn traceparent(&self) -> String {
        self.to_string()
    }

    /// Reads the binary form (OpenCensus: version 0; field 0 trace id, field 1 span id, field 2 flags).
    #[must_use]
    pub fn from_binary(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[0])?.strip_prefix(&[0])?;
        let (trace_id, mut rest) = rest.split_first_chunk::<16>()?;
        let mut context = Self { trace_id: *trace_id, span_id: [0; 8], flags: 0, state: None };
        if let Some((span_id, after)) = rest.strip_prefix(&[1]).and_then(|field| field.split_first_chunk::<8>()) {
            context.span_id = *span_id;
            rest = after;
        }
        if let Some([flags, ..]) = rest.strip_prefix(&[2]) {
            context.flags = *flags;
        }
        Some(context)
    }

    /// The binary form.
    #[must_use]
    pub fn binary(&self) -> [u8; 29] {
        let mut bytes = [0; 29];
        let fields = [&[0, 0][..], &self.trace_id, &[1], &self.span_id, &[2, self.flags]];
        for (place, byte) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *place = *byte;
        }
        bytes
    }

    /// Reads the span of an HTTP request.
    #[must_use]
    pub fn from_http(headers: &HeaderMap) -> Option<Self> {
        let mut context = Self::from_traceparent(headers.get(TRACEPARENT)?.to_str().ok()?)?;
        context.state = headers.get(TRACESTATE).and_then(|value| normal_state(value.to_str().ok()?));
        Some(context)
    }

    /// Reads the span of a gRPC request: `grpc-trace-bin` if it is there, else as [`SpanContext::from_http`].
    #[must_use]
    pub fn from_grpc(headers: &HeaderMap) -> Option<Self> {
        match headers.get(GRPC_TRACE_BIN) {
            Some(value) => {
                let mut context = Self::from_binary(&BASE64.decode(value.as_bytes()).ok()?)?;
                context.state = headers.get(TRACESTATE).and_then(|value| normal_state(value.to_str().ok()?));
                Some(context)
            }
            None => Self::from_http(headers),
        }
    }

    /// Sets `traceparent`, and `tracestate` if there is one that is not too long.
    pub fn write_http(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::from_str(&self.traceparent()) {
            headers.insert(TRACEPARENT, value);
        }
        let state = self.state.as_deref().filter(|state| state.len() <= MAX_STATE_BYTES);
        if let Some(value) = state.and_then(|state| HeaderValue::from_str(state).ok()) {
            headers.insert(TRACESTATE, value);
        }
    }

    /// Sets what [`SpanContext::write_http`] sets, and `grpc-trace-bin`.
    pub fn write_grpc(&self, headers: &mut HeaderMap) {
        self.write_http(headers);
        if let Ok(value) = HeaderValue::from_str(&BASE64.encode(self.binary())) {
            headers.insert(GRPC_TRACE_BIN, value);
        }
    }
}

impl fmt::Display for SpanContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("00-")?;
        self.trace_id.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        formatter.write_str("-")?;
        self.span_id.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))?;
        write!(formatter, "-{:02x}", self.flags)
    }
}

fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    hex(text).filter(|_| lower)
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = [0; N];
    for (place, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *place = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// A valid trace state without the blanks around its members; `None` when it is invalid or empty.
fn normal_state(text: &str) -> Option<Arc<str>> {
    let mut members: Vec<(&str, &str)> = Vec::new();
    for member in text.split(',').filter(|member| !member.is_empty()) {
        let (key, value) = member.split_once('=')?;
        let (key, value) = (key.trim_start_matches([' ', '\t']), value.trim_end_matches([' ', '\t']));
        let valid = is_state_key(key) && is_state_value(value) && !members.iter().any(|(known, _)| *known == key);
        if !valid || members.len() == MAX_STATE_MEMBERS {
            return None;
        }
        members.push((key, value));
    }
    let joined: Vec<String> = members.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Some(joined.join(",").into()).filter(|state: &Arc<str>| !state.is_empty())
}

fn is_state_key(key: &str) -> bool {
    let rest = |text: &str, limit: usize| {
        text.len() <= limit && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    let part = |text: &str, limit: usize| text.starts_with(|c: char| c.is_ascii_lowercase()) && rest(text, limit + 1);
    match key.split_once('@') {
        None => part(key, 255),
        Some((tenant, system)) => {
            let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            tenant.starts_with(first) && rest(tenant, 241) && part(system, 13)
        }
    }
}

fn is_state_value(value: &str) -> bool {
    let valid = |byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(valid) && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn traceparents_are_read_by_the_rules_of_the_target() {
        assert_eq!(SpanContext::from_traceparent(PARENT).unwrap().traceparent(), PARENT);
        for (text, valid) in [
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-xy", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
            ("", false),
        ] {
            assert_eq!(SpanContext::from_traceparent(text).is_some(), valid, "{text}");
        }
    }

    #[test]
    fn grpc_prefers_the_binary_form_even_if_it_is_broken() {
        let mut headers = HeaderMap::new();
        let context = SpanContext::from_traceparent(PARENT).unwrap();
        context.write_grpc(&mut headers);
        assert_eq!(SpanContext::from_grpc(&headers), Some(context));
        headers.insert(GRPC_TRACE_BIN, HeaderValue::from_static("!"));
        assert_eq!(SpanContext::from_grpc(&headers), None);
        headers.remove(GRPC_TRACE_BIN);
        assert!(SpanContext::from_grpc(&headers).is_some());
    }

    #[test]
    fn an_invalid_state_is_left_out_and_the_span_stays() {
        for (state, kept) in [
            ("rojo=1, congo=2", Some("rojo=1,congo=2")),
            ("a=1,a=2", None),
            ("t@v=1", Some("t@v=1")),
            ("A=1", None),
            ("a", None),
            ("a=b=c", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::from_static(PARENT));
            headers.insert(TRACESTATE, HeaderValue::from_static(state));
            let context = SpanContext::from_http(&headers).unwrap();
            assert_eq!(context.state.as_deref(), kept, "{state}");
        }
    }

    #[test]
    fn a_long_state_is_not_written() {
        let mut headers = HeaderMap::new();
        let mut context = SpanContext::from_traceparent(PARENT).unwrap();
        context.state = Some("x".repeat(MAX_STATE_BYTES + 1).into());
        context.write_http(&mut headers);
        assert!(headers.contains_key(TRACEPARENT) && !headers.contains_key(TRACESTATE));
    }

    proptest! {
        #[test]
        fn every_span_survives_both_notations(trace_id in any::<[u8; 16]>(), span_id in any::<[u8; 8]>(), flags: u8) {
            prop_assume!(trace_id != [0; 16] && span_id != [0; 8]);
            let context = SpanContext { trace_id, span_id, flags, state: None };
            let parsed = SpanContext::from_traceparent(&context.traceparent());
            prop_assert_eq!(parsed.as_ref(), Some(&context));
            let parsed = SpanContext::from_binary(&context.binary());
            prop_assert_eq!(parsed.as_ref(), Some(&context));
        }

        #[test]
        fn no_input_breaks_the_readers(text in ".*", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (SpanContext::from_traceparent(&text), SpanContext::from_binary(&bytes), normal_state(&text));
        }
    }
}
