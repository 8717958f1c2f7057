//! Names in a run file that mean nothing. The target passes over them; so do we, but with a warning that names the
//! line and the nearest name, since a slip there changes what runs. Names that begin with `x-` are left alone.

use resources::Place;
use resources::yaml::Document;

use crate::nearest::nearest;

const TOP: [&str; 4] = ["version", "name", "common", "apps"];
/// The fields that `common` and each app may have.
const SHARED: [&str; 23] = [
    "configFilePath",
    "appProtocol",
    "apiListenAddresses",
    "enableProfiling",
    "logLevel",
    "appMaxConcurrency",
    "placementHostAddress",
    "resourcesPath",
    "resourcesPaths",
    "appSSL",
    "maxBodySize",
    "readBufferSize",
    "enableAppHealthCheck",
    "appHealthCheckPath",
    "appHealthProbeInterval",
    "appHealthProbeTimeout",
    "appHealthThreshold",
    "enableApiLogging",
    "runtimePath",
    "env",
    "daprdLogDestination",
    "appLogDestination",
    "schedulerHostAddress",
];
/// The fields that only an app may have.
const OWN: [&str; 14] = [
    "appID",
    "appChannelAddress",
    "appPort",
    "daprHTTPPort",
    "daprGRPCPort",
    "profilePort",
    "command",
    "metricsPort",
    "unixDomainSocket",
    "daprInternalGRPCPort",
    "appDirPath",
    "containerImage",
    "containerImagePullPolicy",
    "createService",
];

/// One sentence for each name without a meaning in a run file, in the order of its lines.
pub(crate) fn unknown(document: &Document) -> Vec<String> {
    let sections: [(Section, &[&str]); 3] =
        [(Section::Top, &[]), (Section::Common, &["common"]), (Section::App, &["apps"])];
    let mut found = Vec::new();
    for (section, path) in sections {
        let names =
            document.names(path).into_iter().filter(|(name, _)| !section.knows(name) && !name.starts_with("x-"));
        found.extend(names.map(|(name, place)| (place, section.sentence(&name, place))));
    }
    found.sort();
    found.into_iter().map(|(_, sentence)| sentence).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Section {
    Top,
    Common,
    App,
}

impl Section {
    fn knows(self, name: &str) -> bool {
        match self {
            Self::Top => TOP.contains(&name),
            Self::Common => SHARED.contains(&name),
            Self::App => SHARED.contains(&name) || OWN.contains(&name),
        }
    }

    fn sentence(self, name: &str, place: Place) -> String {
        let line = place.line;
        if self == Self::Common && OWN.contains(&name) {
            return format!("line {line}: {name} has no meaning in common; move it to the apps");
        }
        let candidates = if self == Self::Top { TOP.to_vec() } else { [SHARED.as_slice(), &OWN].concat() };
        let meant = nearest(name, &candidates).map(|meant| format!("; was {meant} meant?")).unwrap_or_default();
        format!("line {line}: {name} is no field of a run file and is passed over{meant}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_named_with_its_line_and_the_nearest_name() {
        let text = "version: 1\nx-own: {a: 1}\ncommon:\n  appPort: 3\n  logLevel: debug\napps:\n- appDirPath: .\n  appport: 3\n  replicas: 2\n";
        let found = unknown(&Document::parse(text).unwrap());
        assert_eq!(
            found,
            [
                "line 4: appPort has no meaning in common; move it to the apps",
                "line 8: appport is no field of a run file and is passed over; was appPort meant?",
                "line 9: replicas is no field of a run file and is passed over",
            ]
        );
    }

    #[test]
    fn every_field_of_the_target_is_known() {
        let fields: String = SHARED.iter().chain(&OWN).map(|name| format!("  {name}:\n")).collect();
        let text = format!("version: 1\nname: x\ncommon:\napps:\n-\n{fields}");
        assert!(unknown(&Document::parse(&text).unwrap()).is_empty());
    }
}
