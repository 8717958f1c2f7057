//! Which user a process of a cluster runs as. A container escape of root is an escape as root, so it is refused, as the target does.

use crate::Environment;

const TARGET: &str = "dapr.runtime.security";
/// The variable with which root is allowed.
const SKIP: &str = "DAPR_UNSAFE_SKIP_CONTAINER_UID_GID_CHECK";

/// Refuses root, unless a variable allows it. Called by roles that run in a pod, before they do anything.
///
/// # Errors
/// The target's sentence.
pub fn refuse_root(environment: &Environment) -> Result<(), String> {
    judge(nix::unistd::geteuid().as_raw(), environment)
}

fn judge(user: u32, environment: &Environment) -> Result<(), String> {
    if environment.get(SKIP) == Some("true") {
        tracing::warn!(target: TARGET, "Skipping container UID/GID check due to env override.");
        return Ok(());
    }
    if user == 0 {
        return Err(format!(
            "current user UID(0) is root. Dapr must be run as a non-root user in Kubernetes environments. To override \
             this check, set the environment variable '{SKIP}=true'"
        ));
    }
    tracing::info!(target: TARGET, "Running in Kubernetes environment as user {user}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_refused_unless_a_variable_says_true() {
        let with = |value: &str| Environment::from_pairs([(SKIP, value)]);
        assert!(judge(0, &Environment::default()).unwrap_err().contains("UID(0) is root"));
        assert!(judge(0, &with("1")).is_err());
        assert!(judge(0, &with("true")).is_ok());
        assert!(judge(65532, &Environment::default()).is_ok());
    }
}
