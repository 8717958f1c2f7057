//! The JSON answers of the state API over HTTP. Called by its door. Values stand in them as they are stored.

use blocks::state::{BulkItem, KeyList, QueryPage, Stored};
use serde_json::json;
use serde_json::value::RawValue;

use crate::http::secrets::without_markup;

/// The answer of a bulk read. Where a value is not JSON the target answers nothing at all; here its item says so, or, where
/// the store encrypts and texts are stored without quotes, it is a text.
pub(super) fn bulk_answer(items: &[BulkItem], encrypts: bool) -> String {
    let mut out = String::from("[");
    for (index, item) in items.iter().enumerate() {
        out.extend([if index == 0 { "{\"key\":" } else { ",{\"key\":" }, &json(&json!(item.key))]);
        match &item.result {
            Ok(None) => {}
            Ok(Some(stored)) => write_stored(&mut out, stored, encrypts),
            Err(error) => out.extend([",\"error\":", &json(&json!(error.to_string()))]),
        }
        out.push('}');
    }
    out.push_str("]\n");
    out
}

fn write_stored(out: &mut String, stored: &Stored, encrypts: bool) {
    match raw(&stored.data) {
        Ok(data) => out.extend(data.into_iter().flat_map(|data| [",\"data\":", data.get()])),
        Err(_) if encrypts && let Ok(text) = std::str::from_utf8(&stored.data) => {
            out.extend([",\"data\":", &json(&json!(text))]);
        }
        Err(not_json) => return out.extend([",\"error\":", &json(&json!(not_json))]),
    }
    out.extend(stored.etag.iter().flat_map(|etag| [",\"etag\":".to_owned(), json(&json!(**etag))]));
    if !stored.metadata.is_empty() {
        out.extend([",\"metadata\":", &json(&json!(stored.metadata))]);
    }
}

/// The answer of a query that found something.
pub(super) fn query_answer(page: &QueryPage) -> String {
    let mut out = String::from("{\"results\":[");
    for (index, (key, stored)) in page.results.iter().enumerate() {
        out.extend([if index == 0 { "{\"key\":" } else { ",{\"key\":" }, &json(&json!(key)), ",\"data\":"]);
        let data = raw(&stored.data);
        out.push_str(data.as_ref().ok().and_then(|data| *data).map_or("null", RawValue::get));
        out.extend(stored.etag.iter().flat_map(|etag| [",\"etag\":".to_owned(), json(&json!(**etag))]));
        out.extend(data.err().into_iter().flat_map(|not_json| [",\"error\":".to_owned(), json(&json!(not_json))]));
        out.push('}');
    }
    out.push(']');
    if !page.token.is_empty() {
        out.extend([",\"token\":", &json(&json!(page.token))]);
    }
    if !page.metadata.is_empty() {
        out.extend([",\"metadata\":", &json(&json!(page.metadata))]);
    }
    out.push_str("}\n");
    out
}

/// A page of keys: `{"keys":[...],"token":"..."}`, without `token` at the end.
pub(super) fn keys_answer(list: &KeyList) -> String {
    let mut whole = json!({ "keys": list.keys });
    if let (Some(token), Some(object)) = (&list.token, whole.as_object_mut()) {
        object.insert("token".to_owned(), json!(token));
    }
    json(&whole) + "\n"
}

/// A stored value as it is, if it is JSON; none if it is empty.
fn raw(data: &[u8]) -> Result<Option<&RawValue>, String> {
    if data.is_empty() {
        return Ok(None);
    }
    // As an option, null would be no value at all.
    let value = serde_json::from_slice::<&RawValue>(data);
    value.map(Some).map_err(|error| format!("the value is not JSON, read it by itself: {error}"))
}

fn json(value: &serde_json::Value) -> String {
    without_markup(&value.to_string())
}
