//! `lock.redis`: a lock is a key with its holder as value, which ends by itself. Called through `loaded`.

use std::sync::Arc;

use async_trait::async_trait;
use component::lock::{LockRequest, LockStore, UnlockRequest, Unlocked};
use component::{Backend, CallContext, Constructing, Error, ErrorKind, Setup};
use redis::{Value, cmd};

use crate::link::{Effect, Link};
use crate::script::{Given, Lua};
use crate::settings::{Kind, Place, RedisSettings};

/// Answers 1 when the lock was given back, -1 when there is none, -2 when somebody else holds it.
static UNLOCK: Lua = Lua::new(UNLOCK_TEXT, || Lua::digest(UNLOCK_TEXT));

const UNLOCK_TEXT: &str = r#"
local holder = redis.call("GET", KEYS[1])
if not holder then return -1 end
if holder ~= ARGV[1] then return -2 end
return redis.call("DEL", KEYS[1])
"#;

struct RedisLock {
    link: Link,
}

/// Makes a lock store. Replicas and clusters are refused, as by the target: a lock that is not on them yet when the server
/// dies would have two holders. With sentinels the target takes that risk, and so does this.
pub(crate) fn construct(setup: Setup) -> Constructing<dyn LockStore> {
    Box::pin(async move {
        let (_, connecting) = RedisSettings::read(&setup.name, &setup.properties, Kind::Lock)?;
        if matches!(connecting.place, Place::Cluster(_)) {
            let text = "this component does not support connecting to Redis Cluster";
            return Err(Error::new(ErrorKind::NotSupported, text));
        }
        let watched = matches!(connecting.place, Place::Watched { .. });
        let link = Link::new(connecting, setup.host.tasks);
        link.greet().await?;
        // A server that does not say whether it has replicas is taken as it is, as by the target.
        if !watched && link.connected_replicas().await.is_ok_and(|count| count > 0) {
            link.close();
            return Err(Error::new(ErrorKind::NotSupported, "replication is not supported"));
        }
        let store: Arc<dyn LockStore> = Arc::new(RedisLock { link });
        Ok(store)
    })
}

#[async_trait]
impl Backend for RedisLock {
    async fn close(&self) -> Result<(), Error> {
        self.link.close();
        Ok(())
    }
}

#[async_trait]
impl LockStore for RedisLock {
    async fn try_lock(&self, _: &CallContext, request: &LockRequest) -> Result<bool, Error> {
        let milliseconds = request.expiry.as_millis();
        let Some(milliseconds) = i64::try_from(milliseconds).ok().filter(|milliseconds| *milliseconds > 0) else {
            return Err(Error::new(ErrorKind::InvalidArgument, "a lock must end after a time above zero"));
        };
        let mut set = cmd("SET");
        set.arg(&request.resource).arg(&request.owner).arg("NX").arg("PX").arg(milliseconds);
        match self.link.command(&set, Effect::Write, "take a lock").await? {
            Value::Okay => Ok(true),
            Value::Nil => Ok(false),
            _ => Err(unexpected()),
        }
    }

    async fn unlock(&self, _: &CallContext, request: &UnlockRequest) -> Result<Unlocked, Error> {
        let given = Given { keys: &[&request.resource], arguments: &[request.owner.as_bytes()] };
        match UNLOCK.run(&self.link, given, "give a lock back").await? {
            Value::Int(-1) => Ok(Unlocked::DoesNotExist),
            Value::Int(-2) => Ok(Unlocked::BelongsToOthers),
            Value::Int(_) => Ok(Unlocked::Success),
            _ => Err(unexpected()),
        }
    }
}

fn unexpected() -> Error {
    Error::new(ErrorKind::Internal, "redis: the server's answer has an unexpected form")
}
