//! What is wrong with components, each for itself and among each other.

use component::{Family, Field, Judgement, LookupError, Properties, Registration, Registry, SettingsError, Version};
use resources::{Component, Found, NamedValue, Resource as _, Step, Survey, is_variable_allowed};
use service::Environment;

use super::finding::{Finding, Severity};
use super::secrets::{Answer, Stores};

const SPEC: Step<'_> = Step::Key("spec");
const METADATA: Step<'_> = Step::Key("metadata");

/// Judges every component, and the references of HTTP endpoints to secrets.
pub(super) async fn judge(
    survey: &Survey,
    registry: &Registry,
    stores: &Stores,
    environment: &Environment,
) -> Vec<Finding> {
    let mut findings = among_each_other(&survey.components);
    for found in &survey.components {
        let mut one = One { found, findings: Vec::new(), unknown: Vec::new() };
        one.judge(registry, stores, environment).await;
        findings.append(&mut one.findings);
    }
    for found in &survey.http_endpoints {
        for reference in resources::secret_references(&found.resource) {
            if let Answer::Missing(why) = stores.look_up(found.resource.secret_store(), &reference).await {
                let message = format!("HTTP endpoint {}: {why}", found.resource.name());
                findings.push(Finding::new(Severity::Error, &found.file, Some(found.place(&[SPEC])), message));
            }
        }
    }
    findings
}

/// Names that are taken twice and stores of actors of which there may be only one, for at least one app.
fn among_each_other(components: &[Found<Component>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let holds_actors = |component: &Component| {
        let named = |item: &&NamedValue| item.name.eq_ignore_ascii_case("actorStateStore");
        component.spec.metadata.iter().find(named).is_some_and(|item| item.text().eq_ignore_ascii_case("true"))
    };
    for (index, later) in components.iter().enumerate() {
        let earlier = components.iter().take(index).filter(|other| share_an_app(&other.resource, &later.resource));
        for other in earlier {
            let (own, theirs) = (&later.resource, &other.resource);
            let there = format!("{}:{}", other.file.display(), other.place(&[]).line);
            if own.name() == theirs.name() {
                let message = format!("the name {:?} is taken: {} has it ({there})", own.name(), theirs.log_name());
                let place = later.place(&[METADATA, Step::Key("name")]);
                findings.push(Finding::new(Severity::Error, &later.file, Some(place), message));
            } else if holds_actors(own) && holds_actors(theirs) {
                let message = format!(
                    "{} cannot hold actors too: {} does (actorStateStore, {there}), and an app can have one such store",
                    own.log_name(),
                    theirs.log_name()
                );
                findings.push(Finding::new(Severity::Error, &later.file, Some(later.place(&[SPEC])), message));
            }
        }
    }
    findings
}

fn share_an_app(left: &Component, right: &Component) -> bool {
    let (ours, theirs) = (left.namespace(), right.namespace());
    let meet = ours.is_empty() || theirs.is_empty() || ours == theirs;
    meet && (left.scopes.is_empty() || left.scopes.iter().any(|app| right.is_in_scope(app)))
}

/// One component while it is judged.
struct One<'a> {
    found: &'a Found<Component>,
    findings: Vec<Finding>,
    /// Names of metadata whose values cannot be known here.
    unknown: Vec<String>,
}

impl One<'_> {
    fn say(&mut self, severity: Severity, path: &[Step<'_>], message: impl std::fmt::Display) {
        let name = self.found.resource.log_name();
        let message = format!("component {name}: {message}");
        self.findings.push(Finding::new(severity, &self.found.file, Some(self.found.place(path)), message));
    }

    async fn judge(&mut self, registry: &Registry, stores: &Stores, environment: &Environment) {
        let spec = &self.found.resource.spec;
        let properties = self.properties(stores, environment).await;
        self.judge_init_timeout();
        if spec.r#type.is_empty() {
            return self.say(Severity::Error, &[SPEC], "spec.type is missing");
        }
        let kind = [SPEC, Step::Key("type")];
        if Family::of(&spec.r#type).is_none() {
            let families: Vec<&str> = Family::ALL.iter().map(|family| family.prefix()).collect();
            let message =
                format!("the type {:?} begins with no known family; there are {}", spec.r#type, families.join(", "));
            return self.say(Severity::Error, &kind, message);
        }
        match registry.find(&spec.r#type, &spec.version) {
            Ok(registration) => self.judge_metadata(registration, &properties),
            Err(error) => self.say_unknown(&error),
        }
    }

    fn say_unknown(&mut self, error: &LookupError) {
        let part = if error.is_about_version() { "version" } else { "type" };
        self.say(Severity::Error, &[SPEC, Step::Key(part)], error);
    }

    /// A time that is no duration counts as the default, silently.
    fn judge_init_timeout(&mut self) {
        let text = self.found.resource.spec.init_timeout.as_str();
        let usable = schedule::parse_go_duration(text).ok().and_then(schedule::GoDuration::to_std);
        if !text.is_empty() && usable.is_none_or(|limit| limit.is_zero()) {
            let message = format!("initTimeout is {text:?}: expected a duration such as 30s; it counts as 5s");
            self.say(Severity::Warning, &[SPEC, Step::Key("initTimeout")], message);
        }
    }

    /// The metadata with variables and secrets in place, as far as they can be known.
    async fn properties(&mut self, stores: &Stores, environment: &Environment) -> Properties {
        let mut component = self.found.resource.clone();
        let allowed = environment.get(resources::ENVIRONMENT_KEYS).unwrap_or_default();
        for (index, item) in component.spec.metadata.iter().enumerate() {
            let refused = !item.env_ref.is_empty() && !is_variable_allowed(&item.env_ref, allowed);
            if item.value.is_none() && refused {
                let message = format!("{} may not read the variable {}", item.name, item.env_ref);
                self.say(Severity::Error, &[SPEC, METADATA, Step::Item(index), Step::Key("envRef")], message);
            } else if item.value.is_none() && !item.env_ref.is_empty() && environment.get(&item.env_ref).is_none() {
                let message = format!("{} reads the variable {}, which is not set here", item.name, item.env_ref);
                self.say(Severity::Warning, &[SPEC, METADATA, Step::Item(index), Step::Key("envRef")], message);
                self.unknown.push(item.name.clone());
            }
        }
        resources::resolve_environment(&mut component, &|name| environment.get(name).map(str::to_owned));
        let mut pairs = Vec::new();
        for (index, item) in component.spec.metadata.iter().enumerate() {
            let mut text = item.text();
            if !item.secret_key_ref.name.is_empty() {
                match stores.look_up(component.secret_store(), &item.secret_key_ref).await {
                    Answer::Value(value) => text = value,
                    Answer::Unknown => self.unknown.push(item.name.clone()),
                    Answer::Missing(why) => {
                        self.unknown.push(item.name.clone());
                        let path = [SPEC, METADATA, Step::Item(index), Step::Key("secretKeyRef")];
                        self.say(Severity::Error, &path, format!("{}: {why}", item.name));
                    }
                }
            }
            pairs.push((item.name.clone(), text));
        }
        pairs.into_iter().collect()
    }

    fn judge_metadata(&mut self, registration: &Registration, properties: &Properties) {
        if let Version::Named { name, deprecated_for: Some(better), .. } = registration.version {
            let message = format!("version {name} is deprecated, use {better}");
            self.say(Severity::Warning, &[SPEC, Step::Key("version")], message);
        }
        let of_runtime = component::runtime_fields(registration.family());
        let fields: Vec<&Field> = registration.fields.iter().chain(of_runtime).collect();
        if let Err(error) = component::settings::check_names(properties) {
            self.say_of(&error, None);
        }
        for field in &fields {
            let is_unknown =
                field.names().any(|name| self.unknown.iter().any(|given| given.eq_ignore_ascii_case(name)));
            if is_unknown {
                continue;
            }
            match (field.judge)(properties, field) {
                Judgement::Right => {}
                Judgement::Doubtful(message) => {
                    let path = self.path_of(field);
                    self.say(Severity::Warning, &path, message);
                }
                Judgement::Wrong(error) => self.say_of(&error, Some(field)),
            }
        }
        for unrecognized in properties.near_misses(fields.iter().flat_map(|field| field.names())) {
            let meant = unrecognized.nearest.join(" or ");
            let message = format!("metadata {} is not known and is ignored; did you mean {meant}?", unrecognized.name);
            let path = self.path_of_name(|name| name == unrecognized.name);
            self.say(Severity::Warning, &path, message);
        }
    }

    fn say_of(&mut self, error: &SettingsError, field: Option<&Field>) {
        let path = field.map_or_else(|| vec![SPEC, METADATA], |field| self.path_of(field));
        self.say(Severity::Error, &path, error);
    }

    /// Where a field was given, or else where it would be.
    fn path_of(&self, field: &Field) -> Vec<Step<'static>> {
        self.path_of_name(|given| field.names().any(|name| name.eq_ignore_ascii_case(given)))
    }

    fn path_of_name(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Step<'static>> {
        match self.found.resource.spec.metadata.iter().position(|item| is_meant(&item.name)) {
            Some(index) => vec![SPEC, METADATA, Step::Item(index), Step::Key("value")],
            None => vec![SPEC, METADATA],
        }
    }
}
