//! The subtle cryptography API over gRPC. Called by the Dapr service.

use blocks::crypto::{Crypto, KeyFormat, Subtle};
use tonic::{Request, Status};
use wire::runtime as v1;
use wire::runtime::subtle_get_key_request::KeyFormat as Wire;

use super::crypto::refusal;
use crate::context::Requested;

pub(super) async fn get_key(
    crypto: &Crypto,
    request: Request<v1::SubtleGetKeyRequest>,
) -> Result<v1::SubtleGetKeyResponse, Status> {
    let (context, message) = Requested::grpc(request);
    let provider = crypto.subtle(&message.component_name).map_err(refusal)?;
    let format = format(message.format).ok_or_else(|| errors::bad_request("invalid key format"))?;
    let public_key = provider.public_key(&context, &message.name, format).await.map_err(refusal)?;
    Ok(v1::SubtleGetKeyResponse { name: message.name, public_key })
}

/// The format of a number on the wire; over HTTP too.
pub(crate) fn format(number: i32) -> Option<KeyFormat> {
    Some(match Wire::try_from(number).ok()? {
        Wire::Pem => KeyFormat::Pem,
        Wire::Json => KeyFormat::Json,
    })
}

pub(super) async fn encrypt(
    crypto: &Crypto,
    request: Request<v1::SubtleEncryptRequest>,
) -> Result<v1::SubtleEncryptResponse, Status> {
    let (context, message) = Requested::grpc(request);
    let provider = crypto.subtle(&message.component_name).map_err(refusal)?;
    let subtle = Subtle {
        key: &message.key_name,
        algorithm: &message.algorithm,
        nonce: &message.nonce,
        associated_data: &message.associated_data,
    };
    let made = provider.subtle_encrypt(&context, subtle, &message.plaintext).await.map_err(refusal)?;
    Ok(v1::SubtleEncryptResponse { ciphertext: made.ciphertext, tag: made.tag })
}

pub(super) async fn decrypt(
    crypto: &Crypto,
    request: Request<v1::SubtleDecryptRequest>,
) -> Result<v1::SubtleDecryptResponse, Status> {
    let (context, message) = Requested::grpc(request);
    let provider = crypto.subtle(&message.component_name).map_err(refusal)?;
    let subtle = Subtle {
        key: &message.key_name,
        algorithm: &message.algorithm,
        nonce: &message.nonce,
        associated_data: &message.associated_data,
    };
    let made = provider.subtle_decrypt(&context, subtle, &message.ciphertext, &message.tag).await.map_err(refusal)?;
    Ok(v1::SubtleDecryptResponse { plaintext: made })
}

pub(super) async fn wrap_key(
    crypto: &Crypto,
    request: Request<v1::SubtleWrapKeyRequest>,
) -> Result<v1::SubtleWrapKeyResponse, Status> {
    let (context, message) = Requested::grpc(request);
    let provider = crypto.subtle(&message.component_name).map_err(refusal)?;
    let subtle = Subtle {
        key: &message.key_name,
        algorithm: &message.algorithm,
        nonce: &message.nonce,
        associated_data: &message.associated_data,
    };
    let made = provider.subtle_wrap(&context, subtle, &message.plaintext_key).await.map_err(refusal)?;
    Ok(v1::SubtleWrapKeyResponse { wrapped_key: made.ciphertext, tag: made.tag })
}

pub(super) async fn unwrap_key(
    crypto: &Crypto,
    request: Request<v1::SubtleUnwrapKeyRequest>,
) -> Result<v1::SubtleUnwrapKeyResponse, Status> {
    let (context, message) = Requested::grpc(request);
    let provider = crypto.subtle(&message.component_name).map_err(refusal)?;
    let subtle = Subtle {
        key: &message.key_name,
        algorithm: &message.algorithm,
        nonce: &message.nonce,
        associated_data: &message.associated_data,
    };
    let made = provider.subtle_unwrap(&context, subtle, &message.wrapped_key, &message.tag).await.map_err(refusal)?;
    Ok(v1::SubtleUnwrapKeyResponse { plaintext_key: made })
}

pub(super) async fn sign(
    crypto: &Crypto,
    request: Request<v1::SubtleSignRequest>,
) -> Result<v1::SubtleSignResponse, Status> {
    let (context, message) = Requested::grpc(request);
    let provider = crypto.subtle(&message.component_name).map_err(refusal)?;
    let subtle = signing(&message.key_name, &message.algorithm);
    let signature = provider.subtle_sign(&context, subtle, &message.digest).await.map_err(refusal)?;
    Ok(v1::SubtleSignResponse { signature })
}

pub(super) async fn verify(
    crypto: &Crypto,
    request: Request<v1::SubtleVerifyRequest>,
) -> Result<v1::SubtleVerifyResponse, Status> {
    let (context, message) = Requested::grpc(request);
    let provider = crypto.subtle(&message.component_name).map_err(refusal)?;
    let subtle = signing(&message.key_name, &message.algorithm);
    let verified = provider.subtle_verify(&context, subtle, &message.digest, &message.signature).await;
    Ok(v1::SubtleVerifyResponse { valid: verified.map_err(refusal)? })
}

fn signing<'a>(key: &'a str, algorithm: &'a str) -> Subtle<'a> {
    Subtle { key, algorithm, nonce: &[], associated_data: &[] }
}
