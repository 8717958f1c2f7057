//! Calling what has no sidecar: HTTPEndpoints by name, and any URL, with TLS and headers.

use testkit::{App, Certificates, Sidecar, echo, path_echo, status};

fn endpoint(name: &str, url: &str, rest: &str) -> String {
    format!(
        "apiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata:\n  name: {name}\nspec:\n  baseUrl: {url}\n{rest}"
    )
}

fn indented(pem: &str) -> String {
    pem.lines().map(|line| format!("        {line}\n")).collect()
}

#[tokio::test]
async fn an_endpoint_is_called_by_its_name() {
    let outside = App::http().route("/missing", status(404, "nothing here")).otherwise(path_echo()).start().await;
    let b = Sidecar::named("b").resource(&endpoint("outside", &outside.url(), "")).start().await;
    let answer = b.get("/v1.0/invoke/outside/method/a/b?x=1").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "GET /a/b?x=1"));
    let answer = b.invoke("outside", "missing").send().await;
    assert_eq!((answer.status, answer.text().as_str()), (404, "nothing here"));
}

#[tokio::test]
async fn a_url_is_called_as_it_is() {
    let outside = App::http().otherwise(path_echo()).start().await;
    let b = Sidecar::named("b").start().await;
    let plain = outside.url();
    let encoded = plain.replace(':', "%3A").replace('/', "%2F");
    for url in [plain, encoded] {
        let answer = b.get(&format!("/v1.0/invoke/{url}/method/a/b?x=1")).send().await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "GET /a/b?x=1"), "{url}");
    }
}

#[tokio::test]
async fn headers_of_an_endpoint_are_added() {
    let outside = App::http().otherwise(echo()).start().await;
    let headers = "  headers:\n    - name: x-key\n      value: of the endpoint\n";
    let b = Sidecar::named("b").resource(&endpoint("outside", &outside.url(), headers)).start().await;
    assert_eq!(b.invoke("outside", "x").header("x-own", "1").body("hello").send().await.text(), "hello");
    let seen = outside.only("/x");
    assert_eq!(
        (seen.values("x-key"), seen.values("x-own")),
        (vec!["of the endpoint".to_owned()], vec!["1".to_owned()])
    );
}

#[tokio::test]
async fn an_endpoint_is_trusted_by_its_own_authority_only() {
    let (own, other) = (Certificates::new(), Certificates::new());
    let outside = App::https(&own).otherwise(path_echo()).start().await;
    let trusting = |authority: &Certificates| {
        format!("  clientTLS:\n    rootCA:\n      value: |\n{}", indented(&authority.authority()))
    };
    let b = Sidecar::named("b")
        .resource(&endpoint("trusted", &outside.url(), &trusting(&own)))
        .resource(&endpoint("mistaken", &outside.url(), &trusting(&other)))
        .resource(&endpoint("unknown", &outside.url(), ""))
        .start()
        .await;
    assert_eq!(b.get("/v1.0/invoke/trusted/method/x").send().await.text(), "GET /x");
    for name in ["mistaken", "unknown"] {
        assert_eq!(b.get(&format!("/v1.0/invoke/{name}/method/x")).send().await.status, 500, "{name}");
    }
    assert_eq!(outside.requests("/x").len(), 1);
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_an_endpoint_that_asks() {
    let authority = Certificates::new();
    let outside = App::https_for_clients_of(&authority).otherwise(path_echo()).start().await;
    let (certificate, key) = authority.issue();
    let with = format!(
        "  clientTLS:\n    rootCA:\n      value: |\n{}    certificate:\n      value: |\n{}    privateKey:\n      value: |\n{}",
        indented(&authority.authority()),
        indented(&certificate),
        indented(&key)
    );
    let without = format!("  clientTLS:\n    rootCA:\n      value: |\n{}", indented(&authority.authority()));
    let b = Sidecar::named("b")
        .resource(&endpoint("with", &outside.url(), &with))
        .resource(&endpoint("without", &outside.url(), &without))
        .start()
        .await;
    assert_eq!(b.get("/v1.0/invoke/with/method/x").send().await.text(), "GET /x");
    assert_eq!(b.get("/v1.0/invoke/without/method/x").send().await.status, 500);
}
