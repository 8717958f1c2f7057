//! What the lock API promises, on a store in memory that keeps locks without end.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use component::{
    Backend, Constructing, Constructor, ErrorKind, Host, MetadataItem, Registration, Registry, Setup, Spec, Tasks,
    Version,
};
use loaded::{Admitted, Loader};

use super::*;

#[derive(Default)]
struct Memory(Mutex<HashMap<String, (String, Duration)>>);

impl Backend for Memory {}

#[async_trait::async_trait]
impl LockStore for Memory {
    async fn try_lock(&self, _: &CallContext, request: &LockRequest) -> Result<bool, component::Error> {
        if request.owner == "broken" {
            return Err(component::Error::new(ErrorKind::Unavailable, "lost"));
        }
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains_key(&request.resource) {
            return Ok(false);
        }
        held.insert(request.resource.clone(), (request.owner.clone(), request.expiry));
        Ok(true)
    }

    async fn unlock(&self, _: &CallContext, request: &UnlockRequest) -> Result<Unlocked, component::Error> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get(&request.resource) {
            None if request.owner == "broken" => Err(component::Error::new(ErrorKind::Unavailable, "lost")),
            None => Ok(Unlocked::DoesNotExist),
            Some((owner, _)) if *owner != request.owner => Ok(Unlocked::BelongsToOthers),
            Some(_) => {
                held.remove(&request.resource);
                Ok(Unlocked::Success)
            }
        }
    }
}

fn make(_: Setup) -> Constructing<dyn LockStore> {
    Box::pin(async { Ok(Arc::new(Memory::default()) as Arc<dyn LockStore>) })
}

const ROWS: &[Registration] = &[Registration {
    component_type: "lock.memory",
    aliases: &[],
    version: Version::Any,
    summary: "",
    fields: &[],
    constructor: Constructor::LockStore(make),
}];

async fn locks(prefix: &str) -> Result<Locks, String> {
    let components = LoadedComponents::default();
    let admission: loaded::Admission = Arc::new(|spec, properties| {
        admit(spec, &properties)?;
        Ok(Admitted::from(properties))
    });
    let host = Host::new("app", "", Tasks::new(|_, _| ()));
    let loader = Loader::new(Registry::new(ROWS, &[]), host, admission, components.clone());
    let spec = Spec {
        name: "store".to_owned(),
        namespace: String::new(),
        component_type: "lock.memory".to_owned(),
        version: "v1".to_owned(),
        metadata: vec![MetadataItem { name: "keyPrefix".to_owned(), value: prefix.to_owned(), secret: None }],
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(vec![spec]).await.map_err(|error| error.to_string())?;
    Ok(Locks::new("app".into(), components))
}

fn wish(resource: &str, owner: &str, expiry_seconds: i32) -> TryLock {
    TryLock { store: "store".to_owned(), resource: resource.to_owned(), owner: owner.to_owned(), expiry_seconds }
}

fn release(resource: &str, owner: &str) -> Unlock {
    Unlock { store: "store".to_owned(), resource: resource.to_owned(), owner: owner.to_owned() }
}

#[tokio::test]
async fn a_lock_is_held_by_one_owner_until_that_one_gives_it_back() {
    let (locks, context) = (locks("appid").await.unwrap(), CallContext::default());
    assert_eq!(locks.unlock(&context, release("r", "a")).await.unwrap(), Unlocked::DoesNotExist);
    assert!(locks.try_lock(&context, wish("r", "a", 60)).await.unwrap());
    assert!(!locks.try_lock(&context, wish("r", "b", 60)).await.unwrap());
    assert!(locks.try_lock(&context, wish("s", "b", 60)).await.unwrap());
    assert_eq!(locks.unlock(&context, release("r", "b")).await.unwrap(), Unlocked::BelongsToOthers);
    assert_eq!(locks.unlock(&context, release("r", "a")).await.unwrap(), Unlocked::Success);
    assert!(locks.try_lock(&context, wish("r", "b", 60)).await.unwrap());
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_in_the_targets_words_and_order() {
    let context = CallContext::default();
    let none = Locks::new("app".into(), LoadedComponents::default());
    let said = none.try_lock(&context, wish("r", "a", 0)).await.unwrap_err().to_string();
    assert_eq!(said, "ExpiryInSeconds is not positive in lock store store");
    let said = none.try_lock(&context, wish("", "", 1)).await.unwrap_err().to_string();
    assert_eq!(said, "lock store is not configured");

    let locks = locks("appid").await.unwrap();
    let other = |mut request: TryLock| {
        request.store = "other".to_owned();
        request
    };
    for (request, said) in [
        (wish("r", "a", -1), "ExpiryInSeconds is not positive in lock store store"),
        (other(wish("", "a", 1)), "ResourceId is empty in lock store other"),
        (other(wish("r", "", 1)), "LockOwner is empty in lock store other"),
        (other(wish("r", "a", 1)), "lock store other not found"),
        (wish("a||b", "a", 1), "failed to try acquiring lock: input key/keyPrefix 'a||b' can't contain '||'"),
        (wish("r", "broken", 1), "failed to try acquiring lock: lost"),
    ] {
        assert_eq!(locks.try_lock(&context, request).await.unwrap_err().to_string(), said);
    }
    for (request, said) in [
        (release("", "a"), "ResourceId is empty in lock store store"),
        (release("r", ""), "LockOwner is empty in lock store store"),
        (release("a||b", "a"), "failed to release lock: input key/keyPrefix 'a||b' can't contain '||'"),
        (release("r", "broken"), "failed to release lock: lost"),
    ] {
        assert_eq!(locks.unlock(&context, request).await.unwrap_err().to_string(), said);
    }
}

#[tokio::test]
async fn a_prefix_with_a_separator_keeps_the_store_from_being_loaded() {
    let said = locks("a||b").await.err().unwrap();
    assert!(said.contains("failed to save lock keyprefix: input key/keyPrefix 'a||b' can't contain '||'"), "{said}");
}
