//! Who is connected: kept for the status, and so that a hub without clients ends. `stub` adds them, `run` watches the number.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use wire::hub::Client;

/// The clients of a hub. A clone is the same list.
#[derive(Clone)]
pub(crate) struct Clients {
    inner: Arc<Inner>,
}

struct Inner {
    list: Mutex<(u64, BTreeMap<u64, Client>)>,
    count: watch::Sender<usize>,
}

impl Clients {
    pub(crate) fn new() -> Self {
        Self { inner: Arc::new(Inner { list: Mutex::default(), count: watch::channel(0).0 }) }
    }

    fn list(&self) -> MutexGuard<'_, (u64, BTreeMap<u64, Client>)> {
        self.inner.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a client until what is returned is dropped.
    pub(crate) fn add(&self, client: Client) -> Present {
        let mut list = self.list();
        list.0 += 1;
        let number = list.0;
        list.1.insert(number, client);
        self.inner.count.send_replace(list.1.len());
        drop(list);
        Present { clients: self.clone(), number }
    }

    /// All that are connected.
    pub(crate) fn all(&self) -> Vec<Client> {
        self.list().1.values().cloned().collect()
    }

    /// How many there are, as it changes.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.inner.count.subscribe()
    }
}

/// A client that is connected.
pub(crate) struct Present {
    clients: Clients,
    number: u64,
}

impl Drop for Present {
    fn drop(&mut self) {
        let mut list = self.clients.list();
        list.1.remove(&self.number);
        self.clients.inner.count.send_replace(list.1.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_there_as_long_as_its_call() {
        let clients = Clients::new();
        let count = clients.count();
        let one = clients.add(Client { name: "one".to_owned(), pid: 1 });
        let two = clients.add(Client { name: "two".to_owned(), pid: 2 });
        assert_eq!(*count.borrow(), 2);
        drop(one);
        assert_eq!(clients.all().into_iter().map(|client| client.name).collect::<Vec<_>>(), ["two"]);
        drop(two);
        assert_eq!(*count.borrow(), 0);
    }
}
