//! What the sidecar says of itself: a list of providers that the sidecar assembles, and the values that apps set.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wire::runtime::GetMetadataResponse;

/// Adds its part to the answer.
pub type Provider = Box<dyn Fn(&mut GetMetadataResponse) + Send + Sync>;

/// The metadata block. A clone is the same block.
#[derive(Clone)]
pub struct Metadata {
    inner: Arc<Inner>,
}

struct Inner {
    providers: Vec<Provider>,
    set: Mutex<BTreeMap<String, String>>,
}

/// How many values apps may set, and how long one may be. The target has no limit.
const MAX_VALUES: usize = 1024;
const MAX_LENGTH: usize = 64 << 10;

/// A value that is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMuch(String);

impl std::fmt::Display for TooMuch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for TooMuch {}

impl Metadata {
    /// The block with its providers, asked in this order.
    pub fn new(providers: Vec<Provider>) -> Self {
        Self { inner: Arc::new(Inner { providers, set: Mutex::default() }) }
    }

    /// Everything known now. What apps set wins nothing: the sidecar's own values are written last.
    pub fn get(&self) -> GetMetadataResponse {
        let mut answer = GetMetadataResponse::default();
        let set = self.inner.set.lock().unwrap_or_else(PoisonError::into_inner);
        answer.extended_metadata.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
        drop(set);
        for provider in &self.inner.providers {
            provider(&mut answer);
        }
        answer
    }

    /// Keeps a value of the app. An empty key is ignored, as in the target.
    ///
    /// # Errors
    /// [`TooMuch`] when there are too many values, or the value is too long.
    pub fn put(&self, key: &str, value: &str) -> Result<(), TooMuch> {
        if key.is_empty() {
            return Ok(());
        }
        if key.len() + value.len() > MAX_LENGTH {
            return Err(TooMuch(format!("a metadata value may have {MAX_LENGTH} bytes with its key")));
        }
        let mut set = self.inner.set.lock().unwrap_or_else(PoisonError::into_inner);
        if set.len() >= MAX_VALUES && !set.contains_key(key) {
            return Err(TooMuch(format!("at most {MAX_VALUES} metadata values are kept")));
        }
        set.insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_apps_are_kept_but_never_hide_the_sidecars_own() {
        let own: Provider = Box::new(|answer| {
            answer.id = "me".into();
            answer.extended_metadata.insert("daprRuntimeVersion".into(), "1".into());
        });
        let metadata = Metadata::new(vec![own]);
        metadata.put("a", "b").unwrap();
        metadata.put("", "ignored").unwrap();
        metadata.put("daprRuntimeVersion", "spoof").unwrap();
        let answer = metadata.get();
        assert_eq!(answer.id, "me");
        assert_eq!(answer.extended_metadata["a"], "b");
        assert_eq!(answer.extended_metadata["daprRuntimeVersion"], "1");
        assert_eq!(answer.extended_metadata.len(), 2);
        assert!(metadata.put("k", &"x".repeat(1 << 20)).is_err());
    }
}
