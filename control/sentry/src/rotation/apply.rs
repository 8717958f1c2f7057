//! What each step of a rotation makes of the texts of a bundle. Pure but for new keys; the store puts all of it in place in
//! one moment or nothing.

use std::time::{Duration, SystemTime};

use security::SpiffeId;
use security::certificate;

use super::record::{Record, Retiring, Successor, written};
use super::{Pair, State, Step};
use crate::issuing::{Fingerprint, Issuing, Material, NewPair, Unverified};
use crate::store::{Contents, Part};

/// What is to sign next, read from its texts.
#[derive(Debug)]
pub enum Next {
    /// There is none.
    None,
    /// This one, and since when its root has been distributed.
    Ready(Pair, SystemTime),
    /// It cannot be used.
    Broken,
}

/// The successor in the texts of a bundle.
#[must_use]
pub fn next_pair(contents: &Contents, record: &Record, sentry: &SpiffeId) -> Next {
    let Some(next) = &record.next else { return Next::None };
    let verified = successor(contents, sentry);
    match verified {
        Ok(issuing) if issuing.root().as_str() == next.root => {
            let pair = Pair { root: issuing.root().clone(), life: issuing.life() };
            Next::Ready(pair, next.distributed.into())
        }
        _ => Next::Broken,
    }
}

fn successor(contents: &Contents, sentry: &SpiffeId) -> Result<Issuing, Unverified> {
    let text = |part| contents.get(part).unwrap_or_default();
    let (anchors, chain, key) = (text(Part::Anchors), text(Part::NextCertificate), text(Part::NextKey));
    Material { anchors, chain, key }.verify(sentry)
}

impl State {
    /// How far the rotation of these texts is. `issuing` is what they were verified to be.
    #[must_use]
    pub fn of(contents: &Contents, record: &Record, issuing: &Issuing, sentry: &SpiffeId) -> Self {
        let root = issuing.root();
        let next = next_pair(contents, record, sentry);
        Self {
            current: Pair { root: root.clone(), life: issuing.life() },
            is_ours: issuing.is_generated() || record.made.iter().any(|made| made == root.as_str()),
            is_next_broken: matches!(next, Next::Broken),
            next: if let Next::Ready(pair, distributed) = next { Some((pair, distributed)) } else { None },
            retiring: record
                .retiring
                .iter()
                .map(|retiring| (Fingerprint::from_text(&retiring.root), retiring.after.into()))
                .collect(),
        }
    }
}

/// Does steps.
#[derive(Clone, Debug)]
pub struct Applier {
    /// How a successor is made.
    pub pair: NewPair,
    /// How long a certificate can count that was signed just now.
    pub overlap: Duration,
}

impl Applier {
    /// The texts after a step.
    ///
    /// # Errors
    /// [`Unverified`] when a successor cannot be made.
    pub fn apply(
        &self,
        step: &Step,
        contents: &Contents,
        state: &State,
        now: SystemTime,
    ) -> Result<Contents, Unverified> {
        let record = Record::read(contents.get(Part::Rotation)).map_err(|error| Unverified(error.to_string()))?;
        let mut change = Change { contents: contents.clone(), record };
        match step {
            Step::Distribute => change.distribute(&self.pair, state, now)?,
            Step::Sign => change.sign(state, now + self.overlap),
            Step::Retire(roots) => change.retire(roots)?,
            Step::Discard => change.discard()?,
            Step::Replace => {
                change.distribute(&self.pair, state, now)?;
                // Nothing that the old one signed counts any more, so that its root can go at once.
                change.sign(state, now);
            }
            Step::Warn(_) => return Ok(change.contents),
        }
        change.contents.set(Part::Rotation, change.record.write());
        Ok(change.contents)
    }
}

struct Change {
    contents: Contents,
    record: Record,
}

impl Change {
    fn distribute(&mut self, pair: &NewPair, state: &State, now: SystemTime) -> Result<(), Unverified> {
        let made = pair.generate(now)?;
        let mut anchors = self.contents.get(Part::Anchors).unwrap_or_default().to_vec();
        if anchors.last().is_some_and(|last| *last != b'\n') {
            anchors.push(b'\n');
        }
        anchors.extend_from_slice(made.root.as_bytes());
        self.contents.set(Part::Anchors, anchors);
        self.contents.set(Part::NextCertificate, made.chain);
        self.contents.set(Part::NextKey, made.key);
        for root in [&state.current.root, &made.fingerprint] {
            if !self.record.made.iter().any(|known| known == root.as_str()) {
                self.record.made.push(root.to_string());
            }
        }
        self.record.next = Some(Successor { root: made.fingerprint.to_string(), distributed: written(now) });
        Ok(())
    }

    fn sign(&mut self, state: &State, retire_after: SystemTime) {
        if let Some(certificate) = self.contents.remove(Part::NextCertificate) {
            self.contents.set(Part::IssuerCertificate, certificate);
        }
        if let Some(key) = self.contents.remove(Part::NextKey) {
            self.contents.set(Part::IssuerKey, key);
        }
        self.record.next = None;
        // Written to the second, so the next one, lest it be early.
        let after = written(retire_after + Duration::from_secs(1));
        self.record.retiring.push(Retiring { root: state.current.root.to_string(), after });
    }

    fn retire(&mut self, roots: &[Fingerprint]) -> Result<(), Unverified> {
        self.remove_anchors(|root| roots.contains(root))?;
        let is_gone = |root: &str| roots.iter().any(|gone| gone.as_str() == root);
        self.record.retiring.retain(|retiring| !is_gone(&retiring.root));
        self.record.made.retain(|made| !is_gone(made));
        Ok(())
    }

    fn discard(&mut self) -> Result<(), Unverified> {
        self.contents.remove(Part::NextCertificate);
        self.contents.remove(Part::NextKey);
        if let Some(next) = self.record.next.take() {
            let root = Fingerprint::from_text(&next.root);
            self.remove_anchors(|known| *known == root)?;
            self.record.made.retain(|made| *made != next.root);
        }
        Ok(())
    }

    /// Takes roots out, and leaves every other one, whoever put it there.
    fn remove_anchors(&mut self, is_gone: impl Fn(&Fingerprint) -> bool) -> Result<(), Unverified> {
        let read = certificate::from_pem(self.contents.get(Part::Anchors).unwrap_or_default());
        let read = read.map_err(|error| Unverified(error.to_string()))?;
        let left: Vec<_> = read.iter().filter(|anchor| !is_gone(&Fingerprint::of(anchor))).collect();
        self.contents.set(Part::Anchors, certificate::to_pem(left));
        Ok(())
    }
}
