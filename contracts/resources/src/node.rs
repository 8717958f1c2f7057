//! YAML (and JSON, which is part of it) as a tree that remembers where everything stood.
//!
//! Used by the loader and by the reader of Configuration files; [`crate::decode`] turns the tree into types. It must not
//! decide what a plain scalar means: the two YAML dialects of the target differ there (see [`crate::scalar`]).

use granit_parser::{Event, Options, Parser, ScalarStyle, Span};

use crate::error::{Place, Problem};

/// Deepest nesting of lists and mappings; deeper documents are refused, which bounds every recursion over the tree.
const DEEPEST: usize = 128;

/// Most nodes of one document, counting what aliases repeat.
const MOST_NODES: usize = 1_000_000;

/// Most bytes of text that aliases of one document may repeat.
const MOST_REPEATED_BYTES: usize = 16 << 20;

/// One value of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) body: Body,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    Scalar(Scalar),
    List(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

/// A scalar as written: its text after escapes, whether quotes or a block marked it as a string, and its tag.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) plain: bool,
    pub(crate) tag: ScalarTag,
}

/// The tags that change what a scalar means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarTag {
    None,
    String,
    Boolean,
    Integer,
    Float,
    Null,
}

impl Node {
    /// The value of a key of a mapping, compared exactly; the last one wins.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let Body::Mapping(entries) = &self.body else { return None };
        entries.iter().rev().find(|(name, _)| name.is_text(key)).map(|(_, value)| value)
    }

    /// As [`Self::get`], but where no key is written exactly so, one in another case counts.
    pub(crate) fn get_in_any_case(&self, key: &str) -> Option<&Node> {
        let Body::Mapping(entries) = &self.body else { return None };
        let named = |name: &Node| matches!(&name.body, Body::Scalar(scalar) if scalar.text.eq_ignore_ascii_case(key));
        let other = || entries.iter().rev().find(|(name, _)| named(name)).map(|(_, value)| value);
        self.get(key).or_else(other)
    }

    /// Whether this is a scalar with exactly this text.
    pub(crate) fn is_text(&self, text: &str) -> bool {
        matches!(&self.body, Body::Scalar(scalar) if scalar.text == text)
    }

    /// How many nodes and how many bytes of text this tree has.
    fn size(&self) -> (usize, usize) {
        let add = |sum: (usize, usize), node: &Node| {
            let (nodes, bytes) = node.size();
            (sum.0.saturating_add(nodes), sum.1.saturating_add(bytes))
        };
        match &self.body {
            Body::Scalar(scalar) => (1, scalar.text.len()),
            Body::List(items) => items.iter().fold((1, 0), add),
            Body::Mapping(entries) => entries.iter().flat_map(|(key, value)| [key, value]).fold((1, 0), add),
        }
    }
}

/// Reads the first document of a text; what follows it is not looked at. None when there is nothing but comments.
///
/// `lines_before` is how many lines of the file come before the text.
///
/// # Errors
/// Names line and column of what is not YAML, or the limit that was exceeded.
pub(crate) fn parse(text: &str, lines_before: usize) -> Result<Option<Node>, Problem> {
    let mut options = Options::default();
    options.emit_comments = false;
    let mut builder = Builder::new(text, lines_before);
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| {
            let place = builder.place(error.marker().line(), error.marker().col());
            Problem::at(place, format!("not valid YAML: {}", error.kind()))
        })?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.accept(event, span)?;
    }
    Ok(builder.root)
}

/// A collection that is still open, with the anchor it defines (0 for none).
struct Open {
    place: Place,
    anchor: usize,
    mapping: bool,
    items: Vec<Node>,
}

/// Builds the tree from the parser's events.
struct Builder {
    lines_before: usize,
    cut_end: Option<usize>,
    root: Option<Node>,
    open: Vec<Open>,
    anchors: Vec<(usize, Node)>,
    nodes: usize,
    repeated: usize,
}

impl Builder {
    fn new(text: &str, lines_before: usize) -> Self {
        let last_line = text.rsplit('\n').next().unwrap_or_default();
        let cut_end = (!last_line.trim().is_empty()).then(|| text.chars().count());
        Self { lines_before, cut_end, root: None, open: Vec::new(), anchors: Vec::new(), nodes: 0, repeated: 0 }
    }

    fn place(&self, line: usize, column: usize) -> Place {
        Place { line: self.lines_before + line.max(1), column: column + 1 }
    }

    fn accept(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let place = self.place(span.start.line(), span.start.col());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag =
                    tag.as_deref().and_then(|tag| tag.core_suffix().or(Some("str"))).map_or(ScalarTag::None, tag_of);
                let mut text = text.into_owned();
                // The target's readers add no line break to a block that ends with the text, which is how every document
                // before a separator ends.
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if is_block && self.cut_end == Some(span.end.index()) && text.ends_with('\n') {
                    text.pop();
                }
                let scalar = Scalar { text, plain: style == ScalarStyle::Plain, tag };
                self.finish(Node { place, body: Body::Scalar(scalar) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.begin(place, anchor, false),
            Event::MappingStart(_, anchor, _) => self.begin(place, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.end(place),
            Event::Alias(anchor) => self.repeat(place, anchor),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, mapping: bool) -> Result<(), Problem> {
        if self.open.len() >= DEEPEST {
            return Err(Problem::at(place, format!("nested deeper than {DEEPEST} levels")));
        }
        self.open.push(Open { place, anchor, mapping, items: Vec::new() });
        Ok(())
    }

    fn end(&mut self, place: Place) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else { return Err(Problem::at(place, "not valid YAML: unexpected end")) };
        let body = if open.mapping { Body::Mapping(merged(pairs(open.items))?) } else { Body::List(open.items) };
        self.finish(Node { place: open.place, body }, open.anchor)
    }

    fn repeat(&mut self, place: Place, anchor: usize) -> Result<(), Problem> {
        let found = self.anchors.iter().rev().find(|(id, _)| *id == anchor).map(|(_, node)| node.clone());
        let Some(node) = found else { return Err(Problem::at(place, "an anchor cannot contain itself")) };
        let (nodes, bytes) = node.size();
        self.nodes = self.nodes.saturating_add(nodes);
        self.repeated = self.repeated.saturating_add(bytes);
        if self.repeated > MOST_REPEATED_BYTES {
            let limit = MOST_REPEATED_BYTES >> 20;
            return Err(Problem::at(place, format!("aliases repeat more than {limit} MiB of text")));
        }
        self.finish(node, 0)
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(Problem::at(node.place, format!("more than {MOST_NODES} values in one document")));
        }
        if anchor != 0 {
            let (nodes, bytes) = node.size();
            self.nodes = self.nodes.saturating_add(nodes);
            self.repeated = self.repeated.saturating_add(bytes);
            self.anchors.push((anchor, node.clone()));
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }
}

fn tag_of(name: &str) -> ScalarTag {
    match name {
        "bool" => ScalarTag::Boolean,
        "int" => ScalarTag::Integer,
        "float" => ScalarTag::Float,
        "null" => ScalarTag::Null,
        _ => ScalarTag::String,
    }
}

/// Pairs up keys and values, which the parser sends one after the other.
fn pairs(items: Vec<Node>) -> Vec<(Node, Node)> {
    let mut entries = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        entries.push((key, value));
    }
    entries
}

/// Replaces `<<` keys by the entries they bring; entries of the mapping itself win, then the earlier source.
fn merged(entries: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Problem> {
    let is_merge = |key: &Node| matches!(&key.body, Body::Scalar(scalar) if scalar.plain && scalar.text == "<<");
    if !entries.iter().any(|(key, _)| is_merge(key)) {
        return Ok(entries);
    }
    let (merges, mut entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| is_merge(key));
    for (_, source) in merges {
        let sources = match source.body {
            Body::List(items) => items,
            _ => vec![source],
        };
        for source in sources {
            let Body::Mapping(brought) = source.body else {
                return Err(Problem::at(source.place, "expected a mapping or a list of mappings after `<<`"));
            };
            for (key, value) in brought {
                if !entries.iter().any(|(own, _)| own.body == key.body) {
                    entries.push((key, value));
                }
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_file() {
        let node = parse("a: 1\nb:\n  - x\n", 10).unwrap().unwrap();
        assert_eq!(node.get("a").unwrap().place, Place { line: 11, column: 4 });
        let Body::List(items) = &node.get("b").unwrap().body else { panic!("a list") };
        assert_eq!(items[0].place, Place { line: 13, column: 5 });
    }

    #[test]
    fn only_the_first_document_is_read() {
        let node = parse("a: 1\n...\n: : :\n", 0).unwrap().unwrap();
        assert!(node.get("a").is_some());
        assert_eq!(parse("# nothing\n", 0).unwrap(), None);
        assert_eq!(parse("", 0).unwrap(), None);
    }

    #[test]
    fn a_block_at_the_end_has_the_line_breaks_it_was_written_with() {
        let value = |text: &str| {
            let node = parse(text, 0).unwrap().unwrap();
            let Body::Scalar(scalar) = &node.get("a").unwrap().body else { panic!("a scalar") };
            scalar.text.clone()
        };
        assert_eq!(value("a: |\n  x\n  y"), "x\ny");
        assert_eq!(value("a: |\n  x\n  y\n"), "x\ny\n");
        assert_eq!(value("a: >\n  x\n  y"), "x y");
        assert_eq!(value("a: |+\n  x\n\n"), "x\n\n");
        assert_eq!(value("a: |\n  x\n  "), "x\n");
        assert_eq!(value("a: |\n  x\nb: 1"), "x\n");
        assert_eq!(value("a: |-\n  x"), "x");
    }

    #[test]
    fn anchors_aliases_and_merges_are_resolved() {
        let node = parse("base: &b {x: 1, y: 2}\nmine:\n  <<: *b\n  y: 3\nagain: *b\n", 0).unwrap().unwrap();
        let mine = node.get("mine").unwrap();
        assert!(mine.get("x").unwrap().is_text("1"));
        assert!(mine.get("y").unwrap().is_text("3"));
        assert!(node.get("again").unwrap().get("y").unwrap().is_text("2"));
    }

    #[test]
    fn a_small_document_cannot_grow_large() {
        let mut text = "a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (previous, next) in
            ["a", "b", "c", "d", "e", "f", "g", "h"].iter().zip(["b", "c", "d", "e", "f", "g", "h", "i"])
        {
            let repeated = vec![format!("*{previous}"); 10].join(",");
            text.push_str(&format!("{next}: &{next} [{repeated}]\n"));
        }
        assert!(parse(&text, 0).unwrap_err().message.contains("values in one document"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 20].join(","));
        assert!(parse(&long, 0).unwrap_err().message.contains("repeat more than 16 MiB"));
        assert!(parse(&"[".repeat(200), 0).is_err());
        assert!(parse(&"- ".repeat(200), 0).unwrap_err().message.contains("nested deeper than 128 levels"));
        assert!(parse("a: &a [*a]\n", 0).is_err());
    }

    #[test]
    fn broken_text_is_named_with_its_line() {
        let problem = parse("a: 1\nb: [1, 2\nc: 3\n", 4).unwrap_err();
        assert!(problem.place.unwrap().line >= 6, "{problem}");
        assert!(problem.message.starts_with("not valid YAML: "), "{problem}");
    }

    #[test]
    fn json_indented_with_tabs_is_read() {
        let node = parse("{\n\t\"a\": {\n\t\t\"b\": [1, 2]\n\t}\n}\n", 0).unwrap().unwrap();
        assert!(node.get("a").unwrap().get("b").is_some());
    }
}
