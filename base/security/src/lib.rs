//! What guards a call: canonical method paths, API tokens, TLS settings.
