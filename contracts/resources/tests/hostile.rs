//! No bytes whatever make reading panic, hang or grow without bound.

use std::path::PathBuf;

use proptest::prelude::*;
use resources::{ResourceFile, Selection, load_files, merge_configuration};
use trilby_resources as resources;

fn read_all(bytes: &[u8]) {
    let file = ResourceFile { path: PathBuf::from("any.yaml"), content: bytes.to_vec() };
    let loaded = load_files(&[file], &Selection { app_id: "a".to_owned(), namespace: Some("n".to_owned()) });
    for warning in &loaded.warnings {
        assert!(warning.to_string().len() < 4_096);
    }
    let text = String::from_utf8_lossy(bytes).into_owned();
    if let Err(error) = merge_configuration(&[(PathBuf::from("any.yaml"), text)], &|_| Some("x".to_owned())) {
        assert!(!error.to_string().is_empty());
    }
}

/// Pieces that documents of our kinds are made of, so that random text gets past the first line.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("apiVersion: dapr.io/v1alpha1\n".to_owned()),
        Just("kind: Component\n".to_owned()),
        Just("kind: MCPServer\n".to_owned()),
        Just("kind: Resiliency\n".to_owned()),
        Just("metadata:\n  name: ".to_owned()),
        Just("spec:\n  metadata:\n  - name: a\n    value: ".to_owned()),
        Just("\n---\n".to_owned()),
        Just("&a ".to_owned()),
        Just("*a ".to_owned()),
        Just("<<: *a\n".to_owned()),
        Just("!!int ".to_owned()),
        Just("- ".to_owned()),
        Just("{".to_owned()),
        Just("[".to_owned()),
        Just(": ".to_owned()),
        Just("\"".to_owned()),
        Just("|\n  ".to_owned()),
        Just("? ".to_owned()),
        Just("0x".to_owned()),
        Just("1e999".to_owned()),
        Just("\n".to_owned()),
        ".{0,6}",
    ]
}

proptest! {
    #[test]
    fn random_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn nearly_right_documents_are_survived(pieces in proptest::collection::vec(piece(), 0..30)) {
        read_all(pieces.concat().as_bytes());
    }

    #[test]
    fn damaged_goldens_are_survived(which in 0usize..8, position in 0usize..4_000, byte in any::<u8>()) {
        let golden = [
            include_str!("golden/component.yaml"), include_str!("golden/configuration.yaml"),
            include_str!("golden/http-endpoint.yaml"), include_str!("golden/mcp-server.yaml"),
            include_str!("golden/resiliency.yaml"), include_str!("golden/subscription.yaml"),
            include_str!("golden/subscription-v1.yaml"), include_str!("golden/workflow-access-policy.yaml"),
        ];
        let mut bytes = golden[which].as_bytes().to_vec();
        let position = position % bytes.len();
        bytes[position] = byte;
        read_all(&bytes);
    }
}

#[test]
fn very_deep_and_very_wide_documents_are_refused_quickly() {
    read_all("[".repeat(100_000).as_bytes());
    read_all("{a: ".repeat(100_000).as_bytes());
    read_all("- ".repeat(100_000).as_bytes());
    read_all(format!("a: [{}]\n", "x,".repeat(1_200_000)).as_bytes());
}
