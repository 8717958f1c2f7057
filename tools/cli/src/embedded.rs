//! What the resources of an app have to do with the hub: whether a component uses it, and, with `--embedded`, which components
//! point at a Redis on this machine that is not there, and are replaced by the hub's. `run` calls it before anything starts.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use component::{Family, runtime_fields};
use resources::yaml::Document;
use serde_json::{Value, json};

use crate::folder::write_file;
use crate::hub::{Hub, make};

/// How long a Redis on this machine may take to accept a connection.
const CONNECT: Duration = Duration::from_millis(500);
/// The port of a Redis that names none.
const REDIS_PORT: u16 = 6379;

/// What was found in the resources of an app.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// A component is the hub's.
    pub(crate) uses_hub: bool,
    /// Lines for the user.
    pub(crate) told: Vec<String>,
    /// The folders to be used in place of those that were given.
    pub(crate) folders: Vec<PathBuf>,
}

/// How the resources are treated.
pub(crate) struct Treatment<'a> {
    pub(crate) hub: &'a Hub,
    /// Whether components are replaced (`--embedded`).
    pub(crate) replaces: bool,
    /// Where replaced resources are written.
    pub(crate) scratch: &'a Path,
    /// Whether something listens at an address of this machine.
    pub(crate) listens: &'a dyn Fn(&str) -> bool,
}

/// Looks through the folders. One that cannot be read is left to the sidecar, which says so.
pub(crate) fn look(folders: &[PathBuf], treatment: &Treatment<'_>) -> Result<Found> {
    let mut found = Found::default();
    for (number, folder) in folders.iter().enumerate() {
        let mut files = Vec::new();
        let mut is_changed = false;
        for path in yaml_files(folder) {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let (text, has_changed) = look_into(&text, treatment, &mut found)?;
            is_changed |= has_changed;
            files.push((path, text));
        }
        if !is_changed {
            found.folders.push(folder.clone());
            continue;
        }
        let copy = treatment.scratch.join(number.to_string());
        make(&copy)?;
        for (path, text) in files {
            let name = path.file_name().context("a resource has no name")?;
            write_file(&copy.join(name), text.as_bytes())?;
        }
        found.folders.push(copy);
    }
    Ok(found)
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| resources::is_yaml_name(path) && path.is_file()).collect();
    files.sort();
    files
}

/// One file: its text with what was replaced, and whether something was.
fn look_into(text: &str, treatment: &Treatment<'_>, found: &mut Found) -> Result<(String, bool)> {
    let mut is_changed = false;
    let mut kept = Vec::new();
    for (number, part) in text.split("\n---").enumerate() {
        // What follows the dashes on their line belongs to no document.
        let part = if number == 0 { part } else { part.split_once('\n').map_or("", |(_, rest)| rest) };
        let document = Document::parse(part).and_then(|document| document.read::<Value>()).unwrap_or_default();
        match judge(&document, treatment, found)? {
            Some(replaced) => {
                is_changed = true;
                kept.push(replaced.to_string());
            }
            None => kept.push(part.to_owned()),
        }
    }
    Ok((kept.join("\n---\n"), is_changed))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What a component is to be replaced with.
fn judge(document: &Value, treatment: &Treatment<'_>, found: &mut Found) -> Result<Option<Value>> {
    if text(document, "/kind") != "Component" {
        return Ok(None);
    }
    let (name, given) = (text(document, "/metadata/name"), text(document, "/spec/type").to_lowercase());
    let Some((family, technology)) = given.split_once('.') else { return Ok(None) };
    found.uses_hub |= technology == "embedded";
    if !treatment.replaces || technology != "redis" {
        return Ok(None);
    }
    let Some(hosts) = absent_hosts(document, treatment.listens) else { return Ok(None) };
    let family = match family {
        "state" => Family::State,
        "lock" => Family::Lock,
        "pubsub" => Family::PubSub,
        "configuration" => Family::Configuration,
        _ => {
            found.told.push(format!(
                "The component {name} ({given}) points at {hosts}, where nothing listens, and the hub has nothing to replace \
                 {given} with yet."
            ));
            return Ok(None);
        }
    };
    let replaced = replace(document, family, treatment.hub)?;
    found.uses_hub = true;
    found.told.push(format!(
        "The component {name} ({given}) points at {hosts}, where nothing listens: it is {} on the hub instead.",
        text(&replaced, "/spec/type")
    ));
    Ok(Some(replaced))
}

fn metadata(document: &Value) -> impl Iterator<Item = &Value> {
    document.pointer("/spec/metadata").and_then(Value::as_array).into_iter().flatten()
}

fn field<'a>(document: &'a Value, name: &str) -> Option<&'a Value> {
    metadata(document).find(|item| text(item, "/name").eq_ignore_ascii_case(name))
}

/// The addresses of a component's Redis, if all of them are on this machine and nothing listens on any.
fn absent_hosts(document: &Value, listens: &dyn Fn(&str) -> bool) -> Option<String> {
    let hosts = field(document, "redisHost").map(|item| text(item, "/value"))?;
    let mut addresses = hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).peekable();
    addresses.peek()?;
    addresses.all(|address| is_local(address) && !listens(address)).then(|| hosts.to_owned())
}

fn is_local(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    matches!(
        host.trim_start_matches('[').trim_end_matches(']'),
        "localhost" | "127.0.0.1" | "::1" | "0.0.0.0" | "redis.localhost"
    )
}

/// Whether something listens at an address of this machine.
pub(crate) fn listens(address: &str) -> bool {
    let with_port = if address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        address.to_owned()
    } else {
        format!("{address}:{REDIS_PORT}")
    };
    let addresses: Vec<SocketAddr> = with_port.to_socket_addrs().into_iter().flatten().collect();
    addresses.iter().any(|address| TcpStream::connect_timeout(address, CONNECT).is_ok())
}

/// The same component on the hub: what the runtime itself reads of it stays, what was for Redis goes. Each database of Redis is one of the hub.
fn replace(document: &Value, family: Family, hub: &Hub) -> Result<Value> {
    let mut replaced = document.clone();
    let number = field(document, "redisDB").map(|item| text(item, "/value")).filter(|number| !number.is_empty());
    let number = number.filter(|number| number.chars().all(|digit| digit.is_ascii_digit())).unwrap_or("0");
    let kept = metadata(document)
        .filter(|item| runtime_fields(family).iter().any(|field| field.name.eq_ignore_ascii_case(text(item, "/name"))));
    let mut items: Vec<Value> = kept.cloned().collect();
    items.push(json!({ "name": "socket", "value": hub.socket_text()? }));
    items.push(json!({ "name": "database", "value": format!("redis-{number}") }));
    let component_type = match family {
        Family::Lock => "lock.embedded",
        Family::Configuration => "configuration.embedded",
        Family::PubSub => "pubsub.embedded",
        _ => "state.embedded",
    };
    if let Some(spec) = replaced.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("type".to_owned(), component_type.into());
        spec.insert("version".to_owned(), "v1".into());
        spec.insert("metadata".to_owned(), items.into());
    }
    Ok(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::Console;
    use crate::folder::Folder;
    use crate::session::Session;

    const REDIS: &str = "# mine\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: store\nspec:\n  type: state.redis\n  \
                         version: v1\n  metadata:\n  - name: redisHost\n    value: localhost:6379\n  - name: redisPassword\n    value: \"\"\n  \
                         - name: actorStateStore\n    value: \"true\"\n  - name: redisDB\n    value: \"2\"\nscopes: [a]\n";

    fn with<T>(files: &[(&str, &str)], is_there: bool, replaces: bool, then: impl FnOnce(&Path, Found) -> T) -> T {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let environment = service::Environment::default();
        let runtime_dir = place.path().to_str().map(str::to_owned);
        let session = Session { console: Console::open(&environment, false), environment, runtime_dir };
        let hub = Hub::of(&session, &Folder::open(place.path().to_str(), &session.environment).unwrap());
        let given = place.path().join("given");
        std::fs::create_dir(&given).unwrap();
        for (name, text) in files {
            std::fs::write(given.join(name), text).unwrap();
        }
        let scratch = place.path().join("scratch");
        let treatment = Treatment { hub: &hub, replaces, scratch: &scratch, listens: &|_| is_there };
        let found = look(std::slice::from_ref(&given), &treatment).unwrap();
        then(&given, found)
    }

    #[test]
    fn a_redis_that_is_not_there_is_replaced_and_the_rest_stays() {
        let other = "kind: Subscription\nmetadata:\n  name: orders\n";
        let both = format!("{REDIS}---\n{other}");
        with(&[("a.yaml", &both), ("b.yml", other), ("c.txt", REDIS)], false, true, |given, found| {
            assert!(found.uses_hub);
            assert_eq!(found.told.len(), 1, "{:?}", found.told);
            assert!(found.told[0].contains("store (state.redis)") && found.told[0].contains("state.embedded"));
            assert_ne!(found.folders, [given.to_owned()]);
            assert_eq!(std::fs::read_to_string(found.folders[0].join("b.yml")).unwrap(), other);
            assert!(!found.folders[0].join("c.txt").exists());
            let text = std::fs::read_to_string(found.folders[0].join("a.yaml")).unwrap();
            let (first, second) = text.split_once("\n---\n").unwrap();
            assert_eq!(second.trim(), other.trim());
            let component: Value = serde_json::from_str(first).unwrap();
            assert_eq!(component["spec"]["type"], "state.embedded");
            assert_eq!(component["scopes"], json!(["a"]));
            let names: Vec<&str> = metadata(&component).map(text_of).collect();
            assert_eq!(names, ["actorStateStore", "socket", "database"]);
            assert_eq!(field(&component, "database").unwrap()["value"], "redis-2");
        });
    }

    fn text_of(item: &Value) -> &str {
        text(item, "/name")
    }

    #[test]
    fn a_redis_that_is_there_or_elsewhere_stays() {
        with(&[("a.yaml", REDIS)], true, true, |given, found| assert_eq!(found.folders, [given.to_owned()]));
        with(&[("a.yaml", REDIS)], false, false, |given, found| {
            assert_eq!(found, Found { uses_hub: false, told: Vec::new(), folders: vec![given.to_owned()] });
        });
        let far = REDIS.replace("localhost:6379", "redis.example.com:6379");
        with(&[("a.yaml", &far)], false, true, |given, found| assert_eq!(found.folders, [given.to_owned()]));
        let one_is_far = REDIS.replace("localhost:6379", "localhost:6379,far:6379");
        with(&[("a.yaml", &one_is_far)], false, true, |given, found| assert_eq!(found.folders, [given.to_owned()]));
    }

    #[test]
    fn what_the_hub_has_no_twin_for_is_told() {
        let binding = REDIS.replace("state.redis", "bindings.redis");
        with(&[("a.yaml", &binding)], false, true, |given, found| {
            assert_eq!(found.folders, [given.to_owned()]);
            assert!(found.told[0].contains("bindings.redis") && found.told[0].contains("yet"), "{:?}", found.told);
        });
    }

    #[test]
    fn a_broker_keeps_its_consumer_and_its_scopes() {
        let own = "  - name: consumerID\n    value: mine\n  - name: publishingScopes\n    value: a=t\n  - name: maxLenApprox\n    value: \"9\"\n";
        let broker =
            REDIS.replace("state.redis", "pubsub.redis").replace("scopes: [a]\n", &format!("{own}scopes: [a]\n"));
        with(&[("a.yaml", &broker)], false, true, |_, found| {
            let text = std::fs::read_to_string(found.folders[0].join("a.yaml")).unwrap();
            let component: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(component["spec"]["type"], "pubsub.embedded");
            let names: Vec<&str> = metadata(&component).map(text_of).collect();
            assert_eq!(names, ["consumerID", "publishingScopes", "socket", "database"]);
        });
    }

    #[test]
    fn components_of_the_hub_are_seen() {
        let own = REDIS.replace("state.redis", "state.embedded");
        with(&[("a.yaml", &own)], false, false, |_, found| assert!(found.uses_hub));
        with(&[("broken.yaml", "spec: [")], false, true, |_, found| assert!(!found.uses_hub));
    }
}
