//! Rotation over times of every kind: years of ordinary days, machines that were off, clocks that jump.

use proptest::prelude::*;
use rustls_pki_types::{CertificateDer, UnixTime};
use security::{SpiffeId, certificate};
use webpki::{EndEntityCert, KeyUsage};

use super::*;
use crate::issuing::{Issuing, Leaf, Material, NewPair};
use crate::store::{Contents, Part};

const HOUR: Duration = Duration::from_secs(3600);

/// So many hours after the beginning of the world of these tests.
fn at(hours: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000) + HOUR * u32::try_from(hours).unwrap()
}

fn policy() -> Policy {
    Policy { enabled: true, distribute_at: 0.5, sign_at: 0.9, overlap: HOUR * 25 }
}

fn root(number: u64) -> Fingerprint {
    Fingerprint::from_text(&number.to_string())
}

fn pair(number: u64, from: u64, until: u64) -> Pair {
    Pair { root: root(number), life: Validity { from: at(from), until: at(until) } }
}

fn state(current: Pair) -> State {
    State { current, is_ours: true, next: None, is_next_broken: false, retiring: Vec::new() }
}

fn now(hours: u64, state: &State) -> Decision {
    decide(at(hours), state, &policy(), None)
}

#[test]
fn a_successor_is_distributed_early_signs_late_and_the_old_root_goes_when_nothing_needs_it() {
    let mut state = state(pair(1, 0, 1000));
    assert_eq!(now(499, &state), Decision::Later(at(500)));
    assert_eq!(now(500, &state), Decision::Now(Step::Distribute));
    state.next = Some((pair(2, 500, 1500), at(500)));
    assert_eq!(now(500, &state), Decision::Later(at(900)));
    assert_eq!(now(900, &state), Decision::Now(Step::Sign));
    state.current = state.next.take().unwrap().0;
    state.retiring = vec![(root(1), at(925))];
    assert_eq!(now(900, &state), Decision::Later(at(925)));
    assert_eq!(now(925, &state), Decision::Now(Step::Retire(vec![root(1)])));
    state.retiring.clear();
    assert_eq!(now(925, &state), Decision::Later(at(1000)), "and so on: half of the second life");
}

#[test]
fn what_is_found_late_is_distributed_for_the_overlap_before_it_signs() {
    let mut state = state(pair(1, 0, 1000));
    assert_eq!(now(950, &state), Decision::Now(Step::Distribute));
    state.next = Some((pair(2, 950, 1950), at(950)));
    assert_eq!(now(950, &state), Decision::Later(at(975)));
    state.next = Some((pair(2, 990, 1990), at(990)));
    assert_eq!(now(990, &state), Decision::Later(at(1000)), "but not beyond the end of what signs");
    assert_eq!(now(1000, &state), Decision::Now(Step::Sign));
}

#[test]
fn what_has_expired_is_replaced_by_its_successor_or_a_new_one() {
    let mut state = state(pair(1, 0, 1000));
    assert_eq!(now(1000, &state), Decision::Now(Step::Distribute), "the last moment belongs to it");
    assert_eq!(now(1001, &state), Decision::Now(Step::Replace));
    state.next = Some((pair(2, 500, 1500), at(500)));
    assert_eq!(now(1200, &state), Decision::Now(Step::Sign));
    assert_eq!(now(1501, &state), Decision::Now(Step::Discard), "nor is an expired successor of use");
}

#[test]
fn a_clock_before_the_certificates_makes_nothing() {
    assert_eq!(now(3, &state(pair(1, 5, 1000))), Decision::Later(at(5)));
}

#[test]
fn what_others_made_is_warned_about_daily_and_never_replaced() {
    let mut theirs = state(pair(1, 0, 1000));
    theirs.is_ours = false;
    let first = at(1000) - WARNING;
    assert_eq!(decide(at(0), &theirs, &policy(), None), Decision::Later(first));
    assert_eq!(decide(first, &theirs, &policy(), None), Decision::Now(Step::Warn(at(1000))));
    assert_eq!(decide(first, &theirs, &policy(), Some(first)), Decision::Later(first + DAY));
    assert_eq!(decide(at(2000), &theirs, &policy(), Some(at(1999))), Decision::Later(at(1999) + DAY));
    assert_eq!(decide(at(2000), &theirs, &policy(), Some(at(9999))), Decision::Now(Step::Warn(at(1000))));
    let mut switched_off = policy();
    switched_off.enabled = false;
    assert_eq!(decide(at(990), &state(pair(1, 0, 1000)), &switched_off, None), Decision::Now(Step::Warn(at(1000))));
}

#[test]
fn a_root_that_signs_is_never_retired() {
    let mut state = state(pair(1, 0, 1000));
    state.retiring = vec![(root(1), at(10))];
    assert_eq!(now(20, &state), Decision::Later(at(500)));
}

/// A world without cryptography: which roots are distributed, and which certificates are out there.
struct World {
    state: State,
    anchors: Vec<Fingerprint>,
    /// Root and end of every certificate that was signed.
    signed: Vec<(Fingerprint, SystemTime)>,
    made: u64,
    life: Duration,
}

impl World {
    fn new(life: Duration) -> Self {
        let first = Pair { root: root(0), life: Validity { from: at(0), until: at(0) + life } };
        Self { state: state(first), anchors: vec![root(0)], signed: Vec::new(), made: 0, life }
    }

    fn successor(&mut self, now: SystemTime) -> Pair {
        self.made += 1;
        self.anchors.push(root(self.made));
        Pair { root: root(self.made), life: Validity { from: now - HOUR, until: now + self.life } }
    }

    fn take(&mut self, step: Step, now: SystemTime, overlap: Duration) {
        let state = &mut self.state;
        match step {
            Step::Distribute => {
                let pair = self.successor(now);
                self.state.next = Some((pair, now));
            }
            Step::Sign => {
                let (next, _) = state.next.take().unwrap();
                let old = std::mem::replace(&mut state.current, next);
                state.retiring.push((old.root, now + overlap));
            }
            Step::Retire(roots) => {
                state.retiring.retain(|(root, _)| !roots.contains(root));
                self.anchors.retain(|root| !roots.contains(root));
            }
            Step::Discard => {
                let (next, _) = state.next.take().unwrap();
                self.anchors.retain(|root| *root != next.root);
            }
            Step::Replace => {
                let pair = self.successor(now);
                let old = std::mem::replace(&mut self.state.current, pair);
                self.state.retiring.push((old.root, now));
            }
            Step::Warn(_) => unreachable!("it is ours"),
        }
    }
}

proptest! {
    /// Whatever the clock does: what signs is always distributed, and so is the root of every certificate that counts.
    #[test]
    fn nobody_is_left_without_the_root_it_needs(
        life in 30_u64..2000,
        overlap in 1_u64..200,
        distribute_at in 0.05_f64..0.9,
        sign_more in 0.0_f64..0.9,
        moves in proptest::collection::vec((0_u64..400, any::<bool>()), 1..120),
    ) {
        let sign_at = distribute_at + (1.0 - distribute_at) * sign_more;
        let policy = Policy { enabled: true, distribute_at, sign_at, overlap: HOUR * u32::try_from(overlap).unwrap() };
        let mut world = World::new(HOUR * u32::try_from(life).unwrap());
        let (mut hours, mut latest) = (0_u64, 0_u64);
        for (distance, back) in moves {
            hours = if back && distance < 40 { hours.saturating_sub(distance) } else { hours + distance };
            latest = latest.max(hours);
            let now = at(hours);
            let mut steps = 0;
            while let Decision::Now(step) = decide(now, &world.state, &policy, None) {
                world.take(step, now, policy.overlap);
                steps += 1;
                prop_assert!(steps <= 4, "it goes on and on");
            }
            let Decision::Later(again) = decide(now, &world.state, &policy, None) else { unreachable!() };
            prop_assert!(again > now, "it would spin");
            let current = world.state.current.clone();
            prop_assert!(world.anchors.contains(&current.root));
            if current.life.covers(now) {
                let until = (now + policy.overlap).min(current.life.until);
                world.signed.push((current.root.clone(), until));
            } else {
                prop_assert!(now < current.life.from, "an expired issuer stays");
            }
            for (root, until) in &world.signed {
                prop_assert!(*until <= at(latest) || world.anchors.contains(root), "{root} is missing until {until:?}");
            }
        }
    }

    /// With a clock that only goes forward, a root is known for the overlap before anything is signed below it.
    #[test]
    fn what_signs_was_distributed_for_the_overlap(steps in proptest::collection::vec(1_u64..30, 1..200)) {
        let policy = policy();
        let mut world = World::new(HOUR * 400);
        let mut hours = 0;
        let mut distributed = std::collections::BTreeMap::new();
        for distance in steps {
            hours += distance;
            while let Decision::Now(step) = decide(at(hours), &world.state, &policy, None) {
                if step == Step::Sign {
                    let next = world.state.next.clone().unwrap().0.root;
                    prop_assert!(at(hours) >= distributed[&next] + policy.overlap);
                }
                let is_new = step == Step::Distribute;
                world.take(step, at(hours), policy.overlap);
                if is_new {
                    distributed.insert(root(world.made), at(hours));
                }
            }
        }
    }
}

fn sentry() -> SpiffeId {
    SpiffeId::parse("spiffe://cluster.local/ns/dapr-system/dapr-sentry").unwrap()
}

fn applier() -> Applier {
    let pair = NewPair { sentry: sentry(), life: HOUR * 1000, skew: HOUR };
    Applier { pair, overlap: policy().overlap }
}

fn verified(contents: &Contents) -> Issuing {
    let text = |part| contents.get(part).unwrap();
    let material =
        Material { anchors: text(Part::Anchors), chain: text(Part::IssuerCertificate), key: text(Part::IssuerKey) };
    material.verify(&sentry()).unwrap()
}

fn first() -> Contents {
    let made = applier().pair.generate(at(0)).unwrap();
    let mut contents = Contents::default();
    contents.set(Part::Anchors, made.root);
    contents.set(Part::IssuerCertificate, made.chain);
    contents.set(Part::IssuerKey, made.key);
    contents
}

fn state_of(contents: &Contents) -> State {
    let record = Record::read(contents.get(Part::Rotation)).unwrap();
    State::of(contents, &record, &verified(contents), &sentry())
}

fn applied(step: &Step, contents: &Contents, hours: u64) -> Contents {
    applier().apply(step, contents, &state_of(contents), at(hours)).unwrap()
}

/// A certificate signed now, and how long it counts.
fn signed(contents: &Contents, hours: u64) -> (CertificateDer<'static>, Vec<CertificateDer<'static>>) {
    let issuing = verified(contents);
    let id = SpiffeId::parse("spiffe://public/ns/default/app").unwrap();
    let validity = Validity { from: at(hours) - HOUR, until: at(hours) + HOUR * 24 };
    let leaf = Leaf { id: &id, validity, dns_names: &[], images: &[] };
    let key = identity::NewKey::generate(identity::KeyKind::Ed25519).unwrap();
    (issuing.signer().certify(&leaf, key.public()).unwrap(), issuing.chain().to_vec())
}

fn counts(
    (leaf, chain): &(CertificateDer<'static>, Vec<CertificateDer<'static>>),
    contents: &Contents,
    hours: u64,
) -> bool {
    let read = certificate::from_pem(contents.get(Part::Anchors).unwrap()).unwrap();
    let anchors: Vec<_> = read.iter().map(|anchor| webpki::anchor_from_trusted_cert(anchor).unwrap()).collect();
    let now = UnixTime::since_unix_epoch(at(hours).duration_since(SystemTime::UNIX_EPOCH).unwrap());
    let end = EndEntityCert::try_from(leaf).unwrap();
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    end.verify_for_usage(algorithms, &anchors, chain, now, KeyUsage::server_auth(), None, None).is_ok()
}

#[test]
fn texts_go_through_a_whole_rotation() {
    let contents = first();
    let before = signed(&contents, 499);
    assert!(state_of(&contents).is_ours);
    let distributed = applied(&Step::Distribute, &contents, 500);
    assert_eq!(verified(&distributed).anchors().len(), 2);
    assert_eq!(verified(&distributed).chain(), verified(&contents).chain(), "the old issuer goes on signing");
    assert!(counts(&before, &distributed, 510));
    let signing = applied(&Step::Sign, &distributed, 900);
    assert_ne!(verified(&signing).root(), verified(&contents).root());
    assert!(signing.get(Part::NextKey).is_none() && signing.get(Part::NextCertificate).is_none());
    let (late, after) = (signed(&distributed, 899), signed(&signing, 900));
    assert!(counts(&late, &signing, 901) && counts(&after, &signing, 901));
    assert!(counts(&after, &distributed, 901), "whoever knows both roots takes both");
    let Decision::Later(due) = now(900, &state_of(&signing)) else { panic!("nothing is to be done at once") };
    assert!(due > at(925) && due < at(926), "{due:?}");
    let retired = applied(&Step::Retire(vec![verified(&contents).root().clone()]), &signing, 926);
    assert_eq!(verified(&retired).anchors().len(), 1);
    assert!(counts(&after, &retired, 920) && !counts(&late, &retired, 920));
    assert_eq!(Record::read(retired.get(Part::Rotation)).unwrap().made, [verified(&retired).root().as_str()]);
}

#[test]
fn an_expired_bundle_is_replaced_and_signs_again() {
    let contents = first();
    let replaced = applied(&Step::Replace, &contents, 3000);
    assert!(verified(&replaced).life().covers(at(3000)));
    assert_eq!(now(3001, &state_of(&replaced)), Decision::Now(Step::Retire(vec![verified(&contents).root().clone()])));
}

#[test]
fn a_successor_that_cannot_be_used_is_discarded_with_its_root() {
    let mut distributed = applied(&Step::Distribute, &first(), 500);
    distributed.set(Part::NextKey, "nothing");
    let state = state_of(&distributed);
    assert!(state.is_next_broken);
    assert_eq!(now(501, &state), Decision::Now(Step::Discard));
    let discarded = applied(&Step::Discard, &distributed, 501);
    assert_eq!(verified(&discarded).anchors().len(), 1);
    assert_eq!(now(501, &state_of(&discarded)), Decision::Now(Step::Distribute));
}

#[test]
fn anchors_of_others_stay() {
    let mut contents = first();
    let foreign = applier().pair.generate(at(0)).unwrap();
    let both = [contents.get(Part::Anchors).unwrap(), foreign.root.trim_end().as_bytes()].concat();
    contents.set(Part::Anchors, both);
    let distributed = applied(&Step::Distribute, &contents, 500);
    let signing = applied(&Step::Sign, &distributed, 900);
    let retired = applied(&Step::Retire(vec![verified(&contents).root().clone()]), &signing, 926);
    let roots: Vec<_> = verified(&retired).anchors().iter().map(Fingerprint::of).collect();
    assert_eq!(roots.len(), 2);
    assert!(roots.contains(&foreign.fingerprint));
}
