//! What a lock of an app is called in the store. Pure. The layouts are the target's, byte for byte: both runtimes lock each
//! other out.

use component::{Error, ErrorKind, Family, Properties, Spec};
use loaded::Details;

const API: &str = "lock";
const SEPARATOR: &str = "||";

/// The name in the store: `lock||<prefix>||<name>`, or `lock||<name>` without a prefix. The prefix is chosen by the
/// metadata `keyPrefix`: `appid` (the default), `name`, `none`, or a text of its own, in lower case as the target has it.
pub(super) fn complete(details: &Details, app: &str, name: &str) -> Result<String, String> {
    refuse_separator(name)?;
    let strategy = details.properties.get("keyPrefix").unwrap_or("appid").to_lowercase();
    let prefix = match strategy.as_str() {
        "none" => None,
        "name" => Some(&*details.name),
        "appid" => Some(app).filter(|app| !app.is_empty()),
        own => Some(own),
    };
    Ok(match prefix {
        Some(prefix) => [API, SEPARATOR, prefix, SEPARATOR, name].concat(),
        None => [API, SEPARATOR, name].concat(),
    })
}

/// Refuses a lock store whose `keyPrefix` contains `||`. Components of other blocks pass.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn admit(spec: &Spec, properties: &Properties) -> Result<(), Error> {
    if spec.family() != Some(Family::Lock) {
        return Ok(());
    }
    let strategy = properties.get("keyPrefix").unwrap_or_default().to_lowercase();
    refuse_separator(&strategy)
        .map_err(|said| Error::new(ErrorKind::InvalidArgument, format!("failed to save lock keyprefix: {said}")))
}

fn refuse_separator(text: &str) -> Result<(), String> {
    match text.contains(SEPARATOR) {
        true => Err(format!("input key/keyPrefix '{text}' can't contain '{SEPARATOR}'")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn layout(strategy: Option<&str>, app: &str, name: &str) -> Result<String, String> {
        let properties: Properties = strategy.map(|strategy| ("KeyPrefix", strategy)).into_iter().collect();
        let details = Details {
            name: "Store".into(),
            component_type: "lock.x".into(),
            version: "v1".into(),
            properties: Arc::new(properties),
            settings: None,
        };
        complete(&details, app, name)
    }

    #[test]
    fn names_are_laid_out_as_the_target_does() {
        for (strategy, app, expected) in [
            (None, "app", "lock||app||k"),
            (Some("appId"), "app", "lock||app||k"),
            (Some("appid"), "", "lock||k"),
            (Some("none"), "app", "lock||k"),
            (Some("Name"), "app", "lock||Store||k"),
            (Some("Own"), "app", "lock||own||k"),
            (Some("namespace"), "app", "lock||namespace||k"),
        ] {
            assert_eq!(layout(strategy, app, "k").unwrap(), expected);
        }
        assert_eq!(layout(None, "app", "a||b").unwrap_err(), "input key/keyPrefix 'a||b' can't contain '||'");
    }
}
