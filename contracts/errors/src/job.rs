//! Rows of the jobs API. They have no tag: over HTTP the reason is the error code.

catalogue! { Job:
    /// The scheduler did not take the job. Its code is passed on, so an existing job that may not be replaced is
    /// 409 / AlreadyExists.
    JOB_SCHEDULE = job_schedule(app_id, namespace, error) {
        tag: "",
        reason: "DAPR_SCHEDULER_SCHEDULE_JOB",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Detailed,
        message: "failed to schedule job due to: {error}",
        metadata: { "appID" = app_id, "namespace" = namespace },
    }

    /// The name of a job stands in the path, and must not stand in the body.
    JOB_NAME_IN_BODY = job_name_in_body(app_id) {
        tag: "",
        reason: "DAPR_SCHEDULER_JOB_NAME",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "Set the job name in the url only",
        sent: HttpOnly,
        metadata: { "appID" = app_id },
    }

    /// The request names no job.
    JOB_NAME_EMPTY = job_name_empty(app_id, namespace) {
        tag: "",
        reason: "DAPR_SCHEDULER_JOB_NAME_EMPTY",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "Name is empty",
        metadata: { "appID" = app_id, "namespace" = namespace },
    }

    /// There is no such job, or the scheduler cannot be reached.
    JOB_GET = job_get(app_id, namespace, error) {
        tag: "",
        reason: "DAPR_SCHEDULER_GET_JOB",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Detailed,
        message: "failed to get job due to: {error}",
        metadata: { "appID" = app_id, "namespace" = namespace },
    }

    /// The scheduler cannot be reached.
    JOB_LIST = job_list(app_id, namespace, error) {
        tag: "",
        reason: "DAPR_SCHEDULER_LIST_JOBS",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Detailed,
        message: "failed to list jobs due to: {error}",
        sent: GrpcOnly,
        metadata: { "appID" = app_id, "namespace" = namespace },
    }

    /// The scheduler cannot be reached.
    JOB_DELETE = job_delete(app_id, namespace, error) {
        tag: "",
        reason: "DAPR_SCHEDULER_DELETE_JOB",
        http: INTERNAL_SERVER_ERROR,
        grpc: Internal,
        family: Detailed,
        message: "failed to delete job due to: {error}",
        metadata: { "appID" = app_id, "namespace" = namespace },
    }

    /// The request has no job in it.
    JOB_EMPTY = job_empty(app_id, namespace) {
        tag: "",
        reason: "DAPR_SCHEDULER_EMPTY",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "Job is empty",
        metadata: { "appID" = app_id, "namespace" = namespace },
    }

    /// A job needs a schedule or a due time.
    JOB_SCHEDULE_EMPTY = job_schedule_empty(app_id, namespace) {
        tag: "",
        reason: "DAPR_SCHEDULER_SCHEDULE_EMPTY",
        http: BAD_REQUEST,
        grpc: InvalidArgument,
        family: Detailed,
        message: "Schedule is empty",
        metadata: { "appID" = app_id, "namespace" = namespace },
    }
}
