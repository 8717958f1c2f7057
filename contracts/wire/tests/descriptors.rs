//! Our descriptors against those of others: the official Python SDK and a running process of the target.
//! Every difference is either a mistake here or listed below with its reason.

use std::collections::BTreeSet;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};

/// Services of the vector and of ours, as lines of facts.
struct Facts(BTreeSet<String>);

impl Facts {
    fn of(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Self {
        let described = FileDescriptorSet::decode(bytes).unwrap();
        let mut facts = Self(BTreeSet::new());
        for file in described.file.iter().filter(|file| wanted(file.name())) {
            facts.0.insert(format!("file {} package {:?}", file.name(), file.package()));
            for service in &file.service {
                facts.service(&scoped(file.package(), service.name()), service);
            }
            for message in &file.message_type {
                facts.message(&scoped(file.package(), message.name()), message);
            }
            for list in &file.enum_type {
                facts.list(&scoped(file.package(), list.name()), list);
            }
        }
        facts
    }

    fn service(&mut self, name: &str, service: &ServiceDescriptorProto) {
        self.0.insert(format!("service {name}"));
        for method in &service.method {
            let streaming = |yes: bool| if yes { "stream " } else { "" };
            self.0.insert(format!(
                "method {name}/{} ({}{}) -> {}{}",
                method.name(),
                streaming(method.client_streaming()),
                method.input_type(),
                streaming(method.server_streaming()),
                method.output_type(),
            ));
        }
    }

    fn message(&mut self, name: &str, message: &DescriptorProto) {
        self.0.insert(format!("message {name}"));
        for field in &message.field {
            self.field(name, message, field);
        }
        for nested in &message.nested_type {
            self.message(&scoped(name, nested.name()), nested);
        }
        for list in &message.enum_type {
            self.list(&scoped(name, list.name()), list);
        }
        for range in &message.reserved_range {
            self.0.insert(format!("reserved {name} {}..{}", range.start(), range.end()));
        }
    }

    fn field(&mut self, name: &str, message: &DescriptorProto, field: &FieldDescriptorProto) {
        let kind = match field.r#type() {
            Type::Message | Type::Enum => field.type_name().to_owned(),
            scalar => format!("{scalar:?}"),
        };
        let label = match field.label() {
            Label::Repeated => "repeated ",
            _ if field.proto3_optional() => "optional ",
            _ => "",
        };
        let oneof = match field.oneof_index {
            Some(index) if !field.proto3_optional() => message.oneof_decl[index as usize].name(),
            _ => "",
        };
        // A compiler may leave out a name that follows from the field's.
        let json = field.json_name.clone().unwrap_or_else(|| lower_camel(field.name()));
        self.0.insert(format!(
            "field {name}.{} = {} {label}{kind} oneof={oneof:?} json={json}",
            field.name(),
            field.number()
        ));
    }

    fn list(&mut self, name: &str, list: &EnumDescriptorProto) {
        self.0.insert(format!("enum {name}"));
        for value in &list.value {
            self.0.insert(format!("value {name}.{} = {}", value.name(), value.number()));
        }
    }

    /// What is only here and not in `other`.
    fn without<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        self.0.difference(&other.0).map(String::as_str).collect()
    }
}

fn scoped(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

fn lower_camel(name: &str) -> String {
    let mut json = String::new();
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                json.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => json.push(letter),
        }
    }
    json
}

fn common_and_runtime(file: &str) -> bool {
    file.starts_with("dapr/proto/common/") || file.starts_with("dapr/proto/runtime/")
}

fn of_the_target(file: &str) -> bool {
    !file.starts_with("google/") && !file.starts_with("trilby/")
}

#[test]
fn our_services_and_messages_are_those_of_a_running_daprd() {
    let theirs = Facts::of(include_bytes!("vectors/daprd-d8450742.bin"), |_| true);
    let ours = Facts::of(trilby_wire::DESCRIPTORS, of_the_target);
    assert!(theirs.0.len() > 1500, "the vector holds only {} facts", theirs.0.len());
    assert_eq!(theirs.without(&ours), Vec::<&str>::new(), "missing here");
    assert_eq!(ours.without(&theirs), Vec::<&str>::new(), "not in the target");
}

#[test]
fn our_services_and_messages_are_those_of_the_python_sdk() {
    let theirs = Facts::of(include_bytes!("vectors/python-sdk-1.18.3.bin"), |_| true);
    let ours = Facts::of(trilby_wire::DESCRIPTORS, common_and_runtime);
    assert!(theirs.0.len() > 500, "the vector holds only {} facts", theirs.0.len());
    assert_eq!(theirs.without(&ours), ONLY_IN_SDK, "in the SDK, not here");
    assert_eq!(ours.without(&theirs), ONLY_IN_TARGET, "here, not in the SDK");
}

#[test]
fn descriptors_hold_what_reflection_needs() {
    let described = FileDescriptorSet::decode(trilby_wire::DESCRIPTORS).unwrap();
    let names: BTreeSet<&str> = described.file.iter().map(|file| file.name()).collect();
    for file in &described.file {
        for import in &file.dependency {
            assert!(names.contains(import.as_str()), "{} imports {import}, which is not there", file.name());
        }
    }
}

/// The target marks the field `optional`. On a field that holds a message this changes nothing on the wire.
const ONLY_IN_SDK: &[&str] = &[r#"field dapr.proto.runtime.v1.Job.data = 6 .google.protobuf.Any oneof="" json=data"#];

/// The target was taken after 1.18: every workflow request may name another app since then. And `Job.data`, see above.
const ONLY_IN_TARGET: &[&str] = &[
    r#"field dapr.proto.runtime.v1.GetWorkflowRequest.app_id = 3 optional String oneof="" json=appID"#,
    r#"field dapr.proto.runtime.v1.Job.data = 6 optional .google.protobuf.Any oneof="" json=data"#,
    r#"field dapr.proto.runtime.v1.PauseWorkflowRequest.app_id = 3 optional String oneof="" json=appID"#,
    r#"field dapr.proto.runtime.v1.PurgeWorkflowRequest.app_id = 3 optional String oneof="" json=appID"#,
    r#"field dapr.proto.runtime.v1.RaiseEventWorkflowRequest.app_id = 5 optional String oneof="" json=appID"#,
    r#"field dapr.proto.runtime.v1.ResumeWorkflowRequest.app_id = 3 optional String oneof="" json=appID"#,
    r#"field dapr.proto.runtime.v1.StartWorkflowRequest.app_id = 6 optional String oneof="" json=appID"#,
    r#"field dapr.proto.runtime.v1.TerminateWorkflowRequest.app_id = 3 optional String oneof="" json=appID"#,
];
