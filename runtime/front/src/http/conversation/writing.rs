//! Answers of the conversation API as JSON: what is empty is left out, 64-bit numbers stand in quotes.

use serde_json::{Map, Value};
use wire::runtime as v1;
use wire::runtime::conversation_tool_calls::ToolTypes;

/// An answer of the first preview. The parameters are those of the request, as they came.
pub(super) fn alpha1(answer: v1::ConversationResponse, parameters: &Map<String, Value>) -> Value {
    let output = |output: v1::ConversationResult| {
        let mut result = Map::new();
        text(&mut result, "result", output.result);
        if !parameters.is_empty() {
            result.insert("parameters".into(), parameters.clone().into());
        }
        result.into()
    };
    let mut out = Map::new();
    text(&mut out, "contextID", answer.context_id.unwrap_or_default());
    list(&mut out, "outputs", answer.outputs.into_iter().map(output).collect());
    out.into()
}

/// An answer of the second preview.
pub(super) fn alpha2(answer: v1::ConversationResponseAlpha2) -> Value {
    let output = |output: v1::ConversationResultAlpha2| {
        let mut result = Map::new();
        list(&mut result, "choices", output.choices.into_iter().map(choice).collect());
        text(&mut result, "model", output.model.unwrap_or_default());
        if let Some(used) = output.usage {
            result.insert("usage".into(), usage(&used));
        }
        result.into()
    };
    let mut out = Map::new();
    text(&mut out, "contextId", answer.context_id.unwrap_or_default());
    list(&mut out, "outputs", answer.outputs.into_iter().map(output).collect());
    out.into()
}

fn choice(choice: v1::ConversationResultChoices) -> Value {
    let mut out = Map::new();
    text(&mut out, "finishReason", choice.finish_reason);
    if choice.index != 0 {
        out.insert("index".into(), choice.index.to_string().into());
    }
    if let Some(message) = choice.message {
        let mut said = Map::new();
        text(&mut said, "content", message.content);
        list(&mut said, "toolCalls", message.tool_calls.into_iter().map(call).collect());
        out.insert("message".into(), said.into());
    }
    out.into()
}

fn call(call: v1::ConversationToolCalls) -> Value {
    let mut out = Map::new();
    text(&mut out, "id", call.id.unwrap_or_default());
    if let Some(ToolTypes::Function(function)) = call.tool_types {
        let mut called = Map::new();
        text(&mut called, "name", function.name);
        text(&mut called, "arguments", function.arguments);
        out.insert("function".into(), called.into());
    }
    out.into()
}

fn usage(usage: &v1::ConversationResultAlpha2CompletionUsage) -> Value {
    let mut out = Map::new();
    number(&mut out, "completionTokens", usage.completion_tokens);
    number(&mut out, "promptTokens", usage.prompt_tokens);
    number(&mut out, "totalTokens", usage.total_tokens);
    if let Some(details) = &usage.completion_tokens_details {
        let mut within = Map::new();
        number(&mut within, "acceptedPredictionTokens", details.accepted_prediction_tokens);
        number(&mut within, "audioTokens", details.audio_tokens);
        number(&mut within, "reasoningTokens", details.reasoning_tokens);
        number(&mut within, "rejectedPredictionTokens", details.rejected_prediction_tokens);
        out.insert("completionTokensDetails".into(), within.into());
    }
    if let Some(details) = &usage.prompt_tokens_details {
        let mut within = Map::new();
        number(&mut within, "audioTokens", details.audio_tokens);
        number(&mut within, "cachedTokens", details.cached_tokens);
        out.insert("promptTokensDetails".into(), within.into());
    }
    out.into()
}

fn text(out: &mut Map<String, Value>, name: &str, text: String) {
    if !text.is_empty() {
        out.insert(name.to_owned(), text.into());
    }
}

fn number(out: &mut Map<String, Value>, name: &str, number: u64) {
    if number != 0 {
        out.insert(name.to_owned(), number.to_string().into());
    }
}

fn list(out: &mut Map<String, Value>, name: &str, items: Vec<Value>) {
    if !items.is_empty() {
        out.insert(name.to_owned(), items.into());
    }
}
