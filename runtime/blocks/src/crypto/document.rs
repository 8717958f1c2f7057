//! A document on its way through encryption or decryption: what comes in, and what goes out as it is pulled. Made by
//! `crypto`, pulled by the doors. It holds a segment and one piece of input, never more.

use std::fmt;

use bytes::Bytes;
use encryption::{Opener, Sealer};

use super::Error;

/// What is to be encrypted or decrypted, piece by piece. Implemented by the doors.
#[async_trait::async_trait]
pub trait Input: Send + 'static {
    /// The next piece; `None` after the last. An error ends it. Dropping the future loses no piece.
    async fn next(&mut self) -> Option<Result<Bytes, InputFault>>;
}

/// Why the input broke off, in words for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFault(pub String);

impl fmt::Display for InputFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

pub(super) enum Work {
    Seal(Sealer),
    Open(Opener),
    Over,
}

/// An encrypted or decrypted document, as it is made.
pub struct Document {
    input: Box<dyn Input>,
    header: Option<Bytes>,
    work: Work,
}

impl Document {
    pub(super) fn new(input: Box<dyn Input>, header: Option<Bytes>, work: Work) -> Self {
        Self { input, header, work }
    }

    /// The next bytes; `None` when the document is whole. After an error there is nothing more, and what came before it
    /// must not be taken for the whole. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        if let Some(header) = self.header.take() {
            return Some(Ok(header));
        }
        loop {
            match self.work.next() {
                Ok(Some(segment)) => return Some(Ok(segment)),
                Ok(None) => {}
                Err(error) => return Some(Err(self.failed(error))),
            }
            if matches!(self.work, Work::Over) {
                return None;
            }
            match self.input.next().await {
                Some(Ok(piece)) => self.work.push(&piece),
                Some(Err(fault)) => return Some(Err(self.failed(fault))),
                None => {
                    let last = std::mem::replace(&mut self.work, Work::Over).finish();
                    return last.map_err(|error| self.failed(error)).transpose();
                }
            }
        }
    }

    fn failed(&mut self, error: impl fmt::Display) -> Error {
        self.work = Work::Over;
        Error::Document { message: error.to_string() }
    }
}

impl Work {
    fn push(&mut self, piece: &Bytes) {
        match self {
            Self::Seal(sealer) => sealer.push(piece),
            Self::Open(opener) => opener.push(piece),
            Self::Over => {}
        }
    }

    fn next(&mut self) -> Result<Option<Bytes>, encryption::Error> {
        match self {
            Self::Seal(sealer) => sealer.segment(),
            Self::Open(opener) => opener.segment(),
            Self::Over => Ok(None),
        }
    }

    fn finish(self) -> Result<Option<Bytes>, encryption::Error> {
        match self {
            Self::Seal(sealer) => sealer.finish(),
            Self::Open(opener) => opener.finish(),
            Self::Over => Ok(None),
        }
    }
}
