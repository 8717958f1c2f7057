//! Free ports for processes that have to be told their port. A port is held until the process is spawned, and comes from
//! below the range that the kernel gives to outgoing connections, so that none of those takes it in between.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::sync::Mutex;

const FIRST: u64 = 12_000;
const COUNT: u64 = 20_000;

/// A port that nobody else has.
#[derive(Debug)]
pub(crate) struct Reserved {
    listener: TcpListener,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
        loop {
            let number = FIRST + RandomState::new().hash_one(()) % COUNT;
            let number = u16::try_from(number).expect("the range fits");
            let Ok(listener) = TcpListener::bind(("0.0.0.0", number)) else { continue };
            let mut given = GIVEN.lock().expect("no holder panics");
            if given.get_or_insert_with(HashSet::new).insert(number) {
                return Self { listener };
            }
        }
    }

    pub(crate) fn number(&self) -> u16 {
        self.listener.local_addr().expect("it is bound").port()
    }
}

/// A port that was free a moment ago, for servers that are not started here.
#[must_use]
pub fn free_port() -> u16 {
    Reserved::new().number()
}
