"""Records the vectors of this folder; see README.md for the commands. Needs `pip install grpcio-reflection dapr==1.18.3`."""

import sys

from google.protobuf import descriptor_pb2

# What a daprd knows beyond the services it lists: reflection answers for every file linked into the process.
LINKED = [
    "backend_service.proto",
    "runtime_state.proto",
    "dapr/proto/components/v1/bindings.proto",
    "dapr/proto/components/v1/pubsub.proto",
    "dapr/proto/components/v1/secretstore.proto",
    "dapr/proto/components/v1/state.proto",
    "dapr/proto/internals/v1/jobs.proto",
    "dapr/proto/operator/v1/operator.proto",
    "dapr/proto/operator/v1/resource.proto",
    "dapr/proto/placement/v1/placement.proto",
    "dapr/proto/placement/v1/state.proto",
    "dapr/proto/scheduler/v1/scheduler.proto",
    "dapr/proto/sentry/v1/sentry.proto",
    "dapr/proto/workflows/v1/mcp.proto",
]


def write(files, path):
    """Keeps what travels on the wire: no options of other languages, no positions, no files of Google or gRPC."""
    kept = descriptor_pb2.FileDescriptorSet()
    for name in sorted(files):
        if name.startswith(("google/", "grpc/")):
            continue
        files[name].ClearField("options")
        files[name].ClearField("source_code_info")
        kept.file.append(files[name])
    with open(path, "wb") as out:
        out.write(kept.SerializeToString(deterministic=True))
    print(path, [file.name for file in kept.file])


def parse(serialized):
    file = descriptor_pb2.FileDescriptorProto()
    file.ParseFromString(serialized)
    return file


def sdk(path):
    from dapr.proto.runtime.v1 import appcallback_pb2, dapr_pb2

    files, open_files = {}, [dapr_pb2.DESCRIPTOR, appcallback_pb2.DESCRIPTOR]
    while open_files:
        file = open_files.pop()
        if file.name not in files:
            files[file.name] = parse(file.serialized_pb)
            open_files.extend(file.dependencies)
    write(files, path)


def reflection(path, app_id, *addresses):
    import grpc
    from grpc_reflection.v1alpha import reflection_pb2 as messages

    files = {}
    for address in addresses:
        call = grpc.insecure_channel(address).stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=messages.ServerReflectionRequest.SerializeToString,
            response_deserializer=messages.ServerReflectionResponse.FromString,
        )

        # While tracing is on, daprd refuses any stream outside its own services that does not name an app.
        def ask(**question):
            request = messages.ServerReflectionRequest(**question)
            return next(call(iter([request]), metadata=[("dapr-app-id", app_id)]))

        def add(**question):
            for serialized in ask(**question).file_descriptor_response.file_descriptor_proto:
                file = parse(serialized)
                if file.name not in files:
                    files[file.name] = file
                    for name in file.dependency:
                        if name not in files:
                            add(file_by_filename=name)

        for service in ask(list_services="").list_services_response.service:
            print(address, service.name)
            add(file_containing_symbol=service.name)
        for name in LINKED:
            add(file_by_filename=name)
    write(files, path)


if __name__ == "__main__":
    {"sdk": sdk, "reflection": reflection}[sys.argv[1]](*sys.argv[2:])
