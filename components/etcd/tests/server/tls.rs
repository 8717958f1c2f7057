//! TLS with certificates on both sides.

use component::ErrorKind;
use servers::Etcd;

use crate::ground::{get, open, set, start, value};

#[tokio::test]
async fn both_sides_prove_themselves() {
    let Some(server) = start(Etcd::alone().tls(true)).await else { return };
    let Some(stranger) = start(Etcd::alone().tls(true)).await else { return };
    let (tls, strange) = (server.tls().unwrap(), stranger.tls().unwrap());
    let address = server.address();
    let given = [
        ("endpoints", address.as_str()),
        ("tlsEnable", "true"),
        ("ca", &tls.authority),
        ("cert", &tls.client_certificate),
        ("key", &tls.client_key),
    ];
    let store = open("v2", &given).await;
    set(&*store, "a", "1").await.unwrap();
    assert_eq!(value(&*store, "a").await.as_deref(), Some(&b"1"[..]));

    let mut distrusting = given;
    distrusting[2].1 = &strange.authority;
    let mut unknown = given;
    unknown[3].1 = &strange.client_certificate;
    unknown[4].1 = &strange.client_key;
    for wrong in [distrusting, unknown, [given[0], ("tlsEnable", "false"), given[2], given[3], given[4]]] {
        let store = open("v2", &wrong).await;
        let error = get(&*store, "a").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout), "{error}");
    }
}
