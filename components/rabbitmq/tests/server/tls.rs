//! Encrypted connections, and logging in with a certificate.

use component::ErrorKind;
use servers::RabbitMq;

use crate::ground::{start, take, try_open};

#[tokio::test(flavor = "multi_thread")]
async fn certificates_prove_who_is_who() {
    let Some(server) = start(RabbitMq::alone().tls(true)).await else { return };
    server.control(&["add_user", "client", "secret"]).unwrap();
    server.control(&["clear_password", "client"]).unwrap();
    server.control(&["set_permissions", "client", ".*", ".*", ".*"]).unwrap();
    let (tls, port) = (server.tls().unwrap(), server.tls_port().unwrap());
    let address = format!("amqps://guest:guest@127.0.0.1:{port}");
    let (authority, certificate, key) =
        (tls.authority.as_str(), tls.client_certificate.as_str(), tls.client_key.as_str());
    let by_password = [
        ("connectionString", address.as_str()),
        ("caCert", authority),
        ("clientCert", certificate),
        ("clientKey", key),
    ];
    let host = format!("127.0.0.1:{port}");
    let by_certificate = [
        ("protocol", "amqps"),
        ("hostname", host.as_str()),
        ("saslExternal", "true"),
        ("caCert", authority),
        ("clientCert", certificate),
        ("clientKey", key),
    ];
    for given in [&by_password[..], &by_certificate[..]] {
        let bus = try_open(given).await.unwrap_or_else(|error| panic!("{error}"));
        let mut deliveries = bus.subscribe("secret").await;
        bus.publish("secret", "one").await;
        assert_eq!(take(&mut deliveries).await, "one");
    }
    // Without a certificate of ours, and without believing the server's.
    for given in [&by_password[..2], &by_password[..1]] {
        let error = try_open(given).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains(&format!("the server at 127.0.0.1:{port}")), "{error}");
    }
    let half = [("connectionString", address.as_str()), ("caCert", authority), ("clientCert", certificate)];
    assert!(try_open(&half).await.err().unwrap().to_string().contains("clientKey"));
}
