//! Connection strings in both forms of libpq, read by the rules of the target's driver (pgx). Pure. Errors never show
//! the string, which may hold a password.

use std::collections::BTreeMap;

use component::{Error, ErrorKind};

/// Parameters of a connection by name. `dbname` is called `database`.
#[derive(Default, Clone, PartialEq, Eq)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads a connection string; an empty one has no parameters.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
            Some(url) => from_url(url),
            None => from_keywords(text),
        }
    }

    /// Sets a parameter over what the string says; an empty value is none.
    pub(crate) fn replace(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Takes a parameter out. An empty value counts as none.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// Whether there is no parameter at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was not taken out.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn set(&mut self, name: &str, value: String) {
        let name = if name == "dbname" { "database" } else { name };
        self.0.insert(name.to_owned(), value);
    }
}

fn refuse<T>(why: &str) -> Result<T, Error> {
    Err(Error::new(ErrorKind::InvalidArgument, format!("failed to parse connection string: {why}")))
}

/// `name=value` pairs between spaces; values in single quotes may hold spaces, and `\` takes the next character as it is.
fn from_keywords(text: &str) -> Result<Parameters, Error> {
    let mut parameters = Parameters::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let Some((name, after)) = rest.split_once('=') else {
            return refuse("invalid keyword/value");
        };
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return refuse("invalid keyword/value");
        }
        let (value, after) = keyword_value(after.trim_start())?;
        parameters.set(name, value);
        rest = after.trim_start();
    }
    Ok(parameters)
}

fn keyword_value(text: &str) -> Result<(String, &str), Error> {
    let (quoted, body) = match text.strip_prefix('\'') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let mut value = String::new();
    let mut letters = body.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some((_, escaped)) => value.push(escaped),
                None => return refuse("invalid backslash"),
            },
            '\'' if quoted => return Ok((value, body.get(at + 1..).unwrap_or_default())),
            space if !quoted && space.is_whitespace() => return Ok((value, body.get(at..).unwrap_or_default())),
            other => value.push(other),
        }
    }
    if quoted { refuse("unterminated quoted string in connection info string") } else { Ok((value, "")) }
}

/// `user:password@host:port,host:port/database?name=value`, without its scheme.
fn from_url(text: &str) -> Result<Parameters, Error> {
    let mut parameters = Parameters::default();
    let (text, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, database) = text.split_once('/').unwrap_or((text, ""));
    let hosts = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            parameters.replace("user", &decode(user)?);
            parameters.replace("password", &decode(password)?);
            hosts
        }
        None => authority,
    };
    hosts_and_ports(hosts, &mut parameters)?;
    parameters.replace("database", &decode(database)?);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.set(&decode(name)?, decode(&value.replace('+', " "))?);
    }
    Ok(parameters)
}

fn hosts_and_ports(text: &str, parameters: &mut Parameters) -> Result<(), Error> {
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let after_bracket = part.rfind(']').map_or(0, |at| at + 1);
        let port_at = part.get(after_bracket..).and_then(|tail| tail.rfind(':')).map(|at| at + after_bracket);
        let (host, port) = match port_at {
            Some(at) => (part.get(..at).unwrap_or_default(), part.get(at + 1..).unwrap_or_default()),
            None => (part, ""),
        };
        hosts.push(decode(host.trim_start_matches('[').trim_end_matches(']'))?);
        ports.push(port);
    }
    parameters.replace("host", &hosts.join(","));
    let given = ports.iter().filter(|port| !port.is_empty()).count();
    if given == ports.len() || given == 1 {
        parameters.replace("port", &ports.into_iter().filter(|port| !port.is_empty()).collect::<Vec<_>>().join(","));
    } else if given > 0 {
        let filled: Vec<_> = ports.iter().map(|port| if port.is_empty() { "5432" } else { port }).collect();
        parameters.replace("port", &filled.join(","));
    }
    Ok(())
}

/// Takes `%41` and the like as the bytes they stand for.
fn decode(text: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let digits = after.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return refuse("invalid URL escape");
        };
        bytes.push(byte);
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).or_else(|_| refuse("the URL is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        Parameters::parse(text).unwrap().0.into_iter().collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keywords_are_read_with_quotes_and_escapes() {
        assert_eq!(
            read(r"host=localhost  user = 'my user' password='it\'s\\' port=5432 dbname=d sslmode=disable"),
            pairs(&[
                ("database", "d"),
                ("host", "localhost"),
                ("password", r"it's\"),
                ("port", "5432"),
                ("sslmode", "disable"),
                ("user", "my user"),
            ])
        );
        assert_eq!(read(""), pairs(&[]));
        assert_eq!(read(r"password=a\ b"), pairs(&[("password", "a b")]));
    }

    #[test]
    fn urls_are_read_with_several_hosts_and_parameters() {
        assert_eq!(
            read("postgres://me:p%40ss@a:1,[::1]:2/dir%2Fname?sslmode=verify-full&application_name=x%20y"),
            pairs(&[
                ("application_name", "x y"),
                ("database", "dir/name"),
                ("host", "a,::1"),
                ("password", "p@ss"),
                ("port", "1,2"),
                ("sslmode", "verify-full"),
                ("user", "me"),
            ])
        );
        assert_eq!(read("postgresql://h"), pairs(&[("host", "h")]));
        assert_eq!(read("postgres:///d?host=/tmp&dbname=e"), pairs(&[("database", "e"), ("host", "/tmp")]));
        assert_eq!(read("postgres://a,b:7/d"), pairs(&[("database", "d"), ("host", "a,b"), ("port", "7")]));
        assert_eq!(read("postgres://u@x@host/d"), pairs(&[("database", "d"), ("host", "host"), ("user", "u@x")]));
    }

    #[test]
    fn wrong_strings_are_refused_and_not_shown() {
        for text in ["secret", "=secret", "a='secret", "a=secret\\", "postgres://u:secret%zz@h", "two words=secret"] {
            let error = Parameters::parse(text).err().unwrap().to_string();
            assert!(error.starts_with("failed to parse connection string: "), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail_badly(text in ".*", url in "postgres://.*") {
            let _ = Parameters::parse(&text);
            let _ = Parameters::parse(&url);
        }

        #[test]
        fn quoted_values_come_back(value in ".*") {
            let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
            let parameters = Parameters::parse(&format!("host=h password='{quoted}'")).unwrap();
            prop_assert_eq!(parameters.0.get("password"), Some(&value));
        }
    }
}
