//! JSON as the target writes it after reading it: without spaces, members of objects in the order of their names, of two
//! members of one name the last, texts escaped as Go's encoder does. Numbers stay as they are written. Called for what
//! becomes part of a cloud event; it neither recurses nor builds a tree, so that neither depth nor size of a body harms.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use errors::json;
use serde_json::value::RawValue;

/// Containers within each other that the target reads.
const MAX_DEPTH: usize = 10_000;

/// The value in its canonical form; `None` where it is nested deeper than the target reads.
pub fn canonical(value: &RawValue) -> Option<Cow<'_, str>> {
    let text = value.get();
    // A text that stays as it is: looked at once, not copied.
    if let Some(inside) = text.strip_prefix('"')
        && json::plain_length(inside) + 1 == inside.len()
    {
        return Some(Cow::Borrowed(text));
    }
    let mut pass = Pass { text, at: 0, out: String::with_capacity(text.len()), open: Vec::new(), unsorted: Vec::new() };
    while let Some(byte) = pass.text.as_bytes().get(pass.at).copied() {
        pass.step(byte);
        if pass.open.len() > MAX_DEPTH {
            return None;
        }
    }
    Some(Cow::Owned(sorted(pass.out, pass.unsorted)))
}

/// The first value of a text that may go on behind it; `None` where it does not begin with one.
pub(super) fn first_value(text: &str) -> Option<&RawValue> {
    serde_json::Deserializer::from_str(text).into_iter::<&RawValue>().next()?.ok()
}

/// The members of an object, each value in its canonical form; `None` for anything else, and for null.
pub(super) fn members(object: &RawValue) -> Option<BTreeMap<String, String>> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(object.get()).ok()?;
    members.into_iter().map(|(name, value)| Some((name, canonical(value)?.into_owned()))).collect()
}

/// A container that has begun and not ended.
enum Open {
    List,
    Object { begun: usize, members: Vec<Member>, name: Option<String>, member: usize, in_order: bool },
}

/// A member as it stands in what is written: its name, and its name and value as text.
struct Member {
    name: String,
    place: Range<usize>,
}

/// An object whose members are not in order.
struct Unsorted {
    place: Range<usize>,
    members: Vec<Member>,
}

/// One walk over a text that is known to be JSON.
struct Pass<'a> {
    text: &'a str,
    at: usize,
    out: String,
    open: Vec<Open>,
    unsorted: Vec<Unsorted>,
}

impl Pass<'_> {
    fn step(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
            b'"' => self.string(),
            b'{' => {
                let begun = self.out.len();
                self.open.push(Open::Object {
                    begun,
                    members: Vec::new(),
                    name: None,
                    member: begun + 1,
                    in_order: true,
                });
                self.punctuation('{');
            }
            b'[' => {
                self.open.push(Open::List);
                self.punctuation('[');
            }
            b',' => {
                self.end_member();
                self.punctuation(',');
                let end = self.out.len();
                if let Some(Open::Object { member, .. }) = self.open.last_mut() {
                    *member = end;
                }
            }
            b':' => self.punctuation(':'),
            b'}' | b']' => {
                self.end_member();
                let closed = self.open.pop();
                self.punctuation(char::from(byte));
                if let Some(Open::Object { begun, members, in_order: false, .. }) = closed {
                    self.unsorted.push(Unsorted { place: begun..self.out.len(), members });
                }
            }
            _ => self.plain(),
        }
    }

    fn punctuation(&mut self, letter: char) {
        self.out.push(letter);
        self.at += 1;
    }

    /// A number or a word.
    fn plain(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.find([',', '}', ']', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
        self.out.push_str(rest.get(..length).unwrap_or_default());
        self.at += length;
    }

    fn string(&mut self) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let plain = json::plain_length(rest);
        if rest.as_bytes().get(plain) == Some(&b'"') {
            // Most texts stay as they are.
            let end = self.at + 1 + plain;
            self.out.push_str(self.text.get(self.at..=end).unwrap_or_default());
            self.at = end + 1;
            self.named(|| rest.get(..plain).unwrap_or_default().to_owned());
            return;
        }
        let mut escaped = false;
        let end = rest.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        });
        let inside = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let text = unescaped(inside);
        json::string(&mut self.out, &text);
        self.at += inside.len() + 2;
        self.named(|| text.into_owned());
    }

    /// Notes the name of a member, if the text that ended is one.
    fn named(&mut self, text: impl FnOnce() -> String) {
        if let Some(Open::Object { name: name @ None, .. }) = self.open.last_mut() {
            *name = Some(text());
        }
    }

    /// Notes the member that ends here, if one has begun.
    fn end_member(&mut self) {
        let end = self.out.len();
        let Some(Open::Object { members, name, member, in_order, .. }) = self.open.last_mut() else { return };
        let Some(name) = name.take() else { return };
        *in_order &= members.last().is_none_or(|last| last.name < name);
        members.push(Member { name, place: *member..end });
    }
}

/// What stands between the quotes of a text. Halves of letters become the replacement letter, as in Go.
fn unescaped(inside: &str) -> Cow<'_, str> {
    if !inside.contains('\\') {
        return Cow::Borrowed(inside);
    }
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        rest = match after.as_bytes().first() {
            Some(b'u') => letters(&mut out, after),
            Some(escape) => {
                out.push(match escape {
                    b'b' => '\u{8}',
                    b'f' => '\u{c}',
                    b'n' => '\n',
                    b'r' => '\r',
                    b't' => '\t',
                    other => char::from(*other),
                });
                after.get(1..).unwrap_or_default()
            }
            None => "",
        };
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The letter of `u` and four digits, or of two of them that make one letter; gives back what follows.
fn letters<'a>(out: &mut String, text: &'a str) -> &'a str {
    let unit = |text: &'a str| {
        let digits = text.strip_prefix('u')?.get(..4)?;
        Some((u16::from_str_radix(digits, 16).ok()?, text.get(5..)?))
    };
    let Some((first, rest)) = unit(text) else { return text.get(1..).unwrap_or_default() };
    let second = rest.strip_prefix('\\').and_then(unit).filter(|_| (0xd800..0xdc00).contains(&first));
    if let Some((second, rest)) = second
        && let Some(Ok(letter)) = char::decode_utf16([first, second]).next()
    {
        out.push(letter);
        return rest;
    }
    out.push(char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

/// What is left to be written of one stretch of text, or the next member of an object.
enum Todo {
    Text(Range<usize>),
    Comma,
    Close,
}

/// Puts the members of the objects that are not in order into order. Each byte is copied once.
fn sorted(text: String, mut unsorted: Vec<Unsorted>) -> String {
    if unsorted.is_empty() {
        return text;
    }
    for object in &mut unsorted {
        object.members.sort_by(|left, right| left.name.cmp(&right.name));
        // Of one name the last counts: the sort has kept their order.
        object.members.reverse();
        object.members.dedup_by(|earlier, later| earlier.name == later.name);
        object.members.reverse();
    }
    unsorted.sort_by_key(|object| object.place.start);
    let mut out = String::with_capacity(text.len());
    let mut todo = vec![Todo::Text(0..text.len())];
    while let Some(next) = todo.pop() {
        match next {
            Todo::Comma => out.push(','),
            Todo::Close => out.push('}'),
            Todo::Text(place) => {
                let index = unsorted.partition_point(|object| object.place.start < place.start);
                let Some(object) = unsorted.get(index).filter(|object| object.place.start < place.end) else {
                    out.push_str(text.get(place).unwrap_or_default());
                    continue;
                };
                out.push_str(text.get(place.start..object.place.start).unwrap_or_default());
                out.push('{');
                todo.push(Todo::Text(object.place.end..place.end));
                todo.push(Todo::Close);
                for (position, member) in object.members.iter().enumerate().rev() {
                    todo.push(Todo::Text(member.place.clone()));
                    if position > 0 {
                        todo.push(Todo::Comma);
                    }
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn written(text: &str) -> Option<String> {
        canonical(first_value(text).unwrap()).map(Cow::into_owned)
    }

    #[test]
    fn a_value_is_written_as_the_target_writes_it() {
        for (given, expected) in [
            (r#"{"b":1,"a":2}"#, r#"{"a":2,"b":1}"#),
            (
                r#" { "b" : [ 1 , { "z" : null , "y" : true } ] , "a" : "x" } rest"#,
                r#"{"a":"x","b":[1,{"y":true,"z":null}]}"#,
            ),
            (r#"{"a":1,"a":2,"b":3}"#, r#"{"a":2,"b":3}"#),
            (r#"{"b":1,"a":1,"b":2,"a":3,"b":4}"#, r#"{"a":3,"b":4}"#),
            (
                r#"{"b":{"d":1,"c":{"f":1,"e":2}},"a":[{"h":1,"g":2},{"i":{}}]}"#,
                r#"{"a":[{"g":2,"h":1},{"i":{}}],"b":{"c":{"e":2,"f":1},"d":1}}"#,
            ),
            ("12345678901234567890.10e+5", "12345678901234567890.10e+5"),
            (
                r#""a\u003cb\/\u00e9\ud83d\ude00\ud83dx\ude00 \u2028\b\f""#,
                "\"a\\u003cb/é😀\u{fffd}x\u{fffd} \\u2028\\b\\f\"",
            ),
            (r#"{"\u0062":1,"a":2}"#, r#"{"a":2,"b":1}"#),
            (r#"{"a,}\"":"]\\","]":"\\\""}"#, r#"{"]":"\\\"","a,}\"":"]\\"}"#),
            ("[]", "[]"),
            ("{}", "{}"),
            ("null", "null"),
        ] {
            assert_eq!(written(given).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_not_read_and_harms_nobody() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(written(&nested(10_000)), Some(nested(10_000)));
        assert_eq!(written(&nested(10_001)), None);
        let objects = format!("{}1{}", r#"{"b":"#.repeat(9_000), r#","a":2}"#.repeat(9_000));
        assert_eq!(written(&objects).unwrap().len(), objects.len());
        assert!(first_value(&"[".repeat(2_000_000)).is_none());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..8)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_keeps_its_meaning_and_its_canonical_form_is_stable(value in values()) {
            let once = written(&value.to_string()).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Value>(&once).unwrap(), &value);
            prop_assert_eq!(written(&once).unwrap(), once);
        }
    }
}
