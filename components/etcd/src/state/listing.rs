//! Keys by pattern and by prefix. Keys are read in pages in their own order, so that a page costs what it shows, and what is
//! there all the while is shown once.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use component::state::{KeyListing, KeysPage, KeysRequest, LikePattern, PrefixRemoval, expand_prefix};
use component::{CallContext, Error, ErrorKind};

use super::EtcdState;
use crate::messages::{DeleteRangeRequest, RangeRequest, RequestKind, RequestOp, ResponseKind, TxnRequest};

/// Keys read at once.
const PAGE: i64 = 1000;

/// Keys below a prefix, page by page.
struct Keys<'a> {
    store: &'a EtcdState,
    /// Where the next page starts; `None` at the end.
    from: Option<Bytes>,
    end: Bytes,
}

impl<'a> Keys<'a> {
    fn below(store: &'a EtcdState, prefix: &str) -> Self {
        let start = store.full(prefix);
        Self { store, end: after_all_below(&start), from: Some(start) }
    }

    fn behind(mut self, key: &str) -> Self {
        let next = just_behind(&self.store.full(key));
        self.from = self.from.map(|from| from.max(next));
        self
    }

    /// The next keys, without what stands before them all. A key that is no text is none of ours.
    async fn next(&mut self) -> Result<Option<Vec<String>>, Error> {
        let Some(from) = self.from.take() else { return Ok(None) };
        let range = RangeRequest { key: from, range_end: self.end.clone(), limit: PAGE, keys_only: true };
        let answer = self.store.client.range(&range, "couldn't list keys").await?;
        if answer.more {
            self.from = answer.kvs.last().map(|last| just_behind(&last.key));
        }
        let own = |key: &Bytes| {
            let key = key.strip_prefix(self.store.base.as_bytes())?;
            String::from_utf8(key.to_vec()).ok()
        };
        Ok(Some(answer.kvs.iter().filter_map(|found| own(&found.key)).collect()))
    }
}

fn just_behind(key: &Bytes) -> Bytes {
    let mut next = BytesMut::from(&key[..]);
    next.put_u8(0);
    next.freeze()
}

/// The first key that does not start with a prefix, as etcd wants it; a lone zero is the end of all keys.
fn after_all_below(prefix: &Bytes) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end.into();
        }
    }
    Bytes::from_static(&[0])
}

#[async_trait]
impl KeyListing for EtcdState {
    async fn keys_like(&self, _: &CallContext, request: &KeysRequest) -> Result<KeysPage, Error> {
        let pattern = LikePattern::parse(&request.pattern)?;
        let mut keys = Keys::below(self, &pattern.prefix());
        if let Some(token) = request.continuation_token.as_deref().filter(|token| !token.is_empty()) {
            keys = keys.behind(&read_token(token)?);
        }
        let size = request.page_size.filter(|size| *size > 0);
        let size = size.map_or(usize::MAX, |size| usize::try_from(size).unwrap_or(usize::MAX));
        let mut page = KeysPage::default();
        while let Some(found) = keys.next().await? {
            for key in found.into_iter().filter(|key| pattern.matches(key)) {
                if page.keys.len() == size {
                    page.continuation_token = page.keys.last().map(|last| URL_SAFE_NO_PAD.encode(last));
                    return Ok(page);
                }
                page.keys.push(key);
            }
        }
        Ok(page)
    }
}

fn read_token(token: &str) -> Result<String, Error> {
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|key| String::from_utf8(key).ok());
    key.ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "invalid continue token"))
}

#[async_trait]
impl PrefixRemoval for EtcdState {
    async fn delete_with_prefix(&self, _: &CallContext, prefix: &str) -> Result<u64, Error> {
        let prefix = expand_prefix(prefix)?;
        let mut keys = Keys::below(self, &prefix);
        let mut removed = 0;
        while let Some(found) = keys.next().await? {
            let shallow = |key: &&String| key.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.contains("||"));
            let doomed: Vec<&String> = found.iter().filter(shallow).collect();
            for doomed in doomed.chunks(self.max_operations) {
                removed += self.remove_all(doomed).await?;
            }
        }
        Ok(removed)
    }
}

impl EtcdState {
    async fn remove_all(&self, keys: &[&String]) -> Result<u64, Error> {
        let removal = |key: &&String| {
            let request = DeleteRangeRequest { key: self.full(key) };
            RequestOp { request: Some(RequestKind::DeleteRange(request)) }
        };
        let transaction = TxnRequest { success: keys.iter().map(removal).collect(), ..TxnRequest::default() };
        let answer = self.client.transact(&transaction, "couldn't delete keys").await?;
        let removed = answer.responses.iter().map(|answer| match &answer.response {
            Some(ResponseKind::DeleteRange(done)) => u64::try_from(done.deleted).unwrap_or_default(),
            _ => 0,
        });
        Ok(removed.sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_first_key_behind_it() {
        let end = |prefix: &'static [u8]| after_all_below(&Bytes::from_static(prefix)).to_vec();
        assert_eq!(end(b"ab"), b"ac");
        assert_eq!(end(b"a\xff"), b"b");
        assert_eq!(end(b"\xff\xff"), [0]);
    }

    #[test]
    fn tokens_come_back_and_others_are_refused() {
        assert_eq!(read_token(&URL_SAFE_NO_PAD.encode("a||b")).unwrap(), "a||b");
        assert_eq!(read_token("1:2").unwrap_err().to_string(), "invalid continue token");
    }
}
