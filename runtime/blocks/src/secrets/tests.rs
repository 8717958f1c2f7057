//! What the secrets API promises, on a real secrets file.

use component::{Host, MetadataItem, Registry, Spec, Tasks};
use loaded::Loader;

use super::*;

const CONTENT: &str = r#"{"a":"1","b":"2","c":"3"}"#;

async fn secrets(scope: Option<Scope>) -> Secrets {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), CONTENT).unwrap();
    let host = Host::new("app", "", Tasks::new(|_, _| ()));
    let components = LoadedComponents::default();
    let loader = Loader::new(
        Registry::new(local::REGISTRATIONS, &[]),
        host,
        Arc::new(|_, properties| Ok(properties.into())),
        components.clone(),
    );
    let value = file.path().to_str().unwrap().to_owned();
    let spec = Spec {
        name: "vault".to_owned(),
        namespace: String::new(),
        component_type: "secretstores.local.file".to_owned(),
        version: "v1".to_owned(),
        metadata: vec![MetadataItem { name: "secretsFile".to_owned(), value, secret: None }],
        secret_store: String::new(),
        ignore_errors: false,
        init_timeout: None,
    };
    loader.load_all(vec![spec]).await.unwrap();
    Secrets::new(components, scope.map(|scope| ("vault".to_owned(), scope)).into_iter().collect())
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

async fn visible(secrets: &Secrets) -> Vec<String> {
    let all = secrets.get_all(&CallContext::default(), "vault", &Metadata::new()).await.unwrap();
    let mut single = Vec::new();
    for name in ["a", "b", "c"] {
        match secrets.get(&CallContext::default(), "vault", name, &Metadata::new()).await {
            Ok(_) => single.push(name.to_owned()),
            Err(Error::PermissionDenied { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(all.into_keys().collect::<Vec<_>>(), single, "single and bulk reads must agree");
    single
}

#[tokio::test]
async fn without_a_scope_everything_is_visible() {
    assert_eq!(visible(&secrets(None).await).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn scopes_keep_back_what_they_say() {
    let cases: [(Scope, &[&str]); 5] = [
        (Scope { deny_by_default: true, ..Scope::default() }, &[]),
        (Scope { deny_by_default: true, allowed: names(&["b"]), ..Scope::default() }, &["b"]),
        (Scope { denied: names(&["b"]), ..Scope::default() }, &["a", "c"]),
        (Scope { allowed: names(&["a", "b"]), denied: names(&["b"]), ..Scope::default() }, &["a", "b"]),
        (Scope { allowed: names(&["z"]), ..Scope::default() }, &[]),
    ];
    for (scope, expected) in cases {
        assert_eq!(visible(&secrets(Some(scope.clone())).await).await, expected, "{scope:?}");
    }
}

#[tokio::test]
async fn a_kept_back_secret_cannot_be_told_from_a_missing_one() {
    let secrets = secrets(Some(Scope { deny_by_default: true, ..Scope::default() })).await;
    for name in ["a", "missing"] {
        let error = secrets.get(&CallContext::default(), "vault", name, &Metadata::new()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("access denied by policy to get \"{name}\" from \"vault\""));
    }
}

#[tokio::test]
async fn missing_stores_and_secrets_are_told_apart() {
    let none = Secrets::new(LoadedComponents::default(), HashMap::new());
    let error = none.get(&CallContext::default(), "vault", "a", &Metadata::new()).await.unwrap_err();
    assert!(matches!(error, Error::NotConfigured), "{error}");
    let secrets = secrets(None).await;
    let error = secrets.get_all(&CallContext::default(), "other", &Metadata::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "failed finding secret store with key other");
    let error = secrets.get(&CallContext::default(), "vault", "missing", &Metadata::new()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "failed getting secret with key missing from secret store vault: secret missing not found"
    );
}
