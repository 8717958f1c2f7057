//! Requests against the JSON that services read.

use std::time::Duration;

use super::*;

fn say(role: Role, texts: &[&str]) -> Message {
    Message { role, parts: texts.iter().map(|text| Part::Text((*text).to_owned())).collect() }
}

fn built(model: &str, dialect: Dialect, request: &Request) -> Value {
    serde_json::from_slice(&build(model, dialect, request).unwrap()).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

#[test]
fn roles_histories_and_results_of_tools_are_messages() {
    let call = ToolCall { id: "c1".to_owned(), name: "f".to_owned(), arguments: "{}".to_owned() };
    let mut asked = say(Role::Assistant, &["calling"]);
    asked.parts.push(Part::ToolCall(call));
    let answered = Part::ToolResult { id: "c1".to_owned(), name: "f".to_owned(), content: "7".to_owned() };
    let request = Request {
        messages: vec![
            say(Role::System, &["s"]),
            say(Role::Developer, &["d"]),
            say(Role::User, &["u", "v"]),
            asked,
            Message { role: Role::Tool, parts: vec![answered] },
        ],
        ..Request::default()
    };
    let expected = |developer: &str| {
        json!([
            {"role": "system", "content": "s"},
            {"role": developer, "content": "d"},
            {"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "text", "text": "v"}]},
            {"role": "assistant", "content": "calling",
             "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "content": "7", "tool_call_id": "c1"},
        ])
    };
    assert_eq!(built("m", Dialect::default(), &request)["messages"], expected("system"));
    let openai = Dialect { developer: "developer", ..Dialect::default() };
    assert_eq!(built("m", openai, &request)["messages"], expected("developer"));
}

#[test]
fn models_without_messages_of_the_system_are_told_by_the_user() {
    let messages = vec![say(Role::User, &["u"]), say(Role::System, &["a"]), say(Role::System, &["b"])];
    let request = Request { messages, ..Request::default() };
    let built = built("o1-mini", Dialect::default(), &request);
    let content = json!([{"type": "text", "text": "a\n\nb\n\n"}, {"type": "text", "text": "u"}]);
    assert_eq!(built["messages"], json!([{"role": "user", "content": content}]));
    assert!(built.get("temperature").is_none());
}

#[test]
fn temperature_is_sent_to_models_that_take_one() {
    let warm = Request { temperature: 0.7, ..Request::default() };
    let mistral = Dialect { default_temperature: 1.0, ..Dialect::default() };
    assert_eq!(built("m", Dialect::default(), &warm)["temperature"], json!(0.7));
    assert_eq!(built("m", Dialect::default(), &Request::default())["temperature"], json!(0.0));
    assert_eq!(built("m", mistral, &Request::default())["temperature"], json!(1.0));
    assert!(built("gpt-5-nano", Dialect::default(), &warm).get("temperature").is_none());
    assert!(built("o3", Dialect::default(), &warm).get("temperature").is_none());
}

#[test]
fn tools_and_the_choice_among_them_are_told() {
    let tool = Tool {
        name: "f".to_owned(),
        description: "does".to_owned(),
        parameters: Some(object(json!({"type": "object"}))),
    };
    let request = |choice: &str| Request {
        tools: vec![tool.clone(), Tool { name: "g".to_owned(), ..Tool::default() }],
        tool_choice: Some(choice.to_owned()),
        ..Request::default()
    };
    let all = built("m", Dialect::default(), &request("auto"));
    assert_eq!(
        all["tools"],
        json!([
            {"type": "function", "function": {"name": "f", "description": "does", "parameters": {"type": "object"}}},
            {"type": "function", "function": {"name": "g"}},
        ])
    );
    assert_eq!(all["tool_choice"], "auto");
    let one = built("m", Dialect::default(), &request("f"));
    assert_eq!(one["tool_choice"], json!({"type": "function", "function": {"name": "f"}}));
}

#[test]
fn a_response_format_is_a_schema_with_a_name() {
    let with = |schema: Value| Request { response_format: Some(object(schema)), ..Request::default() };
    let schema = json!({"type": "object", "properties": {"a": {"type": "object"}, "b": {"anyOf": []}}});
    let plain = built("m", Dialect::default(), &with(schema.clone()));
    let expected = json!({"name": "response", "strict": false, "schema": schema});
    assert_eq!(plain["response_format"], json!({"type": "json_schema", "json_schema": expected}));
    let strict = json!({"type": "object", "name": "n", "strict": true, "properties": {"a": {"type": "object"}}});
    let inner = json!({"type": "object", "additionalProperties": false});
    let schema = json!({"type": "object", "additionalProperties": false, "properties": {"a": inner}});
    let expected = json!({"name": "n", "strict": true, "schema": schema});
    assert_eq!(built("m", Dialect::default(), &with(strict))["response_format"]["json_schema"], expected);
    assert!(build("m", Dialect::default(), &with(json!({"properties": {}}))).is_err());
}

#[test]
fn metadata_retention_and_limits_go_where_services_read_them() {
    let metadata = [("a", "1"), ("openai:x", "2"), ("thinking_config", "3")];
    let request = Request {
        metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        prompt_cache_retention: Some(Duration::from_secs(86_400)),
        ..Request::default()
    };
    let openai = Dialect { prompt_cache_retention: true, max_tokens: Some(9), ..Dialect::default() };
    let all = built("m", openai, &request);
    assert_eq!(all["metadata"], json!({"a": "1", "prompt_cache_retention": "24h0m0s"}));
    assert_eq!((&all["prompt_cache_retention"], &all["max_tokens"]), (&json!("24h"), &json!(9)));
    let mistral = Dialect { metadata: false, ..Dialect::default() };
    assert!(built("m", mistral, &request).get("metadata").is_none());
}

#[test]
fn a_tool_cannot_speak_without_having_been_called() {
    let request = Request { messages: vec![say(Role::Tool, &["x"])], ..Request::default() };
    assert!(build("m", Dialect::default(), &request).unwrap_err().to_string().starts_with("expected part of type"));
}
