//! Names in a run file that mean nothing. The target passes over them; so do we, but with a warning that names the
//! line and the nearest name, since a slip there changes what runs. Names that begin with `x-` are left alone.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

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

/// One sentence for each name without a meaning in a run file that could be read.
pub(crate) fn unknown(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let scan = Map { level: Level::Top, found: &mut found };
    let options = serde_saphyr::options! { duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins };
    let _ = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        scan.deserialize(deserializer)
    });
    found
}

#[derive(Clone, Copy, PartialEq)]
enum Level {
    Top,
    Common,
    App,
}

impl Level {
    fn knows(self, name: &str) -> bool {
        match self {
            Self::Top => TOP.contains(&name),
            Self::Common => SHARED.contains(&name),
            Self::App => SHARED.contains(&name) || OWN.contains(&name),
        }
    }

    fn sentence(self, key: &Spanned<String>) -> String {
        let (name, line) = (&key.value, key.referenced.line());
        if self == Self::Common && OWN.contains(&name.as_str()) {
            return format!("line {line}: {name} has no meaning in common; move it to the apps");
        }
        let candidates = if self == Self::Top { TOP.to_vec() } else { [SHARED.as_slice(), &OWN].concat() };
        let meant = nearest(name, &candidates).map(|meant| format!("; was {meant} meant?")).unwrap_or_default();
        format!("line {line}: {name} is no field of a run file and is passed over{meant}")
    }
}

/// Walks through one mapping of the document.
struct Map<'a> {
    level: Level,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Map<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Map<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a mapping")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            match (self.level, key.value.as_str()) {
                (Level::Top, "common") => map.next_value_seed(Map { level: Level::Common, found: &mut *self.found })?,
                (Level::Top, "apps") => map.next_value_seed(Apps { found: &mut *self.found })?,
                (level, name) => {
                    if !level.knows(name) && !name.starts_with("x-") {
                        self.found.push(level.sentence(&key));
                    }
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Walks through the list of apps.
struct Apps<'a> {
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Apps<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Apps<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of apps")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Map { level: Level::App, found: &mut *self.found })?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_named_with_its_line_and_the_nearest_name() {
        let text = "version: 1\nx-own: {a: 1}\ncommon:\n  appPort: 3\n  logLevel: debug\napps:\n- appDirPath: .\n  appport: 3\n  replicas: 2\n";
        let found = unknown(text);
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
        assert!(unknown(&format!("version: 1\nname: x\ncommon:\napps:\n-\n{fields}")).is_empty());
    }
}
