//! Messages for gRPC apps.

use std::sync::{Arc, Mutex};

use telemetry::SpanContext;
use testkit::{App, Arrived, BoxedBody};
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::{Code, Request, Response, Status, async_trait};
use trilby_app::Protocol;
use trilby_app::events::{Outcome, Recipient as _};
use wire::common::{InvokeRequest, InvokeResponse};
use wire::runtime::app_callback_alpha_server::{AppCallbackAlpha, AppCallbackAlphaServer};
use wire::runtime::app_callback_server::{AppCallback, AppCallbackServer};
use wire::runtime::topic_event_bulk_request_entry::Event;
use wire::runtime::{
    JobEventRequest, JobEventResponse, TopicEventBulkRequest, TopicEventBulkResponse, TopicEventBulkResponseEntry,
    TopicEventRequest, TopicEventResponse,
};

use crate::delivered::{TOKEN, bulk, channel, event, kind, within};

const PATH: &str = "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent";

/// An app that answers as it is told, and remembers what it got.
#[derive(Clone, Default)]
struct Callback {
    status: Option<Result<i32, Code>>,
    bulk: Option<Vec<(&'static str, i32)>>,
    seen: Arc<Mutex<Vec<TopicEventRequest>>>,
    seen_bulk: Arc<Mutex<Vec<TopicEventBulkRequest>>>,
}

#[async_trait]
impl AppCallback for Callback {
    async fn on_invoke(&self, _: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        Ok(Response::new(InvokeResponse::default()))
    }

    async fn on_topic_event(
        &self,
        request: Request<TopicEventRequest>,
    ) -> Result<Response<TopicEventResponse>, Status> {
        self.seen.lock().unwrap().push(request.into_inner());
        match self.status {
            Some(Ok(status)) => Ok(Response::new(TopicEventResponse { status })),
            Some(Err(code)) => Err(Status::new(code, "as told")),
            None => Err(Status::unimplemented("nothing")),
        }
    }
}

#[async_trait]
impl AppCallbackAlpha for Callback {
    async fn on_bulk_topic_event_alpha1(
        &self,
        request: Request<TopicEventBulkRequest>,
    ) -> Result<Response<TopicEventBulkResponse>, Status> {
        self.seen_bulk.lock().unwrap().push(request.into_inner());
        let Some(told) = &self.bulk else { return Err(Status::unimplemented("nothing")) };
        let entry =
            |(id, status): &(&str, i32)| TopicEventBulkResponseEntry { entry_id: (*id).to_owned(), status: *status };
        Ok(Response::new(TopicEventBulkResponse { statuses: told.iter().map(entry).collect() }))
    }

    async fn on_job_event_alpha1(&self, _: Request<JobEventRequest>) -> Result<Response<JobEventResponse>, Status> {
        Err(Status::unimplemented("nothing"))
    }
}

impl Callback {
    async fn start(&self) -> App {
        let mut app = App::grpc();
        for path in [PATH, "/dapr.proto.runtime.v1.AppCallback/OnBulkTopicEvent"] {
            let service = AppCallbackServer::new(self.clone());
            app = app.route(path, move |arrived| {
                let mut service = service.clone();
                async move {
                    let Ok(response) = service.call(request(arrived)).await;
                    boxed(response)
                }
            });
        }
        let service = AppCallbackAlphaServer::new(self.clone());
        app.route("/dapr.proto.runtime.v1.AppCallbackAlpha/OnBulkTopicEventAlpha1", move |arrived| {
            let mut service = service.clone();
            async move {
                let Ok(response) = service.call(request(arrived)).await;
                boxed(response)
            }
        })
        .start()
        .await
    }
}

fn request(arrived: Arrived) -> ::http::Request<BoxedBody> {
    let mut request = ::http::Request::new(arrived.body);
    *request.method_mut() = arrived.method;
    *request.uri_mut() = arrived.uri;
    *request.headers_mut() = arrived.headers;
    request
}

fn boxed(response: ::http::Response<Body>) -> ::http::Response<BoxedBody> {
    response.map(service::body::boxed)
}

#[tokio::test]
async fn a_message_arrives_with_its_attributes_metadata_token_and_trace() {
    let callback = Callback { status: Some(Ok(0)), ..Callback::default() };
    let app = callback.start().await;
    let channel = channel(app.port(), Protocol::Grpc);
    let trace = SpanContext::from_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let metadata = [("Tenant", "blue"), ("content-length", "3"), ("grpc-status", "13"), ("a", "1\r\nb: 2")];
    assert_eq!(within(channel.topic_event(&event(&metadata), trace)).await, Outcome::Success);
    let seen = callback.seen.lock().unwrap()[0].clone();
    assert_eq!((&*seen.id, &*seen.topic, &*seen.pubsub_name, &*seen.path), ("1", "orders", "broker", "/orders"));
    assert_eq!(seen.data, r#"{"count":1}"#);
    let request = app.only(PATH);
    assert_eq!(request.values("tenant"), ["blue"]);
    assert_eq!(request.values("pubsubname"), ["broker"]);
    assert_eq!(request.values("dapr-api-token"), [TOKEN]);
    assert!(request.values("traceparent")[0].contains("0af7651916cd43dd8448eb211c80319c"));
    assert!(request.values("grpc-status").is_empty() && request.values("a").is_empty());
}

#[tokio::test]
async fn every_answer_has_the_outcome_of_the_target() {
    for (status, expected) in [
        (Some(Ok(0)), ("success", None)),
        (Some(Ok(1)), ("retry", None)),
        (Some(Ok(2)), ("drop", None)),
        (Some(Ok(9)), ("retry", None)),
        (None, ("drop", None)),
        (Some(Err(Code::Internal)), ("retry", Some(13))),
        (Some(Err(Code::NotFound)), ("retry", Some(5))),
        (Some(Err(Code::Unavailable)), ("retry", Some(14))),
    ] {
        let app = Callback { status, ..Callback::default() }.start().await;
        let outcome = within(channel(app.port(), Protocol::Grpc).topic_event(&event(&[]), None)).await;
        assert_eq!(kind(&outcome), expected, "{status:?}");
    }
}

#[tokio::test]
async fn many_messages_go_to_the_older_service_where_the_newer_one_is_not_there() {
    let callback = Callback { bulk: Some(vec![("b", 2), ("x", 0), ("a", 0)]), ..Callback::default() };
    let app = callback.start().await;
    let outcomes = within(channel(app.port(), Protocol::Grpc).bulk_topic_event(&bulk(), None)).await;
    assert_eq!(outcomes.iter().map(kind).collect::<Vec<_>>(), [("success", None), ("drop", None)]);
    let seen = callback.seen_bulk.lock().unwrap()[0].clone();
    assert_eq!((&*seen.id, &*seen.r#type), ("call", "com.dapr.event.sent.bulk"));
    assert_eq!(seen.metadata["pubsubName"], "broker");
    let Some(Event::CloudEvent(first)) = &seen.entries[0].event else { panic!("not a cloud event") };
    assert_eq!(first.data, r#"{"count":1}"#);
    assert_eq!(seen.entries[1].event, Some(Event::Bytes(vec![0, 255].into())));
}

#[tokio::test]
async fn messages_that_no_service_takes_are_dropped_and_missing_answers_sent_again() {
    let app = Callback::default().start().await;
    let outcomes = within(channel(app.port(), Protocol::Grpc).bulk_topic_event(&bulk(), None)).await;
    assert_eq!(outcomes.iter().map(kind).collect::<Vec<_>>(), [("drop", None), ("drop", None)]);
    let app = Callback { bulk: Some(vec![("a", 7)]), ..Callback::default() }.start().await;
    let outcomes = within(channel(app.port(), Protocol::Grpc).bulk_topic_event(&bulk(), None)).await;
    assert_eq!(outcomes.iter().map(kind).collect::<Vec<_>>(), [("retry", None), ("retry", None)]);
}

#[tokio::test]
async fn a_connection_that_died_is_made_again_and_a_missing_app_fails_no_message() {
    let callback = Callback { status: Some(Ok(0)), ..Callback::default() };
    // A port that no other test's app can be given once this one is gone.
    let port = testkit::free_port();
    let app = restart(&callback, port).await;
    let channel = channel(port, Protocol::Grpc);
    assert_eq!(within(channel.topic_event(&event(&[]), None)).await, Outcome::Success);
    drop(app);
    // Its tasks end when they get a turn; until then it may still handle a message.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    let outcome = within(channel.topic_event(&event(&[]), None)).await;
    assert_eq!(kind(&outcome), ("undelivered", None));
    let _again = restart(&callback, port).await;
    assert_eq!(within(channel.topic_event(&event(&[]), None)).await, Outcome::Success);
}

async fn restart(callback: &Callback, port: u16) -> App {
    let service = AppCallbackServer::new(callback.clone());
    App::grpc()
        .route(PATH, move |arrived| {
            let mut service = service.clone();
            async move {
                let Ok(response) = service.call(request(arrived)).await;
                boxed(response)
            }
        })
        .start_on(port)
        .await
}

#[tokio::test]
async fn an_app_that_is_slow_to_accept_is_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let callback = Callback { status: Some(Ok(0)), ..Callback::default() };
    let channel = channel(port, Protocol::Grpc);
    let event = event(&[]);
    let starting = async {
        // Longer than the second that the target waits for.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let service = AppCallbackServer::new(callback.clone());
        let serving = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new()).serve_connection(
            hyper_util::rt::TokioIo::new(stream),
            hyper::service::service_fn(move |request: ::http::Request<hyper::body::Incoming>| {
                let mut service = service.clone();
                async move { service.call(request).await }
            }),
        );
        testkit::spawn(serving);
    };
    let (outcome, ()) = within(async { tokio::join!(channel.topic_event(&event, None), starting) }).await;
    assert_eq!(outcome, Outcome::Success);
}
