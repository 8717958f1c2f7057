//! `conversation.echo`: answers with the texts it is told, calls every tool it is offered, and counts words as tokens.

use std::sync::Arc;

use async_trait::async_trait;
use component::conversation::{Choice, Conversation, Part, Request, Response, Tool, ToolCall, Usage};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Setup};
use serde_json::Value;

struct Echo;

/// There is nothing to set.
pub(crate) fn construct(_: Setup) -> Constructing<dyn Conversation> {
    Box::pin(async {
        let echo: Arc<dyn Conversation> = Arc::new(Echo);
        Ok(echo)
    })
}

impl Backend for Echo {}

#[async_trait]
impl Conversation for Echo {
    async fn converse(&self, _: &CallContext, request: &Request) -> Result<Response, Error> {
        let mut calls = request.tools.iter().enumerate().map(call).collect::<Result<Vec<_>, _>>()?;
        let mut texts = Vec::new();
        for part in request.messages.iter().flat_map(|message| &message.parts) {
            match part {
                Part::Text(text) => texts.push(text.clone()),
                Part::ToolCall(call) => calls.push(call.clone()),
                Part::ToolResult { id, name, content } => {
                    texts.push(format!("Tool Response for tool ID '{id}' with name '{name}': {content}"));
                }
            }
        }
        let content = texts.join("\n");
        let tokens = content.split_whitespace().count() as u64;
        let finish_reason = if calls.is_empty() { "stop" } else { "tool_calls" };
        let choice = Choice { finish_reason: finish_reason.to_owned(), index: 0, content, tool_calls: calls };
        let usage = Usage { completion: tokens, prompt: tokens, total: tokens * 2, ..Usage::default() };
        Ok(Response { outputs: vec![vec![choice]], model: None, usage: Some(usage) })
    }
}

/// A call of a tool: its number as id, the sorted names of its parameters as arguments.
fn call((number, tool): (usize, &Tool)) -> Result<ToolCall, Error> {
    let names = match tool.parameters.as_ref().and_then(|parameters| parameters.get("properties")) {
        None => Vec::new(),
        Some(Value::Object(properties)) => {
            let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
            names.sort_unstable();
            names
        }
        Some(other) => {
            let found = match other {
                Value::Null => "<nil>",
                Value::Bool(_) => "bool",
                Value::Number(_) => "float64",
                Value::String(_) => "string",
                Value::Array(_) | Value::Object(_) => "[]interface {}",
            };
            let message = format!("tool function properties must be a map[string]any, got {found}");
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
    };
    Ok(ToolCall { id: number.to_string(), name: tool.name.clone(), arguments: names.join(",") })
}

#[cfg(test)]
mod tests {
    use component::conversation::{Message, Role};
    use serde_json::json;

    use super::*;

    async fn echo(parts: Vec<Part>, tools: Vec<Tool>) -> Result<Response, Error> {
        let messages = vec![Message { role: Role::User, parts }];
        Echo.converse(&CallContext::default(), &Request { messages, tools, ..Request::default() }).await
    }

    fn tool(properties: Value) -> Tool {
        let parameters = json!({"type": "object", "properties": properties}).as_object().cloned();
        Tool { name: "t".to_owned(), description: String::new(), parameters }
    }

    #[tokio::test]
    async fn texts_calls_and_results_come_back() {
        let call = ToolCall { id: "7".to_owned(), name: "n".to_owned(), arguments: "{}".to_owned() };
        let result = Part::ToolResult { id: "i".to_owned(), name: "n".to_owned(), content: "c".to_owned() };
        let parts = vec![Part::Text("a  b".to_owned()), Part::ToolCall(call.clone()), result];
        let answer = echo(parts, vec![tool(json!({"y": {}, "x": {}}))]).await.unwrap();
        let choice = &answer.outputs[0][0];
        assert_eq!(choice.content, "a  b\nTool Response for tool ID 'i' with name 'n': c");
        let own = ToolCall { id: "0".to_owned(), name: "t".to_owned(), arguments: "x,y".to_owned() };
        assert_eq!(
            (choice.tool_calls.as_slice(), choice.finish_reason.as_str()),
            ([own, call].as_slice(), "tool_calls")
        );
        assert_eq!(answer.usage.map(|usage| (usage.completion, usage.prompt, usage.total)), Some((12, 12, 24)));
        assert_eq!(answer.model, None);
    }

    #[tokio::test]
    async fn properties_that_are_no_object_are_refused() {
        let message = echo(Vec::new(), vec![tool(json!("x"))]).await.unwrap_err().to_string();
        assert_eq!(message, "tool function properties must be a map[string]any, got string");
        assert_eq!(echo(Vec::new(), Vec::new()).await.unwrap().outputs[0][0].finish_reason, "stop");
    }
}
