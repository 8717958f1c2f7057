//! The conversation API over both doors: against what the target answered, and against a server that speaks OpenAI's protocol
//! on a real socket.

use std::sync::{Arc, Mutex};

use http::Response;
use serde_json::{Value, json};
use testkit::{App, Arrived, BoxedBody, Sidecar, body_of, ours_only};
use tonic::Code;
use wire::runtime as v1;

fn component(name: &str, kind: &str, metadata: &[(&str, &str)]) -> String {
    let items: String =
        metadata.iter().map(|(name, value)| format!("    - name: {name}\n      value: {}\n", json!(value))).collect();
    let metadata = if items.is_empty() { String::new() } else { format!("  metadata:\n{items}") };
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: conversation.{kind}\n  version: v1\n{metadata}"
    )
}

#[tokio::test]
async fn the_echo_answers_over_http_as_the_target_does() {
    let a = Sidecar::named("a").resource(&component("echo", "echo", &[("key", "testkey")])).start().await;
    let mut count = 0;
    for line in include_str!("vectors/conversation.tsv").lines() {
        let [version, body, status, expected] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let answer = a.post(&format!("/v1.0-{version}/conversation/echo/converse")).body(body.to_owned()).send().await;
        let (mut found, expected): (Value, Value) = (answer.json(), serde_json::from_str(expected).unwrap());
        if expected["errorCode"] == "ERR_MALFORMED_REQUEST" {
            let message = found["message"].as_str().unwrap();
            assert!(message.starts_with("failed deserializing HTTP body: proto:"), "{message}");
            found["message"] = json!("");
        }
        assert_eq!((answer.status.to_string().as_str(), found), (status, expected), "{version} {body}");
        count += 1;
    }
    assert!(count > 30);
    let answer = a.post("/v1.0-alpha2/conversation/nobody/converse").json(&json!({})).send().await;
    assert_eq!((answer.status, answer.error_code().as_str()), (400, "ERR_CONVERSATION_NOT_FOUND"));
}

#[tokio::test]
async fn both_previews_mean_the_same_over_grpc() {
    let a = Sidecar::named("a").resource(&component("echo", "echo", &[])).start().await;
    let mut dapr = a.dapr().await;
    let input = v1::ConversationInput {
        content: "mail me@example.com".to_owned(),
        scrub_pii: Some(true),
        ..v1::ConversationInput::default()
    };
    let parameter = wire::Any { type_url: "t/x".to_owned(), value: "v".into() };
    let request = v1::ConversationRequest {
        name: "echo".to_owned(),
        inputs: vec![input],
        context_id: Some("c".to_owned()),
        parameters: [("p".to_owned(), parameter.clone())].into(),
        ..v1::ConversationRequest::default()
    };
    let answer = dapr.converse_alpha1(request).await.unwrap().into_inner();
    assert_eq!((answer.context_id.as_deref(), answer.outputs[0].result.as_str()), (Some("c"), "mail <EMAIL_ADDRESS>"));
    assert_eq!(answer.outputs[0].parameters["p"], parameter);
    let nothing = v1::ConversationRequestAlpha2 { name: "echo".to_owned(), ..Default::default() };
    let status = dapr.converse_alpha2(nothing).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let empty = v1::ConversationInputAlpha2 { messages: vec![v1::ConversationMessage::default()], scrub_pii: None };
    let empty = v1::ConversationRequestAlpha2 { name: "echo".to_owned(), inputs: vec![empty], ..Default::default() };
    let status = dapr.converse_alpha2(empty).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "failed conversing with component echo: invalid params: message type cannot be nil")
    );
}

const KEY: &str = "canary-key";

fn answer(status: u16, value: &Value) -> Response<BoxedBody> {
    Response::builder().status(status).header("retry-after", "3").body(body_of(value.to_string())).unwrap()
}

/// A service that answers as the last word of the last message says, and a place where what it was asked is found.
async fn service() -> (App, Arc<Mutex<Vec<Value>>>) {
    let asked: Arc<Mutex<Vec<Value>>> = Arc::default();
    let record = Arc::clone(&asked);
    let handle = move |arrived: Arrived| {
        let record = Arc::clone(&record);
        async move {
            let body: Value = serde_json::from_slice(&arrived.read().await.unwrap()).unwrap();
            let said =
                body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap_or("").to_owned();
            record.lock().unwrap().push(body);
            match said.as_str() {
                "401" => answer(401, &json!({"error": {"message": "Incorrect API key provided: canary-***"}})),
                "429" => answer(429, &json!({"error": {"message": format!("slow down, {KEY}")}})),
                "500" => answer(500, &json!({"error": "broken"})),
                "empty" => answer(200, &json!({"choices": []})),
                "nonsense" => answer(200, &json!("nonsense")),
                "tool" => answer(
                    200,
                    &json!({"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant",
                        "content": null, "tool_calls": [{"id": "call_1", "type": "function",
                        "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}}]}}],
                        "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12,
                        "prompt_tokens_details": {"cached_tokens": 4},
                        "completion_tokens_details": {"reasoning_tokens": 3}}}),
                ),
                said => answer(
                    200,
                    &json!({"model": "other", "choices": [
                        {"index": 0, "finish_reason": "stop", "message": {"content": format!("said {said}")}},
                        {"index": 1, "message": {"content": "write to me@example.com"}}]}),
                ),
            }
        }
    };
    (App::http().otherwise(handle).start().await, asked)
}

async fn sidecar(server: &App, kind: &str, more: &[(&str, &str)]) -> Sidecar {
    let endpoint = format!("{}/v1", server.url());
    let metadata = [&[("key", KEY), ("endpoint", endpoint.as_str()), ("model", "m")], more].concat();
    Sidecar::named("a").resource(&component("model", kind, &metadata)).flag("--log-level=debug").start().await
}

fn user(text: &str) -> Value {
    json!({"ofUser": {"content": [{"text": text}]}})
}

async fn converse(sidecar: &Sidecar, request: &Value) -> testkit::Answer {
    sidecar.post("/v1.0-alpha2/conversation/model/converse").json(request).send().await
}

#[tokio::test]
async fn a_history_with_tools_reaches_the_model_and_its_call_the_app() {
    let (server, asked) = service().await;
    let a = sidecar(&server, "openai", &[]).await;
    let request = json!({
        "inputs": [
            {"messages": [
                {"ofSystem": {"content": [{"text": "be brief"}]}},
                {"ofDeveloper": {"content": [{"text": "use metric units"}]}},
                {"ofAssistant": {"content": [{"text": "calling"}],
                    "toolCalls": [{"id": "c0", "function": {"name": "weather", "arguments": "{}"}}]}},
                {"ofTool": {"toolId": "c0", "name": "weather", "content": [{"text": "21"}]}}]},
            {"messages": [user("I am me@example.com")], "scrubPii": true},
            {"messages": [user("tool")]}],
        "tools": [{"function": {"name": "weather", "description": "d",
            "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}}}}}],
        "toolChoice": "weather", "temperature": 0.5, "metadata": {"trace": "t"}, "contextId": "ctx",
        "responseFormat": {"type": "object", "properties": {"a": {"type": "string"}}},
        "promptCacheRetention": "86400s"
    });
    let answer = converse(&a, &request).await;
    assert_eq!(
        answer.json(),
        json!({"contextId": "ctx", "outputs": [{
            "choices": [{"finishReason": "tool_calls", "message": {"toolCalls": [
                {"id": "call_1", "function": {"name": "weather", "arguments": "{\"city\":\"Rome\"}"}}]}}],
            "model": "m",
            "usage": {"completionTokens": "7", "promptTokens": "5", "totalTokens": "12",
                "completionTokensDetails": {"reasoningTokens": "3"}, "promptTokensDetails": {"cachedTokens": "4"}}}]})
    );
    let call = json!({"id": "c0", "type": "function", "function": {"name": "weather", "arguments": "{}"}});
    assert_eq!(
        asked.lock().unwrap()[0],
        json!({"model": "m", "temperature": 0.5, "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "system", "content": "use metric units"},
                {"role": "assistant", "content": "calling", "tool_calls": [call]},
                {"role": "tool", "content": "21", "tool_call_id": "c0"},
                {"role": "user", "content": "I am <EMAIL_ADDRESS>"},
                {"role": "user", "content": "tool"}],
            "tools": [{"type": "function", "function": {"name": "weather", "description": "d",
                "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 30}}}}}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "response", "strict": false,
                "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}},
            "metadata": {"trace": "t", "prompt_cache_retention": "24h0m0s"}, "prompt_cache_retention": "24h"})
    );
    let seen = server.only("/v1/chat/completions");
    assert_eq!(seen.values("authorization"), [format!("Bearer {KEY}")]);
}

#[tokio::test]
async fn choices_are_outputs_and_answers_are_scrubbed() {
    let (server, _) = service().await;
    let a = sidecar(&server, "deepseek", &[("maxTokens", "9")]).await;
    let request = json!({"inputs": [{"messages": [user("hi")]}], "scrubPii": true});
    let outputs = converse(&a, &request).await.json()["outputs"].clone();
    assert_eq!(outputs[0]["choices"][0], json!({"finishReason": "stop", "message": {"content": "said hi"}}));
    let second = json!({"finishReason": "unknown", "index": "1", "message": {"content": "write to <EMAIL_ADDRESS>"}});
    assert_eq!(outputs[1]["choices"][0], second);
    assert!(outputs[0].get("usage").is_none());
    let first = json!({"inputs": [{"content": "hi", "role": "user"}]});
    let answer = a.post("/v1.0-alpha1/conversation/model/converse").json(&first).send().await;
    assert_eq!(answer.json(), json!({"outputs": [{"result": "said hi"}, {"result": "write to me@example.com"}]}));
    let sent = server.everything();
    assert!(sent.iter().all(|seen| seen.everything().contains(r#""max_tokens":9"#)));
}

#[tokio::test]
async fn refusals_have_a_code_and_a_reason_and_never_the_key() {
    let (server, _) = service().await;
    let a = sidecar(&server, "openai", &[]).await;
    for (word, reason) in [
        (
            "401",
            "API returned unexpected status code: 401: the service refuses the key or what it asks for (to be tried again after 3 seconds)",
        ),
        ("429", "API returned unexpected status code: 429: slow down, *** (to be tried again after 3 seconds)"),
        ("500", "API returned unexpected status code: 500: broken (to be tried again after 3 seconds)"),
        ("empty", "empty response"),
        ("nonsense", "the answer of the service cannot be read: see line 1, column 10"),
    ] {
        let answer = converse(&a, &json!({"inputs": [{"messages": [user(word)]}]})).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (500, "ERR_CONVERSATION_INVOKE"), "{word}");
        let message = format!("failed conversing with component model: {reason}");
        assert_eq!(answer.json()["message"], json!(message));
    }
    drop(server);
    let answer = converse(&a, &json!({"inputs": [{"messages": [user("x")]}]})).await;
    assert!(answer.text().contains("network error: failed to reach API server"), "{}", answer.text());
    let logs = a.logs().join("\n");
    assert!(!logs.contains("canary"), "{logs}");
    let metadata = a.get("/v1.0/metadata").send().await.text();
    assert!(!metadata.contains("canary"), "{metadata}");
}

#[tokio::test]
async fn a_deadline_of_the_caller_is_kept() {
    let server = App::http().otherwise(testkit::sleep_then(std::time::Duration::from_secs(30), "late")).start().await;
    let a = sidecar(&server, "openai", &[]).await;
    let message = v1::conversation_message::MessageTypes::OfUser(v1::ConversationMessageOfUser::default());
    let input = v1::ConversationInputAlpha2 {
        messages: vec![v1::ConversationMessage { message_types: Some(message) }],
        scrub_pii: None,
    };
    let asked = v1::ConversationRequestAlpha2 { name: "model".to_owned(), inputs: vec![input], ..Default::default() };
    let mut request = tonic::Request::new(asked);
    request.set_timeout(std::time::Duration::from_millis(500));
    let began = std::time::Instant::now();
    let status = a.dapr().await.converse_alpha2(request).await.unwrap_err();
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{status:?}");
}

#[tokio::test]
async fn an_answer_is_given_again_for_as_long_as_it_is_kept() {
    let (server, asked) = service().await;
    let a = sidecar(&server, "ollama", &[("cacheTTL", "2s")]).await;
    let request = |text: &str| json!({"inputs": [{"messages": [user(text)]}]});
    let first = converse(&a, &request("hi")).await.json();
    assert_eq!(converse(&a, &request("hi")).await.json(), first);
    assert_eq!(asked.lock().unwrap().len(), 1);
    converse(&a, &request("ho")).await;
    assert_eq!(converse(&a, &request("500")).await.status, 500);
    assert_eq!(converse(&a, &request("500")).await.status, 500);
    assert_eq!(asked.lock().unwrap().len(), 4, "failures are not kept");
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    converse(&a, &request("hi")).await;
    assert_eq!(asked.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn azure_has_other_addresses_and_headers_and_variables_choose_models() {
    let (server, _) = service().await;
    let url = server.url();
    let azure = [("key", KEY), ("endpoint", url.as_str()), ("apiType", "Azure"), ("apiVersion", "2025-01-01")];
    let openai = format!("{url}/v1/");
    let a = Sidecar::named("a")
        .resource(&component("azure", "openai", &[&azure[..], &[("model", "dep")]].concat()))
        .resource(&component("plain", "openai", &[("key", KEY), ("endpoint", &openai)]))
        .resource(&component("mistral", "mistral", &[("key", KEY), ("endpoint", &openai), ("model", "mine")]))
        .variable("AZURE_OPENAI_MODEL", "chosen dep")
        .variable("MISTRAL_MODEL", "chosen")
        .start()
        .await;
    let ask = async |name: &str| {
        let request = json!({"inputs": [{"messages": [user("hi")]}]});
        let answer = a.post(&format!("/v1.0-alpha2/conversation/{name}/converse")).json(&request).send().await;
        answer.json()["outputs"][0]["model"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask("azure").await, "chosen dep");
    let seen = server.only("/openai/deployments/chosen%20dep/chat/completions");
    assert!(seen.path.ends_with("?api-version=2025-01-01"), "{}", seen.path);
    assert_eq!((seen.values("api-key"), seen.values("authorization")), (vec![KEY.to_owned()], Vec::new()));
    assert_eq!(ask("plain").await, "gpt-5-nano");
    assert_eq!(ask("mistral").await, "chosen");
    let bodies: Vec<Value> = server
        .requests("/v1/chat/completions")
        .iter()
        .map(|seen| serde_json::from_slice(&seen.body).unwrap())
        .collect();
    assert_eq!((bodies[0].get("temperature"), &bodies[1]["temperature"]), (None, &json!(1.0)));
}

#[tokio::test]
async fn a_component_without_what_it_needs_stops_the_sidecar() {
    ours_only!("its words differ");
    for (kind, metadata, words) in [
        ("openai", &[][..], "metadata field key is missing"),
        ("mistral", &[][..], "metadata field key is missing"),
        ("openai", &[("key", KEY), ("apiType", "azure")][..], "endpoint and apiVersion must be provided"),
        ("ollama", &[("endpoint", "nowhere")][..], "metadata field endpoint"),
    ] {
        let ended = Sidecar::named("a").resource(&component("model", kind, metadata)).start_failing().await;
        assert!(ended.output.contains(words) && !ended.output.contains("canary"), "{}", ended.output);
    }
}
