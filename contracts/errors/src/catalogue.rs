//! The notation of a row, and the list of all of them. Only this crate uses the macro.

use crate::{ApiError, Row};

/// A row, and one error made from it with its arguments' names as values: for the golden snapshot and the help page.
pub struct Entry {
    /// The row.
    pub row: &'static Row,
    /// Makes the sample.
    pub sample: fn() -> ApiError,
}

/// Every row, in the order of the help page.
pub fn catalogue() -> impl Iterator<Item = &'static Entry> {
    [
        crate::general::ENTRIES,
        crate::door::ENTRIES,
        crate::component::ENTRIES,
        crate::service_invocation::ENTRIES,
        crate::state::ENTRIES,
        crate::pubsub::ENTRIES,
        crate::binding::ENTRIES,
        crate::actor::ENTRIES,
        crate::workflow::ENTRIES,
        crate::job::ENTRIES,
        crate::secret::ENTRIES,
        crate::configuration::ENTRIES,
        crate::lock::ENTRIES,
        crate::crypto::ENTRIES,
        crate::conversation::ENTRIES,
        crate::health::ENTRIES,
    ]
    .into_iter()
    .flatten()
}

/// Writes rows: for each a constant, and a function that makes the error from its arguments. An argument is anything that
/// can be displayed; a name in the message that is no argument does not compile. Fields stand in this order, those in
/// brackets may be missing: tag, \[reason\], http, grpc, family, message, \[sent\], \[metadata\], \[resource\],
/// \[violation\], \[link\].
macro_rules! catalogue {
    ($category:ident: $(
        $(#[doc = $help:literal])+
        $key:ident = $make:ident($($argument:ident),*) {
            tag: $tag:literal,
            $(reason: $reason:literal,)?
            http: $http:ident,
            grpc: $grpc:ident,
            family: $family:ident,
            message: $message:literal,
            $(sent: $sent:ident,)?
            $(metadata: { $($name:literal = $value:ident),+ },)?
            $(resource: $kind:literal $component:tt $description:ident,)?
            $(violation: $field:ident,)?
            $(link: $link:ident,)?
        }
    )+) => {
        $(
            $(#[doc = $help])+
            pub static $key: $crate::Row = $crate::Row {
                key: stringify!($key),
                tag: $tag,
                reason: $crate::catalogue::reason($crate::Family::$family, $tag, first!($($reason,)? "")),
                http: ::http::StatusCode::$http,
                grpc: ::tonic::Code::$grpc,
                category: $crate::Category::$category,
                family: $crate::Family::$family,
                details: &[
                    $(present!($field $crate::DetailKind::FieldViolation),)?
                    $(present!($link $crate::DetailKind::Help),)?
                    $(present!($component $crate::DetailKind::Resource),)?
                ],
                metadata: first!($(&[$($name),+],)? &[]),
                message: $message,
                sent: first!($($crate::Sent::$sent,)? $crate::Sent::Both),
                help: &[$($help),+],
            };

            #[doc = concat!("Makes the error of [`", stringify!($key), "`].")]
            pub fn $make($($argument: impl ::std::fmt::Display),*) -> $crate::ApiError {
                $(let $argument = $crate::quoted::Argument(&$argument);)*
                let error = $crate::ApiError::new(&$key, format!($message));
                $(let error = error.with_metadata([$(($name, $value.to_string())),+]);)?
                $(let error = error.with_resource($kind, $component.to_string(), $crate::Described::$description);)?
                $(let error = error.with_violation($field.to_string());)?
                $(let error = error.with_link(&$link);)?
                error
            }
        )+

        pub(crate) static ENTRIES: &[$crate::Entry] = &[
            $($crate::Entry { row: &$key, sample: || $make($(concat!("<", stringify!($argument), ">")),*) },)+
        ];
    };
}

/// The first of its arguments.
macro_rules! first {
    ($first:expr $(, $rest:expr)*) => {
        $first
    };
}

/// The expression; the token before it only says that an optional field is there.
macro_rules! present {
    ($field:tt $value:expr) => {
        $value
    };
}

/// The reason of a row that names none: its tag where it has details.
pub(crate) const fn reason(family: crate::Family, tag: &'static str, own: &'static str) -> &'static str {
    match family {
        crate::Family::Detailed | crate::Family::DetailedOverGrpc if own.is_empty() => tag,
        _ => own,
    }
}
