//! Reading Configuration files: several, each over the ones before it, all over the built-in defaults.
//!
//! Called by the sidecar with the files of `--config`. Mappings merge key by key, lists and single values are replaced as a
//! whole, so that the last `spec.features` is the only one. Only the first document of a file counts.

use std::path::{Path, PathBuf};

use super::expand::expand;
use super::{AccessControlSpec, Configuration, MetricSpec, OtelSpec, TracingSpec};
use crate::decode::decode;
use crate::error::{Error, Problem, reason_of};
use crate::load::read_file;
use crate::node::{Body, Node, parse};
use crate::scalar::{Dialect, Meaning, meaning};

/// Single values whose absence means something; an empty value in a later file removes them. An empty value for any
/// other single value changes nothing.
const REMOVABLE: [&str; 14] = [
    "isSecure",
    "timeout",
    "enabled",
    "recordErrorCodes",
    "increasedCardinality",
    "excludeVerbs",
    "latencyDistributionUnits",
    "globalMaxConcurrentWorkflowInvocations",
    "globalMaxConcurrentActivityInvocations",
    "anyTerminal",
    "completed",
    "failed",
    "terminated",
    "configuration",
];

impl Configuration {
    /// The Configuration of a sidecar that was given none: metrics on, tracing over TLS once it has an endpoint, every
    /// app may call, and the features that are on by default.
    pub fn built_in() -> Self {
        let mut configuration = Self::default();
        configuration.add_defaults();
        configuration.add_default_features();
        configuration
    }

    fn add_defaults(&mut self) {
        let otel = OtelSpec { is_secure: Some(true), ..OtelSpec::default() };
        self.spec.tracing = Some(TracingSpec { otel: Some(otel), ..TracingSpec::default() });
        self.spec.metric = Some(MetricSpec { enabled: Some(true), ..MetricSpec::default() });
        self.spec.access_control = Some(AccessControlSpec {
            default_action: "allow".to_owned(),
            trust_domain: "public".to_owned(),
            policies: Vec::new(),
        });
    }
}

/// The built-in defaults as a document, the ground on which files are merged.
const BUILT_IN: &str = "spec: {tracing: {otel: {isSecure: true}}, metric: {enabled: true}, \
                        accessControl: {defaultAction: allow, trustDomain: public}}";

/// Reads and merges Configuration files in order.
///
/// # Errors
/// A file that cannot be read or does not fit its type is named, with line and path; so are a repeated secret store and
/// an unknown default access.
pub fn load_configuration<P: AsRef<Path>>(
    files: &[P],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Configuration, Error> {
    let mut texts = Vec::new();
    for file in files {
        let path = file.as_ref();
        let unreadable = |action, reason| Error::Unreadable { action, path: path.to_path_buf(), reason };
        std::fs::metadata(path).map_err(|error| unreadable("stat", reason_of(&error)))?;
        let content = read_file(path).map_err(|reason| unreadable("open", reason))?;
        let text = String::from_utf8(content).map_err(|_| unreadable("read", "not UTF-8 text".to_owned()))?;
        texts.push((path.to_path_buf(), text));
    }
    merge_configuration(&texts, variable)
}

/// Merges the texts of Configuration files in order; see [`load_configuration`].
///
/// # Errors
/// As [`load_configuration`], without reading files.
pub fn merge_configuration(
    files: &[(PathBuf, String)],
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Configuration, Error> {
    let mut merged = parse(BUILT_IN, 0).ok().flatten();
    let mut last = PathBuf::new();
    for (file, text) in files {
        let broken = |problem| Error::Configuration { file: file.clone(), problem };
        let Some(document) = parse(&expand(text, variable), 0).map_err(broken)? else { continue };
        check_repeated(&document).map_err(broken)?;
        // Each file is read alone first, so that a mistake that a later file covers is still named.
        decode::<Configuration>(&document, Dialect::Configuration).map_err(broken)?;
        match &mut merged {
            Some(ground) => merge(ground, without_empty_sections(document), false),
            None => merged = Some(document),
        }
        last.clone_from(file);
    }
    let mut configuration = match &merged {
        Some(document) => {
            decode(document, Dialect::Configuration).map_err(|problem| Error::Configuration { file: last, problem })?
        }
        None => Configuration::default(),
    };
    configuration.check_secrets()?;
    configuration.merge_metrics();
    configuration.add_default_features();
    Ok(configuration)
}

/// Drops `spec` and `metadata` without a value: they cannot be absent, so an empty one must not remove what is below.
fn without_empty_sections(mut document: Node) -> Node {
    if let Body::Mapping(entries) = &mut document.body {
        entries.retain(|(_, value)| !is_null(value));
    }
    document
}

/// Lays a document over another. `whole` replaces without merging: what is below may hold anything.
fn merge(ground: &mut Node, over: Node, whole: bool) {
    match (&mut ground.body, over.body) {
        (Body::Mapping(entries), Body::Mapping(news)) if !whole => {
            for (key, value) in news {
                merge_entry(entries, key, value);
            }
        }
        (_, body) => *ground = Node { place: over.place, body },
    }
}

fn merge_entry(entries: &mut Vec<(Node, Node)>, key: Node, value: Node) {
    let Some(position) = entries.iter().position(|(own, _)| own.body == key.body) else {
        entries.push((key, value));
        return;
    };
    if is_null(&value) {
        let single = entries.get(position).is_some_and(|(_, own)| matches!(own.body, Body::Scalar(_)));
        if !single || REMOVABLE.iter().any(|name| key.is_text(name)) {
            entries.remove(position);
        }
        return;
    }
    if let Some((_, own)) = entries.get_mut(position) {
        merge(own, value, key.is_text("configuration"));
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&node.body, Body::Scalar(scalar) if meaning(scalar, Dialect::Configuration) == Meaning::Null)
}

/// Refuses a key given twice in one mapping, as the target does in these files.
fn check_repeated(node: &Node) -> Result<(), Problem> {
    match &node.body {
        Body::Scalar(_) => Ok(()),
        Body::List(items) => items.iter().try_for_each(check_repeated),
        Body::Mapping(entries) => {
            let mut seen = std::collections::BTreeMap::new();
            for (key, value) in entries {
                if let Body::Scalar(scalar) = &key.body
                    && let Some(line) = seen.insert(scalar.text.as_str(), key.place.line)
                {
                    let message = format!("mapping key {:?} already defined at line {line}", scalar.text);
                    return Err(Problem::at(key.place, message));
                }
                check_repeated(value)?;
            }
            Ok(())
        }
    }
}
