//! `google.protobuf.Any` whose value is [`Bytes`], so that a wrapped body is never copied. All generated messages use
//! it in place of the generic one.

use bytes::Bytes;
use prost::Message;

/// Any message, with the name of its type.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Any {
    /// Names the type: by convention `type.googleapis.com/` and the full name of the message.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message, or whatever an app put there.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

impl Any {
    /// Wraps `message`. `full_name` is the name of its type with its package, as in `google.rpc.ErrorInfo`.
    pub fn pack(full_name: &str, message: &impl Message) -> Self {
        Self { type_url: format!("type.googleapis.com/{full_name}"), value: message.encode_to_vec().into() }
    }

    /// Wraps bytes without a type, as an app's body travels between sidecars.
    pub fn from_bytes(value: Bytes) -> Self {
        Self { type_url: String::new(), value }
    }

    /// Full name of the wrapped type: what follows the last slash of the address.
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or_default()
    }

    /// The wrapped message, if its type is `full_name` and its bytes are such a message.
    pub fn unpack<M: Message + Default>(&self, full_name: &str) -> Option<M> {
        if self.type_name() != full_name {
            return None;
        }
        M::decode(self.value.clone()).ok()
    }
}
