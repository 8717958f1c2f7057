//! Rows of the workflow API.

catalogue! { Workflow:
    /// The state of the instance could not be read.
    WORKFLOW_GET = workflow_get(instance, error) {
        tag: "ERR_GET_WORKFLOW",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error while getting workflow info on instance '{instance}': {error}",
    }

    /// The instance could not be created, for instance because an active one has the same id.
    WORKFLOW_START = workflow_start(workflow, error) {
        tag: "ERR_START_WORKFLOW",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error starting workflow '{workflow}': {error}",
    }

    /// The instance could not be paused.
    WORKFLOW_PAUSE = workflow_pause(instance, error) {
        tag: "ERR_PAUSE_WORKFLOW",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error pausing workflow {instance}: {error}",
    }

    /// The instance could not be resumed.
    WORKFLOW_RESUME = workflow_resume(instance, error) {
        tag: "ERR_RESUME_WORKFLOW",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error resuming workflow {instance}: {error}",
    }

    /// The instance could not be ended.
    WORKFLOW_TERMINATE = workflow_terminate(instance, error) {
        tag: "ERR_TERMINATE_WORKFLOW",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error terminating workflow '{instance}': {error}",
    }

    /// The history of the instance could not be removed. Only finished instances can be purged.
    WORKFLOW_PURGE = workflow_purge(instance, error) {
        tag: "ERR_PURGE_WORKFLOW",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error purging workflow {instance}: {error}",
    }

    /// The event could not be delivered to the instance.
    WORKFLOW_RAISE_EVENT = workflow_raise_event(instance, error) {
        tag: "ERR_RAISE_EVENT_WORKFLOW",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error raising event on workflow '{instance}': {error}",
    }

    /// Left from the time when workflows named a component.
    WORKFLOW_COMPONENT_MISSING = workflow_component_missing() {
        tag: "ERR_WORKFLOW_COMPONENT_MISSING",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "no workflow component was provided",
        sent: Never,
    }

    /// Left from the time when workflows named a component.
    WORKFLOW_COMPONENT_NOT_FOUND = workflow_component_not_found(component) {
        tag: "ERR_WORKFLOW_COMPONENT_NOT_FOUND",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "workflow component '{component}' does not exist",
        sent: Never,
    }

    /// The request raises an event without a name.
    WORKFLOW_EVENT_NAME_MISSING = workflow_event_name_missing() {
        tag: "ERR_WORKFLOW_EVENT_NAME_MISSING",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "missing workflow event name",
    }

    /// The request starts a workflow without a name.
    WORKFLOW_NAME_MISSING = workflow_name_missing() {
        tag: "ERR_WORKFLOW_NAME_MISSING",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "workflow name is not configured",
    }

    /// An instance id may hold ASCII letters, digits, underscores and, although the message does not say so,
    /// dashes.
    WORKFLOW_INSTANCE_ID_INVALID = workflow_instance_id_invalid(instance) {
        tag: "ERR_INSTANCE_ID_INVALID",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "workflow instance ID '{instance}' is invalid: only alphanumeric and underscore characters are allowed",
    }

    /// There is no instance of this id, or it was purged.
    WORKFLOW_INSTANCE_ID_NOT_FOUND = workflow_instance_id_not_found(instance) {
        tag: "ERR_INSTANCE_ID_NOT_FOUND",
        http: NOT_FOUND,
        grpc: NotFound,
        family: Plain,
        message: "unable to find workflow with the provided instance ID: {instance}",
    }

    /// The request names no instance.
    WORKFLOW_INSTANCE_ID_MISSING = workflow_instance_id_missing() {
        tag: "ERR_INSTANCE_ID_PROVIDED_MISSING",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "no instance ID was provided",
    }

    /// The id of a new instance is longer than 64 characters.
    WORKFLOW_INSTANCE_ID_TOO_LONG = workflow_instance_id_too_long(limit) {
        tag: "ERR_INSTANCE_ID_TOO_LONG",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "workflow instance ID exceeds the max length of {limit} characters",
    }

    /// The request is for a workflow of another app, and its id is not one.
    WORKFLOW_APP_ID_INVALID = workflow_app_id_invalid(app_id) {
        tag: "ERR_WORKFLOW_APP_ID_INVALID",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Plain,
        message: "workflow app ID '{app_id}' is invalid: only alphanumeric, dash and underscore characters are allowed",
    }

    /// The workflow access policy of the called app does not let this caller do this.
    WORKFLOW_ACCESS_DENIED = workflow_access_denied() {
        tag: "",
        http: FORBIDDEN,
        grpc: PermissionDenied,
        family: Raw,
        message: "access denied by workflow access policy",
        sent: GrpcOnly,
    }

    /// A workflow access policy is in force and the certificate of the caller cannot be read.
    WORKFLOW_CALLER_UNKNOWN = workflow_caller_unknown() {
        tag: "",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Raw,
        message: "workflow access policy: failed to extract caller identity",
        sent: GrpcOnly,
    }
}
