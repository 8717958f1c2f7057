//! From the texts of a store to a bundle in use, the texts of a first bundle, and the next step of a rotation. Called by
//! `keeper`; pure but for new keys and the time.

use std::time::SystemTime;

use security::SpiffeId;

use super::TARGET;
use crate::authority::{Current, date};
use crate::issuing::{Issuing, Material, Unverified};
use crate::rotation::{Applier, Decision, Policy, Record, State, Step, decide};
use crate::store::{Contents, Part};
use crate::tokens::{self, TokenOptions, Tokens};

/// How a bundle is loaded, made and rotated.
#[derive(Clone, Debug)]
pub(crate) struct Loading {
    /// Sentry's own id.
    pub(crate) sentry: SpiffeId,
    /// How tokens are issued; `None`: not at all.
    pub(crate) tokens: Option<TokenOptions>,
    /// How pairs of root and issuer are made.
    pub(crate) applier: Applier,
    /// When they are replaced.
    pub(crate) policy: Policy,
}

const ISSUING: [Part; 3] = [Part::Anchors, Part::IssuerCertificate, Part::IssuerKey];

impl Loading {
    /// Adds what is missing for a first bundle. What somebody else has put there is never replaced: half a bundle is an error.
    pub(super) fn complete(&self, contents: &Contents, now: SystemTime) -> Result<Option<Contents>, Unverified> {
        let mut completed = contents.clone();
        let missing: Vec<Part> = ISSUING.into_iter().filter(|part| contents.get(*part).is_none()).collect();
        if missing.len() == ISSUING.len() {
            tracing::info!(target: TARGET, "Root and issuer certs not found: generating self signed CA");
            let made = self.applier.pair.generate(now)?;
            completed.set(Part::Anchors, made.root);
            completed.set(Part::IssuerCertificate, made.chain);
            completed.set(Part::IssuerKey, made.key);
            tracing::info!(target: TARGET, "Generating self-signed CA certs and persisting to store");
        } else if !missing.is_empty() {
            return Err(incomplete(&missing));
        }
        if let Some(options) = &self.tokens {
            complete_tokens(&mut completed, options)?;
        }
        Ok((completed != *contents).then_some(completed))
    }

    /// Puts the texts to use.
    pub(super) fn read(&self, contents: &Contents) -> Result<Current, Unverified> {
        // What a later version has begun must not be undone by this one.
        record(contents)?;
        let text = |part| contents.get(part).ok_or_else(|| incomplete(&[part]));
        let tokens = match &self.tokens {
            Some(options) => Some(Tokens::new(text(Part::TokenKey)?, text(Part::TokenKeySet)?, options)?),
            None => None,
        };
        Ok(Current::new(self.issuing(contents)?, tokens))
    }

    /// How far the rotation is of texts that are in use as `issuing`.
    pub(super) fn state(&self, contents: &Contents, issuing: &Issuing) -> Result<State, Unverified> {
        Ok(State::of(contents, &record(contents)?, issuing, &self.sentry))
    }

    /// The texts after the next step of the rotation, if one is due.
    pub(super) fn step(&self, contents: &Contents) -> Result<Option<Contents>, Unverified> {
        let now = SystemTime::now();
        let state = self.state(contents, &self.issuing(contents)?)?;
        match decide(now, &state, &self.policy, Some(now)) {
            Decision::Later(_) | Decision::Now(Step::Warn(_)) => Ok(None),
            Decision::Now(step) => {
                let applied = self.applier.apply(&step, contents, &state, now)?;
                tell(&step, &state);
                Ok(Some(applied))
            }
        }
    }

    fn issuing(&self, contents: &Contents) -> Result<Issuing, Unverified> {
        let text = |part| contents.get(part).ok_or_else(|| incomplete(&[part]));
        let material = Material {
            anchors: text(Part::Anchors)?,
            chain: text(Part::IssuerCertificate)?,
            key: text(Part::IssuerKey)?,
        };
        material.verify(&self.sentry)
    }
}

fn record(contents: &Contents) -> Result<Record, Unverified> {
    Record::read(contents.get(Part::Rotation)).map_err(|error| Unverified(error.to_string()))
}

fn incomplete(missing: &[Part]) -> Unverified {
    let names: Vec<_> = missing.iter().map(|part| part.usual_name()).collect();
    let names = names.join(", ");
    Unverified(format!(
        "the bundle has no {names}: put back what is missing, or remove the rest of the bundle so that a new one is made"
    ))
}

fn complete_tokens(contents: &mut Contents, options: &TokenOptions) -> Result<(), Unverified> {
    match (contents.get(Part::TokenKey), contents.get(Part::TokenKeySet)) {
        (Some(_), Some(_)) => {}
        (None, None) => {
            tracing::info!(target: TARGET, "Generating JWT signing key and persisting to store");
            let (key, key_set) = tokens::generate(options)?;
            contents.set(Part::TokenKey, key);
            contents.set(Part::TokenKeySet, key_set);
        }
        (Some(key), None) => {
            let key_set = tokens::key_set_of(key, options)?;
            contents.set(Part::TokenKeySet, key_set);
        }
        (None, Some(_)) => return Err(incomplete(&[Part::TokenKey])),
    }
    Ok(())
}

fn tell(step: &Step, state: &State) {
    let end = date(state.current.life.until);
    match step {
        Step::Distribute => tracing::info!(
            target: TARGET,
            "The issuer ends at {end}: a new root is distributed beside the present one, and nothing is signed below it yet"
        ),
        Step::Sign => tracing::info!(
            target: TARGET,
            "A new issuer signs from now on; the old root is distributed until nothing signed below it counts any more"
        ),
        Step::Retire(roots) => {
            tracing::info!(target: TARGET, "{} old root(s) retired: nothing that counts needs them", roots.len());
        }
        Step::Discard => tracing::warn!(target: TARGET, "The next issuer cannot be used and is discarded"),
        Step::Replace => tracing::error!(
            target: TARGET,
            "The issuer has expired at {end} and is replaced by a new one below a new root: whoever does not read the trust \
             anchors anew has to be given them"
        ),
        Step::Warn(_) => {}
    }
}
