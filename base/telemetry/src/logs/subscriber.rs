//! Decides which events are written, and writes them. Spans are not logged and cost next to nothing.
//! Called by `tracing` for the role that runs under it.

use tracing::metadata::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, span};

use super::line::{self, Content};
use super::{LogLevel, LogOptions};

/// Logs of API calls are at least at level info.
const API_SCOPES: [&str; 2] = ["dapr.runtime.http-info", "dapr.runtime.grpc.api-info"];

/// The subscriber of one role.
pub(super) struct LogSubscriber {
    options: LogOptions,
}

impl LogSubscriber {
    pub(super) fn new(options: LogOptions) -> Self {
        Self { options }
    }

    fn passes(&self, metadata: &Metadata<'_>) -> bool {
        if !metadata.is_event() || !metadata.target().starts_with("dapr") {
            return false;
        }
        let importance = importance(metadata);
        importance >= self.options.level || (importance >= LogLevel::Info && API_SCOPES.contains(&metadata.target()))
    }
}

fn importance(metadata: &Metadata<'_>) -> LogLevel {
    match *metadata.level() {
        Level::TRACE | Level::DEBUG => LogLevel::Debug,
        Level::INFO => LogLevel::Info,
        Level::WARN => LogLevel::Warn,
        Level::ERROR if metadata.fields().field("fatal").is_some() => LogLevel::Fatal,
        Level::ERROR => LogLevel::Error,
    }
}

impl Subscriber for LogSubscriber {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.passes(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.passes(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // Info stays open for the scopes of API logging.
        Some(if self.options.level == LogLevel::Debug { LevelFilter::DEBUG } else { LevelFilter::INFO })
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut content = Content::default();
        let options = &self.options;
        if !options.app_id.is_empty() {
            content.text("app_id", &options.app_id);
        }
        content.text("instance", &options.instance);
        content.text("scope", metadata.target());
        content.text("type", "log");
        content.text("ver", &options.version);
        event.record(&mut content);
        let level = match importance(metadata) {
            LogLevel::Warn => "warning",
            other => other.as_str(),
        };
        let time = jiff::Timestamp::now().to_string();
        let write = if options.json { line::json } else { line::text };
        options.output.write(write(&time, level, &content).as_bytes());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
