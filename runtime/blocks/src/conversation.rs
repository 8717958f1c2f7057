//! What the conversation API means, whatever door it comes through: what is checked before a model is asked, and what of a
//! person is taken out of questions and answers. Called by `front`; it knows no status codes.

mod scrubber;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use component::conversation::Conversation;
pub use component::conversation::{
    Choice, CompletionDetails, Message, Part, PromptDetails, Request, Response, Role, Tool, ToolCall, Usage,
};
use component::{CallContext, Metadata};
use loaded::{LoadedComponents, Pinned};
use serde_json::{Map, Value};
use telemetry::metrics::Operations;

use scrubber::Scrubber;

/// The conversation API of one app.
#[derive(Clone)]
pub struct Conversations {
    components: LoadedComponents,
    scrubber: Arc<Scrubber>,
    counts: Operations,
}

/// A service that is about to be asked.
pub struct Service<'a> {
    name: &'a str,
    service: Pinned<dyn Conversation>,
    scrubber: &'a Scrubber,
    counts: &'a Operations,
}

/// What an app asks.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The history, in parts.
    pub inputs: Vec<Input>,
    /// Whether what looks like personal data is taken out of the answers.
    pub scrub_answers: bool,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// `auto`, `none`, `required`, the name of a tool, or empty.
    pub tool_choice: String,
    /// From predictable to creative.
    pub temperature: f64,
    /// JSON schema that the answer has to keep to.
    pub response_format: Option<Map<String, Value>>,
    /// How long the service keeps the prompt for the next request.
    pub prompt_cache_retention: Option<Duration>,
    /// For the service.
    pub metadata: Metadata,
}

/// A part of a history.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// Its messages.
    pub messages: Vec<Message>,
    /// Whether what looks like personal data is taken out of them.
    pub scrub: bool,
}

/// Why a request of the conversation API failed.
#[derive(Debug)]
pub enum Error {
    /// There is no such component.
    NotFound {
        /// The component asked for.
        component: String,
    },
    /// There is nothing to say.
    MissingInputs {
        /// The component.
        component: String,
    },
    /// A part of the request is wrong.
    Invalid {
        /// The component.
        component: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The service did not answer.
    Converse {
        /// The component.
        component: String,
        /// Why.
        source: component::Error,
    },
}

const REQUIRED_WITHOUT_TOOLS: &str =
    "tool choice must be 'auto', 'none', 'required', or a specific tool name matching the tools available to be used";
const NO_SUCH_TOOL: &str = "tool choice selected was not found. Must be 'auto', 'none', 'required', or a specific tool \
                            name matching the tools available to be used";

impl Conversations {
    /// The conversation API over `components`.
    pub fn new(components: LoadedComponents) -> Self {
        Self { components, scrubber: Arc::default(), counts: Operations::default() }
    }

    /// Counts what services are asked.
    #[must_use]
    pub fn counted(self, counts: Operations) -> Self {
        Self { counts, ..self }
    }

    /// The service of a name, to be asked with this many inputs.
    ///
    /// # Errors
    /// `NotFound`, or `MissingInputs` when there are none.
    pub fn find<'a>(&'a self, name: &'a str, inputs: usize) -> Result<Service<'a>, Error> {
        let service = self.components.conversation(name).and_then(|service| service.pin().ok());
        let service = service.ok_or_else(|| Error::NotFound { component: name.to_owned() })?;
        if inputs == 0 {
            return Err(Error::MissingInputs { component: name.to_owned() });
        }
        Ok(Service { name, service, scrubber: &self.scrubber, counts: &self.counts })
    }
}

impl Service<'_> {
    /// The error for a part of a request that is wrong.
    pub fn invalid(&self, reason: &'static str) -> Error {
        Error::Invalid { component: self.name.to_owned(), reason }
    }

    /// Asks the model.
    ///
    /// # Errors
    /// `Invalid` for a choice of a tool that is none, `Converse` for a service that does not answer.
    pub async fn converse(&self, context: &CallContext, asked: Asked) -> Result<Response, Error> {
        let tool_choice = self.tool_choice(&asked)?;
        let request = Request {
            messages: asked.inputs.into_iter().flat_map(|input| self.messages(input)).collect(),
            tools: asked.tools,
            tool_choice,
            temperature: asked.temperature,
            response_format: asked.response_format,
            prompt_cache_retention: asked.prompt_cache_retention,
            metadata: asked.metadata,
        };
        let answer = self.service.call(context, "converse", |backend| backend.converse(context, &request));
        let answer = self.counts.watch(self.name, "", answer).await;
        let mut answer = answer.map_err(|source| Error::Converse { component: self.name.to_owned(), source })?;
        if asked.scrub_answers {
            for choice in answer.outputs.iter_mut().flatten() {
                choice.content = self.scrubber.scrub(&choice.content);
            }
        }
        Ok(answer)
    }

    /// `auto` is what an app means that brings tools and says nothing.
    fn tool_choice(&self, asked: &Asked) -> Result<Option<String>, Error> {
        match asked.tool_choice.as_str() {
            "" if asked.tools.is_empty() => Ok(None),
            "" => Ok(Some("auto".to_owned())),
            "required" if asked.tools.is_empty() => Err(self.invalid(REQUIRED_WITHOUT_TOOLS)),
            choice @ ("auto" | "none" | "required") => Ok(Some(choice.to_owned())),
            name if asked.tools.is_empty() || asked.tools.iter().any(|tool| tool.name == name) => {
                Ok(Some(name.to_owned()))
            }
            _ => Err(self.invalid(NO_SUCH_TOOL)),
        }
    }

    /// Texts and answers of tools are scrubbed, calls of tools are not, as in the target.
    fn messages(&self, input: Input) -> Vec<Message> {
        let mut messages = input.messages;
        if input.scrub {
            for part in messages.iter_mut().flat_map(|message| &mut message.parts) {
                match part {
                    Part::Text(text) | Part::ToolResult { content: text, .. } => *text = self.scrubber.scrub(text),
                    Part::ToolCall(_) => {}
                }
            }
        }
        messages
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotFound { component } => write!(formatter, "failed finding conversation component {component}"),
            Error::MissingInputs { component } => {
                write!(formatter, "failed conversing with component {component}: missing inputs in request")
            }
            Error::Invalid { component, reason } => {
                write!(formatter, "failed conversing with component {component}: invalid params: {reason}")
            }
            Error::Converse { component, source } => {
                write!(formatter, "failed conversing with component {component}: {source}")
            }
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
