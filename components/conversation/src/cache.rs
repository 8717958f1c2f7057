//! Answers that are given again to the same request for some time. Bounded: with too many, the oldest goes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use component::conversation::Response;
use tokio::time::Instant;

/// Answers that are kept at the same time.
const MOST: usize = 1024;

/// The answers of one component. Requests are kept as their SHA-256 only.
pub(crate) struct Cache {
    life: Duration,
    kept: Mutex<HashMap<Vec<u8>, (Instant, Response)>>,
}

impl Cache {
    /// A cache whose answers live this long.
    pub(crate) fn new(life: Duration) -> Self {
        Self { life, kept: Mutex::default() }
    }

    /// The name of a request.
    pub(crate) fn key(request: &[u8]) -> Vec<u8> {
        digest(&SHA256, request).as_ref().to_vec()
    }

    /// The answer to a request that was answered not long ago.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Response> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = kept.get(key)?;
        (at.elapsed() < self.life).then(|| answer.clone())
    }

    /// Keeps an answer.
    pub(crate) fn put(&self, key: Vec<u8>, answer: Response) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.retain(|_, (at, _)| at.elapsed() < self.life);
        }
        if kept.len() >= MOST {
            let oldest = kept.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            oldest.and_then(|key| kept.remove(&key));
        }
        kept.insert(key, (Instant::now(), answer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_lives_for_its_time_and_no_longer() {
        let cache = Cache::new(Duration::from_secs(10));
        let key = Cache::key(b"question");
        cache.put(key.clone(), Response { model: Some("m".to_owned()), ..Response::default() });
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(cache.get(&key).and_then(|answer| answer.model).as_deref(), Some("m"));
        assert!(cache.get(&Cache::key(b"another")).is_none());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(cache.get(&key).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_answer_goes_when_there_are_too_many() {
        let cache = Cache::new(Duration::from_secs(1_000_000));
        for number in 0..=MOST {
            cache.put(Cache::key(number.to_string().as_bytes()), Response::default());
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(cache.get(&Cache::key(b"0")).is_none());
        assert!(cache.get(&Cache::key(b"1")).is_some());
        assert_eq!(cache.kept.lock().unwrap().len(), MOST);
    }
}
