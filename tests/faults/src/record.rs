//! What clients were told: each client counts up, and the record knows which count was acknowledged and which is under
//! way. A count stands for one all-or-nothing write of several keys, so that a half write shows as well as a lost one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// How many earlier counts of a client stay readable beside its last.
pub const HISTORY: u64 = 40;

/// What one client knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// The last count that was acknowledged; 0 is none.
    pub acknowledged: u64,
    /// The last count that was sent.
    pub sent: u64,
}

/// What all clients know.
#[derive(Debug, Clone, Default)]
pub struct Record(Arc<Mutex<BTreeMap<usize, Count>>>);

impl Record {
    /// The count of a client.
    #[must_use]
    pub fn of(&self, client: usize) -> Count {
        self.0.lock().expect("no holder panics").get(&client).copied().unwrap_or_default()
    }

    /// The client's next count is on its way.
    #[must_use]
    pub fn send_next(&self, client: usize) -> u64 {
        let mut counts = self.0.lock().expect("no holder panics");
        let count = counts.entry(client).or_default();
        count.sent = count.acknowledged + 1;
        count.sent
    }

    /// The client was told that its count is stored.
    pub fn acknowledge(&self, client: usize, number: u64) {
        self.0.lock().expect("no holder panics").entry(client).or_default().acknowledged = number;
    }

    /// Everything as it is at this moment.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<usize, Count> {
        self.0.lock().expect("no holder panics").clone()
    }

    /// How many writes were acknowledged in all.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.0.lock().expect("no holder panics").values().map(|count| count.acknowledged).sum()
    }

    /// What a client knew at a fault, in place of what it knows now.
    pub fn remember(&self, client: usize, count: Count) {
        self.0.lock().expect("no holder panics").insert(client, count);
    }

    /// Goes on from what was found after a fault.
    pub fn go_on_from(&self, client: usize, found: u64) {
        self.remember(client, Count { acknowledged: found, sent: found });
    }

    /// The writes of a count: what key gets which value. The counter tells which count is the last; the two others are
    /// written with it, under names that come round after [`HISTORY`] counts.
    #[must_use]
    pub fn writes(client: usize, number: u64) -> [(String, String); 3] {
        let place = number % HISTORY;
        [
            (format!("client-{client}-{place}-first"), number.to_string()),
            (format!("client-{client}-{place}-second"), number.to_string()),
            (Self::counter(client), number.to_string()),
        ]
    }

    /// The key of a client's last count.
    #[must_use]
    pub fn counter(client: usize) -> String {
        format!("client-{client}")
    }

    /// Holds one client's values, as `read` finds them, against what it knew. Says which count was found.
    ///
    /// # Errors
    /// A sentence about what is lost, half written, or was never sent.
    pub fn audit(client: usize, knew: Count, found: &BTreeMap<String, String>) -> Result<u64, String> {
        let number = |key: &str| -> Result<u64, String> {
            let Some(text) = found.get(key) else { return Ok(0) };
            text.parse().map_err(|_| format!("{key} is {text:?}"))
        };
        let last = number(&Self::counter(client))?;
        if last < knew.acknowledged {
            return Err(format!("client {client}: {} was acknowledged, but {last} is the last", knew.acknowledged));
        }
        if last > knew.sent {
            return Err(format!("client {client}: {last} is there, but only {} was sent", knew.sent));
        }
        for count in last.saturating_sub(HISTORY - 1).max(1)..=last {
            for (key, expected) in Self::writes(client, count).into_iter().take(2) {
                if found.get(&key) != Some(&expected) {
                    return Err(format!("{key} should be {expected} at count {last}, but is {:?}", found.get(&key)));
                }
            }
        }
        Ok(last)
    }

    /// Every key a client may have written.
    #[must_use]
    pub fn keys(client: usize) -> Vec<String> {
        let places = (0..HISTORY)
            .flat_map(|place| [format!("client-{client}-{place}-first"), format!("client-{client}-{place}-second")]);
        places.chain([Self::counter(client)]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(client: usize, last: u64) -> BTreeMap<String, String> {
        (1..=last).flat_map(|number| Record::writes(client, number)).collect()
    }

    #[test]
    fn lost_half_and_invented_writes_are_found() {
        let knew = Count { acknowledged: 50, sent: 51 };
        assert_eq!(Record::audit(3, knew, &after(3, 50)), Ok(50));
        assert_eq!(Record::audit(3, knew, &after(3, 51)), Ok(51));
        assert!(Record::audit(3, knew, &after(3, 49)).unwrap_err().contains("50 was acknowledged"));
        assert!(Record::audit(3, knew, &after(3, 52)).unwrap_err().contains("only 51 was sent"));
        let mut half = after(3, 50);
        half.insert("client-3-11-second".to_owned(), "51".to_owned());
        assert!(Record::audit(3, knew, &half).unwrap_err().contains("client-3-11-second should be 11"));
        let mut old = after(3, 50);
        old.remove("client-3-20-first");
        assert!(Record::audit(3, knew, &old).is_err());
    }
}
