//! How a run ends: the exit code it returns and what is said. Used by `pair` and `run`. Pure.

use std::fmt;

use nix::sys::signal::Signal;

use crate::group::Ending;

/// Why an app or its sidecar did not come up.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The user asked to stop meanwhile.
    Interrupted,
    /// It cannot work. The sentence says what to do; the code is what the run returns.
    Failed { message: String, code: u8 },
}

impl StartError {
    /// A failure of ours: exit code 1.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), code: 1 }
    }
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> Self {
        Self::failed(format!("{error:#}"))
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => formatter.write_str("interrupted"),
            Self::Failed { message, .. } => formatter.write_str(message),
        }
    }
}

/// The exit code of a run whose app ended by itself: the app's own, 128 + n for signal n.
pub(crate) fn code_of(ending: Ending) -> u8 {
    match ending {
        Ending::Code(code) => u8::try_from(code & 0xff).unwrap_or(1),
        Ending::Signal(number) => u8::try_from(128 + number).unwrap_or(1),
    }
}

/// The exit code of a run whose app was told to end: 0 for the signals we send, and for the exit codes with which
/// programs report that they obeyed one; a failure of the app's own otherwise.
pub(crate) fn code_after_stop(ending: Ending) -> u8 {
    let asked = [Signal::SIGTERM as i32, Signal::SIGINT as i32, Signal::SIGKILL as i32];
    match ending {
        Ending::Signal(number) if asked.contains(&number) => 0,
        Ending::Code(code) if asked.iter().any(|number| code == 128 + number) => 0,
        other => code_of(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_ends_by_itself_gives_its_code() {
        assert_eq!(code_of(Ending::Code(7)), 7);
        assert_eq!(code_of(Ending::Signal(9)), 137);
    }

    #[test]
    fn obeying_is_no_failure_and_failing_is() {
        assert_eq!(code_after_stop(Ending::Signal(15)), 0);
        assert_eq!(code_after_stop(Ending::Code(143)), 0);
        assert_eq!(code_after_stop(Ending::Code(130)), 0);
        assert_eq!(code_after_stop(Ending::Code(3)), 3);
        assert_eq!(code_after_stop(Ending::Signal(11)), 139);
    }
}
