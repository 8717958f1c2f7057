//! The subtle cryptography API over HTTP. Called by the HTTP door. Bodies are the JSON form of the gRPC messages, as in
//! the target.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blocks::crypto::{Provider, Subtle};
use errors::ApiError;
use http::{Response, StatusCode};
use serde_json::{Map, Value};
use service::Body;

use super::message::Message;
use super::{Routed, respond};
use crate::Api;
use crate::context::Requested;
use crate::grpc::{crypto_refusal, key_format};
use crate::routes::Operation;

pub(super) async fn operate(api: &Api, operation: Operation, request: Routed) -> Response<Body> {
    match operated(api, operation, request).await {
        Ok(json) => respond::json(StatusCode::OK, json),
        Err(error) => respond::error(&error),
    }
}

async fn operated(api: &Api, operation: Operation, request: Routed) -> Result<String, ApiError> {
    let context = Requested::http(&request.headers);
    let name = request.parameter("name").to_owned();
    let message = Message::read(api, request.body).await?;
    let provider = api.crypto.subtle(&name).map_err(crypto_refusal)?;
    if operation == Operation::SubtleGetKey {
        return get_key(&context, &provider, &message).await;
    }
    let (key, algorithm) = (message.text("keyName", "key_name")?, message.text("algorithm", "algorithm")?);
    let (nonce, associated) = (message.bytes("nonce", "nonce")?, message.bytes("associatedData", "associated_data")?);
    let subtle = Subtle { key: &key, algorithm: &algorithm, nonce: &nonce, associated_data: &associated };
    let fields = match operation {
        Operation::SubtleEncrypt => {
            let made = provider.subtle_encrypt(&context, subtle, &message.bytes("plaintext", "plaintext")?).await;
            let made = made.map_err(crypto_refusal)?;
            vec![("ciphertext", base64(&made.ciphertext)), ("tag", base64(&made.tag))]
        }
        Operation::SubtleDecrypt => {
            let (ciphertext, tag) = (message.bytes("ciphertext", "ciphertext")?, message.bytes("tag", "tag")?);
            let made = provider.subtle_decrypt(&context, subtle, &ciphertext, &tag).await.map_err(crypto_refusal)?;
            vec![("plaintext", base64(&made))]
        }
        Operation::SubtleWrapKey => {
            let made = provider.subtle_wrap(&context, subtle, &message.bytes("plaintextKey", "plaintext_key")?).await;
            let made = made.map_err(crypto_refusal)?;
            vec![("wrappedKey", base64(&made.ciphertext)), ("tag", base64(&made.tag))]
        }
        Operation::SubtleUnwrapKey => {
            let (wrapped, tag) = (message.bytes("wrappedKey", "wrapped_key")?, message.bytes("tag", "tag")?);
            let made = provider.subtle_unwrap(&context, subtle, &wrapped, &tag).await.map_err(crypto_refusal)?;
            vec![("plaintextKey", base64(&made))]
        }
        Operation::SubtleSign => {
            let made = provider.subtle_sign(&context, subtle, &message.bytes("digest", "digest")?).await;
            vec![("signature", base64(&made.map_err(crypto_refusal)?))]
        }
        _ => {
            let (digest, signature) = (message.bytes("digest", "digest")?, message.bytes("signature", "signature")?);
            let valid = provider.subtle_verify(&context, subtle, &digest, &signature).await.map_err(crypto_refusal)?;
            vec![("valid", if valid { Value::Bool(true) } else { Value::Null })]
        }
    };
    Ok(object(fields))
}

async fn get_key(context: &Requested, provider: &Provider, message: &Message) -> Result<String, ApiError> {
    let number = match message.text("format", "format") {
        Ok(name) if name == "JSON" => 1,
        Ok(name) if name.is_empty() || name == "PEM" => 0,
        _ => message.number("format", "format")?,
    };
    let format = key_format(number).ok_or_else(|| errors::bad_request("invalid key format"))?;
    let key = message.text("name", "name")?;
    let public = provider.public_key(context, &key, format).await.map_err(crypto_refusal)?;
    Ok(object(vec![("name", Value::String(key)), ("publicKey", Value::String(public))]))
}

fn base64(bytes: &[u8]) -> Value {
    Value::String(STANDARD.encode(bytes))
}

/// A message without the fields that are as if they were not there.
fn object(fields: Vec<(&'static str, Value)>) -> String {
    let filled = fields.into_iter().filter(|(_, value)| !value.is_null() && value.as_str() != Some(""));
    Value::Object(filled.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()).to_string()
}
