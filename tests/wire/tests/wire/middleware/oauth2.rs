//! `oauth2` and `oauth2clientcredentials` against a server on a real socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use testkit::{Answer, App, Arrived, BoxedBody, Sidecar, body_of, ours_only, reply};

use super::{component, pipeline};

const SECRET: &str = "canary-client-secret";

fn json(status: u16, text: String) -> Response<BoxedBody> {
    Response::builder().status(status).header("content-type", "application/json").body(body_of(text)).unwrap()
}

/// A token endpoint: it takes the credentials in the body only, and numbers its tokens.
async fn server(seconds: u32) -> App {
    let count = Arc::new(AtomicUsize::new(0));
    App::http()
        .route("/token", move |arrived: Arrived| {
            let count = Arc::clone(&count);
            async move {
                let body = String::from_utf8(arrived.read().await.unwrap().to_vec()).unwrap();
                if !body.contains(&format!("client_secret={SECRET}")) {
                    return json(401, r#"{"error":"invalid_client"}"#.to_owned());
                }
                if body.contains("code=") && !body.contains("code=good") {
                    return json(400, r#"{"error":"invalid_grant"}"#.to_owned());
                }
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                let token = format!("canary-token-{number}");
                json(200, format!(r#"{{"access_token":"{token}","token_type":"bearer","expires_in":{seconds}}}"#))
            }
        })
        .start()
        .await
}

fn browser(server: &App, force: &str) -> String {
    component(
        "login",
        "oauth2",
        &[
            ("clientID", "me"),
            ("clientSecret", SECRET),
            ("scopes", "a,b"),
            ("authURL", &format!("{}/authorize", server.url())),
            ("tokenURL", &format!("{}/token", server.url())),
            ("redirectURL", "http://here.example/back"),
            ("authHeaderName", "authorization"),
            ("forceHTTPS", force),
            ("pathFilter", "^/v1.0/invoke/"),
        ],
    )
}

/// The cookies that an answer sets, as a browser sends them back.
fn cookies(answer: &Answer) -> String {
    let set = answer.values("set-cookie");
    set.iter().map(|cookie| cookie.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

fn state(answer: &Answer) -> String {
    let location = answer.values("location").remove(0);
    location.rsplit_once("state=").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_browser_logs_in_and_comes_back_with_a_token() {
    ours_only!("there sessions have other cookies");
    let (server, app) = (server(3600).await, App::http().otherwise(reply("passed")).start().await);
    let a = Sidecar::named("a")
        .app(&app)
        .configuration(&pipeline("httpPipeline", &[("login", "oauth2")]))
        .resource(&browser(&server, "false"))
        .start()
        .await;
    assert_eq!(a.get("/v1.0/metadata").send().await.status, 200, "not covered by the filter");
    let first = a.get("/v1.0/invoke/a/method/x?y=1").send().await;
    assert_eq!(first.status, 302);
    let location = first.values("location").remove(0);
    assert!(
        location.starts_with(&format!("{}/authorize?access_type=offline&client_id=me&", server.url())),
        "{location}"
    );
    let flags = first.values("set-cookie").remove(0);
    assert!(flags.contains("; HttpOnly; SameSite=Lax"), "{flags}");
    let back = format!("/v1.0/invoke/a/method/back?code=good&state={}", state(&first));
    let finished = a.get(&back).header("cookie", cookies(&first)).send().await;
    assert_eq!((finished.status, finished.values("location")), (302, vec!["/v1.0/invoke/a/method/x?y=1".to_owned()]));
    let session = cookies(&finished);
    let call = a.get("/v1.0/invoke/a/method/x?y=1").header("cookie", format!("mine=1; {session}"));
    let passed = call.header("authorization", "Bearer forged").send().await;
    assert_eq!((passed.status, passed.text().as_str()), (200, "passed"));
    let seen = app.only("/x");
    assert_eq!(seen.values("authorization"), ["Bearer canary-token-1"]);
    assert_eq!(seen.values("cookie"), ["mine=1"], "the session stays with the sidecar");
    let logs = a.logs().join("\n");
    assert!(!logs.contains("canary"), "{logs}");
}

#[tokio::test]
async fn nobody_finishes_a_login_that_another_began_or_is_led_elsewhere() {
    ours_only!("there sessions have other cookies");
    let (server, app) = (server(3600).await, App::http().otherwise(reply("passed")).start().await);
    let a = Sidecar::named("a")
        .app(&app)
        .configuration(&pipeline("httpPipeline", &[("login", "oauth2")]))
        .resource(&browser(&server, "false"))
        .start()
        .await;
    let (mine, theirs) = (a.invoke("a", "x").send().await, a.invoke("a", "x").send().await);
    let back = |state: &str, rest: &str| a.get(&format!("/v1.0/invoke/a/method/back?state={state}{rest}"));
    let good = "&code=good";
    let refused = [
        ("without a cookie", back(&state(&mine), good)),
        ("with the cookie of another", back(&state(&theirs), good).header("cookie", cookies(&mine))),
        ("with a forged cookie", back("x", good).header("cookie", "gosessionid-login=e30")),
        ("without a code", back(&state(&mine), "").header("cookie", cookies(&mine))),
        ("with a session of nobody", back(&state(&mine), good).header("cookie", "gosessionid=x")),
    ];
    for (why, call) in refused {
        assert_eq!(call.send().await.status, 400, "{why}");
    }
    let bad = back(&state(&mine), "&code=bad").header("cookie", cookies(&mine)).send().await;
    assert_eq!((bad.status, bad.text().as_str()), (500, "Internal Server Error"));
    assert!(app.requests("/x").is_empty());

    let elsewhere = a.get("//evil.example/v1.0/invoke/a/method/x").send().await;
    assert_ne!(elsewhere.status, 302, "this path is not covered");
    let elsewhere = a.get("//v1.0/invoke/a/method/x").send().await;
    assert_eq!(elsewhere.status, 302, "another spelling is covered");
    let call = back(&state(&elsewhere), good).header("cookie", cookies(&elsewhere)).send().await;
    assert_eq!(call.values("location"), ["/v1.0/invoke/a/method/x"]);
}

fn machine(server: &App) -> String {
    component(
        "token",
        "oauth2clientcredentials",
        &[
            ("clientID", "me"),
            ("clientSecret", SECRET),
            ("scopes", "a,b"),
            ("tokenURL", &format!("{}/token", server.url())),
            ("headerName", "authorization"),
            ("endpointParamsQuery", "resource=r"),
        ],
    )
}

#[tokio::test]
async fn a_token_is_obtained_once_and_replaced_before_it_ends() {
    let (server, app) = (server(2).await, App::http().otherwise(reply("passed")).start().await);
    let endpoint = "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata:\n  name: outside\nspec:\n  baseUrl: ";
    let a = Sidecar::named("a")
        .app(&app)
        .resource(&format!("{endpoint}{}\n", app.url()))
        .configuration(&pipeline("appHttpPipeline", &[("token", "oauth2clientcredentials")]))
        .resource(&machine(&server))
        .start()
        .await;
    // Whatever the sidecar asks of the app at its start gets a token too.
    let calls: Vec<_> = (0..8).map(|_| a.invoke("a", "x").send()).collect();
    for call in calls {
        assert_eq!(call.await.status, 200);
    }
    let tokens =
        |path: &str| app.requests(path).iter().flat_map(|seen| seen.values("authorization")).collect::<Vec<_>>();
    let first = tokens("/x");
    assert!(first.iter().all(|token| token.starts_with("Bearer canary-token-")), "{first:?}");
    assert_eq!(a.invoke("outside", "endpoint").send().await.status, 200);
    assert!(tokens("/endpoint")[0].starts_with("Bearer canary-token-"), "endpoints are behind the pipeline of the app");
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    assert_eq!(a.invoke("a", "y").send().await.status, 200);
    assert_ne!(tokens("/y"), [first[0].clone()]);
    let asked = server.requests("/token");
    let last = String::from_utf8_lossy(&asked.last().unwrap().body).into_owned();
    assert_eq!(last, format!("grant_type=client_credentials&scope=a+b&resource=r&client_id=me&client_secret={SECRET}"));
    let logs = a.logs().join("\n");
    assert!(!logs.contains("canary"), "{logs}");
}

#[tokio::test]
async fn a_request_that_gets_no_token_is_stopped() {
    ours_only!("there it is answered with 200 and nothing");
    let server = App::http().otherwise(testkit::status(503, "later")).start().await;
    let app = App::http().otherwise(reply("passed")).start().await;
    let a = Sidecar::named("a")
        .app(&app)
        .configuration(&pipeline("httpPipeline", &[("token", "oauth2clientcredentials")]))
        .resource(&machine(&server))
        .launch();
    a.logged("Internal gRPC server is running").await;
    let answer = a.invoke("a", "x").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (500, "Internal Server Error"));
    assert!(app.requests("/x").is_empty());
    a.logged("Error acquiring token: the token endpoint answered 503").await;
}
