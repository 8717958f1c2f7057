//! Cutting a file into documents, the way the target cuts it: at a line that begins with `---`, whatever follows on it.
//!
//! Used by the loader. It must not look inside a document: a broken one must not hide its neighbours.

/// One document of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Document<'a> {
    /// How many lines of the file come before it.
    pub(crate) lines_before: usize,
    /// Its bytes, not yet known to be text.
    pub(crate) bytes: &'a [u8],
}

const SEPARATOR: &[u8] = b"\n---";

/// Cuts a file at every line that begins with `---`; the rest of such a line is dropped. A separator on the very first
/// line stays in the first document, where YAML allows it.
pub(crate) fn split(file: &[u8]) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let mut rest = file;
    let mut lines_before = 0;
    while let Some(position) = find(rest) {
        let (bytes, after) = rest.split_at(position);
        documents.push(Document { lines_before, bytes });
        let after = after.get(1..).unwrap_or_default();
        let next_line = after.iter().position(|byte| *byte == b'\n').map_or(after.len(), |end| end + 1);
        lines_before += lines(bytes) + 1 + lines(after.get(..next_line).unwrap_or_default());
        rest = after.get(next_line..).unwrap_or_default();
    }
    if !rest.is_empty() {
        documents.push(Document { lines_before, bytes: rest });
    }
    documents
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(SEPARATOR.len()).position(|window| window == SEPARATOR)
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(file: &str) -> Vec<(usize, &str)> {
        split(file.as_bytes())
            .into_iter()
            .map(|document| (document.lines_before, std::str::from_utf8(document.bytes).unwrap()))
            .collect()
    }

    #[test]
    fn documents_end_where_a_line_begins_with_dashes() {
        assert_eq!(parts("a\n---\nb\n"), [(0, "a"), (2, "b\n")]);
        assert_eq!(parts("a\n--- # note\nb"), [(0, "a"), (2, "b")]);
        assert_eq!(parts("a\n-----\nb"), [(0, "a"), (2, "b")]);
        assert_eq!(parts("---\na"), [(0, "---\na")]);
        assert_eq!(parts("a\r\n---\r\nb\n"), [(0, "a\r"), (2, "b\n")]);
        assert_eq!(parts("a\n  ---\nb"), [(0, "a\n  ---\nb")]);
        assert_eq!(parts(""), []);
    }

    #[test]
    fn a_file_that_ends_in_a_separator_keeps_its_last_document() {
        assert_eq!(parts("a\n---"), [(0, "a")]);
        assert_eq!(parts("a\n--- "), [(0, "a")]);
        assert_eq!(parts("a\n---\n"), [(0, "a")]);
    }

    #[test]
    fn empty_documents_count_their_lines() {
        assert_eq!(parts("a\n---\n\n---\nb"), [(0, "a"), (2, ""), (4, "b")]);
        assert_eq!(parts("a\n\n\n---\nb\nc\n---\nd"), [(0, "a\n\n"), (4, "b\nc"), (7, "d")]);
    }
}
