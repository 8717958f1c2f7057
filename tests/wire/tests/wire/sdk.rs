//! The official SDKs as clients and as apps: what their users run must run. `TRILBY_PYTHON` is a Python with
//! `sdk/python/requirements.txt`, `TRILBY_NODE_PROJECT` a folder with the `node_modules` of `sdk/js/package-lock.json`.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use testkit::{App, Sidecar, echo, free_port, variable};
use tokio::process::{Child, Command};

/// What an SDK needs to run; without it the scenario is skipped loudly, and fails where `CI` is set.
fn needed(what: &str, name: &str) -> Option<PathBuf> {
    let found = variable(name);
    if found.is_none() {
        assert!(variable("CI").is_none(), "{what} needs {name} (see CONTRIBUTING.md)");
        testkit::skip(what, &format!("needs {name} (see CONTRIBUTING.md)"));
    }
    found.map(PathBuf::from)
}

fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sdk").join(name)
}

fn python(name: &str) -> Option<Command> {
    let mut command = Command::new(needed("the Python SDK", "TRILBY_PYTHON")?);
    command.arg(script("python").join(name)).env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
    Some(command)
}

fn node(name: &str) -> Option<Command> {
    let project = needed("the JavaScript SDK", "TRILBY_NODE_PROJECT")?;
    let mut command = Command::new("node");
    command.arg(script("js").join(name)).env("NODE_PATH", project.join("node_modules")).kill_on_drop(true);
    Some(command)
}

/// Runs a client to its end; the last line that it prints is its answer.
async fn answer_of(mut client: Command, asked: &Value) -> Value {
    let output = client.arg(asked.to_string()).stdin(Stdio::null()).output();
    let output = tokio::time::timeout(std::time::Duration::from_secs(60), output).await;
    let output = output.expect("the client ends").expect("the client runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    serde_json::from_str(text.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {text}\n{errors}"))
}

fn started(mut app: Command) -> Child {
    app.stdin(Stdio::null()).spawn().expect("the app runs")
}

fn for_python(mut client: Command, sidecar: &Sidecar, protocol: &str) -> Command {
    client
        .env("DAPR_HTTP_PORT", sidecar.http_port().to_string())
        .env("DAPR_GRPC_PORT", sidecar.grpc_port().to_string());
    client.env("DAPR_API_METHOD_INVOCATION_PROTOCOL", protocol);
    client
}

/// A sidecar with a store `store` and secrets `vault`.
async fn furnished(folder: &tempfile::TempDir) -> Sidecar {
    let file = folder.path().join("secrets.json");
    std::fs::write(&file, r#"{"plain": "a secret"}"#).unwrap();
    let vault = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: vault\nspec:\n  type: secretstores.local.file\n  version: v1\n  metadata:\n    - name: secretsFile\n      value: {}\n",
        file.display()
    );
    Sidecar::named("b").memory_store("store").resource(&vault).start().await
}

#[tokio::test]
async fn the_python_sdk_reaches_state_secrets_and_metadata() {
    let Some(client) = python("client.py") else { return };
    let folder = tempfile::tempdir().unwrap();
    let b = furnished(&folder).await;
    let asked = json!({"state": "store", "secrets": "vault", "metadata": true});
    let answer = answer_of(for_python(client, &b, "grpc"), &asked).await;
    let state = &answer["state"];
    assert_eq!((&state["saved"], &state["etag"]), (&json!({"n": 1}), &json!(true)));
    assert_eq!(state["stale"]["code"], "ABORTED");
    assert_eq!((&state["bulk"], &state["deleted"]), (&json!({"made": "in a transaction", "key": ""}), &json!("")));
    assert_eq!(state["nowhere"], json!({"code": "INVALID_ARGUMENT", "reason": "DAPR_STATE_NOT_FOUND"}));
    let secrets = &answer["secrets"];
    assert_eq!(
        (&secrets["one"], &secrets["bulk"]["plain"]),
        (&json!({"plain": "a secret"}), &json!({"plain": "a secret"}))
    );
    assert_eq!(answer["metadata"], json!({"id": "b", "set": "yes", "components": answer["metadata"]["components"]}));
    assert_eq!(answer["metadata"]["components"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_python_sdk_encrypts_and_decrypts() {
    let Some(client) = python("client.py") else { return };
    let folder = tempfile::tempdir().unwrap();
    let b = crate::crypto_api::with_keys(Sidecar::named("b"), &folder).start().await;
    let answer = answer_of(for_python(client, &b, "grpc"), &json!({"crypto": "vault"})).await;
    let crypto = &answer["crypto"];
    assert_eq!((&crypto["opened"], &crypto["spoilt"]["code"]), (&json!(true), &json!("INTERNAL")));
    assert!(crypto["sealed"].as_u64().unwrap() > 256_000 + 4 * 16);
}

#[tokio::test]
async fn the_python_sdk_calls_an_app_written_with_it() {
    for protocol in ["http", "grpc"] {
        let (Some(client), Some(mut app)) = (python("client.py"), python("app.py")) else { return };
        let port = free_port();
        app.arg(port.to_string());
        let _app = started(app);
        let (_a, b) = tokio::join!(Sidecar::named("a").app_at(port, "grpc").start(), Sidecar::named("b").start());
        let asked = json!({"invoke": {"app": "a", "method": "echo", "body": "hello"}});
        let answer = answer_of(for_python(client, &b, protocol), &asked).await;
        assert_eq!(answer["invoke"]["text"], "python got hello from b", "over {protocol}");
    }
}

#[tokio::test]
async fn the_python_sdk_calls_an_http_app() {
    for protocol in ["http", "grpc"] {
        let Some(client) = python("client.py") else { return };
        let app = App::http().route("/echo", echo()).start().await;
        let (_a, b) = crate::pair(&app).await;
        let asked = json!({"invoke": {"app": "a", "method": "echo", "body": "hello"}});
        let answer = answer_of(for_python(client, &b, protocol), &asked).await;
        assert_eq!(answer["invoke"], json!({"text": "hello", "content_type": "text/plain"}), "over {protocol}");
    }
}

#[tokio::test]
async fn the_javascript_sdk_reaches_state_secrets_and_metadata() {
    for protocol in ["http", "grpc"] {
        let Some(client) = node("client.js") else { return };
        let folder = tempfile::tempdir().unwrap();
        let b = furnished(&folder).await;
        let port =
            if protocol == "http" { json!({"httpPort": b.http_port()}) } else { json!({"grpcPort": b.grpc_port()}) };
        let mut asked = json!({"state": "store", "secrets": "vault", "metadata": true});
        asked.as_object_mut().unwrap().extend(port.as_object().unwrap().clone());
        let answer = answer_of(client, &asked).await;
        assert_eq!(answer["healthy"], true, "over {protocol}");
        let state = &answer["state"];
        assert_eq!(
            (&state["saved"], &state["made"]),
            (&json!({"n": 1}), &json!("in a transaction")),
            "over {protocol}"
        );
        assert_eq!(
            (&state["bulk"], &state["gone"], &state["deleted"]),
            (&json!(["key", "other"]), &json!(""), &json!(""))
        );
        assert_eq!(state["stale"], true, "over {protocol}");
        assert_eq!(answer["secret"], json!({"plain": "a secret"}), "over {protocol}");
        assert!(answer["secrets"]["plain"].to_string().contains("a secret"), "over {protocol}: {answer}");
        assert_eq!((&answer["metadata"]["id"], &answer["metadata"]["set"]), (&json!("b"), &json!("yes")));
    }
}

#[tokio::test]
async fn the_javascript_sdk_calls_an_app_written_with_it() {
    for protocol in ["http", "grpc"] {
        let (Some(client), Some(mut app)) = (node("client.js"), node("app.js")) else { return };
        let port = free_port();
        let a = Sidecar::named("a").app_at(port, protocol).launch();
        let own = if protocol == "http" { a.http_port() } else { a.grpc_port() };
        app.args([port.to_string(), protocol.to_owned(), own.to_string()]);
        let _app = started(app);
        a.logged("dapr initialized").await;
        let b = Sidecar::named("b").start().await;
        let invoke = json!({"app": "a", "method": "echo", "body": {"n": 1}});
        let asked = match protocol {
            "http" => json!({"httpPort": b.http_port(), "invoke": invoke}),
            _ => json!({"grpcPort": b.grpc_port(), "invoke": invoke}),
        };
        let answer = answer_of(client, &asked).await;
        assert_eq!(answer["invoke"]["js"], "got", "over {protocol}: {answer}");
        assert!(answer["invoke"]["body"].to_string().contains('1'), "over {protocol}: {answer}");
        assert!(answer["nobody"].is_string(), "over {protocol}: {answer}");
    }
}

const BROKER: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: broker\nspec:\n  type: pubsub.in-memory\n  version: v1\n  metadata: []\n";

/// The first line of what a subscriber keeps.
async fn kept(file: &std::path::Path) -> Value {
    for _ in 0..600 {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if let Some(line) = text.lines().next().filter(|_| text.ends_with('\n')) {
            return serde_json::from_str(line).unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the subscriber keeps nothing in {}", file.display());
}

fn order() -> Value {
    json!({"broker": "broker", "topic": "orders", "data": {"n": 1}})
}

#[tokio::test]
async fn an_app_of_the_python_sdk_gets_what_it_subscribes_to() {
    let (Some(client), Some(mut app)) = (python("client.py"), python("subscriber.py")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (port, file) = (free_port(), folder.path().join("kept"));
    app.arg(port.to_string()).arg(&file);
    let _app = started(app);
    let a = Sidecar::named("a").app_at(port, "grpc").resource(BROKER).start().await;
    let answer = answer_of(for_python(client, &a, "grpc"), &json!({"publish": order()})).await;
    assert_eq!(answer["publish"], true);
    assert_eq!(kept(&file).await, json!({"topic": "orders", "data": {"n": 1}}));
}

#[tokio::test]
async fn the_python_sdk_subscribes_by_a_stream() {
    let Some(client) = python("client.py") else { return };
    let a = Sidecar::named("a").resource(BROKER).start().await;
    let answer = answer_of(for_python(client, &a, "grpc"), &json!({"stream": order()})).await;
    assert_eq!(answer["stream"], json!({"data": {"n": 1}, "topic": "orders", "broker": "broker"}));
}

#[tokio::test]
async fn an_app_of_the_javascript_sdk_gets_what_it_subscribes_to() {
    for protocol in ["http", "grpc"] {
        let (Some(client), Some(mut app)) = (node("client.js"), node("subscriber.js")) else { return };
        let folder = tempfile::tempdir().unwrap();
        let (port, file) = (free_port(), folder.path().join("kept"));
        let a = Sidecar::named("a").app_at(port, protocol).resource(BROKER).launch();
        let own = if protocol == "http" { a.http_port() } else { a.grpc_port() };
        app.args([port.to_string(), protocol.to_owned(), own.to_string()]).arg(&file);
        let _app = started(app);
        a.logged("dapr initialized").await;
        let mut asked = json!({"publish": order()});
        asked[if protocol == "http" { "httpPort" } else { "grpcPort" }] = json!(own);
        let answer = answer_of(client, &asked).await;
        assert_eq!(answer["publish"], true, "over {protocol}: {answer}");
        assert_eq!(kept(&file).await, json!({"data": {"n": 1}}), "over {protocol}");
    }
}
