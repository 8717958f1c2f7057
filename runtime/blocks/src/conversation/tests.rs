//! What is checked and scrubbed around a service; the service is `Recorder`, which answers what it was asked.

use std::sync::Mutex;

use async_trait::async_trait;
use component::{
    Backend, Constructing, Constructor, ErrorKind, Host, Registration, Registry, Setup, Spec, Tasks, Version,
};
use loaded::Loader;

use super::*;

/// Answers with the text of every message, and remembers the choice of a tool.
struct Recorder(Mutex<Option<String>>);

impl Backend for Recorder {}

#[async_trait]
impl Conversation for Recorder {
    async fn converse(&self, _: &CallContext, request: &Request) -> Result<Response, component::Error> {
        if request.temperature > 1.0 {
            return Err(component::Error::new(ErrorKind::Unavailable, "too hot"));
        }
        *self.0.lock().unwrap() = request.tool_choice.clone();
        let choices = request.messages.iter().map(|message| Choice {
            content: format!("{:?}", message.parts),
            finish_reason: request.tool_choice.clone().unwrap_or_default(),
            ..Choice::default()
        });
        Ok(Response { outputs: choices.map(|choice| vec![choice]).collect(), ..Response::default() })
    }
}

fn recorder(_: Setup) -> Constructing<dyn Conversation> {
    Box::pin(async {
        let recorder: Arc<dyn Conversation> = Arc::new(Recorder(Mutex::default()));
        Ok(recorder)
    })
}

const ROWS: &[Registration] = &[Registration {
    component_type: "conversation.recorder",
    aliases: &[],
    version: Version::Any,
    summary: "",
    fields: &[],
    constructor: Constructor::Conversation(recorder),
}];

async fn conversations() -> Conversations {
    let components = LoadedComponents::default();
    let host = Host::new("app", "", Tasks::new(|_, _| ()));
    let admission: loaded::Admission = Arc::new(|_, properties| Ok(properties.into()));
    let loader = Loader::new(Registry::new(ROWS, &[]), host, admission, components.clone());
    let spec = Spec {
        name: "c".to_owned(),
        namespace: String::new(),
        component_type: "conversation.recorder".to_owned(),
        version: "v1".to_owned(),
        metadata: Vec::new(),
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(vec![spec]).await.unwrap();
    Conversations::new(components)
}

async fn ask(asked: Asked) -> Result<Response, String> {
    let conversations = conversations().await;
    let service = conversations.find("c", 1).map_err(|error| error.to_string())?;
    service.converse(&CallContext::default(), asked).await.map_err(|error| error.to_string())
}

fn input(scrub: bool, parts: Vec<Part>) -> Input {
    Input { messages: vec![Message { role: Role::User, parts }], scrub }
}

fn tool(name: &str) -> Tool {
    Tool { name: name.to_owned(), ..Tool::default() }
}

#[tokio::test]
async fn only_inputs_that_ask_for_it_are_scrubbed_and_calls_never() {
    let text = || Part::Text("me@example.com".to_owned());
    let call = ToolCall { arguments: "me@example.com".to_owned(), ..ToolCall::default() };
    let result = Part::ToolResult { id: String::new(), name: String::new(), content: "10.8.9.1".to_owned() };
    let inputs = vec![input(false, vec![text()]), input(true, vec![text(), Part::ToolCall(call), result])];
    let answer = ask(Asked { inputs: inputs.clone(), ..Asked::default() }).await.unwrap();
    let contents: Vec<&str> = answer.outputs.iter().flatten().map(|choice| choice.content.as_str()).collect();
    assert_eq!(contents[0], r#"[Text("me@example.com")]"#);
    assert!(contents[1].starts_with(r#"[Text("<EMAIL_ADDRESS>"), ToolCall("#), "{}", contents[1]);
    assert!(contents[1].contains(r#"arguments: "me@example.com""#) && contents[1].contains(r#"content: "<IP>""#));
    let scrubbed = ask(Asked { inputs, scrub_answers: true, ..Asked::default() }).await.unwrap();
    assert_eq!(scrubbed.outputs[0][0].content, r#"[Text("<EMAIL_ADDRESS>")]"#);
}

#[tokio::test]
async fn a_choice_of_a_tool_has_to_be_one() {
    let chosen = async |choice: &str, tools: &[&str]| {
        let inputs = vec![input(false, Vec::new())];
        let tools = tools.iter().map(|name| tool(name)).collect();
        let asked = Asked { inputs, tools, tool_choice: choice.to_owned(), ..Asked::default() };
        ask(asked).await.map(|answer| answer.outputs[0][0].finish_reason.clone())
    };
    assert_eq!(chosen("", &[]).await.as_deref(), Ok(""));
    assert_eq!(chosen("", &["f"]).await.as_deref(), Ok("auto"));
    assert_eq!(chosen("required", &["f"]).await.as_deref(), Ok("required"));
    assert_eq!(chosen("f", &["f"]).await.as_deref(), Ok("f"));
    assert_eq!(chosen("g", &[]).await.as_deref(), Ok("g"));
    let refused = |reason| Err(format!("failed conversing with component c: invalid params: {reason}"));
    assert_eq!(chosen("required", &[]).await, refused(REQUIRED_WITHOUT_TOOLS));
    assert_eq!(chosen("F", &["f"]).await, refused(NO_SUCH_TOOL));
}

#[tokio::test]
async fn failures_name_the_component() {
    let conversations = conversations().await;
    let message = |name, inputs| conversations.find(name, inputs).map(|_| ()).unwrap_err().to_string();
    assert_eq!(message("nobody", 0), "failed finding conversation component nobody");
    assert_eq!(message("c", 0), "failed conversing with component c: missing inputs in request");
    let asked = Asked { temperature: 2.0, ..Asked::default() };
    assert_eq!(ask(asked).await.unwrap_err(), "failed conversing with component c: too hot");
}
