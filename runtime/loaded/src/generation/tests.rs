//! What calls, replacement and closing promise.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;

#[derive(Default)]
struct Probe {
    closed: AtomicBool,
}

#[async_trait::async_trait]
impl Backend for Probe {
    async fn close(&self) -> Result<(), Error> {
        assert!(!self.closed.swap(true, Ordering::SeqCst), "closed twice");
        Ok(())
    }
}

impl Probe {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}

fn details() -> Details {
    Details {
        name: "a".into(),
        component_type: "probe".into(),
        version: "v1".into(),
        properties: Arc::default(),
        settings: None,
    }
}

fn loaded() -> (Arc<Probe>, Loaded<Probe>) {
    let probe = Arc::new(Probe::default());
    (Arc::clone(&probe), Loaded::new(details(), probe))
}

#[tokio::test(start_paused = true)]
async fn a_call_stays_on_its_generation_and_the_old_one_closes_after_its_last_call() {
    let (old, loaded) = loaded();
    let new = Arc::new(Probe::default());
    let running = loaded.pin().unwrap();
    let drained = TaskTracker::new().spawn(loaded.replace(details(), Arc::clone(&new)).unwrap().drain());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!old.is_closed());
    assert!(std::ptr::eq(&*running, &*old));
    assert!(std::ptr::eq(&*loaded.pin().unwrap(), &*new));
    drop(running);
    drained.await.unwrap().unwrap();
    assert!(old.is_closed() && !new.is_closed());
}

#[tokio::test]
async fn a_retired_component_takes_no_calls() {
    let (probe, loaded) = loaded();
    loaded.retire().unwrap().drain().await.unwrap();
    assert!(probe.is_closed());
    let error = loaded.pin().err().unwrap();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Unavailable, "component a is closed".to_owned()));
    assert!(loaded.retire().is_none());
}

async fn never(_: &Probe) -> Result<(), Error> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline() {
    let (_probe, loaded) = loaded();
    let context = CallContext { deadline: Some(Instant::now() + Duration::from_secs(5)), ..CallContext::default() };
    let pinned = loaded.pin().unwrap();
    let error = pinned.call(&context, "get", never).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.to_string(), "get on a took longer than its deadline allows");
    let output: Result<u8, Error> = pinned.call(&context, "get", async |_| Ok(1)).await;
    assert_eq!(output.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_when_its_caller_goes_away() {
    let (_probe, loaded) = loaded();
    let cancel = CancellationToken::new();
    let context = CallContext { cancel: cancel.clone().into(), ..CallContext::default() };
    let pinned = loaded.pin().unwrap();
    let (result, ()) = tokio::join!(pinned.call(&context, "set", never), async { cancel.cancel() });
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Cancelled);
}
