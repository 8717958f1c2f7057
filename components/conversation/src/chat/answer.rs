//! What a service answered, read. A pure function of its bytes.

use component::conversation::{Choice, CompletionDetails, PromptDetails, Response, ToolCall, Usage};
use component::{Error, ErrorKind};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Completion {
    #[serde(default)]
    choices: Vec<CompletionChoice>,
    #[serde(default)]
    usage: Option<CompletionUsage>,
}

#[derive(Deserialize)]
struct CompletionChoice {
    #[serde(default)]
    message: CompletionMessage,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct CompletionMessage {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    tool_calls: Option<Vec<CompletionCall>>,
}

#[derive(Deserialize)]
struct CompletionCall {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: CompletionFunction,
}

#[derive(Default, Deserialize)]
struct CompletionFunction {
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CompletionUsage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: Option<InPrompt>,
    completion_tokens_details: Option<InCompletion>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InPrompt {
    cached_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InCompletion {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    accepted_prediction_tokens: Option<u64>,
    rejected_prediction_tokens: Option<u64>,
}

/// The answer of a service. Each of its choices is an output of its own, as in the target.
///
/// # Errors
/// When it is none.
pub(super) fn read(body: &[u8], model: &str) -> Result<Response, Error> {
    let completion: Completion = serde_json::from_slice(body).map_err(|cause| {
        let place = format!("line {}, column {}", cause.line(), cause.column());
        Error::new(ErrorKind::Internal, format!("the answer of the service cannot be read: see {place}"))
    })?;
    if completion.choices.is_empty() {
        return Err(Error::new(ErrorKind::Internal, "empty response"));
    }
    let outputs = completion.choices.into_iter().zip(0..).map(|(choice, index)| vec![choice.into_choice(index)]);
    let usage = completion.usage.and_then(CompletionUsage::into_usage);
    Ok(Response { outputs: outputs.collect(), model: Some(model.to_owned()), usage })
}

impl CompletionChoice {
    fn into_choice(self, index: i64) -> Choice {
        let call = |call: CompletionCall| ToolCall {
            id: call.id.unwrap_or_default(),
            name: call.function.name,
            arguments: call.function.arguments,
        };
        Choice {
            finish_reason: self.finish_reason.filter(|why| !why.is_empty()).unwrap_or_else(|| "unknown".to_owned()),
            index,
            content: self.message.content.unwrap_or_default(),
            tool_calls: self.message.tool_calls.unwrap_or_default().into_iter().map(call).collect(),
        }
    }
}

impl CompletionUsage {
    /// Nothing at all is no usage.
    fn into_usage(self) -> Option<Usage> {
        let (prompt, completion) =
            (self.prompt_tokens_details.unwrap_or_default(), self.completion_tokens_details.unwrap_or_default());
        let prompt_details = PromptDetails {
            audio: prompt.audio_tokens.unwrap_or_default(),
            cached: prompt.cached_tokens.unwrap_or_default(),
        };
        let completion_details = CompletionDetails {
            accepted_prediction: completion.accepted_prediction_tokens.unwrap_or_default(),
            audio: completion.audio_tokens.unwrap_or_default(),
            reasoning: completion.reasoning_tokens.unwrap_or_default(),
            rejected_prediction: completion.rejected_prediction_tokens.unwrap_or_default(),
        };
        let usage = Usage {
            completion: self.completion_tokens,
            prompt: self.prompt_tokens,
            total: self.total_tokens,
            completion_details: Some(completion_details).filter(|details| *details != CompletionDetails::default()),
            prompt_details: Some(prompt_details).filter(|details| *details != PromptDetails::default()),
        };
        (usage.completion > 0 || usage.prompt > 0 || usage.total > 0).then_some(usage)
    }
}

/// Why a service refused, in its own words.
pub(super) fn reason(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let error = answer.get("error").unwrap_or(&answer);
    let message = error.get("message").or_else(|| answer.get("message")).and_then(Value::as_str);
    message.or_else(|| error.as_str()).map(str::to_owned).filter(|message| !message.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(value: Value) -> Result<Response, String> {
        read(value.to_string().as_bytes(), "m").map_err(|error| error.to_string())
    }

    #[test]
    fn choices_calls_and_usage_are_read() {
        let found = answer(json!({
            "choices": [
                {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null,
                 "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}},
                {"index": 1, "finish_reason": null, "message": {"content": "text"}},
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3,
                      "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": null},
                      "completion_tokens_details": {"reasoning_tokens": 0}},
        }))
        .unwrap();
        let call = ToolCall { id: "c".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
        let choices: Vec<&Choice> = found.outputs.iter().flatten().collect();
        assert_eq!((choices[0].tool_calls.as_slice(), choices[0].content.as_str()), ([call].as_slice(), ""));
        assert_eq!(
            (choices[1].finish_reason.as_str(), choices[1].content.as_str(), choices[1].index),
            ("unknown", "text", 1)
        );
        let usage = found.usage.unwrap();
        assert_eq!(usage.prompt_details, Some(PromptDetails { audio: 0, cached: 4 }));
        assert_eq!((usage.completion_details, usage.total), (None, 3));
        assert_eq!(found.model.as_deref(), Some("m"));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert_eq!(answer(json!({"choices": []})).unwrap_err(), "empty response");
        assert!(answer(json!({"choices": 7})).unwrap_err().starts_with("the answer of the service cannot be read"));
        assert_eq!(answer(json!({"choices": [{}], "usage": {}})).unwrap().usage, None);
    }

    #[test]
    fn the_reason_of_a_refusal_is_found_in_every_shape() {
        let found = |value: Value| reason(value.to_string().as_bytes());
        assert_eq!(found(json!({"error": {"message": "a"}})).as_deref(), Some("a"));
        assert_eq!(found(json!({"error": "b"})).as_deref(), Some("b"));
        assert_eq!(found(json!({"object": "error", "message": "c"})).as_deref(), Some("c"));
        assert_eq!(found(json!({"detail": []})), None);
        assert_eq!(reason(b"<html>"), None);
    }
}
