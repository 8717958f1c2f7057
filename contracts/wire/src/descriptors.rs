//! The compiled form of every `.proto` file, for gRPC reflection and for tests that compare services.

/// A serialized `google.protobuf.FileDescriptorSet` with every file of `contracts/proto` and what they import, without
/// comments. File names are those of the target, since reflection shows them to clients.
pub const DESCRIPTORS: &[u8] = include_bytes!("gen/descriptors.bin");
