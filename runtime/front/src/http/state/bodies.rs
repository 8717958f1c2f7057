//! The JSON bodies of the state API over HTTP. Called by its door. Values are not parsed; what is wrong with a body is told in
//! Go's words.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use blocks::Metadata;
use blocks::state::{BulkGet, Concurrency, Consistency, DeleteRequest, Options, SetRequest};
use bytes::Bytes;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json_fault;

/// Where a value stands, in the words of the target's two readers.
#[derive(Clone, Copy)]
pub(in crate::http) enum Path<'a> {
    /// The body, or an element of it.
    Whole,
    /// A field, to Go's JSON reader.
    Field(&'a str),
    /// A field, to the mapper that the request of an operation goes through; empty for the request itself.
    Mapped(&'a str),
}

/// What is said of a value of the wrong type.
fn wrong(value: &RawValue, path: Path<'_>, wanted: &str) -> String {
    // What the value is to Go: in JSON, as a kind, and as a type.
    let (json, kind, own) = match value.get().as_bytes().first() {
        Some(b'{') => ("object", "map", "map[string]interface {}"),
        Some(b'[') => ("array", "slice", "[]interface {}"),
        Some(b'"') => ("string", "string", "string"),
        Some(b't' | b'f') => ("bool", "bool", "bool"),
        _ => ("number", "float64", "float64"),
    };
    let text = value.get();
    match path {
        Path::Whole => format!("json: cannot unmarshal {json} into Go value of type {wanted}"),
        Path::Field(field) if (json, wanted) == ("number", "int") => {
            format!("json: cannot unmarshal number {text} into Go struct field {field} of type int")
        }
        Path::Field(field) => format!("json: cannot unmarshal {json} into Go struct field {field} of type {wanted}"),
        Path::Mapped("") => format!("'' expected a map, got '{kind}'"),
        Path::Mapped(field) if wanted == "string" => format!(
            "1 error(s) decoding:\n\n* '{field}' expected type 'string', got unconvertible type '{own}', value: '{text}'"
        ),
        Path::Mapped(field) => format!("1 error(s) decoding:\n\n* '{field}' expected a map, got '{kind}'"),
    }
}

/// The first value of a body, however deep: what follows it is not looked at.
pub(in crate::http) fn first_value(body: &[u8]) -> Result<&RawValue, String> {
    if let Some(Ok(value)) = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>().next() {
        return Ok(value);
    }
    let value = body.get(..json_fault::first_value(body)?).unwrap_or_default();
    serde_json::from_slice(value).map_err(|error| error.to_string())
}

/// The fields of an object, by name in lower case; those that are null are as good as missing.
pub(in crate::http) type Fields<'a> = BTreeMap<String, &'a RawValue>;

pub(in crate::http) fn fields<'a>(value: &'a RawValue, path: Path<'_>, wanted: &str) -> Result<Fields<'a>, String> {
    let fields: Result<Option<Fields<'a>>, _> = serde_json::from_str(value.get());
    let fields = fields.map_err(|_| wrong(value, path, wanted))?.unwrap_or_default();
    let present = fields.into_iter().filter(|(_, value)| value.get() != "null");
    Ok(present.map(|(name, value)| (name.to_lowercase(), value)).collect())
}

pub(in crate::http) fn elements<'a>(
    value: &'a RawValue,
    path: Path<'_>,
    wanted: &str,
) -> Result<Vec<&'a RawValue>, String> {
    let elements: Result<Option<Vec<&'a RawValue>>, _> = serde_json::from_str(value.get());
    elements.map(Option::unwrap_or_default).map_err(|_| wrong(value, path, wanted))
}

/// A text; null is an empty one.
fn text(value: &RawValue, path: Path<'_>) -> Result<String, String> {
    let text: Result<Option<String>, _> = serde_json::from_str(value.get());
    text.map(Option::unwrap_or_default).map_err(|_| wrong(value, path, "string"))
}

pub(in crate::http) fn text_field(fields: &Fields<'_>, name: &str, path: Path<'_>) -> Result<Option<String>, String> {
    fields.get(name).map(|value| text(value, path)).transpose()
}

/// The field `metadata`, an object of texts. Names in it keep their case.
pub(in crate::http) fn metadata_field(fields: &Fields<'_>, path: Path<'_>) -> Result<Metadata, String> {
    let Some(value) = fields.get("metadata") else { return Ok(Metadata::new()) };
    let pairs: BTreeMap<String, &RawValue> =
        serde_json::from_str(value.get()).map_err(|_| wrong(value, path, "map[string]string"))?;
    let read = |(name, value): (String, &RawValue)| {
        let read = match path {
            Path::Mapped(field) => text(value, Path::Mapped(&format!("{field}[{name}]"))),
            path => text(value, path),
        };
        read.map(|text| (name, text))
    };
    pairs.into_iter().map(read).collect()
}

/// An element of a save whose fields are spelt as SDKs spell them, each at most once.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct PlainItem<'a> {
    key: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    etag: Option<String>,
    metadata: Option<BTreeMap<String, Option<String>>>,
    options: Option<Object<PlainOptions>>,
    content_type: Option<String>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PlainOptions {
    concurrency: Option<String>,
    consistency: Option<String>,
}

/// What is read from an object and nothing else: a structure would also be read from a list.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMembers<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMembers<T> {
            type Value = Object<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(OfMembers(PhantomData))
    }
}

/// The elements of a save, read in one pass; `None` where a body needs the care of the other way, be it to tell what is wrong.
fn plain_save(body: &[u8]) -> Option<Vec<Item<'_>>> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<Vec<Object<PlainItem<'_>>>>();
    Some(values.next()?.ok()?.into_iter().map(|Object(plain)| Item::plain(plain)).collect())
}

/// One value to store or remove, as it stands in a body.
#[derive(Debug, Default)]
pub(super) struct Item<'a> {
    pub(super) key: String,
    value: Option<&'a RawValue>,
    etag: Option<String>,
    metadata: Metadata,
    pub(super) concurrency: String,
    pub(super) consistency: String,
    content_type: Option<String>,
}

impl<'a> Item<'a> {
    fn plain(plain: PlainItem<'a>) -> Self {
        let options = plain.options.map(|Object(options)| options).unwrap_or_default();
        let metadata = plain.metadata.unwrap_or_default().into_iter();
        Self {
            key: plain.key.unwrap_or_default(),
            value: plain.value,
            etag: plain.etag,
            metadata: metadata.map(|(name, value)| (name, value.unwrap_or_default())).collect(),
            concurrency: options.concurrency.unwrap_or_default(),
            consistency: options.consistency.unwrap_or_default(),
            content_type: plain.content_type,
        }
    }

    /// An element of a save.
    fn saved(value: &'a RawValue) -> Result<Self, String> {
        let fields = fields(value, Path::Whole, "state.SetRequest")?;
        Self::of(&fields, |json, _| Path::Field(json))
    }

    /// The request of an operation.
    pub(super) fn mapped(value: Option<&'a RawValue>) -> Result<Self, String> {
        let Some(value) = value else { return Ok(Self::default()) };
        let fields = fields(value, Path::Mapped(""), "")?;
        Self::of(&fields, |_, mapped| Path::Mapped(mapped))
    }

    fn of(fields: &Fields<'a>, path: fn(&'static str, &'static str) -> Path<'static>) -> Result<Self, String> {
        let options = match fields.get("options") {
            Some(options) => self::fields(options, path("SetRequest.options", "Options"), "state.SetStateOption")?,
            None => Fields::new(),
        };
        let concurrency = path("SetStateOption.options.Concurrency", "Options.Concurrency");
        let consistency = path("SetStateOption.options.Consistency", "Options.Consistency");
        Ok(Self {
            key: text_field(fields, "key", path("SetRequest.key", "Key"))?.unwrap_or_default(),
            value: fields.get("value").copied(),
            etag: text_field(fields, "etag", path("SetRequest.etag", "ETag"))?,
            metadata: metadata_field(fields, path("SetRequest.metadata", "Metadata"))?,
            concurrency: text_field(&options, "concurrency", concurrency)?.unwrap_or_default(),
            consistency: text_field(&options, "consistency", consistency)?.unwrap_or_default(),
            content_type: text_field(fields, "contenttype", path("SetRequest.contentType", "ContentType"))?,
        })
    }

    /// `extra` wins over the item's own metadata. Where the store encrypts, a text is stored without its quotes, as the
    /// target stores it; everything else stays the JSON it is.
    pub(super) fn into_set(
        mut self,
        (body, encrypts): (&Bytes, bool),
        extra: &Metadata,
        options: Options,
    ) -> Result<SetRequest, String> {
        if !extra.is_empty() {
            self.metadata.extend(extra.clone());
        }
        let value = match self.value {
            None => Bytes::from_static(b"null"),
            Some(value) if encrypts && value.get().starts_with('"') => {
                let text: Result<String, _> = serde_json::from_str(value.get());
                text.map_err(|error| format!("the text of the value of {:?} cannot be read: {error}", self.key))?.into()
            }
            Some(value) => part_of(body, value.get()),
        };
        let Self { key, etag, metadata, content_type, .. } = self;
        Ok(SetRequest { key, value, etag, options, metadata, content_type, json: true })
    }

    pub(super) fn into_delete(mut self, extra: &Metadata) -> DeleteRequest {
        self.metadata.extend(extra.clone());
        let options = Options {
            consistency: Consistency::from_word(&self.consistency).unwrap_or_default(),
            concurrency: Concurrency::from_word(&self.concurrency).unwrap_or_default(),
        };
        DeleteRequest { key: self.key, etag: self.etag, options, metadata: self.metadata }
    }
}

/// A part of a body without copying it, unless a small value would keep a large body in memory.
pub(super) fn part_of(body: &Bytes, part: &str) -> Bytes {
    if part.len() >= body.len() / 2 { body.slice_ref(part.as_bytes()) } else { Bytes::copy_from_slice(part.as_bytes()) }
}

pub(super) fn save_body(body: &[u8]) -> Result<Vec<Item<'_>>, String> {
    plain_save(body).map_or_else(|| any_save(body), Ok)
}

fn any_save(body: &[u8]) -> Result<Vec<Item<'_>>, String> {
    let items = elements(first_value(body)?, Path::Whole, "[]state.SetRequest")?;
    items.into_iter().map(Item::saved).collect()
}

pub(super) fn bulk_body(body: &[u8]) -> Result<BulkGet, String> {
    let fields = fields(first_value(body)?, Path::Whole, "http.BulkGetRequest")?;
    let path = Path::Field("BulkGetRequest.keys");
    let keys = fields.get("keys").map(|keys| elements(keys, path, "[]string")).transpose()?.unwrap_or_default();
    let keys = keys.into_iter().map(|key| text(key, path)).collect::<Result<_, _>>()?;
    let number = |value: &&RawValue| {
        let path = Path::Field("BulkGetRequest.parallelism");
        value.get().parse::<i64>().map_err(|_| wrong(value, path, "int"))
    };
    let parallelism = fields.get("parallelism").map(number).transpose()?;
    let metadata = metadata_field(&fields, Path::Field("BulkGetRequest.metadata"))?;
    // Below zero is no limit.
    Ok(BulkGet { keys, metadata, parallelism: parallelism.and_then(|number| usize::try_from(number).ok()) })
}

/// The operations as words with their requests, and the metadata of a transaction.
pub(super) type TransactionBody<'a> = (Vec<(String, Option<&'a RawValue>)>, Metadata);

pub(super) fn transaction_body(body: &[u8]) -> Result<TransactionBody<'_>, String> {
    const PATH: Path<'_> = Path::Field("stateTransactionRequestBody.operations");
    let whole = fields(first_value(body)?, Path::Whole, "http.stateTransactionRequestBody")?;
    let operations = match whole.get("operations") {
        Some(list) => elements(list, PATH, "[]http.stateTransactionRequestBodyOperation")?,
        None => Vec::new(),
    };
    let operation = |value| {
        let fields = fields(value, PATH, "http.stateTransactionRequestBodyOperation")?;
        let path = Path::Field("stateTransactionRequestBodyOperation.operations.operation");
        let word = text_field(&fields, "operation", path)?.unwrap_or_default();
        Ok::<_, String>((word, fields.get("request").copied()))
    };
    let operations = operations.into_iter().map(operation).collect::<Result<_, _>>()?;
    Ok((operations, metadata_field(&whole, Path::Field("stateTransactionRequestBody.metadata"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_read_in_one_pass_is_what_the_other_way_reads() {
        for (plain, body) in [
            (true, r#"[]"#),
            (true, r#" [ { "key" : "k" , "value" : {"a": [1, "x"]} } ] behind"#),
            (true, r#"[{"key":"k","value":null,"etag":null,"metadata":null,"options":null},{}]"#),
            (true, r#"[{"key":"\u0061","value":"\ud800","etag":"","metadata":{"a":null,"B":"b","a":"c"}}]"#),
            (true, r#"[{"options":{"concurrency":"first-write","consistency":null},"contentType":"t"}]"#),
            (false, r#"[{"Key":"k","value":1}]"#),
            (false, r#"[{"key":"k","KEY":"l"}]"#),
            (false, r#"[{"key":"k","key":"l"}]"#),
            (false, r#"[{"value":1,"value":2}]"#),
            (false, r#"[{"contenttype":"t"}]"#),
            (false, r#"[{"key":"k","more":1}]"#),
            (false, r#"[["k",1]]"#),
            (false, r#"[{"options":["first-write","strong"]}]"#),
            (false, r#"[{"options":{"Concurrency":"first-write"}}]"#),
            (false, r#"[null]"#),
            (false, r#"null"#),
            (false, r#"{"key":"k"}"#),
            (false, r#"[{"key":7}]"#),
            (false, r#"[{"key":"\ud800"}]"#),
            (false, r#"[{"metadata":{"a":1}}]"#),
            (false, r#"[{"key":"k""#),
            (false, ""),
        ] {
            let one_pass = plain_save(body.as_bytes());
            assert_eq!(one_pass.is_some(), plain, "{body}");
            if let Some(items) = one_pass {
                assert_eq!(
                    format!("{:?}", Ok::<_, String>(items)),
                    format!("{:?}", any_save(body.as_bytes())),
                    "{body}"
                );
            }
        }
    }
}
