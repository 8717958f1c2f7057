//! A server of bare frames, that ends its connections and streams when and how a test says.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, Peer, RST_STREAM, SETTINGS, STATUS_200, frame,
};

/// No error, in GOAWAY and RST_STREAM.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Listening {
    listener: TcpListener,
    pub(crate) address: String,
}

pub(crate) async fn listen() -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    Listening { listener, address }
}

impl Listening {
    /// The next connection, on which nothing was read or sent.
    pub(crate) async fn socket(&self) -> Peer {
        let (stream, _) = tokio::time::timeout(LIMIT, self.listener.accept()).await.unwrap().unwrap();
        Peer { stream }
    }

    /// The next connection, with both prefaces sent.
    pub(crate) async fn accept(&self) -> Accepted {
        let mut peer = self.socket().await;
        let mut preface = [0; PREFACE.len()];
        peer.stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(preface, PREFACE);
        peer.send(&frame(SETTINGS, 0, 0, &[])).await;
        peer.send(&frame(SETTINGS, ACK, 0, &[])).await;
        Accepted { peer, bodies: BTreeMap::new() }
    }

    /// Whether nobody connects for a while.
    pub(crate) async fn is_quiet(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(200), self.listener.accept()).await.is_err()
    }
}

pub(crate) struct Accepted {
    peer: Peer,
    bodies: BTreeMap<u32, Vec<u8>>,
}

impl Accepted {
    /// Reads until this many requests are here to their end; their streams and bodies.
    pub(crate) async fn requests(&mut self, count: usize) -> BTreeMap<u32, Vec<u8>> {
        let mut whole = BTreeMap::new();
        while whole.len() < count {
            let (stream, ended) = self.next().await;
            if ended {
                whole.insert(stream, self.bodies.remove(&stream).unwrap());
            }
        }
        whole
    }

    /// Reads until the bodies of all streams together have this many bytes; the last stream that got some.
    pub(crate) async fn bytes(&mut self, count: usize) -> u32 {
        loop {
            let (stream, _) = self.next().await;
            if self.bodies.values().map(Vec::len).sum::<usize>() >= count {
                return stream;
            }
        }
    }

    async fn next(&mut self) -> (u32, bool) {
        loop {
            let frame = tokio::time::timeout(LIMIT, self.peer.receive()).await.unwrap().expect("the connection lives");
            match frame.kind {
                HEADERS => drop(self.bodies.entry(frame.stream).or_default()),
                DATA => self.bodies.entry(frame.stream).or_default().extend(&frame.payload),
                _ => continue,
            }
            return (frame.stream, frame.ends_stream());
        }
    }

    /// Answers a request with 200 and nothing more.
    pub(crate) async fn answer(&mut self, stream: u32) {
        self.peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream, &[STATUS_200])).await;
    }

    /// Begins an answer with 200.
    pub(crate) async fn open(&mut self, stream: u32) {
        self.peer.send(&frame(HEADERS, END_HEADERS, stream, &[STATUS_200])).await;
    }

    /// Sends a piece of an answer.
    pub(crate) async fn data(&mut self, stream: u32, data: &[u8]) {
        self.peer.send(&frame(DATA, 0, stream, data)).await;
    }

    /// Ends an answer.
    pub(crate) async fn end(&mut self, stream: u32) {
        self.peer.send(&frame(DATA, END_STREAM, stream, &[])).await;
    }

    pub(crate) async fn go_away(&mut self, last: u32) {
        let payload = [last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat();
        self.peer.send(&frame(GOAWAY, 0, 0, &payload)).await;
    }

    pub(crate) async fn reset(&mut self, stream: u32, code: u32) {
        self.peer.send(&frame(RST_STREAM, 0, stream, &code.to_be_bytes())).await;
    }

    /// Whether the other side ends the connection soon.
    pub(crate) async fn is_left(&mut self) -> bool {
        let ended = async { while self.peer.receive().await.is_some() {} };
        tokio::time::timeout(LIMIT, ended).await.is_ok()
    }
}
