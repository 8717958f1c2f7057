//! The settings of a component as its backend gets them: names and texts, with the placeholders filled in.
//!
//! Called by the component lifecycle after references were resolved. It must not know any setting by name, except the one
//! that a Configuration can force.

use std::collections::BTreeMap;

use crate::component::Component;
use crate::error::Error;
use crate::named_value::{DynamicValue, NamedValue};

/// The setting of WebAssembly components that `spec.wasm.strictSandbox` of a Configuration forces to true.
pub const STRICT_SANDBOX: &str = "strictSandbox";

/// What placeholders stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placeholders<'a> {
    /// Value of `{appID}`.
    pub app_id: &'a str,
    /// The sidecar's namespace; `{namespace}` becomes this, a dot and the app id.
    pub namespace: &'a str,
    /// Value of `{podName}`; none or empty refuses settings that use it.
    pub pod_name: Option<&'a str>,
}

/// Settings by name, with `{uuid}` (a new one each time), `{podName}`, `{namespace}` and `{appID}` filled in; the last
/// of equal names wins.
///
/// # Errors
/// Names the setting that uses `{podName}` while the pod's name is not known.
pub fn properties(
    values: &[NamedValue],
    placeholders: Placeholders<'_>,
    new_uuid: &mut dyn FnMut() -> String,
) -> Result<BTreeMap<String, String>, Error> {
    let mut properties = BTreeMap::new();
    for value in values {
        let text =
            filled(&value.text(), placeholders, new_uuid).ok_or_else(|| Error::PodNameUnset(value.name.clone()))?;
        properties.insert(value.name.clone(), text);
    }
    Ok(properties)
}

/// One setting with its placeholders filled in, as [`properties`] does for all.
///
/// # Errors
/// Names the setting that uses `{podName}` while the pod's name is not known.
pub fn fill_placeholders(
    name: &str,
    text: &str,
    placeholders: Placeholders<'_>,
    new_uuid: &mut dyn FnMut() -> String,
) -> Result<String, Error> {
    filled(text, placeholders, new_uuid).ok_or_else(|| Error::PodNameUnset(name.to_owned()))
}

/// None when the text needs a pod name and there is none.
fn filled(text: &str, placeholders: Placeholders<'_>, new_uuid: &mut dyn FnMut() -> String) -> Option<String> {
    let mut pieces = text.split("{uuid}");
    let mut result = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        result.push_str(&new_uuid());
        result.push_str(piece);
    }
    if result.contains("{podName}") {
        result = result.replace("{podName}", placeholders.pod_name.filter(|name| !name.is_empty())?);
    }
    let Placeholders { app_id, namespace, .. } = placeholders;
    Some(result.replace("{namespace}", &format!("{namespace}.{app_id}")).replace("{appID}", app_id))
}

/// Whether any setting contains `{namespace}`. Topics of such components are not shared between namespaces.
pub fn contains_namespace(values: &[NamedValue]) -> bool {
    values.iter().any(|value| value.text().contains("{namespace}"))
}

/// Sets [`STRICT_SANDBOX`] of a WebAssembly component to true, whatever it was.
pub fn force_strict_sandbox(component: &mut Component) {
    let forced = Some(DynamicValue::Raw("true".to_owned()));
    let values = &mut component.spec.metadata;
    match values.iter_mut().find(|value| value.name.eq_ignore_ascii_case(STRICT_SANDBOX)) {
        Some(existing) => existing.value = forced,
        None => values.push(NamedValue { name: STRICT_SANDBOX.to_owned(), value: forced, ..NamedValue::default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str, text: &str) -> NamedValue {
        NamedValue { name: name.to_owned(), value: Some(DynamicValue::from(text)), ..NamedValue::default() }
    }

    fn fill(text: &str, pod_name: Option<&str>) -> Result<String, Error> {
        let placeholders = Placeholders { app_id: "shop", namespace: "prod", pod_name };
        let mut count = 0;
        let mut new_uuid = || {
            count += 1;
            format!("u{count}")
        };
        properties(&[value("a", text)], placeholders, &mut new_uuid).map(|mut all| all.remove("a").unwrap())
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(fill("{uuid}-{uuid}", None).unwrap(), "u1-u2");
        assert_eq!(fill("{namespace}/{appID}", None).unwrap(), "prod.shop/shop");
        assert_eq!(fill("{podName}:{podName}", Some("pod-0")).unwrap(), "pod-0:pod-0");
        assert_eq!(fill("{other}", None).unwrap(), "{other}");
    }

    #[test]
    fn an_unknown_pod_name_is_an_error() {
        let expected = "failed to parse metadata: property a refers to {podName} but podName is not set";
        assert_eq!(fill("{podName}", None).unwrap_err().to_string(), expected);
        assert_eq!(fill("{podName}", Some("")).unwrap_err().to_string(), expected);
    }

    #[test]
    fn the_last_of_equal_names_wins() {
        let values = [value("a", "1"), value("a", "2")];
        let all = properties(&values, Placeholders::default(), &mut String::new).unwrap();
        assert_eq!(all.get("a").map(String::as_str), Some("2"));
        assert!(contains_namespace(&[value("a", "x-{namespace}")]));
        assert!(!contains_namespace(&values));
    }

    #[test]
    fn the_strict_sandbox_can_be_forced() {
        let mut component = Component::default();
        force_strict_sandbox(&mut component);
        assert_eq!(component.spec.metadata.len(), 1);
        component.spec.metadata = vec![value("STRICTSANDBOX", "false")];
        force_strict_sandbox(&mut component);
        assert_eq!(component.spec.metadata.len(), 1);
        assert_eq!(component.spec.metadata[0].text(), "true");
    }
}
