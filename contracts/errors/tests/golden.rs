//! Pins every row in both renderings. A change of the snapshot is a change of what apps see: say so in changes/.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::fmt::Write;

use trilby_errors::{self as errors, ApiError};
use wire::google_rpc::{BadRequest, ErrorInfo, Help, ResourceInfo};

#[test]
fn every_row_looks_as_it_did() {
    let mut text = String::new();
    for entry in errors::catalogue() {
        let error = (entry.sample)();
        let http = errors::http::render(&error);
        writeln!(text, "{} ({}, {:?})", entry.row.key, entry.row.category.label(), entry.row.sent).unwrap();
        writeln!(text, "  metric {:?}", error.metric()).unwrap();
        writeln!(text, "  text   {error}").unwrap();
        writeln!(text, "  http   {} {}", http.status.as_u16(), http.content_type).unwrap();
        writeln!(text, "         {}", std::str::from_utf8(&http.body).unwrap().trim_end()).unwrap();
        grpc(&mut text, &error);
    }
    insta::assert_snapshot!("catalogue", text);
}

fn grpc(text: &mut String, error: &ApiError) {
    let status = errors::grpc::render(error);
    writeln!(text, "  grpc   {} {:?}", errors::code_name(status.code()), status.message()).unwrap();
    for detail in errors::grpc::details_of(&status) {
        if let Some(info) = detail.unpack::<ErrorInfo>("google.rpc.ErrorInfo") {
            let mut metadata: Vec<_> = info.metadata.iter().collect();
            metadata.sort();
            writeln!(text, "         ErrorInfo {} {} {metadata:?}", info.reason, info.domain).unwrap();
        } else if let Some(resource) = detail.unpack::<ResourceInfo>("google.rpc.ResourceInfo") {
            let (kind, name) = (resource.resource_type, resource.resource_name);
            writeln!(text, "         ResourceInfo {kind} {name} {:?}", resource.description).unwrap();
        } else if let Some(bad) = detail.unpack::<BadRequest>("google.rpc.BadRequest") {
            for violation in bad.field_violations {
                writeln!(text, "         BadRequest {} {:?}", violation.field, violation.description).unwrap();
            }
        } else if let Some(help) = detail.unpack::<Help>("google.rpc.Help") {
            for link in help.links {
                writeln!(text, "         Help {} {:?}", link.url, link.description).unwrap();
            }
        } else {
            panic!("{} is not in the snapshot's notation", detail.type_url);
        }
    }
}
