//! A server that says who called.

use std::sync::Arc;

use http::{Request, Response};
use hyper::service::service_fn;
use identity::Security;
use security::Peer;
use service::{
    Body, Connections, Credentials, Dialer, Endpoint, Host, Lifetimes, ServeOptions, ServerTls, Shutdown, Tasks,
};

pub(crate) struct Server {
    pub(crate) address: String,
    shutdown: Shutdown,
}

impl Server {
    /// Answers every request with the id of the caller and the number of the caller's port.
    pub(crate) async fn start(security: &Security) -> Self {
        Self::with(security.server(&[b"h2"]).unwrap()).await
    }

    /// The same, but it never ends a connection because of a certificate.
    pub(crate) async fn start_careless(security: &Security) -> Self {
        let config = identity::server_config(security.held(), Some(security.anchors()), &[b"h2"]).unwrap();
        Self::with(ServerTls::new(config)).await
    }

    async fn with(tls: ServerTls) -> Self {
        let (shutdown, tasks) = (Shutdown::new(), Tasks::new());
        let host = Host::parse("127.0.0.1").unwrap();
        let listener = service::listen::bind_tcp("a test", &host, 0).await.unwrap();
        let address = listener.address().to_string();
        let options = ServeOptions { tls: Some(tls), ..ServeOptions::default() };
        let told = service_fn(|request: Request<service::Body>| async move {
            let port = request.extensions().get::<service::ConnectionInfo>().unwrap().peer.unwrap().port();
            let who = Peer::of(request.extensions()).id().map_or("nobody".to_owned(), ToString::to_string);
            Ok::<_, std::convert::Infallible>(Response::new(service::body::full(format!("{who} {port}"))))
        });
        tasks.spawn("server", service::serve(listener, told, options, shutdown.clone(), tasks.clone()));
        Self { address, shutdown }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

/// A pool of connections with these credentials.
pub(crate) fn pool(credentials: Arc<dyn Credentials>) -> Connections {
    Connections::new(Dialer::with_credentials(credentials), true, Lifetimes::default(), Tasks::new())
}

/// Calls `peer` there: the id that it saw, and our port as it saw it.
pub(crate) async fn call(pool: &Connections, address: &str, peer: &str) -> Result<(String, String), String> {
    let request = Request::builder().uri("https://any/").body(service::body::empty()).unwrap();
    let answer = pool.send(Endpoint { address, peer }, request).await.map_err(|error| error.reason().to_owned())?;
    let text = read(answer.into_body()).await;
    let (who, port) = text.split_once(' ').unwrap();
    Ok((who.to_owned(), port.to_owned()))
}

async fn read(body: Body) -> String {
    let bytes = service::read_bounded(body, 1024).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
