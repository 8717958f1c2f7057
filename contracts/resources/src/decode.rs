//! From the tree of a document to a type, by the rules of the target's readers: unknown fields are ignored, an empty
//! value leaves the default, and what does not fit is named with its line, its path and what was expected.
//!
//! Used for resources and for Configuration files. It must not apply rules of one kind: those live beside the kind.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use crate::error::Problem;
use crate::node::{Body, Node, Scalar};
use crate::scalar::{Dialect, Meaning, json_float, meaning, old_boolean, string_of};

/// Reads a document into a type.
///
/// # Errors
/// Names the first value that does not fit.
pub(crate) fn decode<T: DeserializeOwned>(document: &Node, dialect: Dialect) -> Result<T, Problem> {
    T::deserialize(Reader { node: document, path: &Path::Root, dialect })
}

/// The way to a value, kept on the stack while reading.
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => out.write_str(name),
            Self::Field(parent, name) => write!(out, "{parent}.{name}"),
            Self::Item(parent, index) => write!(out, "{parent}[{index}]"),
        }
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Reader<'a, 'p> {
    node: &'a Node,
    path: &'p Path<'p>,
    dialect: Dialect,
}

impl<'a, 'p> Reader<'a, 'p> {
    /// Gives a problem its place and path, unless it happened deeper and has them.
    #[cold]
    #[inline(never)]
    fn located(&self, problem: Problem) -> Problem {
        if problem.place.is_some() {
            return problem;
        }
        Problem { place: Some(self.node.place), path: self.path.to_string(), ..problem }
    }

    fn expected(&self, what: &str) -> Problem {
        self.located(Problem::of_file(format!("expected {what}, found {}", self.found())))
    }

    /// What stands here, for a message.
    fn found(&self) -> String {
        match &self.node.body {
            Body::List(_) => "a list".to_owned(),
            Body::Mapping(_) => "a mapping".to_owned(),
            Body::Scalar(scalar) => match meaning(scalar, self.dialect) {
                Meaning::Null => "nothing".to_owned(),
                Meaning::Boolean(value) => format!("the boolean {value}"),
                Meaning::Integer(value) => format!("the number {value}"),
                Meaning::Unsigned(value) => format!("the number {value}"),
                Meaning::Float(_) => format!("the number {}", scalar.text),
                Meaning::Text(text) => format!("the string {:?}", shortened(text)),
            },
        }
    }

    fn meaning(&self) -> Option<Meaning<'a>> {
        match &self.node.body {
            Body::Scalar(scalar) => Some(meaning(scalar, self.dialect)),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        self.meaning() == Some(Meaning::Null)
    }

    /// A whole number; what is empty counts as zero.
    fn whole_number(&self) -> Result<i64, Problem> {
        match self.meaning() {
            Some(Meaning::Null) => Ok(0),
            Some(Meaning::Integer(value)) => Ok(value),
            // Exact powers of two bound the range in which a float has a whole value that fits.
            Some(Meaning::Float(value)) if value.fract() == 0.0 && value.abs() < 9.0e18 => {
                #[expect(clippy::cast_possible_truncation, reason = "the range and the fraction were checked above")]
                let whole = value as i64;
                Ok(whole)
            }
            _ => Err(self.expected("a whole number")),
        }
    }

    fn items(self) -> Result<Items<'a, 'p>, Problem> {
        match &self.node.body {
            Body::List(items) => Ok(Items { items: items.iter(), index: 0, reader: self }),
            _ if self.is_null() => Ok(Items { items: [].iter(), index: 0, reader: self }),
            _ => Err(self.expected("a list")),
        }
    }

    /// The entries of a mapping under the names that the target gives them; of equal names the last one counts.
    fn entries(self, fields: Option<&'static [&'static str]>) -> Result<Entries<'a, 'p>, Problem> {
        let pairs: &[(Node, Node)] = match &self.node.body {
            Body::Mapping(pairs) => pairs,
            _ if self.is_null() => &[],
            _ => return Err(self.expected("a mapping")),
        };
        let mut named: Vec<(String, &'a Node)> = Vec::with_capacity(pairs.len().min(64));
        for (key, value) in pairs {
            let name = self.name_of(key)?;
            match fields {
                None => named.push((name, value)),
                Some(fields) => {
                    if let Some(field) = self.field_of(&name, fields) {
                        named.retain(|(other, _)| other != field);
                        named.push((field.to_owned(), value));
                    }
                }
            }
        }
        if fields.is_some() {
            named.retain(|(_, value)| !Reader { node: value, ..self }.is_null());
        }
        Ok(Entries { entries: named.into_iter(), value: None, reader: self })
    }

    fn name_of(&self, key: &Node) -> Result<String, Problem> {
        let at_key = Reader { node: key, ..*self };
        let Body::Scalar(scalar) = &key.body else { return Err(at_key.expected("a string as the key")) };
        string_of(scalar, self.dialect).ok_or_else(|| at_key.expected("a string as the key"))
    }

    fn field_of(&self, name: &str, fields: &'static [&'static str]) -> Option<&'static str> {
        let exact = fields.iter().find(|field| **field == name);
        let found = exact.or_else(|| {
            let any_case = self.dialect == Dialect::Resource;
            fields.iter().find(|field| any_case && field.eq_ignore_ascii_case(name))
        });
        found.copied()
    }

    fn visit_scalar<V: Visitor<'a>>(&self, scalar: &'a Scalar, visitor: V) -> Result<V::Value, Problem> {
        match meaning(scalar, self.dialect) {
            Meaning::Null => visitor.visit_unit(),
            Meaning::Boolean(value) => visitor.visit_bool(value),
            Meaning::Integer(value) => visitor.visit_i64(value),
            Meaning::Unsigned(value) => visitor.visit_u64(value),
            Meaning::Float(value) if !value.is_finite() => Err(self.expected("a finite number")),
            // The target hands numbers on as JSON, where 1.0 is written 1.
            Meaning::Float(value) => match json_float(value).parse::<i64>() {
                Ok(whole) => visitor.visit_i64(whole),
                Err(_) => visitor.visit_f64(value),
            },
            Meaning::Text(text) => visitor.visit_borrowed_str(text),
        }
    }
}

/// At most forty characters of a text, so that a message cannot repeat a whole document.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Numbers go through one check so that a message always says which range is due.
macro_rules! whole_numbers {
    ($($method:ident $visit:ident $number:ty, $expected:literal;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            let value = self.whole_number()?;
            match <$number>::try_from(value) {
                Ok(value) => visitor.$visit(value).map_err(|problem: Problem| self.located(problem)),
                Err(_) => Err(self.expected($expected)),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'de, '_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let result = match &self.node.body {
            Body::Scalar(scalar) => self.visit_scalar(scalar, visitor),
            Body::List(_) => visitor.visit_seq(self.items()?),
            Body::Mapping(_) => visitor.visit_map(self.entries(None)?),
        };
        result.map_err(|problem| self.located(problem))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let value = match self.meaning() {
            Some(Meaning::Null) => Some(false),
            Some(Meaning::Boolean(value)) => Some(value),
            Some(Meaning::Text(text)) if self.dialect == Dialect::Configuration => old_boolean(text),
            _ => None,
        };
        visitor.visit_bool(value.ok_or_else(|| self.expected("true or false"))?)
    }

    whole_numbers! {
        deserialize_i8 visit_i8 i8, "a whole number from -128 to 127";
        deserialize_i16 visit_i16 i16, "a whole number from -32768 to 32767";
        deserialize_i32 visit_i32 i32, "a whole number from -2147483648 to 2147483647";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_u8 visit_u8 u8, "a whole number from 0 to 255";
        deserialize_u16 visit_u16 u16, "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 u32, "a whole number from 0 to 4294967295";
        deserialize_u64 visit_u64 u64, "a whole number, not negative";
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let Body::Scalar(scalar) = &self.node.body else { return Err(self.expected("a string")) };
        let text = string_of(scalar, self.dialect).unwrap_or_default();
        visitor.visit_string(text).map_err(|problem| self.located(problem))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_seq(self.items()?).map_err(|problem| self.located(problem))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_map(self.entries(None)?).map_err(|problem| self.located(problem))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_map(self.entries(Some(fields))?).map_err(|problem| self.located(problem))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
    }
}

/// The items of a list, one by one.
struct Items<'a, 'p> {
    items: std::slice::Iter<'a, Node>,
    index: usize,
    reader: Reader<'a, 'p>,
}

impl<'de> de::SeqAccess<'de> for Items<'de, '_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let path = Path::Item(self.reader.path, self.index);
        self.index += 1;
        let inner = Reader { node, path: &path, dialect: self.reader.dialect };
        seed.deserialize(inner).map(Some).map_err(|problem| inner.located(problem))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a mapping, one by one.
struct Entries<'a, 'p> {
    entries: std::vec::IntoIter<(String, &'a Node)>,
    value: Option<(String, &'a Node)>,
    reader: Reader<'a, 'p>,
}

impl<'de> de::MapAccess<'de> for Entries<'de, '_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((name, node)) = self.entries.next() else { return Ok(None) };
        let key = seed.deserialize(name.as_str().into_deserializer())?;
        self.value = Some((name, node));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let Some((name, node)) = self.value.take() else {
            return Err(Problem::of_file("a value was asked for before its key"));
        };
        let path = Path::Field(self.reader.path, &name);
        let inner = Reader { node, path: &path, dialect: self.reader.dialect };
        seed.deserialize(inner).map_err(|problem| inner.located(problem))
    }
}
