//! One shape for every role: environment, shutdown, tasks, listeners, metrics port.

pub mod body;
mod connections;
pub mod dial;
mod environment;
mod executor;
pub mod listen;
mod message_limit;
mod metrics_port;
mod one_call;
mod open_files;
mod profile_port;
mod reflection;
pub mod serve;
mod shutdown;
pub mod signals;
mod stream;
mod tasks;

pub use body::{Body, BodyTooLarge, BoxError, ReadError, read_bounded};
pub use connections::{Channel, Connections, Lifetimes, SendError, SendFailure};
pub use dial::{Credentials, Dialer, Endpoint};
pub use environment::Environment;
pub use executor::Executor;
pub use listen::{BindError, BoundAddress, Host, Listener};
pub use message_limit::{Excess, Messages};
pub use metrics_port::serve_metrics;
pub use one_call::call_once;
pub use open_files::raise_open_file_limit;
pub use profile_port::serve_profiles;
pub use reflection::Reflection;
pub use serve::{ConnectionInfo, Http2Keepalive, ServeOptions, ServerTls, serve};
pub use shutdown::{Reason, Shutdown};
pub use stream::Stream;
pub use tasks::Tasks;
