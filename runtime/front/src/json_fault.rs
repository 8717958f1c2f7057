//! What is wrong with a text that is not JSON, in the words of the target's reader (Go's `encoding/json`): apps and SDKs
//! compare them. Asked only about texts that our own reader has refused, so that its speed does not matter.

/// Containers within each other that the target reads.
const MAX_DEPTH: usize = 10_000;

/// Where the first value of a text ends; what follows it is not looked at.
///
/// # Errors
/// What is wrong with it, as `json.Decoder` says it.
pub(crate) fn first_value(text: &[u8]) -> Result<usize, String> {
    let mut scan = Scan { text, at: 0 };
    scan.value().map(|()| scan.at).map_err(|fault| match fault {
        Fault::End if text.iter().all(|byte| is_space(*byte)) => "EOF".to_owned(),
        Fault::End => "unexpected EOF".to_owned(),
        fault => fault.sentence(),
    })
}

/// Whether a text is one value and nothing else.
///
/// # Errors
/// What is wrong with it, as `json.Unmarshal` says it.
pub(crate) fn only_value(text: &[u8]) -> Result<(), String> {
    // To the target a text ends with a space: that is what it finds within a number, a word or an escape.
    let text = [text, b" "].concat();
    let mut scan = Scan { text: &text, at: 0 };
    let checked = scan.value().and_then(|()| match scan.token() {
        Ok(byte) => Err(Fault::At(byte, "after top-level value".to_owned())),
        Err(_) => Ok(()),
    });
    checked.map_err(|fault| match fault {
        Fault::End => "unexpected end of JSON input".to_owned(),
        fault => fault.sentence(),
    })
}

enum Fault {
    End,
    TooDeep,
    At(u8, String),
}

impl Fault {
    fn sentence(self) -> String {
        match self {
            Self::End => "unexpected EOF".to_owned(),
            Self::TooDeep => "exceeded max depth".to_owned(),
            Self::At(byte, place) => format!("invalid character {} {place}", quoted(byte)),
        }
    }
}

/// A byte as Go quotes a character. It takes the bytes of a longer character one by one.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        0x07 => "'\\a'".to_owned(),
        0x08 => "'\\b'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        0x0b => "'\\v'".to_owned(),
        0x0c => "'\\f'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        byte => format!("'{}'", char::from(byte)),
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = self.peek().ok_or(Fault::End)?;
        self.at += 1;
        Ok(byte)
    }

    /// The next byte that is no space.
    fn token(&mut self) -> Result<u8, Fault> {
        loop {
            let byte = self.byte()?;
            if !is_space(byte) {
                return Ok(byte);
            }
        }
    }

    fn value(&mut self) -> Result<(), Fault> {
        let mut open = Vec::new();
        loop {
            let begun = self.token()?;
            match begun {
                b'{' | b'[' => {
                    open.push(begun);
                    if open.len() > MAX_DEPTH {
                        return Err(Fault::TooDeep);
                    }
                    let closed = matches!((begun, self.token()?), (b'{', b'}') | (b'[', b']'));
                    if !closed {
                        self.at -= 1;
                        if begun == b'{' {
                            self.key()?;
                        }
                        continue;
                    }
                    open.pop();
                }
                _ => self.scalar(begun)?,
            }
            if self.closed(&mut open)? {
                return Ok(());
            }
        }
    }

    /// After a value: whether it was the last, or another one begins.
    fn closed(&mut self, open: &mut Vec<u8>) -> Result<bool, Fault> {
        while let Some(container) = open.last() {
            match (container, self.token()?) {
                (b'{', b',') => {
                    self.key()?;
                    return Ok(false);
                }
                (_, b',') => return Ok(false),
                (b'{', b'}') | (b'[', b']') => {
                    open.pop();
                }
                (b'{', byte) => return Err(Fault::At(byte, "after object key:value pair".to_owned())),
                (_, byte) => return Err(Fault::At(byte, "after array element".to_owned())),
            }
        }
        Ok(true)
    }

    fn key(&mut self) -> Result<(), Fault> {
        match self.token()? {
            b'"' => self.string()?,
            byte => return Err(Fault::At(byte, "looking for beginning of object key string".to_owned())),
        }
        match self.token()? {
            b':' => Ok(()),
            byte => Err(Fault::At(byte, "after object key".to_owned())),
        }
    }

    fn scalar(&mut self, begun: u8) -> Result<(), Fault> {
        match begun {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(begun),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            byte => Err(Fault::At(byte, "looking for beginning of value".to_owned())),
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        loop {
            match self.byte()? {
                b'"' => return Ok(()),
                b'\\' => match self.byte()? {
                    b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => {}
                    b'u' => {
                        for _ in 0..4 {
                            self.expect(|byte| byte.is_ascii_hexdigit(), "in \\u hexadecimal character escape")?;
                        }
                    }
                    byte => return Err(Fault::At(byte, "in string escape code".to_owned())),
                },
                byte @ 0..0x20 => return Err(Fault::At(byte, "in string literal".to_owned())),
                _ => {}
            }
        }
    }

    fn expect(&mut self, fits: impl Fn(u8) -> bool, place: &str) -> Result<(), Fault> {
        let byte = self.byte()?;
        if fits(byte) { Ok(()) } else { Err(Fault::At(byte, place.to_owned())) }
    }

    fn number(&mut self, begun: u8) -> Result<(), Fault> {
        let mut first = begun;
        if begun == b'-' {
            self.expect(|byte| byte.is_ascii_digit(), "in numeric literal")?;
            first = self.text.get(self.at - 1).copied().unwrap_or_default();
        }
        if first != b'0' {
            self.digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.expect(|byte| byte.is_ascii_digit(), "after decimal point in numeric literal")?;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.expect(|byte| byte.is_ascii_digit(), "in exponent of numeric literal")?;
            self.digits();
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Fault> {
        for wanted in word.chars().skip(1) {
            self.expect(|byte| char::from(byte) == wanted, &format!("in literal {word} (expecting '{wanted}')"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from Go, see `tests/vectors/README.md`.
    const VECTORS: &str = include_str!("../tests/vectors/json.tsv");

    fn said<T>(result: Result<T, String>) -> String {
        result.map_or_else(|fault| fault, |_| "ok".to_owned())
    }

    #[test]
    fn faults_are_told_as_go_tells_them() {
        for line in VECTORS.lines() {
            let [text, first, only] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let text: String = serde_json::from_str(text).unwrap();
            assert_eq!(said(first_value(text.as_bytes())), first, "{text:?}");
            assert_eq!(said(only_value(text.as_bytes())), only, "{text:?}");
        }
    }

    #[test]
    fn depth_is_bounded_as_in_go() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(first_value(nested(10_000).as_bytes()), Ok(20_000));
        assert_eq!(said(first_value(nested(10_001).as_bytes())), "exceeded max depth");
        assert_eq!(said(only_value("[".repeat(1_000_000).as_bytes())), "exceeded max depth");
    }

    #[test]
    fn the_end_of_the_first_value_is_found() {
        assert_eq!(first_value(b" [1] x"), Ok(4));
        assert_eq!(first_value(b"7x"), Ok(1));
    }
}
