//! Accepting connections for an app, with or without TLS, and routing each request.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::grpc;
use super::recording::{Marked, Record};
use super::{AppBuilder, Arrived, BoxedBody, Handler, InvokeHandler, Speaks, answers};
use crate::runtime;

struct Server {
    speaks: Speaks,
    routes: HashMap<String, Handler>,
    fallback: Option<Handler>,
    on_invoke: Option<InvokeHandler>,
    raw: Option<Bytes>,
    record: Record,
}

pub(super) async fn start(builder: AppBuilder, port: u16, record: Record) -> (u16, JoinHandle<()>, Arc<Mutex<usize>>) {
    let AppBuilder { speaks, tls, routes, fallback, on_invoke, raw, host } = builder;
    let server = Arc::new(Server { speaks, routes, fallback, on_invoke, raw, record });
    let acceptor = tls.map(TlsAcceptor::from);
    let open = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&open);
    let listening = std::net::TcpListener::bind((host, port)).expect("the port is free");
    listening.set_nonblocking(true).expect("a socket option");
    let port = listening.local_addr().expect("it is bound").port();
    let accepting = runtime::spawn(async move {
        let listener = TcpListener::from_std(listening).expect("a listening socket");
        // Connections end with the app: what is in the set is aborted when the set is dropped.
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            while connections.try_join_next().is_some() {}
            let (server, acceptor, counted) = (Arc::clone(&server), acceptor.clone(), Counted::new(&counted));
            connections.spawn(async move {
                let _counted = counted;
                let _ = stream.set_nodelay(true);
                match acceptor {
                    None if server.raw.is_some() => server.answer_bytes(stream).await,
                    None => server.serve(stream).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            server.serve(stream).await;
                        }
                    }
                }
            });
        }
    });
    (port, accepting, open)
}

struct Counted(Arc<Mutex<usize>>);

impl Counted {
    fn new(open: &Arc<Mutex<usize>>) -> Self {
        *open.lock().expect("no holder panics") += 1;
        Self(Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        *self.0.lock().expect("no holder panics") -= 1;
    }
}

impl Server {
    async fn serve(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().max_buf_size(4 << 20);
        builder.http2().max_header_list_size(8 << 20);
        let builder = if self.speaks == Speaks::Http1 { builder.http1_only() } else { builder.http2_only() };
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<BoxedBody> {
        let (request, answering) = self.record.begin(request);
        let response = self.dispatch(request).await;
        response.map(|body| Marked { body, answering }.boxed_unsync())
    }

    async fn dispatch(&self, request: Request<BoxedBody>) -> Response<BoxedBody> {
        let path = request.uri().path();
        if let Some(handler) = self.routes.get(path).or(self.fallback.as_ref()) {
            let (parts, body) = request.into_parts();
            return handler(Arrived { method: parts.method, uri: parts.uri, headers: parts.headers, body }).await;
        }
        match self.speaks {
            Speaks::Grpc => grpc::answer(request, self.on_invoke.clone()).await,
            Speaks::Http1 | Speaks::Http2 => answers::response(404, "no such route"),
        }
    }

    async fn answer_bytes(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read_buf(&mut head).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        self.record.raw(head);
        if let Some(bytes) = &self.raw {
            let _ = stream.write_all(bytes).await;
        }
        let _ = stream.shutdown().await;
        // Read on until the other side closes: a reset would take the answer away from it.
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    }
}
