//! The objects of the server, their versions, and what happened to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Account;

/// Collection, namespace and name.
pub(super) type Place = (String, String, String);

#[derive(Default)]
pub(super) struct Objects {
    pub(super) revision: u64,
    objects: BTreeMap<Place, Value>,
    history: Vec<Happened>,
    /// Nothing older is known.
    pub(super) oldest: u64,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) hides_audiences: bool,
    pub(super) demanded: Option<String>,
    pub(super) refusals: Vec<Refusing>,
}

/// Requests that get a status instead of an answer.
pub(super) struct Refusing {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) times: u32,
}

struct Happened {
    revision: u64,
    kind: &'static str,
    place: Place,
    object: Value,
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

impl Objects {
    pub(super) fn put(&mut self, collection: &str, mut object: Value) -> Value {
        let name = text(&object, "/metadata/name").to_owned();
        assert!(!name.is_empty(), "an object needs a name: {object}");
        let place = (collection.to_owned(), text(&object, "/metadata/namespace").to_owned(), name);
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let kind = if self.objects.contains_key(&place) { "MODIFIED" } else { "ADDED" };
        self.objects.insert(place.clone(), object.clone());
        self.history.push(Happened { revision: self.revision, kind, place, object: object.clone() });
        object
    }

    pub(super) fn delete(&mut self, collection: &str, namespace: &str, name: &str) {
        let place = (collection.to_owned(), namespace.to_owned(), name.to_owned());
        let mut object = self.objects.remove(&place).expect("the object is there");
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.history.push(Happened { revision: self.revision, kind: "DELETED", place, object });
    }

    pub(super) fn get(&self, collection: &str, namespace: &str, name: &str) -> Option<Value> {
        self.objects.get(&(collection.to_owned(), namespace.to_owned(), name.to_owned())).cloned()
    }

    pub(super) fn list(&self, collection: &str, namespace: Option<&str>) -> Vec<Value> {
        let wanted = |place: &Place| belongs(place, collection, namespace);
        self.objects.iter().filter(|(place, _)| wanted(place)).map(|(_, object)| object.clone()).collect()
    }

    /// What happened after a version, as the events of a watch.
    pub(super) fn since(&self, revision: u64, collection: &str, namespace: Option<&str>) -> Vec<Value> {
        let happened = self.history.iter().filter(|happened| happened.revision > revision);
        let here = happened.filter(|happened| belongs(&happened.place, collection, namespace));
        here.map(|happened| json!({"type": happened.kind, "object": happened.object})).collect()
    }

    pub(super) fn forget_history(&mut self) {
        // What is forgotten has a version of its own, as with a real server whose other objects change all the time.
        self.revision += 1;
        self.oldest = self.revision;
        self.history.clear();
    }

    /// The status for a request that is to be refused.
    pub(super) fn refusal(&mut self, method: &str, path: &str) -> Option<u16> {
        let fits = |refusing: &&mut Refusing| {
            refusing.times > 0 && method.starts_with(&refusing.method) && path.starts_with(&refusing.path)
        };
        let refusing = self.refusals.iter_mut().find(fits)?;
        refusing.times -= 1;
        Some(refusing.status)
    }
}

fn belongs(place: &Place, collection: &str, namespace: Option<&str>) -> bool {
    place.0 == collection && namespace.is_none_or(|namespace| place.1 == namespace)
}

/// Applies a merge patch (RFC 7386).
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().expect("it was made one").remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// Applies the steps `test`, `add`, `replace` and `remove` (RFC 6902) to fields of objects; false when a test fails.
pub(super) fn step_by_step(target: &mut Value, steps: &Value) -> bool {
    for step in steps.as_array().expect("a list of steps") {
        let path = text(step, "/path");
        let (parent, field) = path.rsplit_once('/').expect("a path");
        let field = field.replace("~1", "/").replace("~0", "~");
        let found = target.pointer_mut(parent).and_then(Value::as_object_mut);
        let Some(parent) = found else { return false };
        match text(step, "/op") {
            "test" if parent.get(&field) != Some(&step["value"]) => return false,
            "test" => {}
            "add" | "replace" => drop(parent.insert(field, step["value"].clone())),
            "remove" => drop(parent.remove(&field)),
            other => panic!("the step {other}"),
        }
    }
    true
}
