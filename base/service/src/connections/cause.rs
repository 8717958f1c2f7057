//! What the error of a request or a connection means. Asked by the pool. Texts are for people only: nothing is told from them.

/// Whether the peer says that it did not process a request: by REFUSED_STREAM, or by a GOAWAY that leaves it out (RFC 9113
/// 6.8 and 8.7). A request that the GOAWAY covers fails otherwise, with the end of its connection.
pub(super) fn is_refused(error: &h2::Error) -> bool {
    let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
    error.is_remote() && (error.is_go_away() || refused)
}

/// Whether the peer ended the whole connection, and not because it stops.
pub(super) fn gave_up(error: &h2::Error) -> bool {
    error.is_go_away() && error.reason() != Some(h2::Reason::NO_ERROR)
}

/// An error in one line.
pub(super) fn describe(error: &h2::Error) -> String {
    format!("http2 error: {error}")
}
