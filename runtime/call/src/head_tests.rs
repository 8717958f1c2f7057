//! Heads against the types that are generated from the protocol's description, both ways.

use std::collections::HashMap;

use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use wire::internals::{InternalInvokeRequest, InternalInvokeRequestStream, InternalInvokeResponse, ListStringValue};

use super::*;

type Map = HashMap<String, ListStringValue>;

fn map() -> impl Strategy<Value = Map> {
    hash_map(".{0,12}", vec(".{0,12}", 0..3).prop_map(|values| ListStringValue { values }), 0..24)
}

fn any() -> impl Strategy<Value = Option<wire::Any>> {
    proptest::option::of("[a-z/.]{1,12}".prop_map(|type_url| wire::Any { type_url, value: Bytes::new() }))
}

fn request() -> impl Strategy<Value = InternalInvokeRequest> {
    let extension = proptest::option::of((0..12_i32, ".{0,8}"));
    (map(), ".{0,9}", any(), ".{0,9}", extension).prop_map(|(metadata, method, data, content_type, extension)| {
        let http_extension = extension.map(|(verb, querystring)| HttpExtension { verb, querystring });
        let message = Some(InvokeRequest { method, data, content_type, http_extension });
        InternalInvokeRequest { ver: ApiVersion::V1 as i32, metadata, message, actor: None }
    })
}

fn response() -> impl Strategy<Value = InternalInvokeResponse> {
    (map(), map(), any(), ".{0,9}", any(), 0..600_i32).prop_map(
        |(headers, trailers, data, content_type, detail, code)| {
            let status = Status { code, message: content_type.clone(), details: detail.into_iter().collect() };
            let message = Some(InvokeResponse { data, content_type });
            InternalInvokeResponse { status: Some(status), headers, trailers, message }
        },
    )
}

proptest! {
    #[test]
    fn a_call_is_read_and_written_as_the_generated_types_do(given in request()) {
        let bytes = Bytes::from(given.encode_to_vec());
        let call = CallHead::decode(bytes).unwrap().into_call(None).unwrap();
        let back = InternalInvokeRequest::decode(&*call.head()).unwrap();
        prop_assert_eq!(back, given);
    }

    #[test]
    fn an_answer_is_read_and_written_as_the_generated_types_do(given in response()) {
        let bytes = Bytes::from(given.encode_to_vec());
        let answer = AnswerHead::decode(bytes).unwrap().into_answer(None).unwrap();
        let back = InternalInvokeResponse::decode(&*answer.head()).unwrap();
        prop_assert_eq!(back, given);
    }

    #[test]
    fn no_bytes_make_it_fail_badly(bytes in vec(0..=255_u8, 0..64)) {
        let theirs = InternalInvokeRequestStream::decode(&*bytes).is_ok();
        let ours = Frame::<CallHead>::decode(Bytes::from(bytes));
        // An actor is not read here, so that a broken one is passed over.
        prop_assert!(ours.is_ok() || !theirs);
    }
}

#[test]
fn of_an_entry_that_comes_twice_the_last_counts() {
    let one = |value: &str| InternalInvokeRequest {
        metadata: [("dapr-caller-app-id".to_owned(), ListStringValue { values: vec![value.to_owned()] })].into(),
        message: Some(InvokeRequest::default()),
        ..InternalInvokeRequest::default()
    };
    let bytes = [one("admin").encode_to_vec(), one("me").encode_to_vec()].concat();
    let call = CallHead::decode(Bytes::from(bytes)).unwrap().into_call(None).unwrap();
    assert_eq!((call.metadata.len(), crate::first(&call.metadata, "dapr-caller-app-id")), (1, Some("me")));
}

#[test]
fn text_that_is_none_is_refused() {
    let bytes = [0x12, 6, 0x0a, 1, 0xff, 0x12, 0, 0];
    assert!(CallHead::decode(Bytes::copy_from_slice(&bytes)).is_err());
}
