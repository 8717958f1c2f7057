//! Which features are on.
//!
//! Called once at start; the answers are kept by the caller. It must not act on a feature.

use super::{Configuration, FeatureSpec};

/// Names of the features of the target.
pub mod feature {
    /// Resources reload while running; on unless switched off.
    pub const HOT_RELOAD: &str = "HotReload";
    /// Results of activities of other apps are queued; on unless switched off.
    pub const WORKFLOWS_REMOTE_ACTIVITY_REMINDER: &str = "WorkflowsRemoteActivityReminder";
    /// `ttlInSeconds` on actor state.
    pub const ACTOR_STATE_TTL: &str = "ActorStateTTL";
    /// Several replicas share the workers of workflows.
    pub const WORKFLOWS_CLUSTERED_DEPLOYMENT: &str = "WorkflowsClusteredDeployment";
    /// The history of workflows is signed.
    pub const WORKFLOW_HISTORY_SIGNING: &str = "WorkflowHistorySigning";
    /// Workflows wake up without the scheduler.
    pub const WORKFLOWS_FAST_PATH: &str = "WorkflowsFastPath";
}

/// Features that are on when a Configuration does not name them.
const ON_BY_DEFAULT: [&str; 2] = [feature::HOT_RELOAD, feature::WORKFLOWS_REMOTE_ACTIVITY_REMINDER];

impl Configuration {
    /// Adds the features that are on by default and not named.
    pub(super) fn add_default_features(&mut self) {
        for name in ON_BY_DEFAULT {
            if !self.spec.features.iter().any(|feature| feature.name == name) {
                self.spec.features.push(FeatureSpec { name: name.to_owned(), enabled: true });
            }
        }
    }

    /// The features that are on, in the order in which they were named, each once. Unknown names are kept; of a name given
    /// twice the last one counts.
    pub fn enabled_features(&self) -> Vec<&str> {
        let mut enabled: Vec<&str> = Vec::new();
        for feature in self.spec.features.iter().filter(|feature| !feature.name.is_empty()) {
            match enabled.iter().position(|name| *name == feature.name) {
                Some(position) if !feature.enabled => {
                    enabled.remove(position);
                }
                None if feature.enabled => enabled.push(&feature.name),
                _ => {}
            }
        }
        enabled
    }

    /// Whether a feature is on.
    pub fn is_feature_enabled(&self, name: &str) -> bool {
        self.enabled_features().contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(features: &[(&str, bool)]) -> Configuration {
        let mut configuration = Configuration::default();
        configuration.spec.features = features
            .iter()
            .map(|(name, enabled)| FeatureSpec { name: (*name).to_owned(), enabled: *enabled })
            .collect();
        configuration.add_default_features();
        configuration
    }

    #[test]
    fn two_features_are_on_by_default_and_can_be_switched_off() {
        let features = configuration(&[]);
        assert_eq!(features.enabled_features(), ["HotReload", "WorkflowsRemoteActivityReminder"]);
        let features = configuration(&[("HotReload", false), ("Own", true)]);
        assert_eq!(features.enabled_features(), ["Own", "WorkflowsRemoteActivityReminder"]);
        assert!(!features.is_feature_enabled(feature::HOT_RELOAD));
    }

    #[test]
    fn the_last_of_equal_names_counts() {
        let features = configuration(&[("A", true), ("A", false), ("B", false), ("B", true), ("B", true), ("", true)]);
        assert!(!features.is_feature_enabled("A"));
        assert_eq!(features.enabled_features(), ["B", "HotReload", "WorkflowsRemoteActivityReminder"]);
    }
}
