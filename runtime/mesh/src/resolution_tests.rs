//! What the cache over a name resolver promises.

use std::collections::{HashSet, VecDeque};

use async_trait::async_trait;
use component::resolver::{Freshness, Instance};
use tokio::sync::Semaphore;

use super::*;

/// Gives the answers it is told to, one per question, once each is let through.
struct Scripted {
    answers: Mutex<VecDeque<Result<Resolved, Error>>>,
    asked: Mutex<Vec<ResolveRequest>>,
    gate: Semaphore,
}

#[async_trait]
impl Resolver for Scripted {
    async fn register(&self, _: &Instance) -> Result<(), Error> {
        Ok(())
    }

    async fn resolve(&self, request: &ResolveRequest) -> Result<Resolved, Error> {
        self.asked.lock().unwrap().push(request.clone());
        self.gate.acquire().await.unwrap().forget();
        let answer = self.answers.lock().unwrap().pop_front();
        answer.unwrap_or_else(|| Err(Error::NotFound("nobody".into())))
    }

    async fn close(&self) -> Result<(), Error> {
        Ok(())
    }
}

impl Scripted {
    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn found(addresses: &[&str], refresh_ms: u64, expire_ms: u64) -> Result<Resolved, Error> {
    let freshness =
        Freshness { refresh_after: Duration::from_millis(refresh_ms), expire_after: Duration::from_millis(expire_ms) };
    Ok(Resolved { addresses: addresses.iter().map(ToString::to_string).collect(), freshness })
}

fn scripted(answers: Vec<Result<Resolved, Error>>, open: usize) -> (Arc<Scripted>, Resolution, Tasks) {
    let resolver =
        Arc::new(Scripted { answers: Mutex::new(answers.into()), asked: Mutex::default(), gate: Semaphore::new(open) });
    let tasks = Tasks::new();
    (resolver.clone(), Resolution::new(resolver, 50002, tasks.clone()), tasks)
}

async fn eventually(condition: impl Fn() -> bool) {
    for _ in 0..200 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen");
}

#[tokio::test]
async fn a_second_lookup_does_not_ask_the_resolver() {
    let (resolver, resolution, _) = scripted(vec![found(&["a:1"], 10_000, 20_000)], 9);
    for _ in 0..3 {
        assert_eq!(resolution.lookup("orders", "shop").await.unwrap().as_str(), "a:1");
    }
    assert_eq!(resolver.count(), 1);
    let asked = resolver.asked.lock().unwrap()[0].clone();
    assert_eq!((asked.id.as_str(), asked.namespace.as_str(), asked.port), ("orders", "shop", 50002));
    assert_eq!(asked.search, Search::First);
}

#[tokio::test]
async fn the_same_id_in_another_namespace_is_another_app() {
    let (_, resolution, _) = scripted(vec![found(&["a:1"], 9_000, 9_000), found(&["b:1"], 9_000, 9_000)], 9);
    assert_eq!(resolution.lookup("orders", "shop").await.unwrap().as_str(), "a:1");
    assert_eq!(resolution.lookup("orders", "test").await.unwrap().as_str(), "b:1");
    assert_eq!(resolution.lookup("orders", "shop").await.unwrap().as_str(), "a:1");
}

#[tokio::test]
async fn callers_of_one_app_share_one_search_even_if_the_first_gives_up() {
    let (resolver, resolution, tasks) = scripted(vec![found(&["a:1"], 9_000, 9_000)], 0);
    let lookup = || {
        let resolution = resolution.clone();
        async move { resolution.lookup("orders", "").await }
    };
    let first = tasks.spawn("first", lookup());
    eventually(|| resolver.count() == 1).await;
    let mut others = tokio::task::JoinSet::new();
    for _ in 0..50 {
        others.spawn(lookup());
    }
    first.abort();
    tokio::task::yield_now().await;
    resolver.gate.add_permits(1);
    assert!(others.join_all().await.iter().all(|found| found.as_ref().unwrap().as_str() == "a:1"));
    assert_eq!(resolver.count(), 1);
}

#[tokio::test]
async fn an_answer_that_grows_old_is_used_while_it_is_renewed_once_in_the_background() {
    let (resolver, resolution, _) = scripted(vec![found(&["a:1"], 0, 9_000), found(&["b:1"], 9_000, 9_000)], 1);
    assert_eq!(resolution.lookup("orders", "").await.unwrap().as_str(), "a:1");
    for _ in 0..20 {
        assert_eq!(resolution.lookup("orders", "").await.unwrap().as_str(), "a:1");
    }
    eventually(|| resolver.count() == 2).await;
    assert_eq!(resolver.asked.lock().unwrap()[1].search, Search::All);
    resolver.gate.add_permits(1);
    for _ in 0..200 {
        if resolution.lookup("orders", "").await.unwrap().as_str() == "b:1" {
            assert_eq!(resolver.count(), 2);
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the renewed answer is not used");
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_answer_until_it_expires() {
    let failure = Err(Error::Unavailable("no network".into()));
    let (resolver, resolution, tasks) = scripted(vec![found(&["a:1"], 0, 300), failure], 9);
    resolution.lookup("orders", "").await.unwrap();
    resolution.lookup("orders", "").await.unwrap();
    eventually(|| resolver.count() == 2 && tasks.count() == 0).await;
    assert_eq!(resolution.lookup("orders", "").await.unwrap().as_str(), "a:1");
    assert_eq!(resolver.count(), 2);
    tokio::time::sleep(Duration::from_millis(320)).await;
    assert_eq!(resolution.lookup("orders", "").await.unwrap_err().to_string(), "nobody");
}

#[tokio::test]
async fn a_forgotten_app_is_searched_anew() {
    let (resolver, resolution, _) = scripted(vec![found(&["a:1"], 9_000, 9_000), found(&["b:1"], 9_000, 9_000)], 9);
    resolution.lookup("orders", "").await.unwrap();
    resolution.forget("orders", "");
    assert_eq!(resolution.lookup("orders", "").await.unwrap().as_str(), "b:1");
    assert_eq!(resolver.count(), 2);
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let (_, resolution, _) = scripted(vec![Err(Error::NotFound("not yet".into())), found(&["a:1"], 9_000, 9_000)], 9);
    assert_eq!(resolution.lookup("orders", "").await.unwrap_err().to_string(), "not yet");
    assert_eq!(resolution.lookup("orders", "").await.unwrap().as_str(), "a:1");
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_again_as_often_as_in_the_target() {
    let empty = || found(&[""], 9_000, 9_000);
    let (resolver, resolution, _) = scripted(vec![empty(), empty(), found(&["a:1"], 9_000, 9_000)], 99);
    assert_eq!(resolution.lookup("orders", "").await.unwrap().as_str(), "a:1");
    assert_eq!(resolver.count(), 3);
    let (resolver, resolution, _) = scripted((0..9).map(|_| empty()).collect(), 99);
    let error = resolution.lookup("orders", "shop").await.unwrap_err();
    assert_eq!(error.to_string(), "resolver returned empty address for app id shop/orders");
    assert_eq!(resolver.count(), 6);
}

#[tokio::test]
async fn calls_spread_over_every_instance() {
    let (_, resolution, _) = scripted(vec![found(&["a:1", "b:1", "c:1"], 9_000, 9_000)], 9);
    let mut used = HashSet::new();
    for _ in 0..200 {
        used.insert(resolution.lookup("orders", "").await.unwrap());
    }
    assert_eq!(used.len(), 3);
}

#[tokio::test]
async fn the_number_of_remembered_apps_is_bounded() {
    let answers = (0..MAX_APPS + 10).map(|_| found(&["a:1"], 90_000, 90_000)).collect();
    let (_, resolution, _) = scripted(answers, MAX_APPS + 10);
    for number in 0..MAX_APPS + 10 {
        resolution.lookup(&format!("app-{number}"), "").await.unwrap();
    }
    assert_eq!(resolution.inner.answers.read().unwrap().len(), MAX_APPS);
}

#[tokio::test]
async fn a_resolver_that_panics_fails_its_callers_and_the_next_search_works() {
    struct Panicking(AtomicU64);

    #[async_trait]
    impl Resolver for Panicking {
        async fn register(&self, _: &Instance) -> Result<(), Error> {
            Ok(())
        }
        async fn resolve(&self, _: &ResolveRequest) -> Result<Resolved, Error> {
            assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "on purpose");
            found(&["a:1"], 9_000, 9_000)
        }
        async fn close(&self) -> Result<(), Error> {
            Ok(())
        }
    }

    let resolution = Resolution::new(Arc::new(Panicking(AtomicU64::new(0))), 1, Tasks::new());
    assert!(matches!(resolution.lookup("orders", "").await, Err(Error::Unavailable(_))));
    assert_eq!(resolution.lookup("orders", "").await.unwrap().as_str(), "a:1");
}

#[tokio::test]
async fn a_call_that_waits_does_not_wait_for_a_search_in_the_background() {
    let (resolver, resolution, _) = scripted(vec![found(&["a:1"], 0, 9_000), found(&["b:1"], 9_000, 9_000)], 1);
    resolution.lookup("orders", "").await.unwrap();
    resolution.lookup("orders", "").await.unwrap();
    eventually(|| resolver.count() == 2).await;
    resolution.forget("orders", "");
    let lookup = resolution.lookup("orders", "");
    let opening = async {
        eventually(|| resolver.count() == 3).await;
        resolver.gate.add_permits(2);
    };
    let (found, ()) = tokio::join!(lookup, opening);
    assert!(found.is_ok() || found == Err(Error::NotFound("nobody".into())));
}
