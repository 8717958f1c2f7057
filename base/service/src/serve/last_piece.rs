//! The body of a request over HTTP/1.1. hyper wakes the task of a connection whenever a piece of a body is taken, so that it reads the
//! next. After the last there is none, and the task, which mostly is the one that takes it, would be polled once more, with all its
//! layers, for nothing: such a wake ends here. Used by `http1` and `quiet`. Every other wake must reach the task.

use std::cell::Cell;
use std::pin::Pin;
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{Body, body};

thread_local! {
    /// Of which connection this thread takes a piece just now, and whether that woke it.
    static TAKING: Cell<(*const Bell, bool)> = const { Cell::new((ptr::null(), false)) };
}

/// The waker of one connection.
pub(super) struct Wakes {
    bell: Arc<Bell>,
    waker: Waker,
}

#[derive(Default)]
struct Bell {
    task: AtomicWaker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let own = Arc::as_ptr(self);
        if TAKING.get().0 == own {
            TAKING.set((own, true));
        } else {
            self.task.wake();
        }
    }
}

impl Bell {
    /// Takes a piece; also says whether that woke the connection, which does not know it yet.
    fn take<T>(self: &Arc<Self>, take: impl FnOnce() -> T) -> (T, bool) {
        struct Restored((*const Bell, bool));
        impl Drop for Restored {
            fn drop(&mut self) {
                TAKING.set(self.0);
            }
        }
        let restored = Restored(TAKING.replace((Arc::as_ptr(self), false)));
        let taken = (take(), TAKING.get().1);
        drop(restored);
        taken
    }
}

impl Wakes {
    pub(super) fn new() -> Self {
        let bell = Arc::new(Bell::default());
        Self { waker: Waker::from(Arc::clone(&bell)), bell }
    }

    /// Polls the connection, whose task is that of `context`.
    pub(super) fn poll<T>(&self, context: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> T) -> T {
        self.bell.task.register(context.waker());
        poll(&mut Context::from_waker(&self.waker))
    }

    /// The body of a request of this connection.
    pub(super) fn body(&self, incoming: Incoming) -> Body {
        if incoming.is_end_stream() {
            return body::empty();
        }
        body::boxed(Pieces { incoming, bell: Arc::clone(&self.bell) })
    }
}

/// A body as it comes.
struct Pieces {
    incoming: Incoming,
    bell: Arc<Bell>,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { incoming, bell } = &mut *self;
        let (frame, is_woken) = bell.take(|| Pin::new(&mut *incoming).poll_frame(context));
        if is_woken && !incoming.is_end_stream() {
            bell.wake_by_ref();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
