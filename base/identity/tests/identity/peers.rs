//! Who is let in, and whom we call.

use std::time::Duration;

use identity::{Anchors, Held, Security, TrustAnchors};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::authority::{Authority, at};
use crate::server::{Server, call, pool};

const ORDERS: &str = "spiffe://public/ns/default/orders";
const CHECKOUT: &str = "spiffe://public/ns/default/checkout";

fn security(authority: &Authority, id: &str) -> Security {
    trusting(authority, id, &authority.anchors)
}

fn trusting(authority: &Authority, id: &str, anchors: &TrustAnchors) -> Security {
    Security::new(Held::new(authority.credential(id, at(600))), Anchors::new(anchors.clone()))
}

#[tokio::test]
async fn both_ends_prove_who_they_are() {
    let authority = Authority::new();
    let server = Server::start(&security(&authority, ORDERS)).await;
    let pool = pool(security(&authority, CHECKOUT).towards_workloads());
    let (who, _) = call(&pool, &server.address, "/ns/default/orders").await.unwrap();
    assert_eq!(who, CHECKOUT);
}

#[tokio::test]
async fn a_server_of_another_id_is_not_called() {
    let authority = Authority::new();
    let server = Server::start(&security(&authority, ORDERS)).await;
    let client = security(&authority, CHECKOUT);
    let workloads = pool(client.towards_workloads());
    for peer in ["/ns/default/payments", "/ns/other/orders", "/ns/default/orders/", "", "/ns/default/order"] {
        let error = call(&workloads, &server.address, peer).await.unwrap_err();
        assert!(error.contains("unexpected SPIFFE ID"), "{peer}: {error}");
    }
    let one = pool(client.towards("spiffe://elsewhere/ns/default/orders".parse_id()));
    assert!(call(&one, &server.address, "").await.unwrap_err().contains("unexpected SPIFFE ID"));
    let right = pool(client.towards(ORDERS.parse_id()));
    call(&right, &server.address, "").await.unwrap();
}

#[tokio::test]
async fn connections_to_one_address_are_kept_apart_by_who_was_asked_for() {
    let authority = Authority::new();
    let server = Server::start(&security(&authority, ORDERS)).await;
    let pool = pool(security(&authority, CHECKOUT).towards_workloads());
    let (_, first) = call(&pool, &server.address, "/ns/default/orders").await.unwrap();
    assert!(call(&pool, &server.address, "/ns/default/payments").await.is_err(), "an open connection is not enough");
    let (_, again) = call(&pool, &server.address, "/ns/default/orders").await.unwrap();
    assert_eq!(first, again, "the connection is used again");
}

#[tokio::test]
async fn strangers_are_neither_let_in_nor_called() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let server = Server::start(&security(&ours, ORDERS)).await;
    let stranger = pool(trusting(&theirs, CHECKOUT, &ours.anchors).towards_workloads());
    assert!(call(&stranger, &server.address, "/ns/default/orders").await.is_err());
    let wary = pool(trusting(&ours, CHECKOUT, &theirs.anchors).towards_workloads());
    let error = call(&wary, &server.address, "/ns/default/orders").await.unwrap_err();
    assert!(error.contains("invalid peer certificate"), "{error}");
}

#[tokio::test]
async fn expired_certificates_prove_nothing() {
    let authority = Authority::new();
    let anchors = Anchors::new(authority.anchors.clone());
    let expired = Security::new(Held::new(authority.credential(CHECKOUT, at(-1))), anchors.clone());
    let server = Server::start(&security(&authority, ORDERS)).await;
    let error = call(&pool(expired.towards_workloads()), &server.address, "/ns/default/orders").await.unwrap_err();
    assert!(error.contains("expired"), "{error}");
    let closed = Server::start(&Security::new(Held::new(authority.credential(ORDERS, at(-1))), anchors)).await;
    let client = pool(security(&authority, CHECKOUT).towards_workloads());
    assert!(call(&client, &closed.address, "/ns/default/orders").await.is_err());
}

#[tokio::test]
async fn an_expired_root_vouches_for_nobody() {
    let expired = Authority::until(at(-1));
    let server = Server::start(&security(&expired, ORDERS)).await;
    let client = pool(security(&expired, CHECKOUT).towards_workloads());
    assert!(call(&client, &server.address, "/ns/default/orders").await.is_err());
}

#[tokio::test]
async fn a_client_without_a_certificate_is_not_let_in() {
    let authority = Authority::new();
    let server = Server::start(&security(&authority, ORDERS)).await;
    let anchors = Anchors::new(authority.anchors.clone());
    let config = identity::client_config(None, &anchors, identity::Expected::Any).unwrap();
    let dialer = service::Dialer::with_tls(move || Ok(config.clone()));
    let bare = service::Connections::new(dialer, true, service::Lifetimes::default(), service::Tasks::new());
    assert!(call(&bare, &server.address, "").await.is_err());
    let plain = service::Connections::new(
        service::Dialer::plain(),
        false,
        service::Lifetimes::default(),
        service::Tasks::new(),
    );
    assert!(call(&plain, &server.address, "").await.is_err());
}

#[tokio::test]
async fn a_new_certificate_means_a_new_connection_and_no_failed_call() {
    let authority = Authority::new();
    let server = Server::start(&security(&authority, ORDERS)).await;
    let held = Held::new(authority.credential(CHECKOUT, at(600)));
    let client = Security::new(held.clone(), Anchors::new(authority.anchors.clone()));
    let pool = pool(client.towards_workloads());
    let (_, first) = call(&pool, &server.address, "/ns/default/orders").await.unwrap();
    held.replace(authority.credential(CHECKOUT, at(600)));
    let (_, second) = call(&pool, &server.address, "/ns/default/orders").await.unwrap();
    assert_ne!(first, second);
}

#[tokio::test]
async fn an_open_connection_takes_no_request_after_a_certificate_has_ended() {
    let authority = Authority::new();
    let server = Server::start_careless(&security(&authority, ORDERS)).await;
    let held = Held::new(authority.credential(CHECKOUT, at(2)));
    let client = Security::new(held, Anchors::new(authority.anchors.clone()));
    let pool = pool(client.towards_workloads());
    call(&pool, &server.address, "/ns/default/orders").await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let error = call(&pool, &server.address, "/ns/default/orders").await.unwrap_err();
    assert!(error.contains("expired"), "{error}");
}

#[tokio::test]
async fn a_server_has_to_prove_itself_again_once_its_certificate_has_ended() {
    let authority = Authority::new();
    let held = Held::new(authority.credential(ORDERS, at(2)));
    let server = Server::start_careless(&Security::new(held.clone(), Anchors::new(authority.anchors.clone()))).await;
    let pool = pool(security(&authority, CHECKOUT).towards_workloads());
    let (_, first) = call(&pool, &server.address, "/ns/default/orders").await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(call(&pool, &server.address, "/ns/default/orders").await.is_err());
    held.replace(authority.credential(ORDERS, at(600)));
    let (_, second) = call(&pool, &server.address, "/ns/default/orders").await.unwrap();
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_server_ends_connections_of_clients_whose_certificate_has_ended() {
    let authority = Authority::new();
    let server = Server::start(&security(&authority, ORDERS)).await;
    let held = Held::new(authority.credential(CHECKOUT, at(2)));
    let anchors = Anchors::new(authority.anchors.clone());
    let config = identity::client_config(Some(&held), &anchors, identity::Expected::Any).unwrap();
    // A client that does not look at certificates again.
    let dialer = service::Dialer::with_tls(move || Ok(config.clone()));
    let careless = service::Connections::new(dialer, true, service::Lifetimes::default(), service::Tasks::new());
    call(&careless, &server.address, "").await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(call(&careless, &server.address, "").await.is_err());
}

#[tokio::test]
async fn a_quiet_connection_of_http_1_is_heard_again_and_closed_properly_when_its_certificate_has_ended() {
    let authority = Authority::new();
    let server = Server::start(&security(&authority, ORDERS)).await;
    let held = Held::new(authority.credential(CHECKOUT, at(3)));
    let config =
        identity::client_config(Some(&held), &Anchors::new(authority.anchors.clone()), identity::Expected::Any);
    let config = config.unwrap();
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let dialer = service::Dialer::with_tls(move || Ok(config.clone()));
    let mut stream = dialer.connect(host, port.parse().unwrap(), true).await.unwrap();
    for pause in [0, 500] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        while !answer.contains(CHECKOUT) {
            let mut piece = [0; 1024];
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "closed after {answer}");
            answer.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        }
    }
    let mut rest = Vec::new();
    // Without a proper end this is an error.
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap().unwrap();
}

#[tokio::test]
async fn anchors_that_were_learned_count_beside_those_configured() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = Server::start(&security(&new, ORDERS)).await;
    let anchors = Anchors::new(old.anchors.clone());
    let client = Security::new(Held::new(new.credential(CHECKOUT, at(600))), anchors.clone());
    let pool = pool(client.towards_workloads());
    assert!(call(&pool, &server.address, "/ns/default/orders").await.is_err());
    assert!(anchors.learn(old.anchors.with(&new.anchors)));
    call(&pool, &server.address, "/ns/default/orders").await.unwrap();
    assert!(!anchors.learn(old.anchors.with(&new.anchors)), "nothing new");
    assert_eq!(anchors.current().certificates().len(), 2);
}

trait ParseId {
    fn parse_id(&self) -> security::SpiffeId;
}

impl ParseId for str {
    fn parse_id(&self) -> security::SpiffeId {
        security::SpiffeId::parse(self).unwrap()
    }
}
