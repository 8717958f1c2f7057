//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::echo;
use crate::services::{self, DeepSeekSettings, MistralSettings, OllamaSettings, OpenAiSettings};

/// The services of this crate.
pub const REGISTRATIONS: &[Registration] = &[
    Registration {
        component_type: "conversation.deepseek",
        aliases: &[],
        version: Version::Any,
        summary: "Models of DeepSeek.",
        fields: DeepSeekSettings::FIELDS,
        constructor: Constructor::Conversation(services::deepseek),
    },
    Registration {
        component_type: "conversation.echo",
        aliases: &[],
        version: Version::Any,
        summary: "Answers with what it is told. For tests.",
        fields: &[],
        constructor: Constructor::Conversation(echo::construct),
    },
    Registration {
        component_type: "conversation.mistral",
        aliases: &[],
        version: Version::Any,
        summary: "Models of Mistral.",
        fields: MistralSettings::FIELDS,
        constructor: Constructor::Conversation(services::mistral),
    },
    Registration {
        component_type: "conversation.ollama",
        aliases: &[],
        version: Version::Any,
        summary: "Models that an Ollama server runs.",
        fields: OllamaSettings::FIELDS,
        constructor: Constructor::Conversation(services::ollama),
    },
    Registration {
        component_type: "conversation.openai",
        aliases: &[],
        version: Version::Any,
        summary: "Models of OpenAI, of Azure OpenAI, and of any service that speaks the same protocol.",
        fields: OpenAiSettings::FIELDS,
        constructor: Constructor::Conversation(services::openai),
    },
];
