//! The keys of an app, in pages. Called by `front`. Only keys that the state API could have written for this app are shown,
//! as the app calls them: neither those of other apps in the same store, nor the state of actors.

use component::CallContext;
use component::state::{KeysPage, KeysRequest, StateStore};

use super::{Error, Store};

/// How many keys a page has when the request does not say.
const DEFAULT_PAGE: u32 = 100;

/// How many keys a page may have.
pub const MAX_PAGE: u32 = 1000;

/// How many pages of the store are read for one page of the app: in a store full of other keys, a request must end.
const MAX_READS: usize = 16;

/// Asks for keys.
#[derive(Debug, Clone, Default)]
pub struct ListKeys {
    /// What the app's keys start with; empty for all.
    pub prefix: String,
    /// How many keys to answer at most; a hundred if `None`.
    pub page_size: Option<u32>,
    /// Where to go on, from [`KeyList::token`].
    pub token: Option<String>,
}

/// A page of keys. It may be short, or empty, though there are more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyList {
    /// The keys as the app calls them.
    pub keys: Vec<String>,
    /// Present unless this is the last page.
    pub token: Option<String>,
}

impl Store<'_> {
    /// Whether the store lists keys. Doors ask before they read the request.
    ///
    /// # Errors
    /// `KeysNotSupported`.
    pub fn require_listing(&self) -> Result<(), Error> {
        match self.store.key_listing() {
            Some(_) => Ok(()),
            None => Err(Error::KeysNotSupported { store: self.name.to_owned() }),
        }
    }

    /// The app's keys that start with a prefix, in the order of the store.
    ///
    /// # Errors
    /// `KeysNotSupported`, `KeysMalformed`, `IllegalKey`, `Keys`.
    pub async fn keys(&self, context: &CallContext, request: ListKeys) -> Result<KeyList, Error> {
        self.require_listing()?;
        let size = request.page_size.unwrap_or(DEFAULT_PAGE);
        if !(1..=MAX_PAGE).contains(&size) {
            return Err(Error::KeysMalformed { message: format!("the size of a page is from 1 to {MAX_PAGE}") });
        }
        let mut complete = request.prefix.clone();
        self.complete(&mut complete)?;
        let mut next = KeysRequest { pattern: pattern(&complete), continuation_token: request.token, page_size: None };
        let mut list = KeyList::default();
        for _ in 0..MAX_READS {
            let missing = size.saturating_sub(u32::try_from(list.keys.len()).unwrap_or(u32::MAX));
            next.page_size = Some(missing);
            let page = self.page(context, &next).await?;
            let layout = self.layout();
            let own = page.keys.iter().filter_map(|key| layout.own(key));
            list.keys.extend(own.filter(|key| key.starts_with(&request.prefix)).map(str::to_owned));
            list.token = page.continuation_token.filter(|token| !token.is_empty());
            if list.token.is_none() || list.keys.len() >= size as usize {
                break;
            }
            next.continuation_token.clone_from(&list.token);
        }
        Ok(list)
    }

    async fn page(&self, context: &CallContext, request: &KeysRequest) -> Result<KeysPage, Error> {
        let asked = self.store.call(context, "list keys", async |store: &dyn StateStore| match store.key_listing() {
            Some(listing) => listing.keys_like(context, request).await,
            None => Err(component::Error::new(component::ErrorKind::NotSupported, "no listing of keys")),
        });
        asked.await.map_err(|source: component::Error| Error::Keys { store: self.name.to_owned(), source })
    }
}

/// The pattern of everything that starts so.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for letter in prefix.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}
