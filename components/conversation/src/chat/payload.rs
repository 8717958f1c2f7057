//! A request as JSON of the chat completions protocol. A pure function.

use component::conversation::{Message, Part, Request, Role, Tool, ToolCall};
use component::{Error, ErrorKind};
use serde_json::{Map, Value, json};

use super::Dialect;

/// The body of a request.
///
/// # Errors
/// `InvalidArgument` for what the protocol cannot say.
pub(super) fn build(model: &str, dialect: Dialect, request: &Request) -> Result<Vec<u8>, Error> {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), messages(model, dialect, &request.messages)?);
    if !reasons(model) {
        let given = if request.temperature > 0.0 { request.temperature } else { dialect.default_temperature };
        body.insert("temperature".into(), given.into());
    }
    if let Some(most) = dialect.max_tokens {
        body.insert("max_tokens".into(), most.into());
    }
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    if let Some(choice) = &request.tool_choice {
        body.insert("tool_choice".into(), tool_choice(choice));
    }
    if let Some(schema) = &request.response_format {
        body.insert("response_format".into(), response_format(schema)?);
    }
    add_metadata(&mut body, dialect, request);
    serde_json::to_vec(&body).map_err(|cause| Error::new(ErrorKind::Internal, "writing the request").caused_by(cause))
}

/// Models that take no temperature.
fn reasons(model: &str) -> bool {
    model == "o3" || ["o1-", "o3-", "gpt-5"].iter().any(|start| model.starts_with(start))
}

/// Models that take no messages of the system: those are put before the first words of the user.
fn takes_system(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    !["o1", "o1-mini", "o1-preview", "o3", "o3-mini", "o3-preview"].contains(&model.as_str())
}

fn messages(model: &str, dialect: Dialect, given: &[Message]) -> Result<Value, Error> {
    if takes_system(model) {
        return given.iter().map(|said| message(dialect, said, None)).collect();
    }
    let texts = given.iter().filter(|said| said.role == Role::System).flat_map(|said| &said.parts);
    let texts: Vec<&str> = texts
        .filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let mut before = (!texts.is_empty()).then(|| texts.join("\n\n") + "\n\n");
    let others = given.iter().filter(|said| said.role != Role::System);
    others
        .map(|said| {
            let before = if said.role == Role::User { before.take() } else { None };
            message(dialect, said, before)
        })
        .collect()
}

fn message(dialect: Dialect, said: &Message, before: Option<String>) -> Result<Value, Error> {
    let role = match said.role {
        Role::Developer => dialect.developer,
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => return result(&said.parts),
    };
    let mut texts: Vec<&str> = before.as_deref().into_iter().collect();
    let mut calls = Vec::new();
    for part in &said.parts {
        match part {
            Part::Text(text) => texts.push(text),
            Part::ToolCall(call) => calls.push(tool_call(call)),
            Part::ToolResult { .. } => {
                let message = format!("a message of role {role} cannot hold the answer of a tool");
                return Err(Error::new(ErrorKind::InvalidArgument, message));
            }
        }
    }
    let mut message = Map::new();
    message.insert("role".into(), role.into());
    message.insert("content".into(), content(&texts));
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    Ok(message.into())
}

/// One text stands for itself, several are parts.
fn content(texts: &[&str]) -> Value {
    match texts {
        [] => "".into(),
        [only] => (*only).into(),
        several => several.iter().map(|text| json!({ "type": "text", "text": text })).collect(),
    }
}

/// What a tool answered.
fn result(parts: &[Part]) -> Result<Value, Error> {
    let (mut texts, mut call) = (Vec::new(), "");
    for part in parts {
        let Part::ToolResult { id, content, .. } = part else {
            let message = "expected part of type ToolCallResponse for role tool: alpha1 has no answers of tools";
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        };
        call = id;
        texts.push(content.as_str());
    }
    let mut message = Map::new();
    message.insert("role".into(), "tool".into());
    message.insert("content".into(), content(&texts));
    if !call.is_empty() {
        message.insert("tool_call_id".into(), call.into());
    }
    Ok(message.into())
}

fn tool_call(call: &ToolCall) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments });
    if call.id.is_empty() {
        return json!({ "type": "function", "function": function });
    }
    json!({ "id": call.id, "type": "function", "function": function })
}

fn tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if !tool.description.is_empty() {
        function.insert("description".into(), tool.description.as_str().into());
    }
    if let Some(parameters) = &tool.parameters {
        function.insert("parameters".into(), parameters.clone().into());
    }
    json!({ "type": "function", "function": function })
}

fn tool_choice(choice: &str) -> Value {
    match choice {
        "auto" | "none" | "required" => choice.into(),
        name => json!({ "type": "function", "function": { "name": name } }),
    }
}

/// A JSON schema; its `name` and `strict` are those of the format.
fn response_format(schema: &Map<String, Value>) -> Result<Value, Error> {
    if !schema.get("type").is_some_and(Value::is_string) {
        let message = "the response format is no JSON schema: schema type is required and must be a string";
        return Err(Error::new(ErrorKind::InvalidArgument, message));
    }
    let mut schema = schema.clone();
    let name = schema.remove("name").and_then(|name| name.as_str().map(str::to_owned)).filter(|name| !name.is_empty());
    let strict = schema.remove("strict").and_then(|strict| strict.as_bool()).unwrap_or_default();
    let mut schema = Value::Object(schema);
    if strict {
        close(&mut schema);
    }
    let name = name.unwrap_or_else(|| "response".to_owned());
    Ok(json!({ "type": "json_schema", "json_schema": { "name": name, "strict": strict, "schema": schema } }))
}

/// Strict schemas have to say of every object that it has no other members.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.get("type").and_then(Value::as_str) == Some("object") {
                members.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            members.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn add_metadata(body: &mut Map<String, Value>, dialect: Dialect, request: &Request) {
    let retention = request.prompt_cache_retention.map(|time| time.as_secs());
    if let Some(seconds) = retention.filter(|_| dialect.prompt_cache_retention) {
        body.insert("prompt_cache_retention".into(), go_duration(seconds, true).into());
    }
    if !dialect.metadata {
        return;
    }
    let mut metadata: Map<String, Value> = request
        .metadata
        .iter()
        .filter(|(name, _)| !name.starts_with("openai:") && *name != "thinking_config")
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    if let Some(seconds) = retention {
        metadata.insert("prompt_cache_retention".into(), go_duration(seconds, false).into());
    }
    if !metadata.is_empty() {
        body.insert("metadata".into(), metadata.into());
    }
}

/// A duration as Go writes it, `24h0m0s`; in short, whole hours are `24h`, which is what the protocol wants.
fn go_duration(seconds: u64, short: bool) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (hours, 0, 0) if short && hours > 0 => format!("{hours}h"),
        (0, 0, rest) => format!("{rest}s"),
        (0, minutes, rest) => format!("{minutes}m{rest}s"),
        (hours, minutes, rest) => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests;
