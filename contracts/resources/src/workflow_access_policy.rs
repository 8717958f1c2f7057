//! The kind `WorkflowAccessPolicy`: which apps may do what with the workflows and activities of this one.
//!
//! Read by the loader, compiled by the workflow engine. An invalid one guards nothing, so callers must use
//! [`WorkflowAccessPolicy::validate`] before they compile it.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::meta::{ObjectMeta, Resource, unset};

/// Who may do what with workflows (`dapr.io/v1alpha1`, kind `WorkflowAccessPolicy`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowAccessPolicy {
    /// Always `dapr.io/v1alpha1`.
    pub api_version: String,
    /// Always `WorkflowAccessPolicy`.
    pub kind: String,
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// The rules.
    pub spec: WorkflowAccessPolicySpec,
    /// App ids it guards; empty means all.
    #[serde(skip_serializing_if = "unset")]
    pub scopes: Vec<String>,
}

/// The rules of a policy; what none of them grants is refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowAccessPolicySpec {
    /// At most 100.
    #[serde(skip_serializing_if = "unset")]
    pub rules: Vec<WorkflowAccessRule>,
}

/// What some callers may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowAccessRule {
    /// 1 to 100 apps.
    pub callers: Vec<WorkflowCaller>,
    /// At most 100; this or `activities` must be set.
    #[serde(skip_serializing_if = "unset")]
    pub workflows: Vec<WorkflowRule>,
    /// At most 100.
    #[serde(skip_serializing_if = "unset")]
    pub activities: Vec<ActivityRule>,
}

/// An app that calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowCaller {
    /// Its app id, 1 to 256 characters.
    #[serde(rename = "appID")]
    pub app_id: String,
}

/// What may be done with workflows of a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowRule {
    /// Exact name or glob, 1 to 256 characters.
    pub name: String,
    /// 1 to 8 of `schedule`, `terminate`, `raise`, `pause`, `resume`, `purge`, `get`, `rerun`, each once.
    pub operations: Vec<String>,
    /// Events the caller's history must show, in order; at most 20; only when `schedule` is the one operation.
    #[serde(skip_serializing_if = "unset")]
    pub requires: Vec<RequiredEvent>,
}

/// Activities that may be scheduled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ActivityRule {
    /// Exact name or glob, 1 to 256 characters.
    pub name: String,
    /// Events the caller's history must show, in order; at most 20.
    #[serde(skip_serializing_if = "unset")]
    pub requires: Vec<RequiredEvent>,
}

/// An event that the caller's history must show.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequiredEvent {
    /// `activity.started`, `activity.completed`, `workflow.started`, `workflow.completed` or `event.raised`.
    pub event_type: String,
    /// Name of the activity, the child workflow or the event; 1 to 256 characters.
    pub name: String,
    /// App that produced it; 1 to 256 characters.
    #[serde(rename = "appID")]
    pub app_id: String,
}

/// Operations on workflows that rules may name.
pub const WORKFLOW_OPERATIONS: [&str; 8] =
    ["schedule", "terminate", "raise", "pause", "resume", "purge", "get", "rerun"];

/// Events that rules may require.
pub const REQUIRED_EVENTS: [&str; 5] =
    ["activity.started", "activity.completed", "workflow.started", "workflow.completed", "event.raised"];

impl WorkflowAccessPolicy {
    /// Checks the rules that the schema of the kind adds to the types. The target skips a policy that breaks one, with a
    /// warning that names the policy.
    ///
    /// # Errors
    /// Names every field that breaks a rule.
    pub fn validate(&self) -> Result<(), Error> {
        let mut checks = Checks { reasons: Vec::new() };
        checks.count("spec.rules", self.spec.rules.len(), 0, 100);
        for (index, rule) in self.spec.rules.iter().enumerate() {
            checks.rule(&format!("spec.rules[{index}]"), rule);
        }
        if checks.reasons.is_empty() {
            return Ok(());
        }
        Err(Error::Invalid { kind: Self::KIND, name: self.metadata.name.clone(), reasons: checks.reasons })
    }
}

/// The broken rules found so far.
struct Checks {
    reasons: Vec<String>,
}

impl Checks {
    fn rule(&mut self, path: &str, rule: &WorkflowAccessRule) {
        self.count(&format!("{path}.callers"), rule.callers.len(), 1, 100);
        self.count(&format!("{path}.workflows"), rule.workflows.len(), 0, 100);
        self.count(&format!("{path}.activities"), rule.activities.len(), 0, 100);
        if rule.workflows.is_empty() && rule.activities.is_empty() {
            self.reasons.push(format!("{path}: at least one of workflows or activities must contain a rule"));
        }
        for (index, caller) in rule.callers.iter().enumerate() {
            self.length(&format!("{path}.callers[{index}].appID"), &caller.app_id);
        }
        for (index, workflow) in rule.workflows.iter().enumerate() {
            self.workflow(&format!("{path}.workflows[{index}]"), workflow);
        }
        for (index, activity) in rule.activities.iter().enumerate() {
            let path = format!("{path}.activities[{index}]");
            self.length(&format!("{path}.name"), &activity.name);
            self.events(&path, &activity.requires);
        }
    }

    fn workflow(&mut self, path: &str, rule: &WorkflowRule) {
        self.length(&format!("{path}.name"), &rule.name);
        self.count(&format!("{path}.operations"), rule.operations.len(), 1, 8);
        for (index, operation) in rule.operations.iter().enumerate() {
            let path = format!("{path}.operations[{index}]");
            self.one_of(&path, operation, &WORKFLOW_OPERATIONS);
            if rule.operations.iter().take(index).any(|earlier| earlier == operation) {
                self.reasons.push(format!("{path}: {operation:?} is repeated"));
            }
        }
        let only_schedule = matches!(rule.operations.as_slice(), [only] if only == "schedule");
        if !rule.requires.is_empty() && !only_schedule {
            self.reasons.push(format!("{path}: requires is only valid when the rule's only operation is 'schedule'"));
        }
        self.events(path, &rule.requires);
    }

    fn events(&mut self, path: &str, events: &[RequiredEvent]) {
        self.count(&format!("{path}.requires"), events.len(), 0, 20);
        for (index, event) in events.iter().enumerate() {
            let path = format!("{path}.requires[{index}]");
            self.one_of(&format!("{path}.eventType"), &event.event_type, &REQUIRED_EVENTS);
            self.length(&format!("{path}.name"), &event.name);
            self.length(&format!("{path}.appID"), &event.app_id);
        }
    }

    fn count(&mut self, path: &str, count: usize, least: usize, most: usize) {
        if count < least {
            self.reasons.push(format!("{path}: should have at least {least} items"));
        }
        if count > most {
            self.reasons.push(format!("{path}: should have at most {most} items, has {count}"));
        }
    }

    fn length(&mut self, path: &str, text: &str) {
        let length = text.chars().count();
        if length == 0 || length > 256 {
            self.reasons.push(format!("{path}: should be 1 to 256 characters long, has {length}"));
        }
    }

    fn one_of(&mut self, path: &str, text: &str, known: &[&str]) {
        if !known.contains(&text) {
            self.reasons.push(format!("{path}: unsupported value {text:?}, expected one of {}", known.join(", ")));
        }
    }
}

impl Resource for WorkflowAccessPolicy {
    const KIND: &'static str = "WorkflowAccessPolicy";

    fn object_meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn scopes(&self) -> &[String] {
        &self.scopes
    }
}
