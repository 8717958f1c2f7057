//! A gRPC service that no sidecar knows, with a method of each shape, and its client. It shows what a proxy has to carry:
//! metadata comes back as `echo-<name>`, failures have details and a trailer `x-trailer`.

use std::pin::Pin;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Response};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::codec::Streaming;
use tonic::metadata::{KeyAndValueRef, MetadataMap, MetadataValue};
use tonic::server::{ClientStreamingService, ServerStreamingService, StreamingService, UnaryService};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use crate::app::BoxedBody;
use crate::channel::Channel;

pub(crate) const SERVICE: &str = "testkit.Notes";

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type NoteStream = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;
type Codec = ProstCodec<Note, Note>;

/// The message of the service. What `text` asks for: `fail` an error with details, `wait` no answer for a minute.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Note {
    /// Any text.
    #[prost(string, tag = "1")]
    pub text: String,
    /// Any number; for downloads how many notes come.
    #[prost(uint32, tag = "2")]
    pub number: u32,
}

impl Note {
    /// A note with this text and number.
    #[must_use]
    pub fn new(text: &str, number: u32) -> Self {
        Self { text: text.to_owned(), number }
    }
}

impl Note {
    /// The details of the error that `fail` asks for: an encoded `google.rpc.Status`.
    #[must_use]
    pub fn failure_details() -> Vec<u8> {
        let reason = wire::google_rpc::ErrorInfo { reason: "ASKED_FOR".to_owned(), ..Default::default() };
        let details = vec![wire::Any::pack("google.rpc.ErrorInfo", &reason)];
        let code = Code::FailedPrecondition as i32;
        prost::Message::encode_to_vec(&wire::google_rpc::Status { code, message: FAILURE.to_owned(), details })
    }
}

const FAILURE: &str = "it fails: ü 100%";

fn echoed(metadata: &MetadataMap) -> MetadataMap {
    let mut echoed = MetadataMap::new();
    for pair in metadata.iter() {
        match pair {
            KeyAndValueRef::Ascii(name, value) if name.as_str().starts_with("x-") => {
                let name = format!("echo-{name}").parse::<tonic::metadata::AsciiMetadataKey>().expect("a name");
                echoed.append(name, value.clone());
            }
            KeyAndValueRef::Binary(name, value) if name.as_str().starts_with("x-") => {
                let name = tonic::metadata::BinaryMetadataKey::from_bytes(format!("echo-{name}").as_bytes());
                echoed.append_bin(name.expect("a name"), value.clone());
            }
            _ => {}
        }
    }
    echoed
}

fn failure() -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert("x-trailer", MetadataValue::from_static("of a failure"));
    let details = Note::failure_details().into();
    Status::with_details_and_metadata(Code::FailedPrecondition, FAILURE, details, metadata)
}

struct One;

impl UnaryService<Note> for One {
    type Response = Note;
    type Future = BoxFuture<Result<tonic::Response<Note>, Status>>;

    fn call(&mut self, request: tonic::Request<Note>) -> Self::Future {
        Box::pin(async move {
            match request.get_ref().text.as_str() {
                "fail" => return Err(failure()),
                "wait" => tokio::time::sleep(Duration::from_secs(60)).await,
                _ => {}
            }
            let metadata = echoed(request.metadata());
            Ok(tonic::Response::from_parts(metadata, request.into_inner(), tonic::Extensions::default()))
        })
    }
}

struct Upload;

impl ClientStreamingService<Note> for Upload {
    type Response = Note;
    type Future = BoxFuture<Result<tonic::Response<Note>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Note>>) -> Self::Future {
        Box::pin(async move {
            let metadata = echoed(request.metadata());
            let mut notes = request.into_inner();
            let mut sum = Note::default();
            while let Some(note) = notes.next().await {
                let note = note?;
                sum.text.push_str(&note.text);
                sum.number += note.number;
            }
            Ok(tonic::Response::from_parts(metadata, sum, tonic::Extensions::default()))
        })
    }
}

struct Download;

impl ServerStreamingService<Note> for Download {
    type Response = Note;
    type ResponseStream = NoteStream;
    type Future = BoxFuture<Result<tonic::Response<NoteStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Note>) -> Self::Future {
        Box::pin(async move {
            let metadata = echoed(request.metadata());
            let asked = request.into_inner();
            let (sender, receiver) = mpsc::channel(4);
            crate::runtime::spawn(async move {
                for number in 1..=asked.number {
                    if sender.send(Ok(Note::new(&asked.text, number))).await.is_err() {
                        return;
                    }
                }
                if asked.text == "fail" {
                    let _ = sender.send(Err(failure())).await;
                }
                if asked.text == "wait" {
                    sender.closed().await;
                }
            });
            let stream: NoteStream = Box::pin(ReceiverStream::new(receiver));
            Ok(tonic::Response::from_parts(metadata, stream, tonic::Extensions::default()))
        })
    }
}

struct Chat;

impl StreamingService<Note> for Chat {
    type Response = Note;
    type ResponseStream = NoteStream;
    type Future = BoxFuture<Result<tonic::Response<NoteStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Note>>) -> Self::Future {
        Box::pin(async move {
            let metadata = echoed(request.metadata());
            let answers = request.into_inner().map(|note| match note {
                Ok(note) if note.text == "fail" => Err(failure()),
                other => other,
            });
            let stream: NoteStream = Box::pin(answers);
            Ok(tonic::Response::from_parts(metadata, stream, tonic::Extensions::default()))
        })
    }
}

pub(crate) async fn serve(request: Request<BoxedBody>) -> Response<tonic::body::Body> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut grpc = tonic::server::Grpc::new(Codec::default())
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX);
    match method.as_str() {
        "One" => grpc.unary(One, request).await,
        "Upload" => grpc.client_streaming(Upload, request).await,
        "Download" => grpc.server_streaming(Download, request).await,
        "Chat" => grpc.streaming(Chat, request).await,
        other => Status::unimplemented(format!("unknown method {other}")).into_http(),
    }
}

/// The client of the service, over the gRPC port of a sidecar: every call names the app it is for.
pub struct NotesClient {
    grpc: tonic::client::Grpc<Channel>,
    app: String,
}

impl NotesClient {
    /// Calls the service of `app` through this channel.
    #[must_use]
    pub fn new(channel: Channel, app: &str) -> Self {
        let grpc = tonic::client::Grpc::new(channel)
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        Self { grpc, app: app.to_owned() }
    }

    fn prepare<T>(&self, method: &str, request: &mut tonic::Request<T>) -> PathAndQuery {
        if !self.app.is_empty() {
            request.metadata_mut().append("dapr-app-id", self.app.parse().expect("an app id is ASCII"));
        }
        PathAndQuery::try_from(format!("/{SERVICE}/{method}")).expect("a path")
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))
    }

    /// One note there, one back.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn one(&mut self, mut request: tonic::Request<Note>) -> Result<tonic::Response<Note>, Status> {
        let path = self.prepare("One", &mut request);
        self.ready().await?;
        self.grpc.unary(request, path, Codec::default()).await
    }

    /// Calls a method of any name with one note.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn unary(
        &mut self,
        path: &str,
        mut request: tonic::Request<Note>,
    ) -> Result<tonic::Response<Note>, Status> {
        self.prepare("One", &mut request);
        self.ready().await?;
        let path = path.parse().expect("a path");
        self.grpc.unary(request, path, Codec::default()).await
    }

    /// Many notes there, their sum back.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn upload<S>(&mut self, mut request: tonic::Request<S>) -> Result<tonic::Response<Note>, Status>
    where
        S: Stream<Item = Note> + Send + 'static,
    {
        let path = self.prepare("Upload", &mut request);
        self.ready().await?;
        self.grpc.client_streaming(request, path, Codec::default()).await
    }

    /// One note there, `number` notes back.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn download(
        &mut self,
        mut request: tonic::Request<Note>,
    ) -> Result<tonic::Response<Streaming<Note>>, Status> {
        let path = self.prepare("Download", &mut request);
        self.ready().await?;
        self.grpc.server_streaming(request, path, Codec::default()).await
    }

    /// Each note comes back as soon as it was sent.
    ///
    /// # Errors
    /// The status of the call.
    pub async fn chat<S>(&mut self, mut request: tonic::Request<S>) -> Result<tonic::Response<Streaming<Note>>, Status>
    where
        S: Stream<Item = Note> + Send + 'static,
    {
        let path = self.prepare("Chat", &mut request);
        self.ready().await?;
        self.grpc.streaming(request, path, Codec::default()).await
    }
}
