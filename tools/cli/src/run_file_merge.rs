//! What a run file means: the fields of each app over those of `common` over the defaults, with the target's rules for
//! paths. A value that is empty, 0 or false counts as not given, as in the target. Pure but for looking whether paths
//! exist; `run` calls it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use service::Environment;

use crate::folder::dapr_folder;
use crate::plan::{LogDestination, Place, Plan, Settings};
use crate::run_file::{Fields, RunFile};

/// Where a run file lies.
pub(crate) struct Origin<'a> {
    /// Its absolute path.
    pub(crate) path: &'a Path,
    /// The folder from which its relative paths start.
    pub(crate) folder: &'a Path,
    pub(crate) environment: &'a Environment,
}

/// The apps of a run file in their order.
pub(crate) fn plans(file: RunFile, origin: &Origin<'_>) -> Result<Vec<Plan>> {
    ensure!(file.version.is_some_and(|version| version != 0), "the run file has no version; write `version: 1`");
    let common = file.common.unwrap_or_default();
    let common = Resolved::of("common", common, origin.folder, origin)?;
    let name = file.name.unwrap_or_default();
    let mut plans = Vec::new();
    for (position, fields) in file.apps.unwrap_or_default().into_iter().enumerate() {
        plans.push(plan(position, fields, &common, origin).map(|plan| with_name(plan, &name))?);
    }
    ensure!(!plans.is_empty(), "the run file has no apps; list at least one under `apps`");
    Ok(plans)
}

fn with_name(mut plan: Plan, name: &str) -> Plan {
    if let Some(place) = &mut plan.place {
        name.clone_into(&mut place.template_name);
    }
    plan
}

/// The fields of one section with its paths made absolute and seen to exist.
struct Resolved {
    fields: Fields,
    config_file: Option<PathBuf>,
    /// `resourcesPaths` with `resourcesPath` at the end.
    resources_paths: Vec<PathBuf>,
    runtime_path: Option<PathBuf>,
}

impl Resolved {
    fn of(section: &str, fields: Fields, folder: &Path, origin: &Origin<'_>) -> Result<Self> {
        let path = |name: &str, value: &Option<String>| match filled(value) {
            Some(value) => existing(&format!("{name} of {section}"), value, folder, origin).map(Some),
            None => Ok(None),
        };
        let (config_file, runtime_path) =
            (path("configFilePath", &fields.config_file_path)?, path("runtimePath", &fields.runtime_path)?);
        let mut resources_paths = Vec::new();
        for value in fields.resources_paths.iter().flatten().cloned().map(Some) {
            resources_paths.extend(path("resourcesPaths", &value)?);
        }
        resources_paths.extend(path("resourcesPath", &fields.resources_path)?);
        Ok(Self { fields, config_file, resources_paths, runtime_path })
    }
}

fn plan(position: usize, fields: Fields, common: &Resolved, origin: &Origin<'_>) -> Result<Plan> {
    let section = filled(&fields.app_id).map_or_else(|| format!("app {}", position + 1), |id| format!("app {id}"));
    let Some(given) = filled(&fields.app_dir_path) else {
        bail!("{section} of the run file has no appDirPath; give the folder it runs in")
    };
    let directory = existing(&format!("appDirPath of {section}"), given, origin.folder, origin)?;
    if let Some(policy) = filled(&fields.container_image_pull_policy) {
        let known = ["Always", "Never", "IfNotPresent"];
        ensure!(
            known.contains(&policy),
            "containerImagePullPolicy of {section}: {policy} is none of {}",
            known.join(", ")
        );
    }
    let app = Resolved::of(&section, fields, &directory, origin)?;
    let settings = settings(&app, common, &directory, origin);
    let log = |name: &str, own: &Option<String>, common: &Option<String>, default| match either(own, common) {
        None => Ok(default),
        Some(value) => LogDestination::parse(&value)
            .with_context(|| format!("{name} of {section}: {value} is none of console, file, fileAndConsole")),
    };
    let (own, shared) = (&app.fields, &common.fields);
    let (sidecar, both) = (LogDestination::File, LogDestination::FileAndConsole);
    let place = Place {
        sidecar_log: log("daprdLogDestination", &own.daprd_log_destination, &shared.daprd_log_destination, sidecar)?,
        app_log: log("appLogDestination", &own.app_log_destination, &shared.app_log_destination, both)?,
        directory,
        position,
        template_path: origin.path.to_owned(),
        template_name: String::new(),
    };
    Ok(Plan { settings, place: Some(place) })
}

fn settings(app: &Resolved, common: &Resolved, directory: &Path, origin: &Origin<'_>) -> Settings {
    let (own, shared) = (&app.fields, &common.fields);
    let text = |own: &Option<String>, shared: &Option<String>, default: &str| {
        either(own, shared).unwrap_or_else(|| default.to_owned())
    };
    let folder_name = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Settings {
        app_id: filled(&own.app_id).map_or(folder_name, str::to_owned),
        app_channel_address: filled(&own.app_channel_address).unwrap_or("127.0.0.1").to_owned(),
        app_port: count(own.app_port, None, -1),
        http_port: count(own.dapr_http_port, None, -1),
        grpc_port: count(own.dapr_grpc_port, None, -1),
        internal_grpc_port: count(own.dapr_internal_grpc_port, None, -1),
        metrics_port: count(own.metrics_port, None, -1),
        profile_port: count(own.profile_port, None, -1),
        command: own.command.clone().unwrap_or_default(),
        unix_domain_socket: own.unix_domain_socket.clone().unwrap_or_default(),
        config_file: config_file(app, common, directory, origin),
        resources_paths: resources_paths(app, common, directory, origin),
        app_protocol: text(&own.app_protocol, &shared.app_protocol, "http"),
        listen_addresses: text(&own.api_listen_addresses, &shared.api_listen_addresses, "127.0.0.1"),
        enable_profiling: switch(own.enable_profiling, shared.enable_profiling),
        log_level: text(&own.log_level, &shared.log_level, ""),
        app_max_concurrency: count(own.app_max_concurrency, shared.app_max_concurrency, -1),
        placement_host_address: own.placement_host_address.clone().or_else(|| shared.placement_host_address.clone()),
        scheduler_host_address: own.scheduler_host_address.clone().or_else(|| shared.scheduler_host_address.clone()),
        app_ssl: switch(own.app_ssl, shared.app_ssl),
        max_body_size: text(&own.max_body_size, &shared.max_body_size, "4Mi"),
        read_buffer_size: text(&own.read_buffer_size, &shared.read_buffer_size, "4Ki"),
        enable_app_health_check: switch(own.enable_app_health_check, shared.enable_app_health_check),
        app_health_check_path: text(&own.app_health_check_path, &shared.app_health_check_path, ""),
        app_health_probe_interval: count(own.app_health_probe_interval, shared.app_health_probe_interval, 0),
        app_health_probe_timeout: count(own.app_health_probe_timeout, shared.app_health_probe_timeout, 0),
        app_health_threshold: count(own.app_health_threshold, shared.app_health_threshold, 0),
        enable_api_logging: switch(own.enable_api_logging, shared.enable_api_logging),
        env: environment(own, shared),
    }
}

/// App field, then `.dapr/config.yaml` of the app, then common field, then the user's default.
fn config_file(app: &Resolved, common: &Resolved, directory: &Path, origin: &Origin<'_>) -> Option<PathBuf> {
    let there = |path: PathBuf| Some(path).filter(|path| path.exists());
    app.config_file
        .clone()
        .or_else(|| there(directory.join(".dapr/config.yaml")))
        .or_else(|| common.config_file.clone())
        .or_else(|| there(default_folder(app, common, origin)?.join("config.yaml")))
}

/// App fields, then `.dapr/resources` of the app, then common fields, then the user's default.
fn resources_paths(app: &Resolved, common: &Resolved, directory: &Path, origin: &Origin<'_>) -> Vec<PathBuf> {
    if !app.resources_paths.is_empty() {
        return app.resources_paths.clone();
    }
    let local = directory.join(".dapr/resources");
    if local.exists() {
        return vec![local];
    }
    if !common.resources_paths.is_empty() {
        return common.resources_paths.clone();
    }
    let default = default_folder(app, common, origin).map(|folder| folder.join("components"));
    default.filter(|path| path.exists()).into_iter().collect()
}

fn default_folder(app: &Resolved, common: &Resolved, origin: &Origin<'_>) -> Option<PathBuf> {
    let runtime_path = app.runtime_path.as_ref().or(common.runtime_path.as_ref());
    dapr_folder(runtime_path.and_then(|path| path.to_str()), origin.environment)
}

fn environment(own: &Fields, shared: &Fields) -> BTreeMap<String, String> {
    let variables = |fields: &Fields| fields.env.clone().unwrap_or_default();
    let mut merged = variables(shared);
    merged.extend(variables(own));
    merged.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect()
}

/// Makes a path absolute (`~/` is the home folder) and refuses one that does not exist.
fn existing(what: &str, given: &str, folder: &Path, origin: &Origin<'_>) -> Result<PathBuf> {
    let path = match (given.strip_prefix("~/"), origin.environment.get("HOME")) {
        (Some(rest), Some(home)) => Path::new(home).join(rest),
        _ => folder.join(given),
    };
    let path = clean(&path);
    ensure!(path.exists(), "{what}: there is no {}; correct the path in the run file", path.display());
    Ok(path)
}

/// Takes `.` and `..` out of a path by its text, without following links, as the target does.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::CurDir => {}
            other => cleaned.push(other),
        }
    }
    cleaned
}

fn filled(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|value| !value.trim().is_empty())
}

fn either(own: &Option<String>, shared: &Option<String>) -> Option<String> {
    filled(own).or_else(|| filled(shared)).map(str::to_owned)
}

fn count(own: Option<i64>, shared: Option<i64>, default: i64) -> i64 {
    own.filter(|value| *value != 0).or(shared.filter(|value| *value != 0)).unwrap_or(default)
}

fn switch(own: Option<bool>, shared: Option<bool>) -> bool {
    own.unwrap_or_default() || shared.unwrap_or_default()
}

#[cfg(test)]
mod tests;
