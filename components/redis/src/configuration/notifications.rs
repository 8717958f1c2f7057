//! Having the server tell of changes: its setting `notify-keyspace-events`, and the channels it then uses. Used by
//! subscriptions.

use redis::{Value, cmd};

use crate::failure::Failure;
use crate::link::{Effect, Link};
use crate::wire::Request;

const SETTING: &str = "notify-keyspace-events";
/// By key, for what strings can go through: set, removed or renamed, ended, evicted. What the target sets.
const NEEDED: &str = "Kg$xe";
/// The letters for which `A` stands.
const ALL: &str = "g$lshzxetd";

/// Adds what is needed to what the server tells already.
pub(super) async fn switch_on(link: &Link) -> Result<(), Failure> {
    let mut get = cmd("CONFIG");
    get.arg("GET").arg(SETTING);
    let answer = link.ask(Request::Command(&get), Effect::Read).await?;
    let Some(wanted) = added(&current(answer)) else { return Ok(()) };
    let mut set = cmd("CONFIG");
    set.arg("SET").arg(SETTING).arg(wanted);
    // Setting it twice is as good as once.
    link.ask(Request::Command(&set), Effect::Read).await.map(drop)
}

fn current(answer: Value) -> String {
    let pairs: Vec<String> = redis::from_redis_value(answer).unwrap_or_default();
    pairs.into_iter().nth(1).unwrap_or_default()
}

/// The setting with what is missing; `None` if nothing is.
fn added(current: &str) -> Option<String> {
    let told = |letter: char| current.contains(letter) || (current.contains('A') && ALL.contains(letter));
    let missing: String = NEEDED.chars().filter(|letter| !told(*letter)).collect();
    (!missing.is_empty()).then(|| format!("{current}{missing}"))
}

/// The channel for a key.
pub(super) fn channel(database: i64, key: &str) -> String {
    format!("__keyspace@{database}__:{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_added() {
        assert_eq!(added("").as_deref(), Some("Kg$xe"));
        assert_eq!(added("AK"), None);
        assert_eq!(added("AE").as_deref(), Some("AEK"));
        assert_eq!(added("xK").as_deref(), Some("xKg$e"));
    }
}
