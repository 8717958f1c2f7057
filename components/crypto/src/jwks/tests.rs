//! The provider of key sets: given, in a file, and fetched from a server.

use std::collections::VecDeque;
use std::sync::Mutex;

use component::crypto::{KeyToWrap, Using};
use component::http::{HttpBody, Outbound, full_body};
use component::{CallContext, Host, HttpClient, Properties, Tasks};
use http::{Request, Response};
use tokio_util::task::TaskTracker;

use super::*;

const ONE: &str = r#"{"keys":[{"kty":"oct","kid":"one","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
const TWO: &str = r#"{"keys":[{"kty":"oct","kid":"two","k":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;

/// Answers what it was told to, in order, then 503.
#[derive(Default)]
struct Server {
    answers: Mutex<VecDeque<Response<&'static str>>>,
    asked: Mutex<Vec<String>>,
}

impl Server {
    fn answering(answers: impl IntoIterator<Item = Response<&'static str>>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

struct ToServer(Arc<Server>);

#[async_trait::async_trait]
impl Outbound for ToServer {
    async fn send(&self, request: Request<HttpBody>) -> Result<Response<HttpBody>, Error> {
        self.0.asked.lock().unwrap().push(request.uri().to_string());
        let answer = self.0.answers.lock().unwrap().pop_front();
        match answer {
            Some(answer) if answer.status() == 408 => std::future::pending().await,
            Some(answer) => Ok(answer.map(full_body)),
            None => Ok(Response::builder().status(503).body(full_body("")).unwrap()),
        }
    }

    fn trusting(&self, _: &str) -> Result<Arc<dyn Outbound>, Error> {
        Ok(Arc::new(Self(Arc::clone(&self.0))))
    }
}

fn answer(body: &'static str) -> Response<&'static str> {
    Response::new(body)
}

fn status(status: u16) -> Response<&'static str> {
    Response::builder().status(status).body("").unwrap()
}

async fn provider(
    pairs: &[(&'static str, &str)],
    server: Arc<Server>,
) -> Result<(Arc<dyn CryptoProvider>, TaskTracker), Error> {
    let tracker = TaskTracker::new();
    let own = tracker.clone();
    let mut host = Host::new("app", "", Tasks::new(move |_, work| drop(own.spawn(work))));
    host.http = HttpClient::new(Arc::new(ToServer(server)));
    let properties: Properties = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let made = construct(Setup { name: "vault".to_owned(), properties, host }).await?;
    Ok((made, tracker))
}

async fn has(provider: &Arc<dyn CryptoProvider>, key: &str) -> bool {
    let using = Using { key, algorithm: "A256KW", nonce: &[], associated_data: &[] };
    match provider.wrap_key(&CallContext::default(), using, KeyToWrap::Raw(&[0; 32])).await {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.to_string(), "failed to retrieve the key encryption key: key not found");
            false
        }
    }
}

async fn fault(pairs: &[(&'static str, &str)], server: Arc<Server>) -> String {
    provider(pairs, server).await.err().unwrap().to_string()
}

#[tokio::test]
async fn a_set_is_given_as_json_or_in_base64() {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(ONE);
    let single = ONE.trim_start_matches(r#"{"keys":["#).trim_end_matches("]}");
    for set in [ONE, &encoded, encoded.trim_end_matches('='), single] {
        let (provider, _) = provider(&[("jwks", set)], Arc::default()).await.unwrap();
        assert!(has(&provider, "one").await && !has(&provider, "two").await);
    }
}

#[tokio::test]
async fn of_two_keys_with_one_id_the_first_counts() {
    let twice = ONE.replace("]}", r#",{"kty":"oct","kid":"one","k":"AQID"}]}"#);
    let (provider, _) = provider(&[("jwks", &twice)], Arc::default()).await.unwrap();
    assert!(has(&provider, "one").await);
}

/// A curve of no use here must not take the rest of the set with it.
#[tokio::test]
async fn a_key_that_is_of_no_use_spoils_no_set() {
    let mixed = ONE.replace("]}", r#",{"kty":"OKP","kid":"x","crv":"X25519","x":"AQID"}]}"#);
    let (provider, _) = provider(&[("jwks", &mixed)], Arc::default()).await.unwrap();
    assert!(has(&provider, "one").await);
}

#[tokio::test]
async fn what_is_no_set_is_refused_at_start_and_never_quoted() {
    for set in [
        "t0psecret",
        "/nowhere/t0psecret.json",
        r#"{"keys":{"k":"t0psecret"}}"#,
        r#"{"keys":[{"kty":"oct","k":"t0psecret!"}]}"#,
    ] {
        let error = fault(&[("jwks", set)], Arc::default()).await;
        assert!(error.starts_with("failed to init cache: failed to parse property 'location'"), "{error}");
        assert!(!error.contains("t0psecret"), "{error}");
    }
    assert!(fault(&[], Arc::default()).await.contains("jwks"));
    let settings = JwksSettings::parse(&[("jwks".to_owned(), "t0psecret".to_owned())].into_iter().collect()).unwrap();
    assert!(!format!("{settings:?}").contains("t0psecret"));
}

#[tokio::test]
async fn a_file_is_read_again_when_it_changes_and_kept_when_it_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, ONE).unwrap();
    let (provider, tasks) = provider(&[("jwks", file.to_str().unwrap())], Arc::default()).await.unwrap();
    assert!(has(&provider, "one").await && !has(&provider, "two").await);
    std::fs::write(&file, "broken").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(has(&provider, "one").await);
    std::fs::write(folder.path().join("new"), TWO).unwrap();
    std::fs::rename(folder.path().join("new"), &file).unwrap();
    let noticed = async {
        while !has(&provider, "two").await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), noticed).await.unwrap();
    assert!(!has(&provider, "one").await);
    provider.close().await.unwrap();
    tasks.close();
    tokio::time::timeout(Duration::from_secs(20), tasks.wait()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fetched_set_is_fetched_again_when_it_is_used_after_its_time() {
    let server = Server::answering([answer(ONE), answer(TWO)]);
    let (provider, _) = provider(&[("jwks", "https://keys/set")], Arc::clone(&server)).await.unwrap();
    assert!(has(&provider, "one").await);
    tokio::time::advance(Duration::from_secs(599)).await;
    assert!(has(&provider, "one").await);
    assert_eq!(server.asked(), 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!has(&provider, "one").await && has(&provider, "two").await);
    assert_eq!(*server.asked.lock().unwrap(), ["https://keys/set", "https://keys/set"]);
}

#[tokio::test(start_paused = true)]
async fn the_interval_is_the_least_and_the_server_may_say_longer() {
    let long = Response::builder().header("cache-control", "max-age=100").body(ONE).unwrap();
    let server = Server::answering([long, answer(TWO)]);
    let pairs = [("jwks", "https://keys/set"), ("minRefreshInterval", "10s")];
    let (provider, _) = provider(&pairs, Arc::clone(&server)).await.unwrap();
    tokio::time::advance(Duration::from_secs(99)).await;
    assert!(has(&provider, "one").await);
    assert_eq!(server.asked(), 1);
    // A key that is not in the set is asked for after the interval.
    assert!(has(&provider, "two").await);
    assert_eq!(server.asked(), 2);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(!has(&provider, "three").await);
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_set_that_cannot_be_fetched_again_stays_in_use() {
    let server = Server::answering([answer(ONE), status(500), answer("garbage"), answer(TWO)]);
    let (provider, _) = provider(&[("jwks", "http://keys/set")], Arc::clone(&server)).await.unwrap();
    for asked in [2, 3] {
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(has(&provider, "one").await && has(&provider, "one").await);
        assert_eq!(server.asked(), asked);
    }
    tokio::time::advance(Duration::from_secs(600)).await;
    assert!(has(&provider, "two").await);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_does_not_undo_the_fetching() {
    let server = Server::answering([answer(ONE), status(408), answer(TWO)]);
    let pairs = [("jwks", "https://keys/set"), ("requestTimeout", "5s")];
    let (provider, tasks) = provider(&pairs, Arc::clone(&server)).await.unwrap();
    tokio::time::advance(Duration::from_secs(600)).await;
    assert!(tokio::time::timeout(Duration::from_secs(1), has(&provider, "one")).await.is_err());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(has(&provider, "one").await);
    assert_eq!(server.asked(), 2);
    provider.close().await.unwrap();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn many_callers_fetch_once() {
    let server = Server::answering([answer(ONE), answer(ONE), answer(ONE)]);
    let (provider, _) = provider(&[("jwks", "https://keys/set")], Arc::clone(&server)).await.unwrap();
    tokio::time::advance(Duration::from_secs(600)).await;
    let (a, b, c) = tokio::join!(has(&provider, "one"), has(&provider, "one"), has(&provider, "one"));
    assert!(a && b && c);
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_first_fetch_that_fails_keeps_the_component_from_starting() {
    let redirect = |to| Response::builder().status(302).header("location", to).body("").unwrap();
    for (answers, expected) in [
        (vec![status(404)], "the server answered with 404 Not Found"),
        (vec![status(408)], "no answer within 30s"),
        (vec![answer("garbage")], "the key set is not a JSON object"),
        (vec![redirect("http://keys/other")], "the redirect to http://keys/other is not followed"),
        ((0..20).map(|_| redirect("/set")).collect(), "more than 10 redirects"),
    ] {
        let error = fault(&[("jwks", "https://keys/set")], Server::answering(answers)).await;
        assert_eq!(error, format!("failed to init cache: failed to fetch JWKS: {expected}"));
    }
    let server = Server::answering([redirect("/other"), answer(ONE)]);
    assert!(provider(&[("jwks", "https://keys/set")], server).await.is_ok());
}
