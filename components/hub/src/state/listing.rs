//! Keys by pattern and by prefix, in their order, page by page: a page costs what it shows, and what is there all the while is shown
//! once.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use component::state::{KeyListing, KeysPage, KeysRequest, LikePattern, PrefixRemoval, expand_prefix};
use component::{CallContext, Error, ErrorKind};
use wire::hub::{Keys, Range, Transaction, keys, outcome};

use super::HubState;
use crate::connection::{failed, removal};

/// Keys read at once.
const PAGE: u64 = 1000;

/// Keys below a prefix, page by page.
struct Below<'a> {
    store: &'a HubState,
    prefix: Bytes,
    behind: Option<Bytes>,
    is_over: bool,
}

impl<'a> Below<'a> {
    fn new(store: &'a HubState, prefix: &str) -> Self {
        Self { store, prefix: store.hub.full(prefix), behind: None, is_over: false }
    }

    /// The next keys. A key that is no text is none of ours.
    async fn next(&mut self) -> Result<Option<Vec<String>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let keys = Some(Keys { keys: Some(keys::Keys::Prefix(self.prefix.clone())) });
        let range = Range { keys, behind: self.behind.clone(), limit: PAGE, keys_only: true, ..Range::default() };
        let answers = self.store.hub.client.read(vec![range]).await.map_err(failed)?;
        let answer = answers.into_iter().next().unwrap_or_default();
        self.is_over = !answer.more;
        self.behind = answer.entries.last().map(|entry| entry.key.clone());
        Ok(Some(answer.entries.iter().filter_map(|entry| self.store.hub.own(&entry.key)).collect()))
    }
}

#[async_trait]
impl KeyListing for HubState {
    async fn keys_like(&self, _: &CallContext, request: &KeysRequest) -> Result<KeysPage, Error> {
        let pattern = LikePattern::parse(&request.pattern)?;
        let mut keys = Below::new(self, &pattern.prefix());
        if let Some(token) = request.continuation_token.as_deref().filter(|token| !token.is_empty()) {
            keys.behind = Some(self.hub.full(&read_token(token)?));
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
impl PrefixRemoval for HubState {
    async fn delete_with_prefix(&self, _: &CallContext, prefix: &str) -> Result<u64, Error> {
        let prefix = expand_prefix(prefix)?;
        let mut keys = Below::new(self, &prefix);
        let mut removed = 0;
        while let Some(found) = keys.next().await? {
            let shallow = |key: &&String| key.strip_prefix(prefix.as_str()).is_some_and(|rest| !rest.contains("||"));
            let then: Vec<_> = found.iter().filter(shallow).map(|key| removal(self.hub.full(key))).collect();
            if then.is_empty() {
                continue;
            }
            let answer = self.hub.transact(Transaction { then, ..Transaction::default() }).await?;
            removed += answer
                .outcomes
                .iter()
                .map(|outcome| match outcome.outcome {
                    Some(outcome::Outcome::Deleted(count)) => count,
                    _ => 0,
                })
                .sum::<u64>();
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_others_are_refused() {
        assert_eq!(read_token(&URL_SAFE_NO_PAD.encode("a||b")).unwrap(), "a||b");
        assert_eq!(read_token("1:2").unwrap_err().to_string(), "invalid continue token");
    }
}
