//! What a service that converses offers. Implemented by backends, called through `loaded` by the conversation block. What may
//! not reach the service has been taken out of the messages before they get here.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::{Backend, CallContext, Error, Metadata};

/// Who speaks in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Whoever wrote the app, to the model.
    Developer,
    /// The system.
    System,
    /// Its user.
    User,
    /// The model.
    Assistant,
    /// A tool that the model called.
    Tool,
}

/// One message of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A call that the model wanted.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult {
        /// Id of the call, empty if there is none.
        id: String,
        /// Name of the tool.
        name: String,
        /// Its answer.
        content: String,
    },
}

/// A call of a tool that the model wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// Its id, empty if there is none.
    pub id: String,
    /// Name of the tool.
    pub name: String,
    /// Its arguments as the model wrote them: JSON, if it kept to the rules.
    pub arguments: String,
}

/// A tool that the model may call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON schema of its arguments.
    pub parameters: Option<Map<String, Value>>,
}

/// Asks the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The history so far, the latest last.
    pub messages: Vec<Message>,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// `auto`, `none`, `required` or the name of one of the tools.
    pub tool_choice: Option<String>,
    /// From predictable to creative; 0 if the app does not say.
    pub temperature: f64,
    /// JSON schema that the answer has to keep to.
    pub response_format: Option<Map<String, Value>>,
    /// How long the service keeps the prompt for the next request.
    pub prompt_cache_retention: Option<Duration>,
    /// For the service.
    pub metadata: Metadata,
}

/// What the model answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// Its answers, each of one choice or more.
    pub outputs: Vec<Vec<Choice>>,
    /// The model, where the service has one.
    pub model: Option<String>,
    /// What was used up.
    pub usage: Option<Usage>,
}

/// One answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Why it ends: `stop`, `length`, `tool_calls`, `content_filter`, or what the service calls it.
    pub finish_reason: String,
    /// Its place among the choices.
    pub index: i64,
    /// Text.
    pub content: String,
    /// Tools to be called.
    pub tool_calls: Vec<ToolCall>,
}

/// Tokens that were used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// By the answer.
    pub completion: u64,
    /// By the history.
    pub prompt: u64,
    /// By both.
    pub total: u64,
    /// Of the answer in detail.
    pub completion_details: Option<CompletionDetails>,
    /// Of the history in detail.
    pub prompt_details: Option<PromptDetails>,
}

/// Tokens of an answer in detail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CompletionDetails {
    /// Predicted, and part of the answer.
    pub accepted_prediction: u64,
    /// Audio.
    pub audio: u64,
    /// Reasoning.
    pub reasoning: u64,
    /// Predicted, and not part of the answer.
    pub rejected_prediction: u64,
}

/// Tokens of a history in detail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PromptDetails {
    /// Audio.
    pub audio: u64,
    /// Those the service still had.
    pub cached: u64,
}

/// A language model behind a service.
#[async_trait]
pub trait Conversation: Backend {
    /// Asks the model. No error may hold a key.
    async fn converse(&self, context: &CallContext, request: &Request) -> Result<Response, Error>;
}
