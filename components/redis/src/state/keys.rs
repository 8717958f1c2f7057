//! Listing keys: a pattern of SQL becomes one of Redis, the server is scanned, and pages are cut out of what it found, in
//! order. The token of a page is its last key, so that keys that go in between move nothing. Used by the state store.

use component::Error;
use component::state::{KeysPage, KeysRequest, LikePattern};

use crate::link::Link;
use crate::scan;

/// The keys of one page.
pub(super) async fn list(link: &Link, request: &KeysRequest) -> Result<KeysPage, Error> {
    let pattern = LikePattern::parse(&request.pattern)?;
    let keys = scan::keys(link, &glob(&request.pattern), |key| pattern.matches(key), "list keys").await?;
    Ok(page(keys, request))
}

fn page(mut keys: Vec<String>, request: &KeysRequest) -> KeysPage {
    if let Some(last) = &request.continuation_token {
        keys.retain(|key| key > last);
    }
    let size = request.page_size.filter(|size| *size > 0).and_then(|size| usize::try_from(size).ok());
    let more = size.is_some_and(|size| keys.len() > size);
    keys.truncate(size.unwrap_or(usize::MAX));
    let continuation_token = keys.last().filter(|_| more).cloned();
    KeysPage { keys, continuation_token }
}

/// A pattern of SQL's LIKE as one of Redis, which counts bytes: `_` becomes one byte or more, and what is too much is sorted
/// out by the pattern itself.
fn glob(pattern: &str) -> String {
    let mut glob = String::new();
    let literally = |glob: &mut String, character: char| {
        if matches!(character, '*' | '?' | '[' | ']' | '^' | '\\') {
            glob.push('\\');
        }
        glob.push(character);
    };
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => glob.push('*'),
            '_' => glob.push_str("?*"),
            '\\' => literally(&mut glob, characters.next().unwrap_or('\\')),
            other => literally(&mut glob, other),
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_sql_become_patterns_of_redis() {
        assert_eq!(glob("app||%"), "app||*");
        assert_eq!(glob("a_c"), "a?*c");
        assert_eq!(glob(r"50\%\_"), "50%_");
        assert_eq!(glob("a*[b]?"), r"a\*\[b\]\?");
        assert_eq!(glob("end\\"), r"end\\");
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let keys = || ["a", "b", "c"].map(str::to_owned).to_vec();
        let request = |token: Option<&str>| KeysRequest {
            page_size: Some(2),
            continuation_token: token.map(str::to_owned),
            ..KeysRequest::default()
        };
        let first = page(keys(), &request(None));
        assert_eq!((first.keys.len(), first.continuation_token.as_deref()), (2, Some("b")));
        let second = page(keys(), &request(Some("b")));
        assert_eq!((second.keys, second.continuation_token), (vec!["c".to_owned()], None));
        assert_eq!(page(keys(), &request(Some("z"))).keys.len(), 0);
    }
}
