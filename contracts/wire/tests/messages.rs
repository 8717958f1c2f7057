//! What other crates count on in the generated code.

use bytes::Bytes;
use prost::Message;
use trilby_wire::common::InvokeRequest;
use trilby_wire::google_rpc::ErrorInfo;
use trilby_wire::internals::InternalInvokeRequest;
use trilby_wire::runtime::GetStateRequest;
use trilby_wire::runtime::dapr_server::{Dapr, DaprServer};
use trilby_wire::{Any, internals};

#[test]
fn decoding_a_call_does_not_copy_its_body() {
    let message = InvokeRequest { data: Some(Any::from_bytes(Bytes::from(vec![7; 4096]))), ..InvokeRequest::default() };
    let call = InternalInvokeRequest {
        ver: internals::ApiVersion::V1 as i32,
        message: Some(message),
        ..InternalInvokeRequest::default()
    };
    let wire = Bytes::from(call.encode_to_vec());
    let decoded = InternalInvokeRequest::decode(wire.clone()).unwrap();
    let body = decoded.message.unwrap().data.unwrap().value;
    assert_eq!(body.len(), 4096);
    assert!(wire.as_ptr_range().contains(&body.as_ptr()), "the body was copied");
}

#[test]
fn any_is_the_any_of_everyone_else() {
    let info = ErrorInfo { reason: "WHY".to_owned(), ..ErrorInfo::default() };
    let packed = Any::pack("google.rpc.ErrorInfo", &info);
    let theirs = prost_types::Any::decode(packed.encode_to_vec().as_slice()).unwrap();
    assert_eq!(theirs.type_url, "type.googleapis.com/google.rpc.ErrorInfo");
    assert_eq!(theirs.value, info.encode_to_vec());
    assert_eq!(packed.unpack::<ErrorInfo>("google.rpc.ErrorInfo"), Some(info));
    assert_eq!(packed.unpack::<ErrorInfo>("google.rpc.Help"), None);
}

struct Nothing;

impl Dapr for Nothing {}

#[tokio::test]
async fn method_that_nobody_wrote_answers_unimplemented() {
    let _server = DaprServer::new(Nothing);
    let answer = Nothing.get_state(tonic::Request::new(GetStateRequest::default())).await;
    assert_eq!(answer.unwrap_err().code(), tonic::Code::Unimplemented);
}
