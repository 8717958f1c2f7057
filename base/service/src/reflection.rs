//! gRPC server reflection (v1 and v1alpha), for the ports where the target has it. The descriptors are read at the first
//! question, so that a process nobody asks pays nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;

use http::{Request, Response};
use tonic_reflection::server::Builder;
use tower_service::Service as _;

use crate::{Body, body};

const V1: &str = "/grpc.reflection.v1.ServerReflection/";
const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/";

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
type Handler = Box<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// The reflection service of one port.
pub struct Reflection {
    descriptors: &'static [u8],
    services: &'static [&'static str],
    handler: OnceLock<Result<Handler, String>>,
}

impl Reflection {
    /// Tells of these services, described by an encoded `FileDescriptorSet`.
    #[must_use]
    pub const fn new(descriptors: &'static [u8], services: &'static [&'static str]) -> Self {
        Self { descriptors, services, handler: OnceLock::new() }
    }

    /// Whether a request for this path is one of reflection.
    #[must_use]
    pub fn serves(path: &str) -> bool {
        path.starts_with(V1) || path.starts_with(V1ALPHA)
    }

    /// Answers a request of reflection.
    pub async fn handle(&self, request: Request<Body>) -> Response<Body> {
        match self.handler.get_or_init(|| self.build()) {
            Ok(handler) => handler(request).await,
            Err(error) => tonic::Status::internal(error.clone()).into_http(),
        }
    }

    fn builder(&self) -> Builder<'static> {
        let builder = Builder::configure().register_encoded_file_descriptor_set(self.descriptors);
        self.services.iter().fold(builder, |builder, service| builder.with_service_name(*service))
    }

    fn build(&self) -> Result<Handler, String> {
        let v1 = self.builder().build_v1().map_err(|error| error.to_string())?;
        let v1alpha = self.builder().build_v1alpha().map_err(|error| error.to_string())?;
        Ok(Box::new(move |request| {
            let (mut v1, mut v1alpha) = (v1.clone(), v1alpha.clone());
            Box::pin(async move {
                let answered = if request.uri().path().starts_with(V1) {
                    v1.call(request).await
                } else {
                    v1alpha.call(request).await
                };
                match answered {
                    Ok(response) => response.map(body::boxed),
                    Err(never) => match never {},
                }
            })
        }))
    }
}
