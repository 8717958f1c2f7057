//! An HTTP/2 client of bare frames, that can do what no library lets it do.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// How long a peer waits for a frame.
const SILENCE: Duration = Duration::from_secs(15);

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const ACK: u8 = 1;
/// The code of a GOAWAY to a peer that asks for too much.
pub(crate) const ENHANCE_YOUR_CALM: u8 = 11;
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The header block of `:status: 200` in the static table.
pub(crate) const STATUS_200: u8 = 0x88;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block of literals; every text shorter than 127 bytes.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The HEADERS frame of a request.
pub(crate) fn request(stream: u32, method: &str, path: &str, flags: u8) -> Vec<u8> {
    let fields = [(":method", method), (":scheme", "http"), (":authority", "x"), (":path", path)];
    frame(HEADERS, flags | END_HEADERS, stream, &block(&fields))
}

pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    request(stream, "GET", path, END_STREAM)
}

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
}

impl Peer {
    /// A connection on which nothing was sent; small buffers, so that little fits between the two ends.
    pub(crate) async fn connect(port: u16) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.set_send_buffer_size(64 * 1024).unwrap();
        let stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// A connection with preface and empty settings sent.
    pub(crate) async fn http2(port: u16) -> Self {
        let mut peer = Self::connect(port).await;
        peer.send(PREFACE).await;
        peer.send(&frame(SETTINGS, 0, 0, &[])).await;
        peer
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame; none when the connection is over, or says nothing for longer than anything here takes.
    pub(crate) async fn receive(&mut self) -> Option<Frame> {
        tokio::time::timeout(SILENCE, self.next()).await.ok()?
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0_u8; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// The status line's first byte and the body of a stream; frames of other streams are dropped.
    pub(crate) async fn response(&mut self, stream: u32) -> Option<(u8, Vec<u8>)> {
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let frame = self.receive().await?;
            if frame.stream != stream {
                continue;
            }
            match frame.kind {
                HEADERS => status = frame.payload[0],
                DATA => body.extend(&frame.payload),
                RST_STREAM => return None,
                _ => {}
            }
            if frame.ends_stream() {
                return Some((status, body));
            }
        }
    }

    /// Reads to the end; the code of the GOAWAY that came, if one did.
    pub(crate) async fn goaway(&mut self) -> Option<u8> {
        let mut code = None;
        while let Some(frame) = self.receive().await {
            if frame.kind == GOAWAY {
                code = frame.payload.get(7).copied();
            }
        }
        code
    }
}
