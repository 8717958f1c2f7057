//! The command `check`: whether the resources in folders and files could be loaded, and what is probably not meant. It starts
//! nothing and connects to nothing; of the secret stores it asks only those that read a file or the environment.

mod finding;
mod judge;
mod secrets;

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use clap::ArgMatches;
use resources::{Place, RESOURCE_KINDS, Survey, Warning};
use service::Environment;

use self::finding::{Finding, Severity};
use self::secrets::Stores;
use crate::nearest::nearest;
use crate::session::Session;

/// Prints what is wrong, and fails if anything is.
pub(crate) async fn check(matches: &ArgMatches, session: &Session) -> Result<()> {
    let output = matches.get_one::<String>("output").map(String::as_str).unwrap_or_default();
    if !["", "text", "json"].contains(&output) {
        bail!("the output form {output} is unknown; use json or text");
    }
    let paths: Vec<&String> = matches.get_many::<String>("paths").into_iter().flatten().collect();
    let survey = resources::survey(&paths)?;
    let findings = judge(&survey, &session.environment).await;
    if output == "json" {
        session.console.print(serde_json::to_string_pretty(&findings)? + "\n");
    } else {
        for finding in &findings {
            session.console.print(format!("{finding}\n"));
        }
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    let warnings = findings.len() - errors;
    let told = match (errors, warnings) {
        (0, 0) => "nothing to complain about".to_owned(),
        (0, warnings) => format!("no errors, {}", counted(warnings, "warning")),
        (errors, 0) => counted(errors, "error"),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    let told = format!("{} read: {told}", counted(survey.readable, "resource"));
    if errors > 0 {
        bail!("{told}");
    }
    if output != "json" {
        session.console.success(told);
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Everything there is to say, in the order of files and lines.
async fn judge(survey: &Survey, environment: &Environment) -> Vec<Finding> {
    let mut findings: Vec<Finding> = survey.warnings.iter().map(of_warning).collect();
    findings.extend(survey.strangers.iter().map(of_stranger));
    let registry = components::registry();
    let stores = Stores::find(survey, &registry, environment).await;
    findings.extend(judge::judge(survey, &registry, &stores, environment).await);
    let mut sorted: BTreeMap<_, Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        sorted.entry((finding.file.clone(), finding.line, finding.column)).or_default().push(finding);
    }
    sorted.into_values().flatten().collect()
}

/// What the loader would only log; here it is what the command was called for.
fn of_warning(warning: &Warning) -> Finding {
    match warning {
        Warning::NotYaml(file) => {
            Finding::new(Severity::Warning, file, None, "not a YAML file by its name: it is not read")
        }
        Warning::Unreadable { file, reason } => {
            Finding::new(Severity::Error, file, None, format!("cannot be read: {reason}"))
        }
        Warning::Document { kind, file, problem } => {
            let path = if problem.path.is_empty() { String::new() } else { format!("{}: ", problem.path) };
            let kind = kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
            Finding::new(Severity::Error, file, problem.place, format!("{kind}{path}{}", problem.message))
        }
    }
}

fn of_stranger(stranger: &resources::Stranger) -> Finding {
    let place: Option<Place> = Some(stranger.place);
    let kind = stranger.kind.as_str();
    let message = if kind.is_empty() {
        "this document has no kind: nothing reads it".to_owned()
    } else if RESOURCE_KINDS.contains(&kind) {
        format!("nothing reads a {kind} of the version {:?}; dapr.io/v1alpha1 is read", stranger.api_version)
    } else {
        let meant = nearest(kind, &RESOURCE_KINDS).map(|meant| format!("; was {meant} meant?")).unwrap_or_default();
        format!("nothing reads the kind {kind:?}{meant}")
    };
    let severity = if stranger.api_version.starts_with("dapr.io/") || RESOURCE_KINDS.contains(&kind) {
        Severity::Error
    } else {
        Severity::Warning
    };
    Finding::new(severity, &stranger.file, place, message)
}
