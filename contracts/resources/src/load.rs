//! Reading resources from folders: every document of the YAML files directly in each folder, sorted into kinds.
//!
//! Called by the sidecar at start and when a folder changes. It logs nothing and stops nothing: what was skipped is in
//! [`Loaded::warnings`], and each kind has a result of its own because the target treats a failure differently per kind.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::component::Component;
use crate::decode::decode;
use crate::document::{Document, split};
use crate::error::{Duplicate, Error, Place, Problem, reason_of};
use crate::http_endpoint::HttpEndpoint;
use crate::mcp_server::McpServer;
use crate::meta::Resource;
use crate::node::{Body, Node, parse};
use crate::resiliency::Resiliency;
use crate::scalar::Dialect;
use crate::subscription::{Subscription, SubscriptionV1};
use crate::workflow_access_policy::WorkflowAccessPolicy;

/// Largest file that is read. The target has no bound on files, but never returns on a document of 64 KiB or more.
pub const LARGEST_FILE: u64 = 16 << 20;

/// For whom resources are loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The app's id; resources whose scopes leave it out are left out.
    pub app_id: String,
    /// The value of the variable `NAMESPACE`; none or empty means that namespaces of resources are ignored. A resource
    /// without a namespace always fits.
    pub namespace: Option<String>,
}

/// The content of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceFile {
    /// Its path, for messages.
    pub path: PathBuf,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// Where a resource was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its kind, for example `Component`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// The line on which its document begins.
    pub line: usize,
}

/// All resources of some folders that are for one app, in the order of folders, file names and documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Components; fails when a name is given twice.
    pub components: Result<Vec<Component>, Error>,
    /// HTTP endpoints; fails when a name is given twice.
    pub http_endpoints: Result<Vec<HttpEndpoint>, Error>,
    /// Tool servers; fails when a name is given twice.
    pub mcp_servers: Result<Vec<McpServer>, Error>,
    /// Workflow access policies; fails when a name is given twice.
    pub workflow_access_policies: Result<Vec<WorkflowAccessPolicy>, Error>,
    /// Subscriptions of both versions. Names may repeat and namespaces are ignored, as in the target.
    pub subscriptions: Vec<Subscription>,
    /// Resiliency policies. Names may repeat and namespaces are ignored, as in the target.
    pub resiliencies: Vec<Resiliency>,
    /// What was skipped and why, for the log.
    pub warnings: Vec<Warning>,
    /// Where each readable resource came from, also those that are for other apps.
    pub origins: Vec<Origin>,
}

impl Loaded {
    /// Where a resource was read from; the first one of that name.
    pub fn origin(&self, kind: &str, name: &str) -> Option<&Origin> {
        self.origins.iter().find(|origin| origin.kind == kind && origin.name == name)
    }
}

/// Something that was skipped. Its text is a log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A file of a folder that is not YAML by its name.
    NotYaml(PathBuf),
    /// A file that could not be read.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A document that is not YAML, or does not fit its kind.
    Document {
        /// Its kind, if that much could be read.
        kind: Option<&'static str>,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: Problem,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYaml(file) => {
                let name = file.file_name().unwrap_or(file.as_os_str()).display();
                write!(out, "A non-YAML resource file {name} was detected, it will not be loaded")
            }
            Self::Unreadable { file, reason } => {
                write!(out, "daprd load resource error when opening file {}: {reason}", file.display())
            }
            Self::Document { kind, file, problem } => {
                let (kind, file) = (kind.unwrap_or("resource"), file.display());
                write!(out, "daprd load {kind} error when parsing manifests yaml resource in {file}: {problem}")
            }
        }
    }
}

/// Reads all resources for an app from the YAML files directly in each folder.
///
/// # Errors
/// Only when a folder itself cannot be read; everything else is in the answer.
pub fn load_folders<P: AsRef<Path>>(folders: &[P], selection: &Selection) -> Result<Loaded, Error> {
    let mut files = Vec::new();
    let mut warnings = Vec::new();
    for folder in folders {
        read_folder(folder.as_ref(), &mut files, &mut warnings)?;
    }
    let mut loaded = load_files(&files, selection);
    warnings.append(&mut loaded.warnings);
    Ok(Loaded { warnings, ..loaded })
}

/// Reads all resources for an app from files already in memory, in the order given.
pub fn load_files(files: &[ResourceFile], selection: &Selection) -> Loaded {
    let mut collected = Collected::default();
    for file in files {
        for document in split(&file.content) {
            collected.add(&file.path, &document);
        }
    }
    collected.subscriptions.retain(|subscription| subscription.is_in_scope(&selection.app_id));
    collected.resiliencies.retain(|resiliency| resiliency.is_in_scope(&selection.app_id));
    Loaded {
        components: select(collected.components, selection),
        http_endpoints: select(collected.http_endpoints, selection),
        mcp_servers: select(collected.mcp_servers, selection),
        workflow_access_policies: select(collected.workflow_access_policies, selection),
        subscriptions: collected.subscriptions,
        resiliencies: collected.resiliencies,
        warnings: collected.warnings,
        origins: collected.origins,
    }
}

/// Reads one document, YAML or JSON, into a kind, whatever its own kind says.
///
/// # Errors
/// Names the place, the path and what was expected; an empty document is a problem too.
pub fn parse_resource<R: Resource>(text: &str) -> Result<R, Problem> {
    match parse(text, 0)? {
        Some(node) => decode(&node, Dialect::Resource),
        None => Err(Problem::of_file(format!("expected a {}, found an empty document", R::KIND))),
    }
}

/// Whether a file name ends in `.yaml` or `.yml`, in any case.
pub fn is_yaml_name(name: &Path) -> bool {
    name.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("yaml") || ending.eq_ignore_ascii_case("yml"))
}

pub(crate) fn read_folder(
    folder: &Path,
    files: &mut Vec<ResourceFile>,
    warnings: &mut Vec<Warning>,
) -> Result<(), Error> {
    let unreadable = |error: std::io::Error| Error::Unreadable {
        action: "open",
        path: folder.to_path_buf(),
        reason: reason_of(&error),
    };
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            entries.push(entry.file_name());
        }
    }
    entries.sort();
    for name in entries {
        let path = folder.join(&name);
        if !is_yaml_name(Path::new(&name)) {
            warnings.push(Warning::NotYaml(path));
            continue;
        }
        match read_file(&path) {
            Ok(content) => files.push(ResourceFile { path, content }),
            Err(reason) => warnings.push(Warning::Unreadable { file: path, reason }),
        }
    }
    Ok(())
}

/// Reads a whole regular file of bounded size. Pipes and devices are refused: reading them could wait for ever.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| reason_of(&error))?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let file = File::open(path).map_err(|error| reason_of(&error))?;
    let mut content = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut content).map_err(|error| reason_of(&error))?;
    if content.len() as u64 > LARGEST_FILE {
        return Err(format!("larger than {} MiB", LARGEST_FILE >> 20));
    }
    Ok(content)
}

/// Keeps what is for this namespace and app. A name counts as taken only by a resource that is kept, as in the target.
fn select<R: Resource>(resources: Vec<R>, selection: &Selection) -> Result<Vec<R>, Error> {
    let own = selection.namespace.as_deref().unwrap_or_default();
    let mut kept: Vec<R> = Vec::new();
    let mut duplicates = Vec::new();
    for resource in resources {
        let ignored = own.is_empty() || resource.namespace().is_empty();
        if !ignored && resource.namespace() != own {
            continue;
        }
        if let Some(existing) = kept.iter().find(|other| other.name() == resource.name()) {
            let (name, existing) = (resource.log_name(), existing.log_name());
            duplicates.push(Duplicate { kind: R::KIND, name, existing });
        } else if resource.is_in_scope(&selection.app_id) {
            kept.push(resource);
        }
    }
    if duplicates.is_empty() { Ok(kept) } else { Err(Error::Duplicates(duplicates)) }
}

/// Everything read so far, of all apps and namespaces.
#[derive(Default)]
struct Collected {
    components: Vec<Component>,
    http_endpoints: Vec<HttpEndpoint>,
    mcp_servers: Vec<McpServer>,
    workflow_access_policies: Vec<WorkflowAccessPolicy>,
    subscriptions: Vec<Subscription>,
    resiliencies: Vec<Resiliency>,
    warnings: Vec<Warning>,
    origins: Vec<Origin>,
}

impl Collected {
    fn add(&mut self, file: &Path, document: &Document<'_>) {
        let mut kind = None;
        if let Err(problem) = self.try_add(file, document, &mut kind) {
            self.warnings.push(Warning::Document { kind, file: file.to_path_buf(), problem });
        }
    }

    fn try_add(
        &mut self,
        file: &Path,
        document: &Document<'_>,
        kind: &mut Option<&'static str>,
    ) -> Result<(), Problem> {
        let text = text_of(document)?;
        let Some(node) = parse(text, document.lines_before)? else { return Ok(()) };
        let Some((version, name)) = type_of(&node)? else { return Ok(()) };
        let mut reading = Reading { node: &node, file, version, wanted: name, kind, origins: &mut self.origins };
        reading.read(&mut self.components)?;
        reading.read(&mut self.http_endpoints)?;
        reading.read(&mut self.mcp_servers)?;
        reading.read(&mut self.workflow_access_policies)?;
        reading.read(&mut self.subscriptions)?;
        reading.read_any_version(&mut self.resiliencies)?;
        let mut older: Vec<SubscriptionV1> = Vec::new();
        reading.read(&mut older)?;
        self.subscriptions.extend(older.into_iter().map(Subscription::from));
        Ok(())
    }
}

pub(crate) fn text_of<'a>(document: &Document<'a>) -> Result<&'a str, Problem> {
    std::str::from_utf8(document.bytes).map_err(|error| {
        let good = document.bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = document.lines_before + good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        Problem::at(Place { line, column }, "not UTF-8 text")
    })
}

/// API version and kind of a document, their keys in any case; none when it is empty.
pub(crate) fn type_of(node: &Node) -> Result<Option<(&str, &str)>, Problem> {
    let Body::Mapping(_) = &node.body else {
        if let Body::Scalar(scalar) = &node.body
            && scalar.plain
            && matches!(scalar.text.as_str(), "" | "~" | "null")
        {
            return Ok(None);
        }
        return Err(Problem::at(node.place, "expected a mapping with apiVersion and kind"));
    };
    let text = |key: &str| match node.get_in_any_case(key).map(|value| &value.body) {
        Some(Body::Scalar(scalar)) => scalar.text.as_str(),
        _ => "",
    };
    Ok(Some((text("apiVersion"), text("kind"))))
}

/// One document whose kind is known, being offered to each kind in turn.
struct Reading<'a> {
    node: &'a Node,
    file: &'a Path,
    version: &'a str,
    wanted: &'a str,
    kind: &'a mut Option<&'static str>,
    origins: &'a mut Vec<Origin>,
}

impl Reading<'_> {
    fn read<R: Resource>(&mut self, into: &mut Vec<R>) -> Result<(), Problem> {
        if self.version == R::API_VERSION { self.read_any_version(into) } else { Ok(()) }
    }

    /// The target does not look at the API version of Resiliency documents; ours must at least be of its group.
    fn read_any_version<R: Resource>(&mut self, into: &mut Vec<R>) -> Result<(), Problem> {
        if self.wanted != R::KIND || !(self.version.is_empty() || self.version.starts_with("dapr.io/")) {
            return Ok(());
        }
        *self.kind = Some(R::KIND);
        let resource: R = decode(self.node, Dialect::Resource)?;
        if let Some(reason) = unusable_name(resource.name()) {
            let message = format!("invalid name {:?} for {:?}: {reason}", resource.name(), R::KIND);
            let place = self.node.get("metadata").and_then(|metadata| metadata.get("name")).unwrap_or(self.node).place;
            return Err(Problem { place: Some(place), path: "metadata.name".to_owned(), message });
        }
        let name = resource.name().to_owned();
        let (file, line) = (self.file.to_path_buf(), self.node.place.line);
        self.origins.push(Origin { kind: R::KIND, name, file, line });
        into.push(resource);
        Ok(())
    }
}

/// Why a name cannot be a segment of a path, if it cannot.
fn unusable_name(name: &str) -> Option<String> {
    if name == "." || name == ".." {
        return Some(format!("may not be '{name}'"));
    }
    let bad: Vec<_> = ["/", "%"].iter().filter(|part| name.contains(**part)).collect();
    let reasons: Vec<_> = bad.iter().map(|part| format!("may not contain '{part}'")).collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}
