//! What `strace -f -y` wrote, read back: system calls with when they began and ended, and whether an answer left before
//! the sync that covers it.

use std::collections::BTreeMap;

/// The calls that are needed here.
pub const CALLS: &str =
    "trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync";

/// One system call. Times are line numbers: a line is written when the call is seen to begin, or at its end if nothing
/// else happened in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Such as `fdatasync`.
    pub name: String,
    /// What its first argument stands for: a path, or a socket.
    pub target: String,
    /// Arguments and result.
    pub text: String,
    /// When it began.
    pub began: usize,
    /// When it ended; `None` if it did not.
    pub ended: Option<usize>,
}

impl Call {
    /// Whether it ended with 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.text.trim_end().ends_with("= 0")
    }

    fn is_of(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }
}

/// Reads a trace.
#[must_use]
pub fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if rest.starts_with("<... ") {
            let Some(index) = open.remove(thread) else { continue };
            let text = rest.split_once('>').map_or("", |(_, text)| text);
            calls[index].text.push_str(text);
            calls[index].ended = Some(number);
            continue;
        }
        let Some((name, text)) = rest.split_once('(') else { continue };
        let target = text.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(target, _)| target);
        let unfinished = text.strip_suffix("<unfinished ...>");
        calls.push(Call {
            name: name.to_owned(),
            target: target.to_owned(),
            text: unfinished.unwrap_or(text).to_owned(),
            began: number,
            ended: unfinished.is_none().then_some(number),
        });
        if unfinished.is_some() {
            open.insert(thread, calls.len() - 1);
        }
    }
    calls
}

/// Follows markers (`mark` and the digits behind it) from a request that came in on a socket through a file whose path
/// contains `log` to the answer, which contains `acknowledgement`. Says how many answers there were.
///
/// # Errors
/// Sentences about answers that left before a sync that began after their data was written.
pub fn check(calls: &[Call], mark: &str, log: &str, acknowledgement: &str) -> Result<usize, String> {
    let mut asked: BTreeMap<&str, String> = BTreeMap::new();
    let mut written: BTreeMap<String, usize> = BTreeMap::new();
    let mut syncs: Vec<(usize, usize)> = Vec::new();
    let mut answers: Vec<(String, usize)> = Vec::new();
    for call in calls {
        if call.is_of(&["read", "readv", "recvfrom", "recvmsg"]) {
            if let Some(marker) = markers(&call.text, mark).pop() {
                asked.insert(&call.target, marker);
            }
        } else if call.is_of(&["write", "writev", "pwrite64", "pwritev"]) && call.target.contains(log) {
            for marker in markers(&call.text, mark) {
                if let Some(ended) = call.ended {
                    written.entry(marker).or_insert(ended);
                }
            }
        } else if call.is_of(&["fsync", "fdatasync"]) && call.target.contains(log) && call.succeeded() {
            syncs.extend(call.ended.map(|ended| (call.began, ended)));
        } else if call.is_of(&["write", "writev", "sendto", "sendmsg"])
            && call.text.contains(acknowledgement)
            && let Some(marker) = asked.remove(call.target.as_str())
        {
            answers.push((marker, call.began));
        }
    }
    let mut wrong = Vec::new();
    for (marker, answered) in &answers {
        let covered = written.get(marker).is_some_and(|ended| {
            syncs.iter().any(|(sync_began, sync_ended)| sync_began > ended && sync_ended < answered)
        });
        if !covered {
            let written = written.get(marker);
            wrong.push(format!(
                "{marker} was written at {written:?} and acknowledged at {answered}, with no sync between"
            ));
        }
    }
    if wrong.is_empty() { Ok(answers.len()) } else { Err(wrong.join("; ")) }
}

fn markers(text: &str, mark: &str) -> Vec<String> {
    let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    text.match_indices(mark).map(|(at, _)| format!("{mark}{}", digits(&text[at + mark.len()..]))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
10 recvfrom(5<socket:[7]>, "POST mark-1 ", 8192, 0, NULL, NULL) = 12
11 pwrite64(9</d/state.db-wal>, "\0mark-1\0", 4096, 24) = 4096
11 fdatasync(9</d/state.db-wal> <unfinished ...>
10 recvfrom(5<socket:[8]>, "POST mark-2 ", 8192, 0, NULL, NULL) = 12
11 <... fdatasync resumed>) = 0
10 sendto(5<socket:[7]>, "HTTP/1.1 204 No", 15, MSG_NOSIGNAL, NULL, 0) = 15
"#;

    #[test]
    fn an_answer_behind_its_sync_is_right() {
        assert_eq!(check(&calls(GOOD), "mark-", "-wal", "HTTP/1.1 204"), Ok(1));
    }

    #[test]
    fn an_answer_before_its_sync_ended_or_without_one_is_found() {
        let early = GOOD.replace("11 <... fdatasync resumed>) = 0\n", "") + "11 <... fdatasync resumed>) = 0\n";
        assert!(check(&calls(&early), "mark-", "-wal", "HTTP/1.1 204").is_err());
        let failed = GOOD.replace("resumed>) = 0", "resumed>) = -1 EIO (Input/output error)");
        assert!(check(&calls(&failed), "mark-", "-wal", "HTTP/1.1 204").is_err());
        let never = GOOD.replace("fdatasync", "unheard");
        assert!(check(&calls(&never), "mark-", "-wal", "HTTP/1.1 204").is_err());
    }
}
