//! The conversation API in its two versions: from the messages of the wire to the block and back. Called by both doors, so
//! that they mean the same.

mod schema;

use std::time::Duration;

use blocks::CallContext;
use blocks::conversation::{
    Asked, Choice, Error, Input, Message, Part, Response, Role, Service, Tool, ToolCall, Usage,
};
use errors::ApiError;
use wire::runtime as v1;
use wire::runtime::conversation_message::MessageTypes;
use wire::runtime::conversation_tool_calls::ToolTypes as CallTypes;
use wire::runtime::conversation_tools::ToolTypes;

use crate::Api;
pub(crate) use schema::wire_object;

/// The first preview: texts with roles, and of each output the first text.
pub(crate) async fn alpha1(
    api: &Api,
    context: &CallContext,
    request: v1::ConversationRequest,
) -> Result<v1::ConversationResponse, ApiError> {
    let service = api.conversations.find(&request.name, request.inputs.len()).map_err(refusal)?;
    let input = |input: v1::ConversationInput| Input {
        messages: vec![Message { role: role(input.role()), parts: vec![Part::Text(input.content.clone())] }],
        scrub: input.scrub_pii(),
    };
    let asked = Asked {
        scrub_answers: request.scrub_pii(),
        temperature: request.temperature(),
        inputs: request.inputs.into_iter().map(input).collect(),
        ..Asked::default()
    };
    let answer = service.converse(context, asked).await.map_err(refusal)?;
    let result = |output: Vec<Choice>| v1::ConversationResult {
        result: output.into_iter().next().map(|choice| choice.content).unwrap_or_default(),
        parameters: request.parameters.clone(),
    };
    Ok(v1::ConversationResponse {
        context_id: request.context_id.filter(|id| !id.is_empty()),
        outputs: answer.outputs.into_iter().map(result).collect(),
    })
}

/// The second preview: histories with tools.
pub(crate) async fn alpha2(
    api: &Api,
    context: &CallContext,
    mut request: v1::ConversationRequestAlpha2,
) -> Result<v1::ConversationResponseAlpha2, ApiError> {
    let (name, context_id) = (std::mem::take(&mut request.name), request.context_id.take());
    let service = api.conversations.find(&name, request.inputs.len()).map_err(refusal)?;
    let context_id = context_id.filter(|id| !id.is_empty());
    let asked = asked(&service, request).map_err(refusal)?;
    let Response { outputs, model, usage } = service.converse(context, asked).await.map_err(refusal)?;
    let output = |output: Vec<Choice>| v1::ConversationResultAlpha2 {
        choices: output.into_iter().map(told).collect(),
        model: model.clone().filter(|model| !model.is_empty()),
        usage: usage.map(told_usage),
    };
    Ok(v1::ConversationResponseAlpha2 { context_id, outputs: outputs.into_iter().map(output).collect() })
}

fn role(word: &str) -> Role {
    match word {
        "system" => Role::System,
        "assistant" | "ai" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => Role::User,
    }
}

fn asked(service: &Service<'_>, request: v1::ConversationRequestAlpha2) -> Result<Asked, Error> {
    let input = |input: v1::ConversationInputAlpha2| {
        let scrub = input.scrub_pii();
        let messages = input.messages.into_iter().map(|said| message(service, said)).collect::<Result<_, _>>()?;
        Ok(Input { messages, scrub })
    };
    Ok(Asked {
        scrub_answers: request.scrub_pii(),
        tool_choice: request.tool_choice().to_owned(),
        temperature: request.temperature(),
        inputs: request.inputs.into_iter().map(input).collect::<Result<_, _>>()?,
        tools: request.tools.into_iter().filter_map(tool).collect(),
        response_format: request.response_format.map(schema::object),
        // What is not in the range of a duration is none.
        prompt_cache_retention: request.prompt_cache_retention.and_then(|time| Duration::try_from(time).ok()),
        metadata: request.metadata.into_iter().collect(),
    })
}

fn message(service: &Service<'_>, said: v1::ConversationMessage) -> Result<Message, Error> {
    let texts = |content: Vec<v1::ConversationMessageContent>| -> Vec<Part> {
        content.into_iter().map(|content| Part::Text(content.text)).collect()
    };
    let (role, parts) = match said.message_types.ok_or_else(|| service.invalid("message type cannot be nil"))? {
        MessageTypes::OfDeveloper(said) => (Role::Developer, texts(said.content)),
        MessageTypes::OfSystem(said) => (Role::System, texts(said.content)),
        MessageTypes::OfUser(said) => (Role::User, texts(said.content)),
        MessageTypes::OfAssistant(said) => {
            let mut parts = texts(said.content);
            for call in said.tool_calls {
                let Some(CallTypes::Function(function)) = call.tool_types else {
                    return Err(service.invalid("tool types cannot be nil"));
                };
                let id = call.id.unwrap_or_default();
                parts.push(Part::ToolCall(ToolCall { id, name: function.name, arguments: function.arguments }));
            }
            (Role::Assistant, parts)
        }
        MessageTypes::OfTool(said) => {
            let (id, name) = (said.tool_id.unwrap_or_default(), said.name);
            let result = |content: v1::ConversationMessageContent| Part::ToolResult {
                id: id.clone(),
                name: name.clone(),
                content: content.text,
            };
            (Role::Tool, said.content.into_iter().map(result).collect())
        }
    };
    Ok(Message { role, parts })
}

/// A tool of no kind is none, as in the target.
fn tool(tool: v1::ConversationTools) -> Option<Tool> {
    let ToolTypes::Function(function) = tool.tool_types?;
    Some(Tool {
        description: function.description.unwrap_or_default(),
        parameters: function.parameters.map(schema::object),
        name: function.name,
    })
}

fn told(choice: Choice) -> v1::ConversationResultChoices {
    let call = |call: ToolCall| v1::ConversationToolCalls {
        id: Some(call.id).filter(|id| !id.is_empty()),
        tool_types: Some(CallTypes::Function(v1::ConversationToolCallsOfFunction {
            name: call.name,
            arguments: call.arguments,
        })),
    };
    v1::ConversationResultChoices {
        finish_reason: choice.finish_reason,
        index: choice.index,
        message: Some(v1::ConversationResultMessage {
            content: choice.content,
            tool_calls: choice.tool_calls.into_iter().map(call).collect(),
        }),
    }
}

fn told_usage(usage: Usage) -> v1::ConversationResultAlpha2CompletionUsage {
    v1::ConversationResultAlpha2CompletionUsage {
        completion_tokens: usage.completion,
        prompt_tokens: usage.prompt,
        total_tokens: usage.total,
        completion_tokens_details: usage.completion_details.map(|details| {
            v1::ConversationResultAlpha2CompletionUsageCompletionTokensDetails {
                accepted_prediction_tokens: details.accepted_prediction,
                audio_tokens: details.audio,
                reasoning_tokens: details.reasoning,
                rejected_prediction_tokens: details.rejected_prediction,
            }
        }),
        prompt_tokens_details: usage.prompt_details.map(|details| {
            v1::ConversationResultAlpha2CompletionUsagePromptTokensDetails {
                audio_tokens: details.audio,
                cached_tokens: details.cached,
            }
        }),
    }
}

/// The row of the catalogue that a failure of the block is.
fn refusal(error: Error) -> ApiError {
    let error = match error {
        Error::NotFound { component } => errors::conversation_not_found(component),
        Error::MissingInputs { component } => errors::conversation_missing_inputs(component),
        Error::Invalid { component, reason } => errors::conversation_invalid_parameters(component, reason),
        Error::Converse { component, source } => errors::conversation_invoke(component, source),
    };
    tracing::debug!(target: "dapr.runtime", "{error}");
    error
}
