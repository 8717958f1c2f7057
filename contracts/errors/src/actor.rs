//! Rows of the actor API: calls, state, reminders, timers, and the stream an app attaches to host actors.

catalogue! { Actor:
    /// State was asked for or written for an actor that is not active here. Call the actor first; only its own turn
    /// may touch its state.
    ACTOR_INSTANCE_MISSING = actor_instance_missing() {
        tag: "ERR_ACTOR_INSTANCE_MISSING",
        http: BAD_REQUEST,
        grpc: Internal,
        family: Plain,
        message: "actor instance is missing",
    }

    /// The call to the actor failed on the way or in the app. The message ends with the reason.
    ACTOR_INVOKE_METHOD = actor_invoke_method(error) {
        tag: "ERR_ACTOR_INVOKE_METHOD",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error invoke actor method: {error}",
    }

    /// Actors and workflows need one state store with the metadata `actorStateStore: "true"`, and it must support
    /// transactions and etags.
    ACTOR_RUNTIME_NOT_FOUND = actor_runtime_not_found() {
        tag: "ERR_ACTOR_RUNTIME_NOT_FOUND",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "the state store is not configured to use the actor runtime. Have you set the - name: actorStateStore value: \"true\" in your state store component file?",
    }

    /// The state store failed while reading a key of an actor.
    ACTOR_STATE_GET = actor_state_get(error) {
        tag: "ERR_ACTOR_STATE_GET",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error getting actor state: {error}",
    }

    /// The state store refused or failed the transaction of an actor; nothing of it was written.
    ACTOR_STATE_TRANSACTION_SAVE = actor_state_transaction_save(error) {
        tag: "ERR_ACTOR_STATE_TRANSACTION_SAVE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error saving actor transaction state: {error}",
    }

    /// The reminder was not stored: its schedule cannot be read, or the scheduler cannot be reached.
    ACTOR_REMINDER_CREATE = actor_reminder_create(error) {
        tag: "ERR_ACTOR_REMINDER_CREATE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error creating actor reminder: {error}",
    }

    /// The reminder could not be deleted; it may still fire.
    ACTOR_REMINDER_DELETE = actor_reminder_delete(error) {
        tag: "ERR_ACTOR_REMINDER_DELETE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error deleting actor reminder: {error}",
    }

    /// The reminder could not be read.
    ACTOR_REMINDER_GET = actor_reminder_get(error) {
        tag: "ERR_ACTOR_REMINDER_GET",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error getting actor reminder: {error}",
    }

    /// Reminders may only be managed through the sidecar of an app that hosts that actor type.
    ACTOR_REMINDER_NON_HOSTED = actor_reminder_non_hosted() {
        tag: "ERR_ACTOR_REMINDER_NON_HOSTED",
        http: FORBIDDEN,
        grpc: PermissionDenied,
        family: Plain,
        message: "operations on actor reminders are only possible on hosted actor types",
    }

    /// The actor types of the workflow engine are not open to apps. Use the workflow API.
    ACTOR_TYPE_RESERVED = actor_type_reserved(actor_type) {
        tag: "ERR_ACTOR_TYPE_RESERVED",
        http: FORBIDDEN,
        grpc: PermissionDenied,
        family: Plain,
        message: "actor type {actor_type:?} is reserved for the Dapr workflow runtime; direct actor API access is not permitted",
    }

    /// The actor has no reminder of this name.
    ACTOR_REMINDER_NOT_FOUND = actor_reminder_not_found(name) {
        tag: "ERR_ACTOR_REMINDER_NOT_FOUND",
        http: NOT_FOUND,
        grpc: NotFound,
        family: Plain,
        message: "actor reminder not found: {name}",
    }

    /// The actor has a reminder of this name and the request forbids replacing it.
    ACTOR_REMINDER_ALREADY_EXISTS = actor_reminder_already_exists(name) {
        tag: "ERR_ACTOR_REMINDER_ALREADY_EXISTS",
        http: CONFLICT,
        grpc: AlreadyExists,
        family: Plain,
        message: "actor reminder already exists: {name}",
    }

    /// The timer was not started, mostly because its schedule cannot be read.
    ACTOR_TIMER_CREATE = actor_timer_create(error) {
        tag: "ERR_ACTOR_TIMER_CREATE",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Plain,
        message: "error creating actor timer: {error}",
    }

    /// Actors were asked for before the app could be reached.
    ACTOR_NO_APP_CHANNEL = actor_no_app_channel() {
        tag: "ERR_ACTOR_NO_APP_CHANNEL",
        http: BAD_REQUEST,
        grpc: Unavailable,
        family: Plain,
        message: "app channel is not initialized",
        sent: Never,
    }

    /// A chain of reentrant calls went deeper than `reentrancy.maxStackDepth` allows.
    ACTOR_STACK_DEPTH = actor_stack_depth() {
        tag: "ERR_ACTOR_STACK_DEPTH",
        http: INTERNAL_SERVER_ERROR,
        grpc: ResourceExhausted,
        family: Plain,
        message: "maximum stack depth exceeded",
    }

    /// Actors need the placement service; start the sidecar with `--placement-host-address`.
    ACTOR_NO_PLACEMENT = actor_no_placement() {
        tag: "ERR_ACTOR_NO_PLACEMENT",
        http: BAD_REQUEST,
        grpc: Unavailable,
        family: Plain,
        message: "placement service is not configured",
    }

    /// The sidecar is shutting down.
    ACTOR_RUNTIME_CLOSED = actor_runtime_closed() {
        tag: "ERR_ACTOR_RUNTIME_CLOSED",
        http: SERVICE_UNAVAILABLE,
        grpc: Unavailable,
        family: Plain,
        message: "actor runtime is closed",
    }

    /// In Kubernetes the variable `NAMESPACE` must be set for actors.
    ACTOR_NAMESPACE_REQUIRED = actor_namespace_required() {
        tag: "ERR_ACTOR_NAMESPACE_REQUIRED",
        http: PRECONDITION_FAILED,
        grpc: FailedPrecondition,
        family: Plain,
        message: "actors must have a namespace configured when running in Kubernetes mode",
    }

    /// No running app hosts this actor type, or none has told the placement service yet.
    ACTOR_NO_ADDRESS = actor_no_address(actor) {
        tag: "ERR_ACTOR_NO_ADDRESS",
        http: NOT_FOUND,
        grpc: FailedPrecondition,
        family: Plain,
        message: "did not find address for actor '{actor}'",
    }

    /// A part of the address of an actor holds characters that are not allowed. Over HTTP such a call is
    /// ERR_BAD_REQUEST.
    ACTOR_PARAMETER_INVALID = actor_parameter_invalid(parameter, error) {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Raw,
        message: "invalid {parameter}: {error}",
        sent: GrpcOnly,
    }

    /// The method name cannot be brought into its canonical form. Over HTTP such a call is ERR_BAD_REQUEST.
    ACTOR_METHOD_INVALID = actor_method_invalid(error) {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Raw,
        message: "invalid actor method: {error}",
        sent: GrpcOnly,
    }

    /// An app can attach as a host of actors only if it speaks gRPC; set `--app-protocol grpc`.
    ACTOR_STREAM_NEEDS_GRPC = actor_stream_needs_grpc() {
        tag: "",
        http: BAD_REQUEST,
        grpc: FailedPrecondition,
        family: Raw,
        message: "actor callback streaming requires a gRPC app channel",
        sent: GrpcOnly,
    }

    /// The stream of an app that hosts actors must begin with the list of its actor types.
    ACTOR_STREAM_FIRST_MESSAGE = actor_stream_first_message() {
        tag: "",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Raw,
        message: "first message must be SubscribeActorEventsRequestInitialAlpha1",
        sent: GrpcOnly,
    }

    /// The actor types an app announced on its stream could not be taken over.
    ACTOR_STREAM_REGISTER = actor_stream_register(error) {
        tag: "",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Raw,
        message: "failed to register hosted actors: {error}",
        sent: GrpcOnly,
    }
}
