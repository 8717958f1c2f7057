//! The output of an app and of its sidecar on its way to the console and to a log file: split into lines, prefixed and
//! coloured per app. `pair` starts one `forward` for each pipe. It must not interpret what it carries.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::console::Console;

/// A longer line is shown in pieces of this size, so that an app without line ends cannot fill our memory.
const LONGEST_LINE: usize = 64 * 1024;
const COLOURS: [&str; 6] = ["94", "92", "93", "95", "96", "91"];

/// What stands in front of each line of one process.
#[derive(Clone, Debug)]
pub(crate) struct Prefix {
    text: String,
    colour: &'static str,
}

impl Prefix {
    /// The prefix of the only app of a run: `== APP == `.
    pub(crate) fn of_single_app() -> Self {
        Self { text: "== APP == ".to_owned(), colour: colour(0) }
    }

    /// The prefix of one app of many, `== APP - <id> == `; the position in the run file chooses the colour.
    pub(crate) fn of_app(app_id: &str, position: usize) -> Self {
        Self { text: format!("== APP - {app_id} == "), colour: colour(position) }
    }

    /// The prefix of the sidecar of one app of many.
    pub(crate) fn of_sidecar(app_id: &str, position: usize) -> Self {
        Self { text: format!("== DAPR - {app_id} == "), colour: colour(position) }
    }

    /// One console line: prefix, the app's bytes as they are, end of line.
    pub(crate) fn render(&self, line: &[u8], coloured: bool) -> Vec<u8> {
        let mut rendered = Vec::with_capacity(self.text.len() + line.len() + 12);
        if coloured {
            rendered.extend_from_slice(format!("\x1b[{}m{}\x1b[0m", self.colour, self.text).as_bytes());
        } else {
            rendered.extend_from_slice(self.text.as_bytes());
        }
        rendered.extend_from_slice(line);
        rendered.push(b'\n');
        rendered
    }
}

fn colour(position: usize) -> &'static str {
    COLOURS.get(position % COLOURS.len()).copied().unwrap_or("94")
}

/// Where the lines of one process go.
#[derive(Clone)]
pub(crate) struct Destination {
    /// Show on the console with this prefix.
    pub(crate) console: Option<(Console, Prefix)>,
    /// Append to this file, without the prefix and without colours.
    pub(crate) file: Option<Arc<Mutex<File>>>,
}

impl Destination {
    async fn write(&self, line: &[u8]) {
        if let Some(file) = &self.file {
            let mut plain = without_colours(line);
            plain.push(b'\n');
            if let Ok(mut file) = file.lock() {
                let _ = file.write_all(&plain);
            }
        }
        if let Some((console, prefix)) = &self.console {
            console.line(prefix.render(line, console.colour())).await;
        }
    }
}

/// Carries one pipe to its destination until the last holder of the other end closes it.
pub(crate) async fn forward(mut source: impl AsyncRead + Unpin, destination: Destination) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let read = match source.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        for line in lines.push(buffer.get(..read).unwrap_or_default()) {
            destination.write(&line).await;
        }
    }
    if let Some(rest) = lines.finish() {
        destination.write(&rest).await;
    }
}

/// Splits a byte stream into lines, whatever the pieces it comes in.
#[derive(Default)]
struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.pending.extend_from_slice(line);
            lines.push(self.take());
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= LONGEST_LINE {
            lines.push(std::mem::take(&mut self.pending));
        }
        lines
    }

    fn finish(mut self) -> Option<Vec<u8>> {
        if self.pending.is_empty() { None } else { Some(self.take()) }
    }

    fn take(&mut self) -> Vec<u8> {
        let mut line = std::mem::take(&mut self.pending);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        line
    }
}

/// Takes the colour sequences (`ESC [ digits ; ... m`) out of a line.
fn without_colours(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len() + 1);
    let mut rest = line;
    while let Some(start) = rest.windows(2).position(|pair| pair == b"\x1b[") {
        let (before, sequence) = rest.split_at(start);
        plain.extend_from_slice(before);
        let body = sequence.get(2..).unwrap_or_default();
        let digits = body.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        if body.get(digits) == Some(&b'm') {
            rest = body.get(digits + 1..).unwrap_or_default();
        } else {
            plain.extend_from_slice(b"\x1b[");
            rest = body;
        }
    }
    plain.extend_from_slice(rest);
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_keeps_its_bytes_behind_the_prefix() {
        let prefix = Prefix::of_app("orders", 1);
        assert_eq!(prefix.render(b"h\xffi", false), b"== APP - orders == h\xffi\n");
        assert_eq!(prefix.render(b"hi", true), b"\x1b[92m== APP - orders == \x1b[0mhi\n");
        assert_eq!(Prefix::of_single_app().render(b"", false), b"== APP == \n");
    }

    #[test]
    fn colours_go_and_other_sequences_stay() {
        assert_eq!(without_colours(b"\x1b[1;31mred\x1b[0m and \x1b[2K"), b"red and \x1b[2K");
        assert_eq!(without_colours(b"\x1b["), b"\x1b[");
    }

    #[test]
    fn an_endless_line_is_cut_and_the_last_line_needs_no_end() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(&[b'x'; LONGEST_LINE]).len(), 1);
        assert!(lines.push(b"tail").is_empty());
        assert_eq!(lines.finish(), Some(b"tail".to_vec()));
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_the_pieces(text in "[ab\n]{0,60}", cut in 0usize..60) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let mut lines = Lines::default();
            let mut seen = lines.push(&bytes[..cut]);
            seen.extend(lines.push(&bytes[cut..]));
            seen.extend(lines.finish());
            let expected: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
