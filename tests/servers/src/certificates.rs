//! Certificates of a server with TLS: an authority made for it, its own certificate, and one for a client. Used by each server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::account::Account;

/// What a client of a server with TLS needs, in PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate of the authority that signed the server's.
    pub authority: String,
    /// A client's certificate of that authority, for the common name `client`.
    pub client_certificate: String,
    /// The key of that certificate, in PKCS#8.
    pub client_key: String,
}

/// The files a server with TLS reads.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_certificate: PathBuf,
    pub(crate) client_key: PathBuf,
}

/// Makes an authority, writes what a server needs into `folder`, and answers what a client needs.
pub(crate) fn write(folder: &Path, account: Option<Account>) -> (Tls, Files) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.distinguished_name.push(DnType::CommonName, "authority of a test server");
    let key = KeyPair::generate().expect("a key can be made");
    let authority = CertifiedIssuer::self_signed(params, key).expect("it can sign itself");
    let (certificate, key) = issue(&authority, "server");
    let (client_certificate, client_key) = issue(&authority, "client");
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).expect("the folder can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
        if let Some(account) = account {
            account.own(&path);
        }
        path
    };
    let files = Files {
        authority: file("authority.pem", &authority.pem()),
        certificate: file("server.pem", &certificate),
        key: file("server.key", &key),
        client_certificate: file("client.pem", &client_certificate),
        client_key: file("client.key", &client_key),
    };
    (Tls { authority: authority.pem(), client_certificate, client_key }, files)
}

fn issue(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (String, String) {
    let key = KeyPair::generate().expect("a key can be made");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("the names are names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, authority).expect("the authority can sign");
    (certificate.pem(), key.serialize_pem())
}
