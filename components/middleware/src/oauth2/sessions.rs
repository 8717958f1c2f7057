//! Who is logged in. Bounded: with too many sessions, those end first that were used longest ago.

use std::collections::HashMap;
use std::fmt;
use std::time::SystemTime;

use http::HeaderValue;

/// Sessions that are kept at the same time.
const MOST: usize = 16_384;

/// The sessions by their id.
#[derive(Default)]
pub(super) struct Sessions {
    sessions: HashMap<String, Session>,
}

struct Session {
    token: HeaderValue,
    used: SystemTime,
    ends: SystemTime,
}

impl Sessions {
    /// The token of a session that has not ended.
    pub(super) fn token(&mut self, id: &str, now: SystemTime) -> Option<HeaderValue> {
        let session = self.sessions.get_mut(id)?;
        if session.ends <= now {
            self.sessions.remove(id);
            return None;
        }
        session.used = now;
        Some(session.token.clone())
    }

    /// Begins a session now, to last until then.
    pub(super) fn begin(&mut self, id: String, token: HeaderValue, (now, ends): (SystemTime, SystemTime)) {
        if self.sessions.len() >= MOST {
            self.make_room(now);
        }
        self.sessions.insert(id, Session { token, used: now, ends });
    }

    fn make_room(&mut self, now: SystemTime) {
        self.sessions.retain(|_, session| session.ends > now);
        if self.sessions.len() < MOST {
            return;
        }
        let mut uses: Vec<SystemTime> = self.sessions.values().map(|session| session.used).collect();
        let (_, oldest, _) = uses.select_nth_unstable(MOST / 16);
        let (oldest, mut room) = (*oldest, MOST / 16);
        self.sessions.retain(|_, session| {
            let goes = room > 0 && session.used <= oldest;
            room -= usize::from(goes);
            !goes
        });
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sessions").field("count", &self.sessions.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_table_stays_bounded_and_those_in_use_stay() {
        let at = |second: usize| UNIX_EPOCH + Duration::from_secs(second as u64);
        let mut sessions = Sessions::default();
        let token = || HeaderValue::from_static("Bearer t");
        sessions.begin("mine".to_owned(), token(), (at(0), at(1_000_000)));
        for number in 1..MOST * 2 {
            sessions.begin(number.to_string(), token(), (at(number), at(1_000_000)));
            assert!(sessions.token("mine", at(number)).is_some());
            assert!(sessions.sessions.len() <= MOST);
        }
        assert!(sessions.token("1", at(MOST * 2)).is_none());
    }

    #[test]
    fn a_session_ends_with_its_token() {
        let mut sessions = Sessions::default();
        let end = UNIX_EPOCH + Duration::from_secs(10);
        sessions.begin("a".to_owned(), HeaderValue::from_static("Bearer t"), (UNIX_EPOCH, end));
        assert!(sessions.token("a", end - Duration::from_secs(1)).is_some());
        assert!(sessions.token("a", end).is_none());
        assert!(sessions.token("a", UNIX_EPOCH).is_none());
    }
}
