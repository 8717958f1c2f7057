//! Trace context: reading it, writing it, and what each hop passes on.
//! Called by every hop. Spans are not recorded here, and nothing is sent anywhere.
//!
//! The rules of the target, which [`Tracing::next`] follows:
//! - Sampling rate 0: the hop has no span. It returns no trace headers to its caller, and `traceparent`, `tracestate`
//!   and `grpc-trace-bin` go on as they came.
//! - Sampling rate unset and nothing to export to (the default): the hop's span is the one that came in. It goes on
//!   unchanged; where none came in, none is made.
//! - Otherwise each hop makes a span of its own: the trace id, the sampled flag and the trace state of the one that
//!   came in, or a new trace id sampled by the rate; a new span id. An unreadable rate counts as 0.0001.
//! - Over gRPC, `grpc-trace-bin` is read first and, even if broken, hides `traceparent`. Towards a gRPC peer both are
//!   written, towards an HTTP peer `traceparent` and a `tracestate` of at most 512 bytes.
//! - Where the span is returned to the caller: HTTP responses that have no `traceparent` yet; `grpc-trace-bin` of gRPC
//!   responses other than InvokeService and proxied calls.
//!
//! One difference: over gRPC the target loses `tracestate`, here it is kept.

pub mod baggage;
mod context;
mod sampling;

pub use context::SpanContext;
pub use sampling::Tracing;

/// The header of the W3C trace context.
pub const TRACEPARENT: http::HeaderName = http::HeaderName::from_static("traceparent");
/// The header of the W3C trace state.
pub const TRACESTATE: http::HeaderName = http::HeaderName::from_static("tracestate");
/// The header of the W3C baggage.
pub const BAGGAGE: http::HeaderName = http::HeaderName::from_static("baggage");
/// The header of the binary trace context of gRPC.
pub const GRPC_TRACE_BIN: http::HeaderName = http::HeaderName::from_static("grpc-trace-bin");
