//! Handshakes with a server whose certificate a test authority signed.

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

const CA: &str = include_str!("../../testdata/ca.pem");
const SERVER: (&str, &str) = (include_str!("../../testdata/server.pem"), include_str!("../../testdata/server.key"));
const CLIENT: (&str, &str) = (include_str!("../../testdata/client.pem"), include_str!("../../testdata/client.key"));

fn server(ask_client: bool) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let chain = certificates(SERVER.0, "server certificate").unwrap();
    let key = PrivateKeyDer::from_pem_slice(SERVER.1.as_bytes()).unwrap();
    let builder = if ask_client {
        let roots = Arc::new(root_store(CA).unwrap());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// The protocol both agree on, when both accept.
async fn handshake(client: ClientConfig, server: ServerConfig, name: &'static str) -> Option<Vec<u8>> {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let connector = TlsConnector::from(Arc::new(client));
    let (accepted, connected) =
        tokio::join!(acceptor.accept(far), connector.connect(ServerName::try_from(name).unwrap(), near));
    connected.ok()?;
    Some(accepted.ok()?.get_ref().1.alpn_protocol().unwrap_or_default().to_vec())
}

fn with_ca() -> ClientTls {
    ClientTls { root_ca: Some(CA.into()), ..ClientTls::default() }
}

#[tokio::test]
async fn the_app_channel_accepts_a_certificate_nobody_trusts() {
    let config = app_channel(&[b"h2"]).unwrap();
    assert_eq!(handshake(config, server(false), "not-its-name").await.unwrap(), b"h2");
}

#[tokio::test]
async fn other_servers_must_be_trusted_and_have_their_name() {
    let system = SystemRoots::default();
    let config = || client(&with_ca(), &system, &[b"http/1.1"]).unwrap();
    assert_eq!(handshake(config(), server(false), "localhost").await.unwrap(), b"http/1.1");
    assert!(handshake(config(), server(false), "not-its-name").await.is_none());
    let untrusting = client(&ClientTls::default(), &system, &[]).unwrap();
    assert!(handshake(untrusting, server(false), "localhost").await.is_none());
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_given() {
    let system = SystemRoots::default();
    let settings = ClientTls { certificate: Some(CLIENT.0.into()), private_key: Some(CLIENT.1.into()), ..with_ca() };
    assert!(handshake(client(&settings, &system, &[]).unwrap(), server(true), "localhost").await.is_some());
    assert!(handshake(client(&with_ca(), &system, &[]).unwrap(), server(true), "localhost").await.is_none());
}

#[test]
fn bad_settings_are_named() {
    let text = |settings: ClientTls| client(&settings, &SystemRoots::default(), &[]).unwrap_err().to_string();
    assert!(text(ClientTls { root_ca: Some("nothing".into()), ..ClientTls::default() }).contains("root CA"));
    assert!(text(ClientTls { certificate: Some(CLIENT.0.into()), ..with_ca() }).contains("private key"));
    assert!(text(ClientTls { private_key: Some(CLIENT.1.into()), ..with_ca() }).contains("certificate"));
    let crossed = ClientTls { certificate: Some(CLIENT.0.into()), private_key: Some(SERVER.1.into()), ..with_ca() };
    assert!(text(crossed).contains("cannot be used"));
    let shown = format!("{:?}", ClientTls { private_key: Some(CLIENT.1.into()), ..with_ca() });
    assert!(!shown.contains("PRIVATE"), "{shown}");
}
