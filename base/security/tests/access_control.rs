//! Access control against the target: its own tables as facts, and decisions recorded from it.
//!
//! `access_control.json` was recorded at commit d8450742 with a Go test laid over `pkg/acl` (`go test -overlay`): seeded random
//! lists, callers, methods and verbs went through `ParseAccessControlSpec` and `isOperationAllowedByAccessControlPolicy`, and
//! raw methods through `NormalizeMethod`. Lists that we refuse and the target does not (the same operation or caller twice)
//! were left out. `1` is allowed; a caller of `null` proved nothing. Six thousand lists of another seed agreed as well.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test prepares may fail the test")]

use proptest::prelude::*;
use resources::{AccessControlSpec, AppOperation, AppPolicySpec};
use security::{AccessControl, Called, InvalidAccessControl, Peer, SpiffeId, path};
use serde_json::Value;
use trilby_security as security;

fn recorded() -> Value {
    serde_json::from_str(include_str!("access_control.json")).unwrap()
}

fn peer(trust_domain: &str, namespace: &str, app: &str) -> Peer {
    Peer::Authenticated(SpiffeId::parse(&format!("spiffe://{trust_domain}/ns/{namespace}/{app}")).unwrap())
}

fn peer_of(caller: &Value) -> Peer {
    let Some(parts) = caller.as_array() else { return Peer::Unauthenticated };
    let part = |at: usize| parts[at].as_str().unwrap();
    peer(part(0), part(1), part(2))
}

/// The list of a spec that says something; one that says nothing allows every call.
fn allows(list: Option<&AccessControl>, peer: &Peer, called: Called<'_>) -> bool {
    list.is_none_or(|list| list.allows(peer, called))
}

#[test]
fn methods_take_the_form_that_was_recorded() {
    let recorded = recorded();
    let rows = recorded["canonical"].as_array().unwrap();
    assert!(rows.len() >= 200);
    for row in rows {
        let raw = row[0].as_str().unwrap();
        assert_eq!(path::normalize(raw).ok().as_deref(), row[1].as_str(), "{raw:?}");
    }
}

#[test]
fn decisions_are_those_that_were_recorded() {
    let recorded = recorded();
    let mut decisions = 0;
    for case in recorded["cases"].as_array().unwrap() {
        let http = case["http"].as_bool().unwrap();
        let spec: AccessControlSpec = serde_json::from_value(case["spec"].clone()).unwrap();
        let list = AccessControl::compile(&spec, http).unwrap();
        for answer in case["answers"].as_array().unwrap() {
            let (peer, verb) = (peer_of(&answer["caller"]), answer["verb"].as_str().unwrap());
            let expected = answer["allowed"].as_str().unwrap();
            for (method, expected) in case["methods"].as_array().unwrap().iter().zip(expected.chars()) {
                let method = method.as_str().unwrap();
                let called = if http { Called::Http { method, verb } } else { Called::Grpc { method } };
                let allowed = allows(list.as_ref(), &peer, called);
                assert_eq!(allowed, expected == '1', "{peer:?} {called:?} under {spec:#?}");
                decisions += 1;
            }
        }
    }
    assert!(decisions > 5000, "{decisions}");
}

fn operation(name: &str, verbs: &[&str], action: &str) -> AppOperation {
    let http_verb = verbs.iter().map(|verb| (*verb).to_owned()).collect();
    AppOperation { name: name.to_owned(), http_verb, action: action.to_owned() }
}

fn policy(who: [&str; 3], default_action: &str, operations: Vec<AppOperation>) -> AppPolicySpec {
    let [trust_domain, namespace, app_id] = who.map(str::to_owned);
    AppPolicySpec { app_id, default_action: default_action.to_owned(), trust_domain, namespace, operations }
}

fn list_of(default_action: &str, policies: Vec<AppPolicySpec>) -> AccessControlSpec {
    AccessControlSpec { default_action: default_action.to_owned(), trust_domain: "abcd".to_owned(), policies }
}

/// The list that the target's own tests use.
fn targets_own() -> AccessControlSpec {
    let app4 = ["/op6", "/op7/a/b/*", "/op7/a/b/c/f", "/op7/a/b*", "/op7/c/**"];
    list_of(
        "deny",
        vec![
            policy(
                ["public", "ns1", "app1"],
                "allow",
                vec![operation("/op1", &["POST", "GET"], "allow"), operation("/op2", &["*"], "deny")],
            ),
            policy(
                ["domain1", "ns2", "app2"],
                "deny",
                vec![operation("/op3/a/*", &["PUT", "GET"], "allow"), operation("/op4", &["POST"], "allow")],
            ),
            policy(["domain1", "ns1", "app3"], "", vec![operation("/op5", &["POST"], "allow")]),
            policy(["domain1", "ns2", "app4"], "deny", app4.map(|name| operation(name, &[], "allow")).to_vec()),
            policy(["public", "ns4", "app1"], "allow", vec![operation("/op6", &["*"], "allow")]),
        ],
    )
}

#[test]
fn the_targets_own_table_over_http() {
    let list = AccessControl::compile(&targets_own(), true).unwrap().unwrap();
    let table: [([&str; 3], &str, &str, bool); 16] = [
        (["public", "ns1", "appX"], "op1", "POST", false),
        (["private", "ns1", "app1"], "op1", "POST", false),
        (["public", "abcd", "app1"], "op1", "POST", false),
        (["public", "ns1", "app1"], "opX", "POST", true),
        (["public", "ns1", "app1"], "Op2", "POST", false),
        (["domain1", "ns2", "app2"], "op4", "PUT", false),
        (["domain1", "ns1", "app3"], "op5", "PUT", false),
        (["public", "ns1", "app1"], "op2", "PUT", false),
        (["domain1", "ns2", "app2"], "op4", "POST", true),
        (["domain1", "ns2", "app2"], "/op4", "POST", true),
        (["domain1", "ns2", "app2"], "op4", "NONE", false),
        (["domain1", "ns2", "app2"], "/op3/a", "PUT", true),
        (["domain1", "ns2", "app2"], "/op3/b/b", "PUT", false),
        (["domain1", "ns2", "app2"], "/op3/a/b", "PUT", true),
        (["public", "ns4", "app1"], "op6", "GET", true),
        (["domain1", "ns1", "app3"], "op5", "POST", true),
    ];
    for ([domain, namespace, app], method, verb, allowed) in table {
        let called = Called::Http { method, verb };
        assert_eq!(list.allows(&peer(domain, namespace, app), called), allowed, "{app} {called:?}");
    }
    assert!(!list.allows(&Peer::Unauthenticated, Called::Http { method: "op1", verb: "POST" }));
}

#[test]
fn the_targets_own_table_over_grpc() {
    let list = AccessControl::compile(&targets_own(), false).unwrap().unwrap();
    let table: [(&str, &str, bool); 8] = [
        ("app2", "/OP4", false),
        ("app2", "op4", true),
        ("app4", "op6", true),
        ("app4", "op7/a/b/c", true),
        ("app4", "op7/a/b/c/d", false),
        ("app4", "op7/a/b/c/f", true),
        ("app4", "op7/a/bc", true),
        ("app4", "op7/c/d/e", true),
    ];
    for (app, method, allowed) in table {
        assert_eq!(list.allows(&peer("domain1", "ns2", app), Called::Grpc { method }), allowed, "{app} {method}");
    }
}

#[test]
fn no_list_is_none_and_an_unsaid_default_denies() {
    assert!(AccessControl::compile(&AccessControlSpec::default(), true).unwrap().is_none());
    let only_domain = AccessControlSpec { trust_domain: "td".to_owned(), ..AccessControlSpec::default() };
    let called = Called::Grpc { method: "/x" };
    for spec in [only_domain, list_of("", targets_own().policies)] {
        let list = AccessControl::compile(&spec, true).unwrap().unwrap();
        assert!(!list.allows(&Peer::Unauthenticated, called));
        let said = "No global default action has been specified. Setting default global action as Deny";
        assert!(list.notices().iter().any(|notice| notice == said));
    }
    let list = AccessControl::compile(&list_of("ALLOW", Vec::new()), true).unwrap().unwrap();
    assert!(list.allows(&Peer::Unauthenticated, called) && !list.tells_callers_apart());
}

/// SEC-06: the same app id in two namespaces, namespaces that begin alike, and what the target's keys (`id||namespace`) mix up.
#[test]
fn a_policy_is_for_one_app_of_one_namespace_of_one_trust_domain() {
    let list = list_of("deny", vec![policy(["public", "prod", "shop"], "allow", Vec::new())]);
    let list = AccessControl::compile(&list, true).unwrap().unwrap();
    let called = Called::Http { method: "x", verb: "GET" };
    assert!(list.allows(&peer("public", "prod", "shop"), called));
    let strangers = [
        ["public", "dev", "shop"],
        ["public", "pro", "shop"],
        ["public", "prod2", "shop"],
        ["public", "prod", "sho"],
        ["public", "prod", "shop2"],
        ["public", "prod", "Shop"],
        ["public", "shop", "prod"],
        ["publi", "prod", "shop"],
    ];
    for [domain, namespace, app] in strangers {
        assert!(!list.allows(&peer(domain, namespace, app), called), "{domain} {namespace} {app}");
    }
    for who in [["public", "b||c", "a"], ["public", "c", "a||b"]] {
        let error = AccessControl::compile(&list_of("deny", vec![policy(who, "allow", Vec::new())]), true).unwrap_err();
        assert!(error.to_string().contains("no app can have this identity"), "{error}");
    }
}

fn refusal(policies: Vec<AppPolicySpec>) -> String {
    AccessControl::compile(&list_of("deny", policies), true).unwrap_err().to_string()
}

#[test]
fn policies_without_an_owner_are_refused_in_the_targets_words() {
    let policies = vec![
        policy(["", "ns1", "app1"], "allow", Vec::new()),
        policy(["domain1", "", "app2"], "deny", Vec::new()),
        policy(["domain1", "ns", ""], "deny", Vec::new()),
    ];
    assert_eq!(
        refusal(policies),
        "invalid access control spec. missing trustdomain for apps: [app1], missing namespace for apps: [app2], missing app \
         name on at least one of the app policies: true"
    );
}

#[test]
fn what_can_only_be_a_mistake_is_refused_and_named() {
    let of_app = |operations| refusal(vec![policy(["public", "ns", "shop"], "allow", operations)]);
    let start = "invalid access control spec. policy of app shop in namespace ns: ";
    for (operations, reason) in [
        (vec![operation("/a", &["GET"], "alow")], "operation \"/a\": unknown action \"alow\": write allow or deny"),
        (vec![operation("/a", &["get"], "allow")], "operation \"/a\": unknown HTTP verb \"get\""),
        (vec![operation("/a", &["NONE"], "allow")], "operation \"/a\": unknown HTTP verb \"NONE\""),
        (vec![operation("", &["GET"], "deny")], "operation \"\": it has no name"),
        (
            vec![operation("/a/", &["GET"], "deny")],
            "operation \"/a/\": no method has this form when it is checked, write /a",
        ),
        (vec![operation("a/../b", &["GET"], "deny")], "operation \"a/../b\": no method has this form"),
        (vec![operation("/a?b", &["GET"], "deny")], "operation \"/a?b\": no method can have this name"),
        (
            vec![operation("/a", &["GET"], "allow"), operation("A", &["POST"], "deny")],
            "operation \"A\" is there twice, and only one can count",
        ),
    ] {
        let refused = of_app(operations);
        assert!(refused.starts_with(&format!("{start}{reason}")), "{refused}");
    }
    let twice = || policy(["public", "ns", "shop"], "allow", Vec::new());
    assert_eq!(refusal(vec![twice(), twice()]), format!("{start}there are two of them, and only one can count"));
    let unknown = refusal(vec![policy(["public", "ns", "shop"], "maybe", Vec::new())]);
    assert_eq!(unknown, format!("{start}unknown action \"maybe\": write allow or deny"));
    assert!(refusal(vec![policy(["Public", "ns", "shop"], "deny", Vec::new())]).contains("malformed trust domain"));
    assert!(refusal(vec![policy(["spiffe://public", "ns", "shop"], "deny", Vec::new())]).ends_with("write public"));
    assert!(refusal(vec![policy(["public", "ns", "*"], "deny", Vec::new())]).contains("no app can have this identity"));
    assert!(AccessControl::compile(&list_of("maybe", Vec::new()), true).is_err());
    let domain = AccessControlSpec { trust_domain: "A B".to_owned(), ..AccessControlSpec::default() };
    assert!(AccessControl::compile(&domain, true).is_err());
}

fn notices(http: bool, operations: Vec<AppOperation>) -> Vec<String> {
    let spec = list_of("allow", vec![policy(["public", "ns", "shop"], "", operations)]);
    AccessControl::compile(&spec, http).unwrap().unwrap().notices().to_vec()
}

#[test]
fn operations_that_decide_nothing_are_noticed() {
    let deny = |name| operation(name, &["*"], "deny");
    let start = "Access control policy of app shop in namespace ns: operation ";
    let covered = |name, by| format!("{start}\"{name}\" is covered by operation {by}, which decides instead");
    assert_eq!(notices(true, vec![deny("/a"), deny("/a/b")]), [covered("/a/b", "/a")]);
    assert_eq!(notices(false, vec![deny("a/*"), deny("/a/b")]), [covered("/a/b", "/a/*")]);
    let inner = notices(true, vec![deny("/users/*/profile")]);
    assert!(inner[0].starts_with(&format!("{start}\"/users/*/profile\" fits no call")), "{inner:?}");
    let verbless = notices(true, vec![operation("/a", &[], "deny")]);
    assert!(verbless[0].starts_with(&format!("{start}\"/a\" names no httpVerb")), "{verbless:?}");
    assert!(notices(false, vec![operation("/a", &[], "deny")]).is_empty());
    for policy in targets_own().policies {
        let http = policy.app_id != "app4";
        let spec = list_of("allow", vec![policy]);
        assert!(AccessControl::compile(&spec, http).unwrap().unwrap().notices().is_empty());
    }
}

fn compiled_or_refused(spec: &AccessControlSpec) -> Result<Option<AccessControl>, InvalidAccessControl> {
    AccessControl::compile(spec, true)
}

proptest! {
    #[test]
    fn no_spec_and_no_method_makes_it_panic(
        names in proptest::collection::vec("[a-bA*/.%#\u{212a}]{0,8}", 0..5),
        action in "(allow|deny|x)?",
        method in "[a-bA*/.%\u{130}]{0,10}",
    ) {
        let operations = names.iter().map(|name| operation(name, &["*"], &action)).collect();
        let spec = list_of("deny", vec![policy(["public", "ns", "shop"], "", operations)]);
        if let Ok(Some(list)) = compiled_or_refused(&spec) {
            let called = Called::Http { method: &method, verb: "GET" };
            let allowed = list.allows(&peer("public", "ns", "shop"), called);
            prop_assert!(!allowed || action == "allow");
            prop_assert!(!list.allows(&Peer::Unauthenticated, called));
        }
    }
}
