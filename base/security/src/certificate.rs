//! What X.509 certificates say: whose they are, from when until when, and their PEM form. Called by whoever obtains, shows
//! or judges a certificate. It checks no signature and no chain: `identity` does that.

use std::fmt;
use std::time::{Duration, SystemTime};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate};

use crate::{MalformedId, SpiffeId};

/// Why a certificate, or a text of certificates, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateError {
    /// Not a certificate in DER or PEM form.
    Unreadable(String),
    /// The text has no certificate.
    Empty,
    /// A workload's certificate names exactly one URI (SPIFFE X509-SVID 2); this one names so many.
    Uris(usize),
    /// The URI is no SPIFFE id of ours.
    Id(MalformedId),
    /// It may sign other certificates, so it is no workload's.
    Authority,
}

impl fmt::Display for CertificateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(formatter, "not an X.509 certificate: {reason}"),
            Self::Empty => formatter.write_str("the text holds no PEM certificate"),
            Self::Uris(count) => write!(formatter, "certificate contains {count} URI SANs instead of one"),
            Self::Id(reason) => reason.fmt(formatter),
            Self::Authority => formatter.write_str("leaf certificate must not be a certificate authority"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// From when until when a certificate counts; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: SystemTime,
    /// The last moment.
    pub until: SystemTime,
}

impl Validity {
    /// Whether it counts at this moment.
    #[must_use]
    pub fn covers(&self, moment: SystemTime) -> bool {
        self.from <= moment && moment <= self.until
    }
}

/// What the certificate of a workload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Whose it is.
    pub id: SpiffeId,
    /// From when until when.
    pub validity: Validity,
}

/// Reads the certificate of a workload (X509-SVID: one URI that is a SPIFFE id, not an authority).
///
/// # Errors
/// [`CertificateError`].
pub fn workload(certificate: &CertificateDer<'_>) -> Result<Workload, CertificateError> {
    let parsed = parse(certificate)?;
    let signs =
        parsed.key_usage().ok().flatten().is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign());
    if parsed.is_ca() || signs {
        return Err(CertificateError::Authority);
    }
    let uris = uris(&parsed)?;
    let [uri] = uris.as_slice() else { return Err(CertificateError::Uris(uris.len())) };
    let id = SpiffeId::parse(uri).map_err(CertificateError::Id)?;
    Ok(Workload { id, validity: validity_of(&parsed) })
}

/// From when until when any certificate counts.
///
/// # Errors
/// [`CertificateError::Unreadable`].
pub fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, CertificateError> {
    parse(certificate).map(|parsed| validity_of(&parsed))
}

/// Whom any certificate names, for people to read: its URIs, or its subject where there are none.
///
/// # Errors
/// [`CertificateError::Unreadable`].
pub fn name(certificate: &CertificateDer<'_>) -> Result<String, CertificateError> {
    let parsed = parse(certificate)?;
    let uris = uris(&parsed)?;
    Ok(if uris.is_empty() { parsed.subject().to_string() } else { uris.join(", ") })
}

/// Every certificate of a PEM text, in order; what is between them is skipped.
///
/// # Errors
/// [`CertificateError`] when one cannot be read or there is none.
pub fn from_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|error| CertificateError::Unreadable(error.to_string()))?;
    if read.is_empty() {
        return Err(CertificateError::Empty);
    }
    for certificate in &read {
        parse(certificate)?;
    }
    Ok(read)
}

/// The PEM text of certificates, in order, lines of 64 characters.
#[must_use]
pub fn to_pem<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> String {
    certificates.into_iter().map(|certificate| block("CERTIFICATE", certificate)).collect()
}

/// One PEM block (RFC 7468).
#[must_use]
pub fn block(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, further) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = further;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, CertificateError> {
    let (rest, parsed) =
        X509Certificate::from_der(certificate).map_err(|error| CertificateError::Unreadable(error.to_string()))?;
    if !rest.is_empty() {
        return Err(CertificateError::Unreadable("bytes follow the certificate".to_owned()));
    }
    Ok(parsed)
}

fn uris<'a>(parsed: &X509Certificate<'a>) -> Result<Vec<&'a str>, CertificateError> {
    let unreadable = |error: x509_parser::error::X509Error| CertificateError::Unreadable(error.to_string());
    let mut uris = Vec::new();
    for extension in parsed.extensions() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            let named = names.general_names.iter();
            uris.extend(named.filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None }));
        }
    }
    // Twice, or not readable: an error there.
    parsed.subject_alternative_name().map_err(unreadable)?;
    Ok(uris)
}

fn validity_of(parsed: &X509Certificate<'_>) -> Validity {
    let moment = |seconds: i64| match u64::try_from(seconds) {
        Ok(after) => SystemTime::UNIX_EPOCH + Duration::from_secs(after.min(MAX_SECONDS)),
        Err(_) => SystemTime::UNIX_EPOCH,
    };
    let validity = parsed.validity();
    Validity { from: moment(validity.not_before.timestamp()), until: moment(validity.not_after.timestamp()) }
}

/// The end of the year 9999, the last that X.509 can name.
const MAX_SECONDS: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};

    use super::*;

    fn certificate(uris: &[&str], is_ca: bool) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().into()
    }

    #[test]
    fn a_workload_is_read() {
        let read = workload(&certificate(&["spiffe://td/ns/n/app"], false)).unwrap();
        assert_eq!(read.id.app_id(), "app");
        assert_eq!(name(&certificate(&["spiffe://td/ns/n/app"], false)).unwrap(), "spiffe://td/ns/n/app");
        assert_eq!(name(&certificate(&[], true)).unwrap(), "CN=rcgen self signed cert");
        assert!(read.validity.covers(SystemTime::now()));
        assert!(!read.validity.covers(SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn what_names_no_or_several_workloads_is_refused() {
        assert_eq!(workload(&certificate(&[], false)), Err(CertificateError::Uris(0)));
        let two = certificate(&["spiffe://td/ns/n/app", "spiffe://td/ns/n/admin"], false);
        assert_eq!(workload(&two), Err(CertificateError::Uris(2)));
        assert!(matches!(workload(&certificate(&["https://td/ns/n/a"], false)), Err(CertificateError::Id(_))));
        assert_eq!(workload(&certificate(&["spiffe://td/ns/n/app"], true)), Err(CertificateError::Authority));
        assert!(matches!(workload(&CertificateDer::from(vec![0x30, 3, 1])), Err(CertificateError::Unreadable(_))));
    }

    #[test]
    fn pem_is_written_and_read_back() {
        let both = [certificate(&["spiffe://td/ns/n/a"], false), certificate(&["spiffe://td/ns/n/b"], false)];
        let text = format!("a comment\n{}", to_pem(&both));
        assert_eq!(from_pem(text.as_bytes()).unwrap(), both);
        assert_eq!(from_pem(b"nothing"), Err(CertificateError::Empty));
        assert!(text.lines().all(|line| line.len() <= 64));
    }
}
