//! What this crate offers. Read by `components/all`.

use component::{Constructor, Registration, Settings, Version};

use crate::bearer::{self, BearerSettings};
use crate::client_credentials::{self, ClientCredentialsSettings};
use crate::oauth2::{self, OAuth2Settings};
use crate::rate_limit::{self, RateLimitSettings};
use crate::route_alias::{self, RouteAliasSettings};
use crate::route_checker::{self, RouteCheckerSettings};
use crate::uppercase::{self, UppercaseSettings};

/// The middlewares of this crate.
pub const REGISTRATIONS: &[Registration] = &[
    Registration {
        component_type: "middleware.http.bearer",
        aliases: &[],
        version: Version::Any,
        summary: "Lets requests pass that carry a token which an OpenID Connect provider signed for this audience.",
        fields: BearerSettings::FIELDS,
        constructor: Constructor::HttpMiddleware(bearer::construct),
    },
    Registration {
        component_type: "middleware.http.oauth2",
        aliases: &[],
        version: Version::Any,
        summary: "Sends a browser to log in (authorization code flow) and adds its token to its requests.",
        fields: OAuth2Settings::FIELDS,
        constructor: Constructor::HttpMiddleware(oauth2::construct),
    },
    Registration {
        component_type: "middleware.http.oauth2clientcredentials",
        aliases: &[],
        version: Version::Any,
        summary: "Adds a token that it obtains with a client's own credentials.",
        fields: ClientCredentialsSettings::FIELDS,
        constructor: Constructor::HttpMiddleware(client_credentials::construct),
    },
    Registration {
        component_type: "middleware.http.ratelimit",
        aliases: &[],
        version: Version::Any,
        summary: "Limits how many requests a second one client may make of one path.",
        fields: RateLimitSettings::FIELDS,
        constructor: Constructor::HttpMiddleware(rate_limit::construct),
    },
    Registration {
        component_type: "middleware.http.routeralias",
        aliases: &[],
        version: Version::Any,
        summary: "Gives paths another meaning.",
        fields: RouteAliasSettings::FIELDS,
        constructor: Constructor::HttpMiddleware(route_alias::construct),
    },
    Registration {
        component_type: "middleware.http.routerchecker",
        aliases: &[],
        version: Version::Any,
        summary: "Refuses requests whose path and query do not match a regular expression.",
        fields: RouteCheckerSettings::FIELDS,
        constructor: Constructor::HttpMiddleware(route_checker::construct),
    },
    Registration {
        component_type: "middleware.http.uppercase",
        aliases: &[],
        version: Version::Any,
        summary: "Makes the letters of bodies large. For tests.",
        fields: UppercaseSettings::FIELDS,
        constructor: Constructor::HttpMiddleware(uppercase::construct),
    },
];
