//! A TCP proxy in this process, in front of a server: it cuts the network between the two, and mends it. Used by tests
//! of faults.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    /// Everything passes.
    Whole,
    /// Nothing passes and nobody is told.
    Silent,
    /// Connections are broken, and new ones too.
    Broken,
    /// The proxy is gone.
    Gone,
}

#[derive(Debug)]
struct State {
    network: Network,
    streams: Vec<TcpStream>,
    accepted: u64,
}

#[derive(Debug)]
struct Shared {
    server: u16,
    state: Mutex<State>,
    changed: Condvar,
}

/// A way to one port of this machine that can be cut.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy in front of `127.0.0.1:server`.
    #[must_use]
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let state = State { network: Network::Whole, streams: Vec::new(), accepted: 0 };
        let shared = Arc::new(Shared { server, state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if !accepting.accept(client) {
                    return;
                }
            }
        });
        Self { port, shared }
    }

    /// The port that clients use.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on nothing passes: connections stay open and silent, as when a cable is pulled. What was sent is held, as the
    /// sender's system would send it again; it is lost if the sender resets the connection meanwhile.
    pub fn silence(&self) {
        self.set_network(Network::Silent);
    }

    /// Breaks every connection, and from now on each new one as soon as it is made.
    pub fn cut(&self) {
        self.set_network(Network::Broken);
    }

    /// Everything passes again.
    pub fn mend(&self) {
        self.set_network(Network::Whole);
    }

    /// How many connections clients have made since the start.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }

    fn set_network(&self, network: Network) {
        let mut state = self.shared.lock();
        state.network = network;
        if matches!(network, Network::Broken | Network::Gone) {
            for stream in state.streams.drain(..) {
                // One that ended by itself is as good.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set_network(Network::Gone);
        // Wakes the thread that accepts, so that it sees the end.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to go on.
    fn accept(self: &Arc<Self>, client: TcpStream) -> bool {
        let mut state = self.lock();
        match state.network {
            Network::Gone => return false,
            Network::Broken => return true,
            Network::Whole | Network::Silent => {}
        }
        state.accepted += 1;
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.server)) else { return true };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ends = [client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone()];
        let [Ok(from_client), Ok(to_server), Ok(kept_client), Ok(kept_server)] = ends else { return true };
        state.streams.extend([kept_client, kept_server]);
        drop(state);
        self.pump(from_client, to_server);
        self.pump(server, client);
        true
    }

    /// Whether it was silent.
    fn wait_while_silent(&self) -> bool {
        let mut state = self.lock();
        let silent = state.network == Network::Silent;
        while state.network == Network::Silent {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        silent
    }

    fn pump(self: &Arc<Self>, mut from: TcpStream, mut to: TcpStream) {
        let shared = Arc::clone(self);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count) = from.read(&mut buffer) {
                let reset = shared.wait_while_silent() && from.take_error().is_ok_and(|error| error.is_some());
                if reset || count == 0 || to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        });
    }
}
