//! #[derive(Settings)].
