//! The run file as it is written (`run -f`, `stop -f`): finding it, reading it, and naming what is wrong with its line.
//! What it means is decided in `run_file_merge`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use resources::Problem;
use resources::yaml::Document;
use serde::Deserialize;

/// The document. Fields of the target that are not named here do not exist there either.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunFile {
    pub(crate) version: Option<i64>,
    pub(crate) name: Option<String>,
    pub(crate) common: Option<Fields>,
    pub(crate) apps: Option<Vec<Fields>>,
}

/// The fields of an app. `common` has those up to `scheduler_host_address`; the others mean nothing there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Fields {
    pub(crate) config_file_path: Option<String>,
    pub(crate) app_protocol: Option<String>,
    pub(crate) api_listen_addresses: Option<String>,
    pub(crate) enable_profiling: Option<bool>,
    pub(crate) log_level: Option<String>,
    pub(crate) app_max_concurrency: Option<i64>,
    pub(crate) placement_host_address: Option<String>,
    pub(crate) resources_path: Option<String>,
    pub(crate) resources_paths: Option<Vec<String>>,
    #[serde(rename = "appSSL")]
    pub(crate) app_ssl: Option<bool>,
    pub(crate) max_body_size: Option<String>,
    pub(crate) read_buffer_size: Option<String>,
    pub(crate) enable_app_health_check: Option<bool>,
    pub(crate) app_health_check_path: Option<String>,
    pub(crate) app_health_probe_interval: Option<i64>,
    pub(crate) app_health_probe_timeout: Option<i64>,
    pub(crate) app_health_threshold: Option<i64>,
    pub(crate) enable_api_logging: Option<bool>,
    pub(crate) runtime_path: Option<String>,
    pub(crate) env: Option<BTreeMap<String, Option<String>>>,
    pub(crate) daprd_log_destination: Option<String>,
    pub(crate) app_log_destination: Option<String>,
    pub(crate) scheduler_host_address: Option<String>,
    #[serde(rename = "appID")]
    pub(crate) app_id: Option<String>,
    pub(crate) app_channel_address: Option<String>,
    pub(crate) app_port: Option<i64>,
    #[serde(rename = "daprHTTPPort")]
    pub(crate) dapr_http_port: Option<i64>,
    #[serde(rename = "daprGRPCPort")]
    pub(crate) dapr_grpc_port: Option<i64>,
    pub(crate) profile_port: Option<i64>,
    pub(crate) command: Option<Vec<String>>,
    pub(crate) metrics_port: Option<i64>,
    pub(crate) unix_domain_socket: Option<String>,
    #[serde(rename = "daprInternalGRPCPort")]
    pub(crate) dapr_internal_grpc_port: Option<i64>,
    pub(crate) app_dir_path: Option<String>,
    pub(crate) container_image: Option<String>,
    pub(crate) container_image_pull_policy: Option<String>,
    pub(crate) create_service: Option<bool>,
}

/// Where a run file is: a file, the `dapr.yaml` of a folder, or `-` for standard input.
pub(crate) fn locate(given: &str) -> Result<PathBuf> {
    if given == "-" {
        return Ok(PathBuf::from(given));
    }
    let path = Path::new(given);
    if !path.exists() {
        bail!("there is no run file {given}; check the path");
    }
    let found = std::fs::metadata(path).with_context(|| format!("cannot look at the run file {given}"))?;
    if found.is_dir() {
        let inside = path.join("dapr.yaml");
        if !inside.is_file() {
            bail!("the folder {given} has no dapr.yaml; name the run file itself, or write one there");
        }
        return Ok(inside);
    }
    if !path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
        bail!("{given} is no YAML file by its name; a run file ends in .yaml or .yml");
    }
    Ok(path.to_owned())
}

/// The absolute path by which a run file is remembered, and the folder its relative paths start from.
pub(crate) fn absolute(path: &Path) -> Result<(PathBuf, PathBuf)> {
    let absolute = std::path::absolute(path).with_context(|| format!("the run file {}", path.display()))?;
    let folder = absolute.parent().unwrap_or(Path::new("/")).to_owned();
    Ok((absolute, folder))
}

/// The text of a run file.
pub(crate) fn content(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the run file from standard input")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read the run file {}", path.display()))
}

/// Reads the text of a run file. An error names file, line, column, and what was expected there.
pub(crate) fn parse(path: &Path, text: &str) -> Result<(RunFile, Document)> {
    let read = Document::parse(text).and_then(|document| Ok((document.read()?, document)));
    read.map_err(|problem| anyhow!("{}", sentence(path, &problem)))
}

/// One line: `file:line:column: what is wrong`.
fn sentence(path: &Path, problem: &Problem) -> String {
    let place = problem.place.map(|place| format!(":{}:{}", place.line, place.column)).unwrap_or_default();
    format!("{}{place}: {}; correct the run file there", path.display(), problem.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(Path::new("dapr.yaml"), text).unwrap_err().to_string()
    }

    #[test]
    fn scalars_are_read_as_the_target_reads_them() {
        let text = "version: 1\napps:\n- appID: 123\n  appDirPath: .\n  appPort:\n  enableProfiling: yes\n  command: [node, 3000]\n  env:\n    PORT: 3000\n    DEBUG: true\n    EMPTY:\n";
        let (file, _) = parse(Path::new("dapr.yaml"), text).unwrap();
        let app = &file.apps.unwrap()[0];
        assert_eq!(app.app_id.as_deref(), Some("123"));
        assert_eq!((app.app_port, app.enable_profiling), (None, Some(true)));
        assert_eq!(app.command.as_deref(), Some(["node".to_owned(), "3000".to_owned()].as_slice()));
        let env = app.env.as_ref().unwrap();
        assert_eq!(env["PORT"].as_deref(), Some("3000"));
        assert_eq!(env["DEBUG"].as_deref(), Some("true"));
        assert_eq!(env["EMPTY"], None);
    }

    #[test]
    fn a_wrong_value_is_named_with_its_line_and_column() {
        let message = error("version: 1\napps:\n- appID: a\n  appPort: many\n");
        assert_eq!(
            message,
            "dapr.yaml:4:12: expected a whole number, found the string \"many\"; correct the run file there"
        );
        let table = [
            ("command: node app.js", "expected a list, found the string \"node app.js\""),
            ("env: PORT", "expected a mapping, found the string \"PORT\""),
            ("appID: [a]", "expected a string, found a list"),
            ("enableProfiling: perhaps", "expected true or false"),
        ];
        for (line, expected) in table {
            let message = error(&format!("version: 1\napps:\n- appDirPath: a\n  {line}\n"));
            assert!(message.starts_with("dapr.yaml:4:") && message.contains(expected), "{line}: {message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }

    #[test]
    fn broken_yaml_is_named_with_its_line() {
        let message = error("version: 1\napps:\n- appID: a\n   appPort: 3\n");
        assert!(message.starts_with("dapr.yaml:4:"), "{message}");
        let message = error("version: 1\napps: [\n");
        assert!(message.starts_with("dapr.yaml:"), "{message}");
    }

    #[test]
    fn a_folder_means_the_file_in_it() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().to_str().unwrap();
        assert!(locate(folder).unwrap_err().to_string().contains("has no dapr.yaml"));
        std::fs::write(place.path().join("dapr.yaml"), "").unwrap();
        assert_eq!(locate(folder).unwrap(), place.path().join("dapr.yaml"));
        std::fs::write(place.path().join("run.txt"), "").unwrap();
        assert!(locate(place.path().join("run.txt").to_str().unwrap()).is_err());
        assert_eq!(locate("-").unwrap(), PathBuf::from("-"));
    }
}
