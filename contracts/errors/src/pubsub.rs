//! Rows of publishing. Request metadata, where the target sends it back, is added by the caller.

catalogue! { Pubsub:
    /// The request names no pub/sub component. The metadata is that of the request.
    PUBSUB_EMPTY = pubsub_empty() {
        tag: "ERR_PUBSUB_EMPTY",
        reason: "DAPR_PUBSUB_NAME_EMPTY",
        http: NOT_FOUND,
        grpc: InvalidArgument,
        family: Detailed,
        message: "pubsub name is empty",
        resource: "pubsub" "" ByMessage,
    }

    /// No pub/sub component of this name is loaded: look at the name, the scopes of the component and the log of
    /// the sidecar. Over HTTP the metadata is that of the request.
    PUBSUB_NOT_FOUND = pubsub_not_found(pubsub) {
        tag: "ERR_PUBSUB_NOT_FOUND",
        reason: "DAPR_PUBSUB_NOT_FOUND",
        http: NOT_FOUND,
        grpc: InvalidArgument,
        family: Detailed,
        message: "pubsub {pubsub} is not found",
    }

    /// The component went away between the check of the request and the publishing.
    PUBSUB_NOT_FOUND_BY_ADAPTER = pubsub_not_found_by_adapter(pubsub, topic, error) {
        tag: "ERR_PUBSUB_NOT_FOUND",
        reason: "DAPR_PUBSUB_TEST_NOT_FOUND",
        http: BAD_REQUEST,
        grpc: NotFound,
        family: Detailed,
        message: "pubsub '{pubsub}' not found",
        metadata: { "topic" = topic, "error" = error },
        resource: "pubsub" pubsub ByMessage,
    }

    /// The sidecar has no pub/sub at all yet. Over HTTP the metadata is that of the request.
    PUBSUB_NOT_CONFIGURED = pubsub_not_configured(pubsub) {
        tag: "ERR_PUBSUB_NOT_CONFIGURED",
        reason: "DAPR_PUBSUB_NOT_CONFIGURED",
        http: BAD_REQUEST,
        grpc: FailedPrecondition,
        family: Detailed,
        message: "pubsub {pubsub} is not configured",
    }

    /// The request names no topic. The metadata is that of the request.
    PUBSUB_TOPIC_EMPTY = pubsub_topic_empty(pubsub) {
        tag: "ERR_TOPIC_NAME_EMPTY",
        reason: "DAPR_PUBSUB_TOPIC_NAME_EMPTY",
        http: NOT_FOUND,
        grpc: InvalidArgument,
        family: Detailed,
        message: "topic is empty in pubsub {pubsub}",
        resource: "pubsub" pubsub ByMessage,
    }

    /// The scopes of the component do not let this app publish to this topic (`publishingScopes`, `allowedTopics`,
    /// `protectedTopics`).
    PUBSUB_FORBIDDEN = pubsub_forbidden(pubsub, topic, app_id, error) {
        tag: "ERR_PUBSUB_FORBIDDEN",
        reason: "DAPR_PUBSUB_FORBIDDEN",
        http: FORBIDDEN,
        grpc: PermissionDenied,
        family: Detailed,
        message: "topic {topic} is not allowed for app id {app_id}",
        metadata: { "topic" = topic, "error" = error },
        resource: "pubsub" pubsub ByMessage,
    }

    /// The broker did not take the message.
    PUBSUB_PUBLISH_MESSAGE = pubsub_publish_message(pubsub, topic, error) {
        tag: "ERR_PUBSUB_PUBLISH_MESSAGE",
        reason: "DAPR_PUBSUB_PUBLISH_MESSAGE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Detailed,
        message: "error when publishing to topic {topic} in pubsub {pubsub}: {error}",
        metadata: { "topic" = topic, "error" = error },
        resource: "pubsub" pubsub ByMessage,
    }

    /// `rawPayload` in the metadata is not a boolean. The metadata is that of the request.
    PUBSUB_REQUEST_METADATA = pubsub_request_metadata(pubsub, error) {
        tag: "ERR_PUBSUB_REQUEST_METADATA",
        reason: "DAPR_PUBSUB_METADATA_DESERIALIZATION",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "failed deserializing metadata. Error: {error}",
        resource: "pubsub" pubsub ByMessage,
    }

    /// The body is announced as a cloud event or as JSON, and is not.
    PUBSUB_CLOUD_EVENT = pubsub_cloud_event(pubsub, app_id, error) {
        tag: "ERR_PUBSUB_CLOUD_EVENTS_SER",
        reason: "DAPR_PUBSUB_CLOUD_EVENT_CREATION",
        http: INTERNAL_SERVER_ERROR,
        grpc: InvalidArgument,
        family: Detailed,
        message: "cannot create cloudevent",
        metadata: { "appID" = app_id, "error" = error },
        resource: "pubsub" pubsub ByMessage,
    }

    /// An entry of a bulk request does not fit its content type.
    PUBSUB_MARSHAL_ENVELOPE = pubsub_marshal_envelope(pubsub, topic, app_id, error) {
        tag: "ERR_PUBSUB_EVENTS_SER",
        reason: "DAPR_PUBSUB_MARSHAL_ENVELOPE",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "error when marshalling cloud event envelope for topic {topic} pubsub {pubsub}: {error}",
        metadata: { "appID" = app_id, "error" = error },
        resource: "pubsub" pubsub ByMessage,
    }

    /// Each entry of a bulk request needs an `entryId` of its own.
    PUBSUB_MARSHAL_EVENTS = pubsub_marshal_events(pubsub, topic, app_id, error) {
        tag: "ERR_PUBSUB_EVENTS_SER",
        reason: "DAPR_PUBSUB_MARSHAL_EVENTS",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "error marshaling events to bytes for topic {topic} pubsub {pubsub}. error: {error}",
        metadata: { "appID" = app_id, "error" = error },
        resource: "pubsub" pubsub ByMessage,
    }

    /// The body of a bulk request is not a JSON list of entries.
    PUBSUB_UNMARSHAL_EVENTS = pubsub_unmarshal_events(pubsub, topic, app_id, error) {
        tag: "ERR_PUBSUB_EVENTS_SER",
        reason: "DAPR_PUBSUB_UNMARSHAL_EVENTS",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "error when unmarshaling the request for topic {topic} pubsub {pubsub}: {error}",
        sent: HttpOnly,
        metadata: { "appID" = app_id },
        resource: "pubsub" pubsub ByMessage,
    }

    /// The state transaction was not made, since its outbox message could not be published.
    PUBSUB_OUTBOX = pubsub_outbox(app_id, error) {
        tag: "ERR_PUBLISH_OUTBOX",
        reason: "DAPR_PUBSUB_OUTBOX",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Detailed,
        message: "error while publishing outbox message: {error}",
        metadata: { "appID" = app_id, "error" = error },
    }
}
