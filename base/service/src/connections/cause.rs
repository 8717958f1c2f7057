//! What the error of a request or a connection means. Asked by the pool. Texts are for people only: nothing is told from them.

use std::error::Error;

/// Whether the peer says that it did not process a request: by REFUSED_STREAM, or by a GOAWAY that leaves it out (RFC 9113
/// 6.8 and 8.7). A request that the GOAWAY covers fails otherwise, with the end of its connection.
pub(super) fn is_refused(error: &hyper::Error) -> bool {
    cause(error).is_some_and(|cause| {
        let refused = cause.is_reset() && cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        cause.is_remote() && (cause.is_go_away() || refused)
    })
}

/// Whether the peer ended the whole connection, and not because it stops.
pub(super) fn gave_up(error: &hyper::Error) -> bool {
    cause(error).is_some_and(|cause| cause.is_go_away() && cause.reason() != Some(h2::Reason::NO_ERROR))
}

fn cause(error: &hyper::Error) -> Option<&h2::Error> {
    error.source().and_then(|cause| cause.downcast_ref::<h2::Error>())
}

/// An error with its causes in one line.
pub(super) fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
