//! The table of every API of the target: group, version, HTTP method and path, gRPC method. It feeds the routers, the
//! allow and deny lists, API logs and the generated reference page, and a test holds it against the service descriptors.
//!
//! A row without an operation is not built: it answers 501 / Unimplemented and says so. Rows are facts of the target; what
//! an API does stands elsewhere.

use http::Method;

use crate::routes::{Api, Grpc, Http, Operation, Version};

const fn api(
    name: &'static str,
    group: &'static str,
    http: Option<Http>,
    grpc: &'static [Grpc],
    operation: Option<Operation>,
) -> Api {
    Api { name, group, http, grpc, operation }
}

const fn grpc(method: &'static str, version: Version) -> Grpc {
    Grpc { method, version }
}

/// Every API.
pub const APIS: &[Api] = &[
    api("GetState", "state", Some(Http { methods: &[Method::GET], versions: &[Version::V1], path: "state/{storeName}/{key}", public: false }), &[grpc("GetState", Version::V1)], Some(Operation::GetState)),
    api("SaveState", "state", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1], path: "state/{storeName}", public: false }), &[grpc("SaveState", Version::V1)], Some(Operation::SaveState)),
    api("DeleteState", "state", Some(Http { methods: &[Method::DELETE], versions: &[Version::V1], path: "state/{storeName}/{key}", public: false }), &[grpc("DeleteState", Version::V1)], Some(Operation::DeleteState)),
    api("GetBulkState", "state", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1], path: "state/{storeName}/bulk", public: false }), &[grpc("GetBulkState", Version::V1)], Some(Operation::GetBulkState)),
    api("ExecuteStateTransaction", "state", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1], path: "state/{storeName}/transaction", public: false }), &[grpc("ExecuteStateTransaction", Version::V1)], Some(Operation::ExecuteStateTransaction)),
    api("QueryStateAlpha1", "state", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1Alpha1], path: "state/{storeName}/query", public: false }), &[grpc("QueryStateAlpha1", Version::V1Alpha1)], Some(Operation::QueryState)),
    api("DeleteBulkState", "state", None, &[grpc("DeleteBulkState", Version::V1)], Some(Operation::DeleteBulkState)),
    api("GetBulkSecret", "secrets", Some(Http { methods: &[Method::GET], versions: &[Version::V1], path: "secrets/{secretStoreName}/bulk", public: false }), &[grpc("GetBulkSecret", Version::V1)], Some(Operation::GetBulkSecret)),
    api("GetSecret", "secrets", Some(Http { methods: &[Method::GET], versions: &[Version::V1], path: "secrets/{secretStoreName}/{key}", public: false }), &[grpc("GetSecret", Version::V1)], Some(Operation::GetSecret)),
    api("PublishEvent", "publish", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1], path: "publish/{pubsubname}/*", public: false }), &[grpc("PublishEvent", Version::V1)], None),
    api("BulkPublishEvent", "publish", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1, Version::V1Alpha1], path: "publish/bulk/{pubsubname}/*", public: false }), &[grpc("BulkPublishEventAlpha1", Version::V1Alpha1), grpc("BulkPublishEvent", Version::V1)], None),
    api("ExecuteActorStateTransaction", "actors", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1], path: "actors/{actorType}/{actorId}/state", public: false }), &[grpc("ExecuteActorStateTransaction", Version::V1)], None),
    api("InvokeActor", "actors", Some(Http { methods: &[Method::GET, Method::POST, Method::DELETE, Method::PUT], versions: &[Version::V1], path: "actors/{actorType}/{actorId}/method/{method}", public: false }), &[grpc("InvokeActor", Version::V1)], None),
    api("GetActorState", "actors", Some(Http { methods: &[Method::GET], versions: &[Version::V1], path: "actors/{actorType}/{actorId}/state/{key}", public: false }), &[grpc("GetActorState", Version::V1)], None),
    api("RegisterActorReminder", "actors", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1], path: "actors/{actorType}/{actorId}/reminders/{name}", public: false }), &[grpc("RegisterActorReminder", Version::V1)], None),
    api("RegisterActorTimer", "actors", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1], path: "actors/{actorType}/{actorId}/timers/{name}", public: false }), &[grpc("RegisterActorTimer", Version::V1)], None),
    api("UnregisterActorReminder", "actors", Some(Http { methods: &[Method::DELETE], versions: &[Version::V1], path: "actors/{actorType}/{actorId}/reminders/{name}", public: false }), &[grpc("UnregisterActorReminder", Version::V1)], None),
    api("UnregisterActorTimer", "actors", Some(Http { methods: &[Method::DELETE], versions: &[Version::V1], path: "actors/{actorType}/{actorId}/timers/{name}", public: false }), &[grpc("UnregisterActorTimer", Version::V1)], None),
    api("GetActorReminder", "actors", Some(Http { methods: &[Method::GET], versions: &[Version::V1], path: "actors/{actorType}/{actorId}/reminders/{name}", public: false }), &[grpc("GetActorReminder", Version::V1)], None),
    api("UnregisterActorRemindersByType", "actors", None, &[grpc("UnregisterActorRemindersByType", Version::V1)], None),
    api("ListActorReminders", "actors", None, &[grpc("ListActorReminders", Version::V1)], None),
    api("SubscribeActorEventsAlpha1", "actors", None, &[grpc("SubscribeActorEventsAlpha1", Version::V1Alpha1)], None),
    api("InvokeService", "invoke", Some(Http { methods: &[], versions: &[Version::V1], path: "invoke/*", public: false }), &[grpc("InvokeService", Version::V1)], Some(Operation::InvokeService)),
    api("GetMetadata", "metadata", Some(Http { methods: &[Method::GET], versions: &[Version::V1], path: "metadata", public: true }), &[grpc("GetMetadata", Version::V1)], Some(Operation::GetMetadata)),
    api("PutMetadata", "metadata", Some(Http { methods: &[Method::PUT], versions: &[Version::V1], path: "metadata/{key}", public: true }), &[grpc("SetMetadata", Version::V1)], Some(Operation::PutMetadata)),
    api("Shutdown", "shutdown", Some(Http { methods: &[Method::POST], versions: &[Version::V1], path: "shutdown", public: false }), &[grpc("Shutdown", Version::V1)], Some(Operation::Shutdown)),
    api("InvokeBinding", "bindings", Some(Http { methods: &[Method::POST, Method::PUT], versions: &[Version::V1], path: "bindings/{name}", public: false }), &[grpc("InvokeBinding", Version::V1)], None),
    api("GetConfiguration", "configuration", Some(Http { methods: &[Method::GET], versions: &[Version::V1, Version::V1Alpha1], path: "configuration/{storeName}", public: false }), &[grpc("GetConfigurationAlpha1", Version::V1Alpha1), grpc("GetConfiguration", Version::V1)], None),
    api("SubscribeConfiguration", "configuration", Some(Http { methods: &[Method::GET], versions: &[Version::V1, Version::V1Alpha1], path: "configuration/{storeName}/subscribe", public: false }), &[grpc("SubscribeConfigurationAlpha1", Version::V1Alpha1), grpc("SubscribeConfiguration", Version::V1)], None),
    api("UnsubscribeConfiguration", "configuration", Some(Http { methods: &[Method::GET], versions: &[Version::V1, Version::V1Alpha1], path: "configuration/{storeName}/{configurationSubscribeID}/unsubscribe", public: false }), &[grpc("UnsubscribeConfigurationAlpha1", Version::V1Alpha1), grpc("UnsubscribeConfiguration", Version::V1)], None),
    api("SubtleGetKey", "subtlecrypto", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1], path: "subtlecrypto/{name}/getkey", public: false }), &[grpc("SubtleGetKeyAlpha1", Version::V1Alpha1)], None),
    api("SubtleEncrypt", "subtlecrypto", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1], path: "subtlecrypto/{name}/encrypt", public: false }), &[grpc("SubtleEncryptAlpha1", Version::V1Alpha1)], None),
    api("SubtleDecrypt", "subtlecrypto", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1], path: "subtlecrypto/{name}/decrypt", public: false }), &[grpc("SubtleDecryptAlpha1", Version::V1Alpha1)], None),
    api("SubtleWrapKey", "subtlecrypto", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1], path: "subtlecrypto/{name}/wrapkey", public: false }), &[grpc("SubtleWrapKeyAlpha1", Version::V1Alpha1)], None),
    api("SubtleUnwrapKey", "subtlecrypto", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1], path: "subtlecrypto/{name}/unwrapkey", public: false }), &[grpc("SubtleUnwrapKeyAlpha1", Version::V1Alpha1)], None),
    api("SubtleSign", "subtlecrypto", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1], path: "subtlecrypto/{name}/sign", public: false }), &[grpc("SubtleSignAlpha1", Version::V1Alpha1)], None),
    api("SubtleVerify", "subtlecrypto", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1], path: "subtlecrypto/{name}/verify", public: false }), &[grpc("SubtleVerifyAlpha1", Version::V1Alpha1)], None),
    api("Encrypt", "crypto", Some(Http { methods: &[Method::PUT], versions: &[Version::V1Alpha1], path: "crypto/{name}/encrypt", public: false }), &[grpc("EncryptAlpha1", Version::V1Alpha1)], None),
    api("Decrypt", "crypto", Some(Http { methods: &[Method::PUT], versions: &[Version::V1Alpha1], path: "crypto/{name}/decrypt", public: false }), &[grpc("DecryptAlpha1", Version::V1Alpha1)], None),
    api("Healthz", "healthz", Some(Http { methods: &[Method::GET], versions: &[Version::V1], path: "healthz", public: true }), &[], Some(Operation::Healthz)),
    api("HealthzOutbound", "healthz", Some(Http { methods: &[Method::GET], versions: &[Version::V1], path: "healthz/outbound", public: true }), &[], Some(Operation::HealthzOutbound)),
    api("TryLock", "lock", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1], path: "lock/{storeName}", public: false }), &[grpc("TryLockAlpha1", Version::V1Alpha1)], None),
    api("Unlock", "unlock", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1], path: "unlock/{storeName}", public: false }), &[grpc("UnlockAlpha1", Version::V1Alpha1)], None),
    api("GetWorkflow", "workflows", Some(Http { methods: &[Method::GET], versions: &[Version::V1, Version::V1Alpha1, Version::V1Beta1], path: "workflows/{workflowComponent}/{instanceID}", public: false }), &[grpc("GetWorkflowAlpha1", Version::V1Alpha1), grpc("GetWorkflowBeta1", Version::V1Beta1)], None),
    api("RaiseEventWorkflow", "workflows", Some(Http { methods: &[Method::POST], versions: &[Version::V1, Version::V1Alpha1, Version::V1Beta1], path: "workflows/{workflowComponent}/{instanceID}/raiseEvent/{eventName}", public: false }), &[grpc("RaiseEventWorkflowAlpha1", Version::V1Alpha1), grpc("RaiseEventWorkflowBeta1", Version::V1Beta1)], None),
    api("StartWorkflow", "workflows", Some(Http { methods: &[Method::POST], versions: &[Version::V1, Version::V1Alpha1, Version::V1Beta1], path: "workflows/{workflowComponent}/{workflowName}/start", public: false }), &[grpc("StartWorkflowAlpha1", Version::V1Alpha1), grpc("StartWorkflowBeta1", Version::V1Beta1)], None),
    api("PauseWorkflow", "workflows", Some(Http { methods: &[Method::POST], versions: &[Version::V1, Version::V1Alpha1, Version::V1Beta1], path: "workflows/{workflowComponent}/{instanceID}/pause", public: false }), &[grpc("PauseWorkflowAlpha1", Version::V1Alpha1), grpc("PauseWorkflowBeta1", Version::V1Beta1)], None),
    api("ResumeWorkflow", "workflows", Some(Http { methods: &[Method::POST], versions: &[Version::V1, Version::V1Alpha1, Version::V1Beta1], path: "workflows/{workflowComponent}/{instanceID}/resume", public: false }), &[grpc("ResumeWorkflowAlpha1", Version::V1Alpha1), grpc("ResumeWorkflowBeta1", Version::V1Beta1)], None),
    api("TerminateWorkflow", "workflows", Some(Http { methods: &[Method::POST], versions: &[Version::V1, Version::V1Alpha1, Version::V1Beta1], path: "workflows/{workflowComponent}/{instanceID}/terminate", public: false }), &[grpc("TerminateWorkflowAlpha1", Version::V1Alpha1), grpc("TerminateWorkflowBeta1", Version::V1Beta1)], None),
    api("PurgeWorkflow", "workflows", Some(Http { methods: &[Method::POST], versions: &[Version::V1, Version::V1Alpha1, Version::V1Beta1], path: "workflows/{workflowComponent}/{instanceID}/purge", public: false }), &[grpc("PurgeWorkflowAlpha1", Version::V1Alpha1), grpc("PurgeWorkflowBeta1", Version::V1Beta1)], None),
    api("ScheduleJob", "jobs", Some(Http { methods: &[Method::POST], versions: &[Version::V1, Version::V1Alpha1], path: "jobs/{name}", public: false }), &[grpc("ScheduleJobAlpha1", Version::V1Alpha1), grpc("ScheduleJob", Version::V1)], None),
    api("DeleteJob", "jobs", Some(Http { methods: &[Method::DELETE], versions: &[Version::V1, Version::V1Alpha1], path: "jobs/{name}", public: false }), &[grpc("DeleteJobAlpha1", Version::V1Alpha1), grpc("DeleteJob", Version::V1)], None),
    api("GetJob", "jobs", Some(Http { methods: &[Method::GET], versions: &[Version::V1, Version::V1Alpha1], path: "jobs/{name}", public: false }), &[grpc("GetJobAlpha1", Version::V1Alpha1), grpc("GetJob", Version::V1)], None),
    api("DeleteJobsByPrefixAlpha1", "jobs", None, &[grpc("DeleteJobsByPrefixAlpha1", Version::V1Alpha1)], None),
    api("DeleteJobsByPrefix", "jobs", None, &[grpc("DeleteJobsByPrefix", Version::V1)], None),
    api("ListJobsAlpha1", "jobs", None, &[grpc("ListJobsAlpha1", Version::V1Alpha1)], None),
    api("ListJobs", "jobs", None, &[grpc("ListJobs", Version::V1)], None),
    api("Converse", "conversation", Some(Http { methods: &[Method::POST], versions: &[Version::V1Alpha1, Version::V1Alpha2], path: "conversation/{name}/converse", public: false }), &[grpc("ConverseAlpha1", Version::V1Alpha1), grpc("ConverseAlpha2", Version::V1Alpha2)], None),
    api("SubscribeTopicEventsAlpha1", "subscribe", None, &[grpc("SubscribeTopicEventsAlpha1", Version::V1Alpha1)], None),
];
