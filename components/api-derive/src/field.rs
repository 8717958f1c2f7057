//! One field of a settings struct: what its `#[setting(..)]` attributes and its doc comment say.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, Token, Type, parenthesized};

/// A field as it will be read.
pub(crate) struct SettingsField {
    pub(crate) ident: Ident,
    pub(crate) secret: bool,
    ty: Type,
    name: String,
    aliases: Vec<LitStr>,
    default: Option<LitStr>,
    required: bool,
    minimum: Option<TokenStream>,
    maximum: Option<TokenStream>,
    doc: String,
}

impl SettingsField {
    pub(crate) fn read(field: &syn::Field) -> syn::Result<Self> {
        let ident = field.ident.clone().ok_or_else(|| syn::Error::new_spanned(field, "settings need named fields"))?;
        let mut read = Self {
            name: camel_case(&ident.to_string()),
            ident,
            ty: field.ty.clone(),
            secret: false,
            aliases: Vec::new(),
            default: None,
            required: false,
            minimum: None,
            maximum: None,
            doc: documentation(&field.attrs),
        };
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("setting")) {
            attribute.parse_nested_meta(|meta| read.apply(&meta))?;
        }
        if read.required && read.default.is_some() {
            return Err(syn::Error::new_spanned(field, "a required setting has no use for a default"));
        }
        Ok(read)
    }

    fn apply(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("name") {
            self.name = meta.value()?.parse::<LitStr>()?.value();
        } else if meta.path.is_ident("aliases") {
            let list;
            parenthesized!(list in meta.input);
            self.aliases = Punctuated::<LitStr, Token![,]>::parse_terminated(&list)?.into_iter().collect();
        } else if meta.path.is_ident("default") {
            self.default = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("required") {
            self.required = true;
        } else if meta.path.is_ident("secret") {
            self.secret = true;
        } else if meta.path.is_ident("min") {
            self.minimum = Some(bound(meta)?);
        } else if meta.path.is_ident("max") {
            self.maximum = Some(bound(meta)?);
        } else {
            return Err(meta.error("expected name, aliases, default, required, secret, min or max"));
        }
        Ok(())
    }

    /// The `component::Field` that describes it.
    pub(crate) fn schema(&self) -> TokenStream {
        let Self { name, aliases, ty, required, secret, doc, .. } = self;
        let default = optional(self.default.as_ref());
        let minimum = optional(self.minimum.as_ref());
        let maximum = optional(self.maximum.as_ref());
        quote! {
            ::component::Field {
                name: #name,
                aliases: &[#(#aliases),*],
                kind: <#ty as ::component::settings::SettingValue>::KIND,
                default: #default,
                required: #required,
                secret: #secret,
                minimum: #minimum,
                maximum: #maximum,
                doc: #doc,
                judge: ::component::settings::judge::<#ty>,
            }
        }
    }
}

fn optional(tokens: Option<&impl quote::ToTokens>) -> TokenStream {
    match tokens {
        Some(tokens) => quote!(::core::option::Option::Some(#tokens)),
        None => quote!(::core::option::Option::None),
    }
}

fn bound(meta: &ParseNestedMeta<'_>) -> syn::Result<TokenStream> {
    let value = meta.value()?;
    let sign = value.parse::<Option<Token![-]>>()?;
    let number = value.parse::<LitInt>()?;
    Ok(quote!(#sign #number))
}

/// The doc comment as one line.
fn documentation(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn camel_case(snake: &str) -> String {
    let mut name = String::with_capacity(snake.len());
    let mut raise = false;
    for letter in snake.trim_start_matches("r#").chars() {
        match letter {
            '_' => raise = true,
            letter if raise => {
                name.extend(letter.to_uppercase());
                raise = false;
            }
            letter => name.push(letter),
        }
    }
    name
}
