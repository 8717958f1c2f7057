//! Every resource of some files with the place of everything in it, whoever it is for. Used to judge files without starting
//! anything; it reads as the loader does and decides nothing.

use std::path::{Path, PathBuf};

use crate::component::Component;
use crate::decode::decode;
use crate::document::split;
use crate::error::{Error, Place, Problem};
use crate::http_endpoint::HttpEndpoint;
use crate::load::{ResourceFile, Selection, Warning, load_files, read_file, read_folder, text_of, type_of};
use crate::meta::Resource;
use crate::node::{Body, Node, parse};
use crate::scalar::Dialect;

/// The kinds that resource files hold.
pub const RESOURCE_KINDS: [&str; 7] =
    ["Component", "Configuration", "HTTPEndpoint", "MCPServer", "Resiliency", "Subscription", "WorkflowAccessPolicy"];

/// One step into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// The value of a key.
    Key(&'a str),
    /// An item of a list, counted from 0.
    Item(usize),
}

/// A resource and where it stands.
#[derive(Clone, Debug)]
pub struct Found<R> {
    /// The resource.
    pub resource: R,
    /// The file.
    pub file: PathBuf,
    tree: Node,
}

/// A document of a kind that nobody reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The file.
    pub file: PathBuf,
    /// Where its kind, or else the document, stands.
    pub place: Place,
    /// API version as written.
    pub api_version: String,
    /// Kind as written; empty if there is none.
    pub kind: String,
}

/// What some files hold.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// All components, in order.
    pub components: Vec<Found<Component>>,
    /// All HTTP endpoints, in order.
    pub http_endpoints: Vec<Found<HttpEndpoint>>,
    /// How many resources could be read, of all kinds.
    pub readable: usize,
    /// What the loader would skip, and why.
    pub warnings: Vec<Warning>,
    /// Documents of kinds that nobody reads.
    pub strangers: Vec<Stranger>,
}

impl<R> Found<R> {
    /// Where a part of the resource stands; as much of the path as there is.
    pub fn place(&self, path: &[Step<'_>]) -> Place {
        let mut node = &self.tree;
        for step in path {
            let next = match (step, &node.body) {
                (Step::Key(key), _) => node.get(key),
                (Step::Item(index), Body::List(items)) => items.get(*index),
                (Step::Item(_), Body::Scalar(_) | Body::Mapping(_)) => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node.place
    }
}

/// Reads files, and the YAML files directly in folders.
///
/// # Errors
/// When a path cannot be read.
pub fn survey<P: AsRef<Path>>(paths: &[P]) -> Result<Survey, Error> {
    let (mut files, mut warnings) = (Vec::new(), Vec::new());
    for path in paths.iter().map(AsRef::as_ref) {
        if path.is_dir() {
            read_folder(path, &mut files, &mut warnings)?;
        } else {
            let unreadable = |reason| Error::Unreadable { action: "open", path: path.to_path_buf(), reason };
            files.push(ResourceFile { path: path.to_path_buf(), content: read_file(path).map_err(unreadable)? });
        }
    }
    let loaded = load_files(&files, &Selection::default());
    warnings.extend(loaded.warnings);
    let mut survey = Survey { readable: loaded.origins.len(), warnings, ..Survey::default() };
    for file in &files {
        for document in split(&file.content) {
            // What is wrong with a document stands among the warnings already.
            let Ok(text) = text_of(&document) else { continue };
            let Ok(Some(tree)) = parse(text, document.lines_before) else { continue };
            survey.sort(&file.path, tree);
        }
    }
    Ok(survey)
}

impl Survey {
    fn sort(&mut self, file: &Path, tree: Node) {
        let Ok(Some((version, kind))) = type_of(&tree) else { return };
        let (version, kind) = (version.to_owned(), kind.to_owned());
        match kind.as_str() {
            Component::KIND if version == Component::API_VERSION => self.components.extend(found(file, tree)),
            HttpEndpoint::KIND if version == HttpEndpoint::API_VERSION => {
                self.http_endpoints.extend(found(file, tree));
            }
            known if RESOURCE_KINDS.contains(&known) && !matches!(known, Component::KIND | HttpEndpoint::KIND) => {}
            _ => {
                let place = tree.get_in_any_case("kind").unwrap_or(&tree).place;
                self.strangers.push(Stranger { file: file.to_path_buf(), place, api_version: version, kind });
            }
        }
    }
}

fn found<R: Resource>(file: &Path, tree: Node) -> Option<Found<R>> {
    let decoded: Result<R, Problem> = decode(&tree, Dialect::Resource);
    decoded.ok().map(|resource| Found { resource, file: file.to_path_buf(), tree })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_resource_has_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        let text = "kind: Componnet\n---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: store\n\
                    spec:\n  type: state.x\n  metadata:\n  - name: a\n    value: b\n";
        std::fs::write(&file, text).unwrap();
        let survey = survey(&[folder.path()]).unwrap();
        let [component] = survey.components.as_slice() else { panic!("not one component") };
        let line = |path: &[Step<'_>]| component.place(path).line;
        assert_eq!(line(&[Step::Key("spec"), Step::Key("type")]), 8);
        assert_eq!(line(&[Step::Key("spec"), Step::Key("metadata"), Step::Item(0), Step::Key("value")]), 11);
        assert_eq!(line(&[Step::Key("spec"), Step::Key("metadata"), Step::Item(7)]), 10);
        assert_eq!(component.file, file);
        let [stranger] = survey.strangers.as_slice() else { panic!("not one stranger") };
        assert_eq!((stranger.kind.as_str(), stranger.place.line), ("Componnet", 1));
        assert_eq!(survey.readable, 1);
    }

    #[test]
    fn a_path_that_is_not_there_is_said() {
        assert!(survey(&["/no/such/file.yaml"]).is_err());
    }
}
