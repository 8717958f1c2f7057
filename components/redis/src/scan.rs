//! All keys of a server, or of every master of a cluster. Used by listing and by configuration.

use component::{Error, ErrorKind};
use redis::{Value, cmd};

use crate::link::{Effect, Link};
use crate::settings::Place;
use crate::wire::Request;

const AT_ONCE: u32 = 1000;

/// The keys that match one of Redis' patterns and are text, in order and each once; `doing` finishes "redis: cannot".
pub(crate) async fn keys(
    link: &Link,
    glob: &str,
    fits: impl Fn(&str) -> bool + Send + Sync,
    doing: &str,
) -> Result<Vec<String>, Error> {
    let mut keys = Vec::new();
    for node in nodes(link, doing).await? {
        let mut cursor = "0".to_owned();
        loop {
            let (next, found) = step(link, node.as_ref(), (&cursor, glob), doing).await?;
            let found = found.into_iter().filter_map(|key| String::from_utf8(key).ok());
            keys.extend(found.filter(|key| fits(key)));
            if next == "0" {
                break;
            }
            cursor = next;
        }
    }
    // A scan may answer a key more than once.
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

async fn step(
    link: &Link,
    node: Option<&(String, u16)>,
    (cursor, glob): (&str, &str),
    doing: &str,
) -> Result<(String, Vec<Vec<u8>>), Error> {
    let mut step = cmd("SCAN");
    step.arg(cursor).arg("MATCH").arg(glob).arg("COUNT").arg(AT_ONCE);
    let request = node.map_or(Request::Command(&step), |node| Request::Node(&step, node));
    let answer = link.ask(request, Effect::Read).await.map_err(|failure| failure.into_error(doing))?;
    redis::from_redis_value(answer).map_err(|_| unexpected(doing))
}

/// The masters of a cluster; nothing to choose from where there is one server.
async fn nodes(link: &Link, doing: &str) -> Result<Vec<Option<(String, u16)>>, Error> {
    if !matches!(link.connecting().place, Place::Cluster(_)) {
        return Ok(vec![None]);
    }
    let mut question = cmd("CLUSTER");
    question.arg("SLOTS");
    let Value::Array(ranges) = link.command(&question, Effect::Read, doing).await? else {
        return Err(unexpected(doing));
    };
    let mut nodes: Vec<Option<(String, u16)>> = ranges.into_iter().filter_map(master).map(Some).collect();
    nodes.sort_unstable();
    nodes.dedup();
    Ok(nodes)
}

/// A range of slots is its first, its last, its master, and then replicas; a node is its host, its port and more.
fn master(range: Value) -> Option<(String, u16)> {
    let Value::Array(parts) = range else { return None };
    let Some(Value::Array(node)) = parts.get(2) else { return None };
    let (Some(Value::BulkString(host)), Some(Value::Int(port))) = (node.first(), node.get(1)) else { return None };
    Some((String::from_utf8(host.clone()).ok()?, u16::try_from(*port).ok()?))
}

fn unexpected(doing: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("redis: cannot {doing}: the server's answer has an unexpected form"))
}
