//! One connection, to a server or to a cluster, and how a request goes over it. Made by `dial`, kept by `link`. A request
//! may be dropped at any await: the library discards its answer.

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, Slot, SlotAddr};
use redis::{Cmd, ErrorKind, Pipeline, RedisResult, ServerErrorKind, Value};

/// How often a request follows a key that is being moved through a cluster.
const REDIRECTS: usize = 3;

/// A connection; clones share it.
#[derive(Clone)]
pub(crate) enum Wire {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) enum Request<'a> {
    /// One command, for the node that its keys are on.
    Command(&'a Cmd),
    /// Commands in one go about one key; the answer is an array.
    Pipeline(&'a Pipeline, &'a str),
    /// Commands in one go about one key, each for itself; the answer is an array in which errors are values.
    Each(&'a Pipeline, &'a str),
    /// One command, for one node of a cluster; for the server, if it is no cluster.
    Node(&'a Cmd, &'a (String, u16)),
}

impl Wire {
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// The answer to a request.
    pub(crate) async fn ask(&mut self, request: Request<'_>) -> RedisResult<Value> {
        match (self, request) {
            (Self::One(connection), Request::Command(command) | Request::Node(command, _)) => {
                connection.req_packed_command(command).await?.extract_error()
            }
            (Self::One(connection), Request::Pipeline(pipeline, _)) => {
                let values = connection.req_packed_commands(pipeline, 0, pipeline.len()).await?;
                Value::Array(values).extract_error()
            }
            (Self::One(connection), Request::Each(pipeline, _)) => {
                connection.req_packed_commands(pipeline, 0, pipeline.len()).await.map(Value::Array)
            }
            (Self::Cluster(connection), Request::Each(pipeline, key)) => connection
                .route_pipeline(pipeline.clone(), 0, pipeline.len(), to_master_of(key))
                .await
                .map(Value::Array),
            (Self::Cluster(connection), Request::Command(command)) => ask_cluster(connection, command).await,
            (Self::Cluster(connection), Request::Node(command, (host, port))) => {
                let node = SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port };
                connection.route_command(command.clone(), RoutingInfo::SingleNode(node)).await?.extract_error()
            }
            (Self::Cluster(connection), Request::Pipeline(pipeline, key)) => {
                let values = connection.route_pipeline(pipeline.clone(), 0, pipeline.len(), to_master_of(key)).await?;
                Value::Array(values).extract_error()
            }
        }
    }
}

fn to_master_of(key: &str) -> SingleNodeRoutingInfo {
    SingleNodeRoutingInfo::SpecificNode(Route::with_slot(Slot::for_key(key), SlotAddr::Master))
}

/// The library is told not to try again, because it would also repeat what may have been done; so following a moved key,
/// where the node says that it did nothing, is done here.
async fn ask_cluster(connection: &mut ClusterConnection, command: &Cmd) -> RedisResult<Value> {
    let mut answer = connection.req_packed_command(command).await.and_then(Value::extract_error);
    for _ in 0..REDIRECTS {
        let Err(error) = &answer else { break };
        let Some((node, _)) = error.redirect_node() else { break };
        let Some((host, port)) = node.rsplit_once(':') else { break };
        let Ok(port) = port.parse() else { break };
        let node = SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port };
        answer = if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) {
            let mut pipeline = redis::pipe();
            pipeline.cmd("ASKING").add_command(command.clone());
            let values = connection.route_pipeline(pipeline, 0, 2, node).await?;
            Value::Array(values).extract_error().map(last)
        } else {
            connection
                .route_command(command.clone(), RoutingInfo::SingleNode(node))
                .await
                .and_then(Value::extract_error)
        };
    }
    answer
}

fn last(value: Value) -> Value {
    match value {
        Value::Array(mut values) => values.pop().unwrap_or(Value::Nil),
        other => other,
    }
}
