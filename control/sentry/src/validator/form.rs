//! What every validator asks of a request, whoever sends it. The messages are the target's.

use security::TrustDomain;
use wire::sentry::SignCertificateRequest;

use super::Refusal;

/// Bytes of an app id; a certificate's common name once held no more (RFC 5280 A.1).
const MAX_APP_ID: usize = 64;
/// The trust domain of a request that names none.
pub(super) const PUBLIC: &str = "public";

/// Checks the form of a request, and reads the trust domain it names.
///
/// # Errors
/// [`Refusal`] with everything that is wrong.
pub fn check(request: &SignCertificateRequest) -> Result<TrustDomain, Refusal> {
    let id = request.id.as_str();
    let mut wrong = Vec::new();
    if id.is_empty() {
        wrong.push("parameter app-id cannot be empty");
    } else if id.contains('.') {
        wrong.push("parameter app-id cannot contain dots");
    }
    if id.len() > MAX_APP_ID {
        wrong.push("app ID must be 64 characters or less");
    }
    if request.certificate_signing_request.is_empty() {
        wrong.push("CSR is required");
    }
    if request.namespace.is_empty() {
        wrong.push("namespace is required");
    }
    if !wrong.is_empty() {
        return Err(Refusal(format!("invalid request: {}", wrong.join("\n"))));
    }
    let named = if request.trust_domain.is_empty() { PUBLIC } else { &request.trust_domain };
    TrustDomain::parse(named).map_err(|error| Refusal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> SignCertificateRequest {
        SignCertificateRequest {
            id: "app".to_owned(),
            namespace: "default".to_owned(),
            certificate_signing_request: "x".into(),
            ..SignCertificateRequest::default()
        }
    }

    fn refused(change: impl FnOnce(&mut SignCertificateRequest)) -> String {
        let mut request = request();
        change(&mut request);
        check(&request).unwrap_err().to_string()
    }

    #[test]
    fn a_request_without_a_trust_domain_is_in_the_public_one() {
        assert_eq!(check(&request()).unwrap().as_str(), "public");
        let named = SignCertificateRequest { trust_domain: "cluster.local".to_owned(), ..request() };
        assert_eq!(check(&named).unwrap().as_str(), "cluster.local");
    }

    #[test]
    fn what_cannot_be_an_identity_is_refused() {
        assert_eq!(refused(|request| request.id.clear()), "invalid request: parameter app-id cannot be empty");
        assert!(refused(|request| request.id = "a.b".to_owned()).contains("cannot contain dots"));
        assert!(refused(|request| request.id = "a".repeat(65)).contains("64 characters or less"));
        assert!(check(&SignCertificateRequest { id: "a".repeat(64), ..request() }).is_ok());
        assert!(refused(|request| request.trust_domain = "UPPER/..".to_owned()).contains("trust domain"));
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let reason = check(&SignCertificateRequest::default()).unwrap_err().to_string();
        assert_eq!(reason, "invalid request: parameter app-id cannot be empty\nCSR is required\nnamespace is required");
    }
}
