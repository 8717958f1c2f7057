//! The families of component types: the part of a type before its first dot. Used to look a type up and to word errors.

/// A family of component types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `state.`
    State,
    /// `secretstores.`
    SecretStores,
    /// `pubsub.`
    PubSub,
    /// `bindings.`
    Bindings,
    /// `configuration.`
    Configuration,
    /// `lock.`
    Lock,
    /// `crypto.`
    Crypto,
    /// `conversation.`
    Conversation,
    /// `middleware.`
    Middleware,
}

impl Family {
    /// Every family that can be loaded as a Component resource.
    pub const ALL: [Family; 9] = [
        Family::State,
        Family::SecretStores,
        Family::PubSub,
        Family::Bindings,
        Family::Configuration,
        Family::Lock,
        Family::Crypto,
        Family::Conversation,
        Family::Middleware,
    ];

    /// The family of a component type as written in a resource. The target compares this part case-sensitively.
    pub fn of(component_type: &str) -> Option<Family> {
        let (prefix, _) = component_type.split_once('.')?;
        Family::ALL.into_iter().find(|family| family.prefix() == prefix)
    }

    /// The part of a type before its first dot.
    pub fn prefix(self) -> &'static str {
        match self {
            Family::State => "state",
            Family::SecretStores => "secretstores",
            Family::PubSub => "pubsub",
            Family::Bindings => "bindings",
            Family::Configuration => "configuration",
            Family::Lock => "lock",
            Family::Crypto => "crypto",
            Family::Conversation => "conversation",
            Family::Middleware => "middleware",
        }
    }

    /// What the target calls a member of the family when it cannot find it.
    pub fn noun(self) -> &'static str {
        match self {
            Family::State => "state store",
            Family::SecretStores => "secret store",
            Family::PubSub => "message bus",
            Family::Bindings => "binding",
            Family::Configuration => "configuration store",
            Family::Lock => "lock store",
            Family::Crypto => "crypto provider",
            Family::Conversation => "conversation",
            Family::Middleware => "HTTP middleware",
        }
    }
}
