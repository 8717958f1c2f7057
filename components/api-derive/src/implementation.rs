//! Writes the implementations out of the fields.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Fields};

use crate::field::SettingsField;

pub(crate) fn write(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(input, "settings are a struct"));
    };
    let Fields::Named(named) = &data.fields else {
        return Err(syn::Error::new_spanned(input, "settings need named fields"));
    };
    if !input.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(&input.generics, "settings are not generic"));
    }
    let fields = named.named.iter().map(SettingsField::read).collect::<syn::Result<Vec<_>>>()?;
    let settings = settings(input, &fields);
    let debug = debug(input, &fields);
    Ok(quote! {
        const _: () = {
            #settings
            #debug
        };
    })
}

fn settings(input: &DeriveInput, fields: &[SettingsField]) -> TokenStream {
    let name = &input.ident;
    let idents = fields.iter().map(|field| &field.ident);
    let schemas = fields.iter().map(SettingsField::schema);
    let constants: Vec<_> = (0..fields.len()).map(|index| format_ident!("FIELD_{index}")).collect();
    quote! {
        #(const #constants: ::component::Field = #schemas;)*

        impl ::component::Settings for #name {
            const FIELDS: &'static [::component::Field] = &[#(#constants),*];

            fn parse(
                properties: &::component::Properties,
            ) -> ::core::result::Result<Self, ::component::SettingsError> {
                ::component::settings::check_names(properties)?;
                ::core::result::Result::Ok(Self {
                    #(#idents: ::component::settings::read(properties, &#constants)?,)*
                })
            }
        }
    }
}

fn debug(input: &DeriveInput, fields: &[SettingsField]) -> TokenStream {
    let name = &input.ident;
    let title = name.to_string();
    let shown = fields.iter().map(|field| {
        let ident = &field.ident;
        let label = ident.to_string();
        if field.secret {
            quote!(.field(#label, &::core::format_args!("hidden")))
        } else {
            quote!(.field(#label, &self.#ident))
        }
    });
    quote! {
        impl ::core::fmt::Debug for #name {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                formatter.debug_struct(#title) #(#shown)* .finish()
            }
        }
    }
}
