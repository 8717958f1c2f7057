//! The paths whose instructions are counted. Called by `main`.

use anyhow::ensure;
use bytes::Bytes;
use http::{Method, StatusCode};
use service::Tasks;
use wire::common::StateItem;
use wire::runtime::{GetStateRequest, PublishEventRequest, SaveStateRequest};

use crate::client::{Grpc, Http};
use crate::parties::Parties;

const SIZE: usize = 1024;
const STORE: &str = "store";
const BROKER: &str = "broker";
const KEY: &str = "k";

/// One kind of call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    InvokeHttp,
    StateGetHttp,
    StateSetHttp,
    StateGetGrpc,
    StateSetGrpc,
    PublishHttp,
    PublishGrpc,
}

impl Path {
    /// All.
    pub(crate) const ALL: [Self; 7] = [
        Self::InvokeHttp,
        Self::StateGetHttp,
        Self::StateSetHttp,
        Self::StateGetGrpc,
        Self::StateSetGrpc,
        Self::PublishHttp,
        Self::PublishGrpc,
    ];

    /// Its name in `benches/counts.toml`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::InvokeHttp => "invoke-http",
            Self::StateGetHttp => "state-get-http",
            Self::StateSetHttp => "state-set-http",
            Self::StateGetGrpc => "state-get-grpc",
            Self::StateSetGrpc => "state-set-grpc",
            Self::PublishHttp => "publish-http",
            Self::PublishGrpc => "publish-grpc",
        }
    }

    /// Makes so many calls, one after the other.
    ///
    /// # Errors
    /// When a call is not answered as it should be.
    pub(crate) async fn drive(self, parties: &Parties, calls: u64, tasks: &Tasks) -> anyhow::Result<()> {
        // Whatever is read must be there; the same for every path, so that the start costs the same.
        let mut http = Http::connect(parties.http, tasks).await?;
        expect(&mut http, &Method::POST, &format!("/v1.0/state/{STORE}"), &entries()).await?;
        match self {
            Self::StateGetGrpc | Self::StateSetGrpc | Self::PublishGrpc => {
                let mut grpc = Grpc::connect(parties.grpc, tasks).await?;
                for _ in 0..calls {
                    self.call_grpc(&mut grpc).await?;
                }
            }
            Self::InvokeHttp | Self::StateGetHttp | Self::StateSetHttp | Self::PublishHttp => {
                let (method, path, body) = self.request(parties);
                for _ in 0..calls {
                    expect(&mut http, &method, &path, &body).await?;
                }
            }
        }
        Ok(())
    }

    fn request(self, parties: &Parties) -> (Method, String, Bytes) {
        let value = Bytes::from(value());
        match self {
            Self::StateGetHttp => (Method::GET, format!("/v1.0/state/{STORE}/{KEY}"), Bytes::new()),
            Self::StateSetHttp => (Method::POST, format!("/v1.0/state/{STORE}"), entries()),
            Self::PublishHttp => (Method::POST, format!("/v1.0/publish/{BROKER}/topic"), value),
            _ => (Method::POST, format!("/v1.0/invoke/{}/method/echo", parties.callee), value),
        }
    }

    async fn call_grpc(self, client: &mut Grpc) -> anyhow::Result<()> {
        match self {
            Self::StateGetGrpc => {
                let request =
                    GetStateRequest { store_name: STORE.to_owned(), key: KEY.to_owned(), ..GetStateRequest::default() };
                client.call("GetState", &request).await
            }
            Self::StateSetGrpc => {
                let item = StateItem { key: KEY.to_owned(), value: value().into(), ..StateItem::default() };
                let request = SaveStateRequest { store_name: STORE.to_owned(), states: vec![item] };
                client.call("SaveState", &request).await
            }
            _ => {
                let request = PublishEventRequest {
                    pubsub_name: BROKER.to_owned(),
                    topic: "topic".to_owned(),
                    data: value().into(),
                    data_content_type: "application/json".to_owned(),
                    ..PublishEventRequest::default()
                };
                client.call("PublishEvent", &request).await
            }
        }
    }
}

/// A JSON string of about a kilobyte.
fn value() -> String {
    format!("\"{}\"", "x".repeat(SIZE - 2))
}

fn entries() -> Bytes {
    Bytes::from(format!("[{{\"key\":\"{KEY}\",\"value\":{}}}]", value()))
}

async fn expect(client: &mut Http, method: &Method, path: &str, body: &Bytes) -> anyhow::Result<()> {
    let status = client.call(method, path, body).await?;
    ensure!(status == StatusCode::OK || status == StatusCode::NO_CONTENT, "{method} {path} was answered {status}");
    Ok(())
}
