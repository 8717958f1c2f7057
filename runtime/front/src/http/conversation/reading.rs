//! Requests of the conversation API out of JSON. Fields have two spellings; unknown ones are not looked at, null is as good as
//! missing.

mod fields;

use errors::ApiError;
use serde_json::{Map, Value};
use wire::runtime as v1;
use wire::runtime::conversation_message::MessageTypes;
use wire::runtime::conversation_tool_calls::ToolTypes as CallTypes;
use wire::runtime::conversation_tools::ToolTypes;

use crate::conversation::wire_object;
use fields::Fields;

/// A request of the first preview, and its parameters as they came: they go back as they are.
pub(super) fn alpha1(body: &[u8]) -> Result<(v1::ConversationRequest, Map<String, Value>), ApiError> {
    let whole = fields::whole(body)?;
    let fields = Fields::new(&whole);
    let input = |input: Fields<'_>| {
        Ok(v1::ConversationInput {
            content: input.text("content", "content")?.unwrap_or_default(),
            role: input.text("role", "role")?,
            scrub_pii: input.flag("scrubPII", "scrubPII")?,
        })
    };
    fields.texts("metadata")?;
    let request = v1::ConversationRequest {
        context_id: fields.text("contextID", "contextID")?,
        inputs: fields.list("inputs", "inputs", input)?,
        scrub_pii: fields.flag("scrubPII", "scrubPII")?,
        temperature: fields.number("temperature")?,
        ..v1::ConversationRequest::default()
    };
    Ok((request, parameters(&fields)?))
}

/// A request of the second preview.
pub(super) fn alpha2(body: &[u8]) -> Result<v1::ConversationRequestAlpha2, ApiError> {
    let whole = fields::whole(body)?;
    let fields = Fields::new(&whole);
    parameters(&fields)?;
    let input = |input: Fields<'_>| {
        Ok(v1::ConversationInputAlpha2 {
            messages: input.list("messages", "messages", message)?,
            scrub_pii: input.flag("scrubPii", "scrub_pii")?,
        })
    };
    Ok(v1::ConversationRequestAlpha2 {
        context_id: fields.text("contextId", "context_id")?,
        inputs: fields.list("inputs", "inputs", input)?,
        metadata: fields.texts("metadata")?,
        scrub_pii: fields.flag("scrubPii", "scrub_pii")?,
        temperature: fields.number("temperature")?,
        tools: fields.list("tools", "tools", tool)?,
        tool_choice: fields.text("toolChoice", "tool_choice")?,
        response_format: fields.object("responseFormat", "response_format")?.map(wire_object),
        prompt_cache_retention: fields.duration("promptCacheRetention", "prompt_cache_retention")?,
        ..v1::ConversationRequestAlpha2::default()
    })
}

/// What only travels along, of any type; without a type there is nothing in it.
fn parameters(fields: &Fields<'_>) -> Result<Map<String, Value>, ApiError> {
    let mut parameters = fields.object("parameters", "parameters")?.cloned().unwrap_or_default();
    for value in parameters.values_mut().filter_map(Value::as_object_mut) {
        if !value.get("@type").is_some_and(Value::is_string) {
            value.clear();
        }
    }
    match parameters.iter().find(|(_, value)| !value.is_object()) {
        Some((name, value)) => Err(fields::wrong("message", name, value)),
        None => Ok(parameters),
    }
}

fn message(message: Fields<'_>) -> Result<v1::ConversationMessage, ApiError> {
    let mut kinds = Vec::new();
    if let Some(of) = message.message("ofDeveloper", "of_developer")? {
        let (name, content) = named(&of)?;
        kinds.push(MessageTypes::OfDeveloper(v1::ConversationMessageOfDeveloper { name, content }));
    }
    if let Some(of) = message.message("ofSystem", "of_system")? {
        let (name, content) = named(&of)?;
        kinds.push(MessageTypes::OfSystem(v1::ConversationMessageOfSystem { name, content }));
    }
    if let Some(of) = message.message("ofUser", "of_user")? {
        let (name, content) = named(&of)?;
        kinds.push(MessageTypes::OfUser(v1::ConversationMessageOfUser { name, content }));
    }
    if let Some(of) = message.message("ofAssistant", "of_assistant")? {
        let (name, content) = named(&of)?;
        let tool_calls = of.list("toolCalls", "tool_calls", call)?;
        kinds.push(MessageTypes::OfAssistant(v1::ConversationMessageOfAssistant { name, content, tool_calls }));
    }
    if let Some(of) = message.message("ofTool", "of_tool")? {
        let (name, content) = named(&of)?;
        let (tool_id, name) = (of.text("toolId", "tool_id")?, name.unwrap_or_default());
        kinds.push(MessageTypes::OfTool(v1::ConversationMessageOfTool { tool_id, name, content }));
    }
    if kinds.len() > 1 {
        return Err(errors::malformed_request(
            "proto: oneof dapr.proto.runtime.v1.ConversationMessage.message_types is already set",
        ));
    }
    Ok(v1::ConversationMessage { message_types: kinds.pop() })
}

type Named = (Option<String>, Vec<v1::ConversationMessageContent>);

fn named(of: &Fields<'_>) -> Result<Named, ApiError> {
    let content = |content: Fields<'_>| {
        Ok(v1::ConversationMessageContent { text: content.text("text", "text")?.unwrap_or_default() })
    };
    Ok((of.text("name", "name")?, of.list("content", "content", content)?))
}

fn call(call: Fields<'_>) -> Result<v1::ConversationToolCalls, ApiError> {
    let function = |function: Fields<'_>| {
        Ok::<_, ApiError>(CallTypes::Function(v1::ConversationToolCallsOfFunction {
            name: function.text("name", "name")?.unwrap_or_default(),
            arguments: function.text("arguments", "arguments")?.unwrap_or_default(),
        }))
    };
    let tool_types = call.message("function", "function")?.map(function).transpose()?;
    Ok(v1::ConversationToolCalls { id: call.text("id", "id")?, tool_types })
}

fn tool(tool: Fields<'_>) -> Result<v1::ConversationTools, ApiError> {
    let function = |function: Fields<'_>| {
        Ok::<_, ApiError>(ToolTypes::Function(v1::ConversationToolsFunction {
            name: function.text("name", "name")?.unwrap_or_default(),
            description: function.text("description", "description")?,
            parameters: function.object("parameters", "parameters")?.map(wire_object),
        }))
    };
    Ok(v1::ConversationTools { tool_types: tool.message("function", "function")?.map(function).transpose()? })
}
