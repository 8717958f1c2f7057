//! What one row of the catalogue says. Rows are constants, one per failure, written in the files named by category.

use ::http::StatusCode;
use tonic::Code;

/// One way to fail, with everything that shows outside. The key, not the tag, identifies a row: one tag can be several.
#[derive(Debug)]
pub struct Row {
    /// Name of the constant, such as `STATE_GET`.
    pub key: &'static str,
    /// `errorCode` of the HTTP body. Empty where the target sends a reason in its place (jobs) or no code at all.
    pub tag: &'static str,
    /// `reason` of the `google.rpc.ErrorInfo` in the details; empty if the row has no details.
    pub reason: &'static str,
    /// Status of the HTTP answer.
    pub http: StatusCode,
    /// Code of the gRPC answer.
    pub grpc: Code,
    /// Label of the error metric.
    pub category: Category,
    /// Which of the two renderings carry details.
    pub family: Family,
    /// Details beside the error info, in the order they are sent.
    pub details: &'static [DetailKind],
    /// Keys of the metadata of the error info.
    pub metadata: &'static [&'static str],
    /// The message, with its arguments in braces; `{name:?}` is quoted as Go quotes.
    pub message: &'static str,
    /// By which doors it leaves.
    pub sent: Sent,
    /// Lines of the help page: what it means and what to do.
    pub help: &'static [&'static str],
}

/// The shape of a row's two renderings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// HTTP: tag and message. gRPC: code and message.
    Plain,
    /// Both with details.
    Detailed,
    /// HTTP as [`Family::Plain`], gRPC with details.
    DetailedOverGrpc,
    /// HTTP: the message as plain text. gRPC: as an HTTP answer of that status comes out of a gRPC call, with the message
    /// in the metadata of the error info.
    Text,
    /// gRPC: code and message, no more. HTTP: the generic tag, status 500 and the text of a gRPC error. Not counted by the
    /// error metric.
    Raw,
    /// Made elsewhere: codes, tag, reason and message are those of a pluggable component.
    PassedThrough,
}

/// A detail that a row carries beside its error info.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailKind {
    /// `google.rpc.ResourceInfo` naming the component.
    Resource,
    /// `google.rpc.BadRequest` naming a field.
    FieldViolation,
    /// `google.rpc.Help` with one link.
    Help,
}

/// A link for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Help {
    /// Where to read on.
    pub url: &'static str,
    /// What is there.
    pub description: &'static str,
}

/// The doors a row leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// HTTP and gRPC.
    Both,
    /// The other door answers something else in this case, or has no such API.
    HttpOnly,
    /// The other door answers something else in this case, or has no such API.
    GrpcOnly,
    /// The target defines it and sends it nowhere; it is here so that the catalogue is complete.
    Never,
}

/// Groups of rows: the `category` label of the error metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// Actors, their state, reminders and timers.
    Actor,
    /// Output bindings.
    Binding,
    /// What every API shares.
    Common,
    /// Configuration stores.
    Configuration,
    /// Conversations with language models.
    Conversation,
    /// Cryptography.
    Crypto,
    /// Health endpoints.
    Health,
    /// Jobs.
    Job,
    /// Distributed locks.
    Lock,
    /// Errors that a pluggable component made.
    PluggableComponent,
    /// Publish and subscribe.
    Pubsub,
    /// Secret stores.
    Secret,
    /// Calls from app to app.
    ServiceInvocation,
    /// State stores.
    State,
    /// Workflows.
    Workflow,
}

impl Category {
    /// The label's value, as in `service-invocation`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Binding => "binding",
            Self::Common => "common",
            Self::Configuration => "configuration",
            Self::Conversation => "conversation",
            Self::Crypto => "crypto",
            Self::Health => "health",
            Self::Job => "job",
            Self::Lock => "lock",
            Self::PluggableComponent => "pluggable-component",
            Self::Pubsub => "pubsub",
            Self::Secret => "secret",
            Self::ServiceInvocation => "service-invocation",
            Self::State => "state",
            Self::Workflow => "workflow",
        }
    }
}
