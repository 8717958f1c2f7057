//! Programs that a kubeconfig file names and that print a token (credential plugins of client-go). They get the variables of the
//! role's environment, and no input.

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use service::Environment;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes of what it prints, and of what it complains.
const MAX_OUTPUT: u64 = 1 << 20;
const MAX_COMPLAINT: u64 = 4 << 10;

/// A program, as the file describes it.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Plugin {
    api_version: String,
    pub(crate) command: String,
    args: Option<Vec<String>>,
    env: Option<Vec<Variable>>,
    install_hint: String,
    provide_cluster_info: bool,
    interactive_mode: String,
}

#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Variable {
    name: String,
    value: String,
}

/// What a program printed.
pub(crate) struct Printed {
    pub(crate) token: String,
    /// When the token ends, if it does.
    pub(crate) until: Option<SystemTime>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExecCredential {
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    token: String,
    expiration_timestamp: Option<String>,
    client_certificate_data: String,
}

impl Plugin {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.command.is_empty() {
            return Err("exec: the command is missing".to_owned());
        }
        if self.interactive_mode == "Always" {
            return Err(format!("exec: {} wants to be interactive, and nobody is there", self.command));
        }
        Ok(())
    }

    /// Runs the program; `cluster` tells it about the API server, if it wants to know.
    pub(crate) async fn run(&self, environment: &Environment, cluster: &Value) -> Result<Printed, String> {
        let failed = |reason: String| {
            let hint = if self.install_hint.is_empty() { String::new() } else { format!(" ({})", self.install_hint) };
            format!("{}: {reason}{hint}", self.command)
        };
        let printed = tokio::time::timeout(TIMEOUT, self.output(environment, cluster)).await;
        let printed = printed.map_err(|_| failed(format!("nothing within {} seconds", TIMEOUT.as_secs())))?;
        let printed = printed.map_err(failed)?;
        let credential: ExecCredential =
            serde_json::from_slice(&printed).map_err(|error| failed(format!("what it printed: {error}")))?;
        let status = credential.status;
        if !status.client_certificate_data.is_empty() {
            return Err(failed("client certificates from a program are not supported".to_owned()));
        }
        if status.token.is_empty() {
            return Err(failed("it printed no token".to_owned()));
        }
        let until = match status.expiration_timestamp {
            Some(text) => {
                Some(text.parse::<Timestamp>().map_err(|error| failed(format!("the end of its token: {error}")))?)
            }
            None => None,
        };
        Ok(Printed { token: status.token, until: until.map(SystemTime::from) })
    }

    async fn output(&self, environment: &Environment, cluster: &Value) -> Result<Vec<u8>, String> {
        let told = |error: std::io::Error| error.to_string();
        let mut child = self.prepared(environment, cluster).spawn().map_err(told)?;
        let (output, complaint) = (child.stdout.take(), child.stderr.take());
        let (output, complaint) = tokio::join!(read(output, MAX_OUTPUT), read(complaint, MAX_COMPLAINT));
        let ended = child.wait().await.map_err(told)?;
        if !ended.success() {
            return Err(format!("{ended}: {}", String::from_utf8_lossy(&complaint.map_err(told)?).trim()));
        }
        output.map_err(told)
    }

    fn prepared(&self, environment: &Environment, cluster: &Value) -> Command {
        let spec = if self.provide_cluster_info {
            json!({"interactive": false, "cluster": cluster})
        } else {
            json!({"interactive": false})
        };
        let about = json!({"apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec});
        let own = self.env.iter().flatten().map(|variable| (variable.name.as_str(), variable.value.as_str()));
        let mut command = Command::new(&self.command);
        command
            .args(self.args.iter().flatten())
            .env_clear()
            .envs(environment.iter())
            .envs(own)
            .env("KUBERNETES_EXEC_INFO", about.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// Reads to the end, and keeps so many bytes.
async fn read(stream: Option<impl AsyncRead + Unpin>, max: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok(kept) };
    (&mut stream).take(max).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Plugin {
        Plugin {
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            command: "/bin/sh".to_owned(),
            args: Some(vec!["-c".to_owned(), script.to_owned()]),
            env: Some(vec![Variable { name: "OWN".to_owned(), value: "own".to_owned() }]),
            install_hint: "install it".to_owned(),
            provide_cluster_info: true,
            ..Plugin::default()
        }
    }

    async fn printed(script: &str) -> Result<Printed, String> {
        let environment = Environment::from_pairs([("GIVEN", "given")]);
        shell(script).run(&environment, &json!({"server": "https://one"})).await
    }

    #[tokio::test]
    async fn a_program_sees_the_environment_of_the_role_and_prints_a_token() {
        let script = r#"
            case "$KUBERNETES_EXEC_INFO" in *'"interactive":false'*) ;; *) exit 1;; esac
            case "$KUBERNETES_EXEC_INFO" in *'https://one'*) ;; *) exit 2;; esac
            echo '{"status":{"token":"'$GIVEN-$OWN-$HOME'","expirationTimestamp":"2030-01-01T00:00:00Z"}}'"#;
        let printed = printed(script).await.unwrap();
        assert_eq!(printed.token, "given-own-");
        assert_eq!(printed.until, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000)));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_told_with_its_complaint() {
        let reason = printed("echo no luck >&2; exit 3").await.map(|_| ()).unwrap_err();
        assert!(reason.contains("no luck") && reason.contains("exit status: 3"), "{reason}");
        assert!(reason.contains("install it"), "{reason}");
        assert!(printed("echo '{}'").await.map(|_| ()).unwrap_err().contains("no token"));
        assert!(printed("echo hello").await.map(|_| ()).unwrap_err().contains("what it printed"));
        let certificate = r#"echo '{"status":{"clientCertificateData":"x","clientKeyData":"y"}}'"#;
        assert!(printed(certificate).await.map(|_| ()).unwrap_err().contains("not supported"));
    }

    #[tokio::test]
    async fn endless_output_is_not_kept() {
        let reason = printed("yes | head -c 3000000").await.map(|_| ()).unwrap_err();
        assert!(reason.contains("what it printed"), "{reason}");
    }
}
