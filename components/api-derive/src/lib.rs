//! `#[derive(Settings)]`: writes the parser, the schema and the secret-hiding `Debug` of a component's metadata. Used
//! by `component`, which re-exports it and documents it; this crate knows syntax only.

mod field;
mod implementation;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Implements `component::Settings` and `Debug` for a struct with named fields; see `component::Settings`.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn derive_settings(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    implementation::write(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
