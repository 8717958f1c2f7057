//! Filling in what a resource only refers to: variables (`envRef`) and secrets (`secretKeyRef`).
//!
//! Called by the component lifecycle before a resource is used. It reads no environment and asks no store: variables come
//! through a function, and secrets are named by [`secret_references`], fetched by the caller, and put in by
//! [`apply_secrets`].

use crate::meta::Resource;
use crate::named_value::{DynamicValue, SecretKeyRef};

/// The variable that lists, separated by spaces, which variables `envRef` may read; set by the injector.
pub const ENVIRONMENT_KEYS: &str = "DAPR_ENV_KEYS";

/// The secret store that Kubernetes mode has without a component.
pub const KUBERNETES_SECRET_STORE: &str = "kubernetes";

/// What a secret store answered; see [`apply_secrets`].
pub trait SecretLookup {
    /// The value of a key of a secret; none when the store has no such key, or could not be asked.
    fn secret(&self, name: &str, key: &str) -> Option<String>;
}

impl<F: Fn(&str, &str) -> Option<String>> SecretLookup for F {
    fn secret(&self, name: &str, key: &str) -> Option<String> {
        self(name, key)
    }
}

/// The secret store a resource's references mean: its own, else the built-in one in Kubernetes mode, else none (empty).
pub fn secret_store_of<R: Resource>(resource: &R, kubernetes_mode: bool) -> &str {
    match resource.secret_store() {
        "" if kubernetes_mode => KUBERNETES_SECRET_STORE,
        own => own,
    }
}

/// Replaces every `envRef` that has no value beside it by the variable's value. A variable that does not exist is an
/// empty value; one that may not be read stays without a value and is answered as a line for the log.
pub fn resolve_environment<R: Resource>(resource: &mut R, variable: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let allowed = variable(ENVIRONMENT_KEYS).unwrap_or_default();
    let owner = format!("{} {}", R::KIND, resource.name());
    let mut refused = Vec::new();
    for named in resource.named_values_mut() {
        if named.value.is_some() || named.env_ref.is_empty() {
            continue;
        }
        if is_variable_allowed(&named.env_ref, &allowed) {
            let text = variable(&named.env_ref).unwrap_or_default();
            named.value = (!text.is_empty()).then_some(DynamicValue::Raw(text));
        } else {
            refused.push(format!("{owner} references an env variable that isn't allowed: {}", named.env_ref));
        }
        // The variable is the whole answer: a secret named beside it is not asked for.
        named.env_ref.clear();
        named.secret_key_ref = SecretKeyRef::default();
    }
    refused
}

/// Whether resources may read a variable: never the sidecar's own tokens and settings, and only what the list names
/// unless it is empty. Names are compared in upper case.
pub fn is_variable_allowed(name: &str, allowed: &str) -> bool {
    let name = name.to_uppercase();
    if name.is_empty() || name == "APP_API_TOKEN" || name.starts_with("DAPR_") || name.contains(' ') {
        return false;
    }
    allowed.is_empty() || allowed.split(' ').any(|key| key == name)
}

/// Every secret a resource refers to, each once, in order. Call [`resolve_environment`] before.
pub fn secret_references<R: Resource>(resource: &R) -> Vec<SecretKeyRef> {
    let values = resource.named_values().into_iter().map(|named| &named.secret_key_ref);
    let documents = resource.tls_documents().into_iter().filter_map(|document| document.secret_key_ref.as_ref());
    let mut references: Vec<SecretKeyRef> = Vec::new();
    for reference in values.chain(documents) {
        if !reference.name.is_empty() && !references.contains(reference) {
            references.push(reference.clone());
        }
    }
    references
}

/// Puts secrets in the place of the references to them; a secret wins over a value beside its reference. What the lookup
/// does not have, or has empty, is left as it is. Answers the references that were not filled.
pub fn apply_secrets<R: Resource>(resource: &mut R, secrets: &dyn SecretLookup) -> Vec<SecretKeyRef> {
    let mut missing = Vec::new();
    for named in resource.named_values_mut() {
        fill(&mut named.value, &named.secret_key_ref, secrets, &mut missing);
    }
    for document in resource.tls_documents_mut() {
        if let Some(reference) = &document.secret_key_ref {
            fill(&mut document.value, reference, secrets, &mut missing);
        }
    }
    missing
}

fn fill(
    value: &mut Option<DynamicValue>,
    reference: &SecretKeyRef,
    secrets: &dyn SecretLookup,
    missing: &mut Vec<SecretKeyRef>,
) {
    if reference.name.is_empty() {
        return;
    }
    match secrets.secret(&reference.name, reference.key_or_name()).filter(|secret| !secret.is_empty()) {
        Some(secret) => *value = Some(DynamicValue::Raw(secret)),
        None => missing.push(reference.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Component;
    use crate::named_value::NamedValue;

    fn component(values: Vec<NamedValue>) -> Component {
        let mut component = Component::default();
        component.metadata.name = "store".to_owned();
        component.spec.metadata = values;
        component
    }

    fn by_variable(name: &str) -> NamedValue {
        NamedValue { name: "a".to_owned(), env_ref: name.to_owned(), ..NamedValue::default() }
    }

    fn by_secret(name: &str, key: &str) -> NamedValue {
        let secret_key_ref = SecretKeyRef { name: name.to_owned(), key: key.to_owned() };
        NamedValue { name: "a".to_owned(), secret_key_ref, ..NamedValue::default() }
    }

    #[test]
    fn own_variables_are_never_read() {
        for refused in ["", "DAPR_TEST", "dapr_foo", "APP_API_TOKEN", "app_api_token", "FOO BAR"] {
            assert!(!is_variable_allowed(refused, ""), "{refused}");
            assert!(!is_variable_allowed(refused, "DAPR_TEST APP_API_TOKEN FOO BAR"), "{refused}");
        }
        assert!(is_variable_allowed("FOO", ""));
    }

    #[test]
    fn the_list_of_variables_names_whole_words() {
        for (name, expected) in
            [("FOO", true), ("BAR", true), ("TEST", true), ("foo", true), ("FO", false), ("EST", false)]
        {
            assert_eq!(is_variable_allowed(name, "FOO BAR TEST"), expected, "{name}");
        }
        assert!(is_variable_allowed("FOO", "FOOBAR FOO"));
    }

    #[test]
    fn variables_replace_their_references() {
        let variable = |name: &str| (name == "MY_ENV_VAR").then(|| "ciao mondo".to_owned());
        let mut given = by_variable("MY_ENV_VAR");
        given.value = Some(DynamicValue::from("own"));
        let mut component =
            component(vec![by_variable("MY_ENV_VAR"), by_variable("DAPR_KEY"), by_variable("NONE"), given]);
        let refused = resolve_environment(&mut component, &variable);
        assert_eq!(refused, ["Component store references an env variable that isn't allowed: DAPR_KEY"]);
        let texts: Vec<_> = component.spec.metadata.iter().map(NamedValue::text).collect();
        assert_eq!(texts, ["ciao mondo", "", "", "own"]);
    }

    #[test]
    fn secrets_replace_their_references() {
        let secrets = |name: &str, key: &str| match (name, key) {
            ("db", "password") => Some("hunter2".to_owned()),
            ("token", "token") => Some("t".to_owned()),
            ("empty", "empty") => Some(String::new()),
            _ => None,
        };
        let mut kept = by_secret("absent", "");
        kept.value = Some(DynamicValue::from("default"));
        let values = vec![
            by_secret("db", "password"),
            by_secret("token", ""),
            by_secret("empty", ""),
            kept,
            by_secret("db", "password"),
        ];
        let mut component = component(values);
        assert_eq!(secret_references(&component).len(), 4);
        let missing = apply_secrets(&mut component, &secrets);
        let texts: Vec<_> = component.spec.metadata.iter().map(NamedValue::text).collect();
        assert_eq!(texts, ["hunter2", "t", "", "default", "hunter2"]);
        assert_eq!(missing.iter().map(|reference| reference.name.as_str()).collect::<Vec<_>>(), ["empty", "absent"]);
    }

    #[test]
    fn kubernetes_mode_has_a_store_of_its_own() {
        let mut component = component(Vec::new());
        assert_eq!(secret_store_of(&component, false), "");
        assert_eq!(secret_store_of(&component, true), "kubernetes");
        component.auth.secret_store = "vault".to_owned();
        assert_eq!(secret_store_of(&component, true), "vault");
    }
}
