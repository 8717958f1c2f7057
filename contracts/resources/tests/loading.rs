//! Loading resources from folders: what is read, what is skipped, what is refused, and in which words.

#![expect(clippy::unwrap_used, reason = "what a test prepares may fail the test")]

use std::path::{Path, PathBuf};

use resources::{Loaded, ResourceFile, Selection, load_files, load_folders};
use trilby_resources as resources;

fn component(name: &str, namespace: &str, component_type: &str) -> String {
    let namespace = if namespace.is_empty() { String::new() } else { format!("\n namespace: {namespace}") };
    format!(
        "\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n name: {name}{namespace}\n\
         spec:\n type: {component_type}\n version: v1\n"
    )
}

fn load_text(text: &str, namespace: Option<&str>) -> Loaded {
    let file = ResourceFile { path: PathBuf::from("res/all.yaml"), content: text.as_bytes().to_vec() };
    load_files(&[file], &Selection { app_id: "shop".to_owned(), namespace: namespace.map(str::to_owned) })
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.components.as_ref().unwrap().iter().map(|component| component.metadata.name.as_str()).collect()
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_namespace_selects_only_when_it_is_set() {
    let documents = [
        component("abc", "abc", "state.in-memory"),
        component("123", "", "state.in-memory"),
        component("456", "foobar", "state.in-memory"),
        component("789", "mynamespace", "state.in-memory"),
    ];
    let text = documents.join("---");
    assert_eq!(names(&load_text(&text, Some("mynamespace"))), ["123", "789"]);
    assert_eq!(names(&load_text(&text, None)), ["abc", "123", "456", "789"]);
    assert_eq!(names(&load_text(&text, Some(""))), ["abc", "123", "456", "789"]);
}

#[test]
fn repeated_names_are_listed_in_the_order_of_the_file() {
    let documents = [
        component("abc", "mynamespace", "state.in-memory"),
        component("abc", "", "pubsub.in-memory"),
        component("abc", "foobar", "state.in-memory"),
        component("123", "", "state.in-memory"),
        component("123", "mynamespace", "state.in-memory"),
        component("123", "", "pubsub.in-memory"),
    ];
    let text = documents.join("---");
    let message = |namespace| load_text(&text, namespace).components.unwrap_err().to_string();
    let abc = "duplicate definition of Component name abc";
    let number = "duplicate definition of Component name 123";
    assert_eq!(
        message(Some("mynamespace")),
        format!(
            "{abc} (pubsub.in-memory/v1) with existing abc (state.in-memory/v1)\n\
             {number} (state.in-memory/v1) with existing 123 (state.in-memory/v1)\n\
             {number} (pubsub.in-memory/v1) with existing 123 (state.in-memory/v1)"
        )
    );
    assert_eq!(
        message(None),
        format!(
            "{abc} (pubsub.in-memory/v1) with existing abc (state.in-memory/v1)\n\
             {abc} (state.in-memory/v1) with existing abc (state.in-memory/v1)\n\
             {number} (state.in-memory/v1) with existing 123 (state.in-memory/v1)\n\
             {number} (pubsub.in-memory/v1) with existing 123 (state.in-memory/v1)"
        )
    );
}

#[test]
fn a_name_of_another_app_is_not_taken() {
    let other = format!("{}scopes: [cart]\n", component("one", "", "state.in-memory"));
    let own = format!("{}scopes: [shop, cart]\n", component("one", "", "state.redis"));
    let loaded = load_text(&[other, own].join("---"), None);
    assert_eq!(names(&loaded), ["one"]);
    assert_eq!(loaded.components.unwrap()[0].spec.r#type, "state.redis");
}

#[test]
fn the_same_name_in_two_kinds_is_no_duplicate() {
    let endpoint =
        "\napiVersion: dapr.io/v1alpha1\nkind: HTTPEndpoint\nmetadata: {name: one}\nspec: {baseUrl: 'http://x'}\n";
    let loaded = load_text(&[component("one", "", "state.in-memory"), endpoint.to_owned()].join("---"), None);
    assert_eq!((loaded.components.unwrap().len(), loaded.http_endpoints.unwrap().len()), (1, 1));
    let loaded = load_text(&[endpoint, endpoint].join("---"), None);
    let expected = "duplicate definition of HTTPEndpoint name one (http://x) with existing one (http://x)";
    assert_eq!(loaded.http_endpoints.unwrap_err().to_string(), expected);
    assert!(loaded.components.is_ok());
}

#[test]
fn foreign_and_empty_documents_are_skipped_silently() {
    let text = format!(
        "# only a comment\n---\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: [odd]\n---\n\
         apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {{name: c}}\n---\nnull\n---\n{{}}\n---\n\
         apiVersion: dapr.io/v2\nkind: Component\n---{}",
        component("kept", "", "state.in-memory")
    );
    let loaded = load_text(&text, None);
    assert_eq!(warnings(&loaded), Vec::<String>::new());
    assert_eq!(names(&loaded), ["kept"]);
}

#[test]
fn json_and_yaml_documents_share_a_file() {
    let json = "{\n\t\"apiVersion\": \"dapr.io/v1alpha1\",\n\t\"kind\": \"Component\",\n\t\"metadata\": {\"name\": \"json\"},\n\
                \t\"spec\": {\"type\": \"state.redis\", \"metadata\": [{\"name\": \"n\", \"value\": 1e3}]}\n}\n";
    let loaded = load_text(&[component("yaml", "", "state.in-memory").as_str(), json].join("---\n"), None);
    assert_eq!(names(&loaded), ["yaml", "json"]);
    assert_eq!(loaded.components.unwrap()[1].spec.metadata[0].text(), "1000");
}

#[test]
fn a_broken_document_is_named_and_hides_no_other() {
    let text = format!(
        "{}---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: bad\nspec:\n  metadata:\n  - name: x\n  \
         - name: [y]\n---\nkey: [unclosed\n---{}",
        component("first", "", "state.in-memory"),
        component("last", "", "state.in-memory")
    );
    let loaded = load_text(&text, None);
    assert_eq!(names(&loaded), ["first", "last"]);
    let warnings = warnings(&loaded);
    assert_eq!(
        warnings[0],
        "daprd load Component error when parsing manifests yaml resource in res/all.yaml: \
         line 17, column 11: spec.metadata[1].name: expected a string, found a list"
    );
    assert!(
        warnings[1]
            .starts_with("daprd load resource error when parsing manifests yaml resource in res/all.yaml: line "),
        "{}",
        warnings[1]
    );
    assert_eq!(warnings.len(), 2);
}

#[test]
fn wrong_types_say_what_is_due_and_what_was_found() {
    let problem = |spec: &str| {
        let text = format!("apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: a}}\nspec: {spec}\n");
        let loaded = load_text(&text, None);
        assert_eq!(loaded.components.as_ref().unwrap().len(), 0, "{spec}");
        let resources::Warning::Document { problem, .. } = loaded.warnings[0].clone() else { panic!("a document") };
        problem.to_string()
    };
    assert_eq!(problem("[a]"), "line 4, column 7: spec: expected a mapping, found a list");
    assert_eq!(
        problem("{ignoreErrors: maybe}"),
        r#"line 4, column 22: spec.ignoreErrors: expected true or false, found the string "maybe""#
    );
    assert_eq!(
        problem("{ignoreErrors: 'true'}"),
        r#"line 4, column 22: spec.ignoreErrors: expected true or false, found the string "true""#
    );
    assert_eq!(problem("{metadata: {a: b}}"), "line 4, column 18: spec.metadata: expected a list, found a mapping");
    assert_eq!(
        problem("{metadata: [3]}"),
        "line 4, column 19: spec.metadata[0]: expected a mapping, found the number 3"
    );
    assert_eq!(
        problem("{metadata: [{name: n, value: .inf}]}"),
        "line 4, column 36: spec.metadata[0].value: expected a finite number, found the number .inf"
    );
    assert_eq!(problem("{? [a] : b}"), "line 4, column 10: spec: expected a string as the key, found a list");
}

#[test]
fn numbers_of_other_types_are_refused_with_their_range() {
    let text = "apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: s}\nspec:\n  bulkSubscribe:\n    \
                maxMessagesCount: 5000000000\n";
    let loaded = load_text(text, None);
    assert!(
        warnings(&loaded)[0].ends_with(
            "line 6, column 23: spec.bulkSubscribe.maxMessagesCount: \
             expected a whole number from -2147483648 to 2147483647, found the number 5000000000"
        ),
        "{}",
        warnings(&loaded)[0]
    );
}

#[test]
fn scalars_mean_what_the_target_makes_of_them() {
    let text = "APIVERSION: nothing\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {NAME: cased}\nSpec:\n  \
                Type: state.redis\n  version: 1.10\n  ignoreErrors: yes\n  initTimeout: ~\n  metadata:\n  \
                - {name: 5, value: on}\n  - {name: b, value: 010}\n  - {name: c, value: 1.50}\n  - {name: d, value: ~}\n  \
                - {name: e, value: 12:30}\n  - {name: f, value: 1_000}\n  - {name: g, value: 0x1F}\n  \
                - {name: h, value: 2001-12-14}\n  - {name: i, value: '010'}\n  - {name: j, value: !!str 7}\n  \
                - {name: k, value: 18446744073709551615}\n  - {name: l, value: 08}\n  - {name: m, value: 1.0}\n\
                scopes:\n";
    let loaded = load_text(text, None);
    assert_eq!(warnings(&loaded), Vec::<String>::new());
    let component = &loaded.components.unwrap()[0];
    assert_eq!((component.spec.version.as_str(), component.spec.ignore_errors), ("1.1", true));
    assert_eq!((component.metadata.name.as_str(), component.spec.r#type.as_str()), ("cased", "state.redis"));
    let values: Vec<_> = component.spec.metadata.iter().map(|value| (value.name.as_str(), value.text())).collect();
    let expected = [
        ("5", "true"),
        ("b", "8"),
        ("c", "1.5"),
        ("d", ""),
        ("e", "12:30"),
        ("f", "1000"),
        ("g", "31"),
        ("h", "2001-12-14"),
        ("i", "010"),
        ("j", "7"),
        ("k", "18446744073709551615"),
        ("l", "8"),
        ("m", "1"),
    ];
    assert_eq!(values, expected.map(|(name, text)| (name, text.to_owned())));
}

#[test]
fn names_that_cannot_be_paths_are_refused() {
    for (name, reason) in [
        (".", "may not be '.'"),
        ("..", "may not be '..'"),
        ("a/b", "may not contain '/'"),
        ("a%/b", "may not contain '/'; may not contain '%'"),
    ] {
        let loaded = load_text(&component(name, "", "state.in-memory"), None);
        let expected = format!("metadata.name: invalid name {name:?} for \"Component\": {reason}");
        assert!(warnings(&loaded)[0].ends_with(&expected), "{}", warnings(&loaded)[0]);
        assert_eq!(names(&loaded), Vec::<&str>::new());
    }
}

#[test]
fn subscriptions_of_both_versions_keep_their_order() {
    let subscription = |version: &str, name: &str, scope: &str| {
        format!("apiVersion: dapr.io/{version}\nkind: Subscription\nmetadata: {{name: {name}}}\nscopes: [{scope}]\n")
    };
    let documents = [
        subscription("v1alpha1", "a", ""),
        subscription("v2alpha1", "b", ""),
        subscription("v2alpha1", "a", "shop"),
        subscription("v1alpha1", "other", "cart"),
        subscription("v1alpha1", "c", ""),
    ];
    let loaded = load_text(&documents.join("---\n"), Some("prod"));
    let names: Vec<_> = loaded.subscriptions.iter().map(|one| one.metadata.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "a", "c"]);
}

#[test]
fn resiliencies_are_read_from_every_document() {
    let text = "apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: a}\n---\nkind: Resiliency\nmetadata: {name: b}\n\
                ---\napiVersion: other.io/v1\nkind: Resiliency\n---\nkind: Resiliency\nscopes: [cart]\n";
    let loaded = load_text(text, None);
    let names: Vec<_> = loaded.resiliencies.iter().map(|one| one.metadata.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn a_component_of_no_category_is_an_incorrect_type() {
    let loaded = load_text(&component("myworkflow", "", "workflow.dapr"), None);
    let component = &loaded.components.unwrap()[0];
    let error = component.category().unwrap_err();
    assert_eq!(component.process_error(&error), "process component myworkflow error: incorrect type workflow.dapr");
}

#[test]
fn a_document_of_more_than_64_kib_is_read() {
    let mut text = format!("{} metadata:\n", component("large", "", "state.in-memory"));
    for number in 0..4_000 {
        text.push_str(&format!(" - {{name: setting{number}, value: \"{}\"}}\n", "x".repeat(40)));
    }
    assert!(text.len() > 256 << 10);
    let loaded = load_text(&text, None);
    assert_eq!(warnings(&loaded), Vec::<String>::new());
    assert_eq!(loaded.components.unwrap()[0].spec.metadata.len(), 4_000);
}

#[test]
fn folders_are_read_in_order_and_only_their_own_yaml_files() {
    let root = tempfile::tempdir().unwrap();
    let (first, second) = (root.path().join("1"), root.path().join("2"));
    std::fs::create_dir_all(first.join("inner.yaml")).unwrap();
    std::fs::create_dir_all(&second).unwrap();
    let write = |path: &Path, name: &str| std::fs::write(path, component(name, "", "state.in-memory")).unwrap();
    write(&first.join("b.yml"), "b");
    write(&first.join("a.YAML"), "a");
    write(&first.join("ignored.json"), "ignored");
    write(&first.join("inner.yaml/deep.yaml"), "deep");
    write(&second.join("a.yaml"), "c");
    std::fs::write(second.join("broken.yaml"), b"a: \xff\xfe\n").unwrap();
    let large = std::fs::File::create(second.join("large.yaml")).unwrap();
    large.set_len(resources::LARGEST_FILE + 1).unwrap();
    let selection = Selection { app_id: "shop".to_owned(), namespace: None };
    let loaded = load_folders(&[&first, &second], &selection).unwrap();
    assert_eq!(names(&loaded), ["a", "b", "c"]);
    let warnings = warnings(&loaded);
    assert_eq!(warnings[0], "A non-YAML resource file ignored.json was detected, it will not be loaded");
    assert!(warnings[1].ends_with("large.yaml: larger than 16 MiB"), "{}", warnings[1]);
    assert!(warnings[2].ends_with("broken.yaml: line 1, column 4: not UTF-8 text"), "{}", warnings[2]);
    let origin = loaded.origin("Component", "c").unwrap();
    assert_eq!((origin.file.as_path(), origin.line), (second.join("a.yaml").as_path(), 2));
}

#[test]
fn a_folder_that_does_not_exist_is_an_error() {
    let error = load_folders(&["/does/not/exist"], &Selection::default()).unwrap_err();
    assert_eq!(error.to_string(), "open /does/not/exist: no such file or directory");
}

#[test]
fn kind_and_version_are_found_in_any_case_as_every_other_field() {
    let text = component("a", "", "state.in-memory").replace("kind:", "Kind:").replace("apiVersion:", "apiversion:");
    assert_eq!(names(&load_text(&text, None)), ["a"]);
    let both = text.replace("Kind:", "kind: Secret\nKind:");
    assert_eq!(names(&load_text(&both, None)), [""; 0]);
}
