//! Addresses that are returned to, and cookies.

use component::{Host, Properties};

use super::*;

fn settings(force: &str) -> Properties {
    Properties::from_iter([
        ("clientID", "me & co"),
        ("clientSecret", "hush"),
        ("scopes", "a,b"),
        ("authURL", "https://login.example/authorize?tenant=1"),
        ("tokenURL", "https://login.example/token"),
        ("redirectURL", "https://here.example/back"),
        ("forceHTTPS", force),
    ])
}

fn middleware(force: &str) -> OAuth2 {
    let settings = OAuth2Settings::parse(&settings(force)).unwrap();
    let host = host();
    let url = "https://login.example/token".parse().unwrap();
    OAuth2 {
        endpoint: TokenEndpoint::new(host.http, url, (String::new(), String::new()), Style::Unknown),
        login_url: login_url(&settings.auth_url.parse().unwrap(), &settings),
        redirect_url: settings.redirect_url,
        header: http::header::AUTHORIZATION,
        force_https: settings.force_https,
        filter: PathFilter::parse("").unwrap(),
        sessions: Mutex::default(),
        seal: Seal::new().unwrap(),
        clock: host.clock,
        component: "login".to_owned(),
    }
}

fn host() -> Host {
    Host::new("app", "", component::Tasks::new(|_, _| ()))
}

fn address(force: &str, uri: &str, host: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, host.parse().unwrap());
    middleware(force).return_address(&headers, &uri.parse().unwrap())
}

#[test]
fn a_path_is_never_read_as_a_host() {
    assert_eq!(address("", "/a/b?c=d", "here"), "/a/b?c=d");
    for path in ["//evil.example/x", "///evil.example/x", "/\\evil.example/x"] {
        assert_eq!(address("", path, "here"), "/evil.example/x", "{path}");
    }
    assert_eq!(address("true", "//evil.example/x", "here:3500"), "https://here:3500/evil.example/x");
    assert_eq!(address("true", "/a", "user@evil.example"), "/a");
    assert_eq!(address("", &format!("/{}", "a".repeat(3000)), "here"), "/");
}

#[test]
fn the_login_url_has_every_parameter_and_a_state_of_its_own() {
    let middleware = middleware("");
    let response = middleware.begin_login(&HeaderMap::new(), &"/a".parse().unwrap());
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let (start, state) = location.rsplit_once("&state=").unwrap();
    assert_eq!(
        start,
        "https://login.example/authorize?tenant=1&access_type=offline&client_id=me+%26+co&redirect_uri=https%3A%2F%2F\
         here.example%2Fback&response_type=code&scope=a+b"
    );
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains(state));
}

#[test]
fn our_cookies_stay_with_us() {
    let mut headers = HeaderMap::new();
    headers.append(COOKIE, "a=1; gosessionid=x; b=2".parse().unwrap());
    headers.append(COOKIE, "gosessionid-login=y".parse().unwrap());
    assert_eq!(cookie(&headers, SESSION_COOKIE).as_deref(), Some("x"));
    remove_cookies(&mut headers);
    assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
    headers.insert(COOKIE, "gosessionid=x".parse().unwrap());
    remove_cookies(&mut headers);
    assert!(!headers.contains_key(COOKIE));
}
