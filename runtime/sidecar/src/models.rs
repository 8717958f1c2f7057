//! The variables that choose the model of a conversation component, before its own metadata does. Called when a component is
//! admitted; the components themselves see no variables.

use service::Environment;

/// The types of the target that a variable chooses a model for. With Azure, `conversation.openai` has one of its own.
const VARIABLES: &[(&str, &str)] = &[
    ("conversation.anthropic", "ANTHROPIC_MODEL"),
    ("conversation.googleai", "GOOGLEAI_MODEL"),
    ("conversation.huggingface", "HUGGINGFACE_MODEL"),
    ("conversation.mistral", "MISTRAL_MODEL"),
    ("conversation.ollama", "OLLAMA_MODEL"),
    ("conversation.openai", "OPENAI_MODEL"),
];
const AZURE: &str = "AZURE_OPENAI_MODEL";

/// What the variables say.
pub(crate) struct Models {
    chosen: Vec<(&'static str, String)>,
}

impl Models {
    /// Reads them once.
    pub(crate) fn read(environment: &Environment) -> Self {
        let names = VARIABLES.iter().map(|(_, variable)| *variable).chain([AZURE]);
        let set = |name| environment.get(name).filter(|value| !value.is_empty()).map(|value| (name, value.to_owned()));
        Self { chosen: names.filter_map(set).collect() }
    }

    /// Puts the chosen model into the metadata of a component.
    pub(crate) fn apply(&self, component_type: &str, metadata: &mut Vec<(String, String)>) {
        if self.chosen.is_empty() {
            return;
        }
        let found = VARIABLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(component_type));
        let Some((_, variable)) = found else { return };
        let azure = *variable == "OPENAI_MODEL"
            && metadata
                .iter()
                .any(|(name, value)| name.eq_ignore_ascii_case("apiType") && value.eq_ignore_ascii_case("azure"));
        let variable = if azure { AZURE } else { variable };
        if let Some((_, model)) = self.chosen.iter().find(|(name, _)| *name == variable) {
            metadata.retain(|(name, _)| !name.eq_ignore_ascii_case("model"));
            metadata.push(("model".to_owned(), model.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_comes_before_the_metadata_of_its_type_alone() {
        let environment =
            Environment::from_pairs([("OPENAI_MODEL", "o"), ("AZURE_OPENAI_MODEL", "a"), ("OLLAMA_MODEL", "")]);
        let models = Models::read(&environment);
        let applied = |component_type: &str, pairs: &[(&str, &str)]| {
            let mut metadata = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            models.apply(component_type, &mut metadata);
            metadata.iter().find(|(name, _)| name.eq_ignore_ascii_case("model")).map(|(_, model)| model.clone())
        };
        assert_eq!(applied("conversation.OpenAI", &[("Model", "m")]).as_deref(), Some("o"));
        assert_eq!(applied("conversation.openai", &[("apiType", "Azure")]).as_deref(), Some("a"));
        assert_eq!(applied("conversation.ollama", &[("model", "m")]).as_deref(), Some("m"));
        assert_eq!(applied("state.redis", &[("model", "m")]).as_deref(), Some("m"));
    }
}
