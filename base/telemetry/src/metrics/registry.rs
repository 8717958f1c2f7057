//! Which series there are. Called by `Metrics` when a handle is resolved, never per call; what a series counts is added to
//! without it. A family that clients can add values to has a bounded number of series: those beyond are counted together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use super::distribution::{Bounds, Distribution};
use super::names::{self, Family, Kind};
use super::rules::Rules;
use super::{HttpLabels, Settings};

/// Series of a family whose label values clients choose.
pub(super) const MAX_SERIES: usize = 1000;
/// Longest value of such a label, in bytes.
pub(super) const MAX_VALUE: usize = 512;

const NANOSECONDS: f64 = 1_000_000.0;

pub(super) struct Registry {
    app_id: String,
    pub(super) namespace: String,
    pub(super) http: HttpLabels,
    pub(super) error_codes: bool,
    rules: Rules,
    latency: Arc<Bounds>,
    size: Arc<Bounds>,
    families: Mutex<BTreeMap<&'static str, Series>>,
}

/// The series of one family, by the values of its labels in the order of the family's labels.
pub(super) struct Series {
    pub(super) family: &'static Family,
    pub(super) rows: BTreeMap<Box<[Box<str>]>, Value>,
}

#[derive(Clone)]
pub(super) enum Value {
    Number(Arc<AtomicU64>),
    Distribution(Arc<Distribution>),
}

impl Registry {
    pub(super) fn new(app_id: &str, settings: Settings) -> Self {
        let latency = match settings.latency_buckets.as_slice() {
            [] => names::LATENCY_BUCKETS,
            own => own,
        };
        Self {
            app_id: app_id.to_owned(),
            namespace: settings.namespace,
            http: settings.http,
            error_codes: settings.error_codes,
            rules: settings.rules,
            latency: Arc::new(Bounds::new(latency, NANOSECONDS)),
            size: Arc::new(Bounds::new(names::SIZE_BUCKETS, 1.0)),
            families: Mutex::default(),
        }
    }

    pub(super) fn rewrites(&self) -> bool {
        !self.rules.is_empty()
    }

    pub(super) fn number(&self, family: &'static Family, values: &[&str]) -> Arc<AtomicU64> {
        match self.series(family, values) {
            Value::Number(number) => number,
            // Only a caller that asks a family for the wrong handle gets here; it counts beside the scrape.
            Value::Distribution(_) => Arc::default(),
        }
    }

    pub(super) fn distribution(&self, family: &'static Family, values: &[&str]) -> Arc<Distribution> {
        match self.series(family, values) {
            Value::Distribution(distribution) => distribution,
            Value::Number(_) => Arc::new(Distribution::new(Arc::clone(&self.size))),
        }
    }

    /// Calls `visit` with every family that was used, by name.
    pub(super) fn each(&self, mut visit: impl FnMut(&Series)) {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        families.values().for_each(&mut visit);
    }

    fn series(&self, family: &'static Family, values: &[&str]) -> Value {
        let mut row = self.row(family, values);
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let series = families.entry(family.name).or_insert_with(|| Series { family, rows: BTreeMap::new() });
        if series.rows.len() >= MAX_SERIES && !series.rows.contains_key(&row) {
            fold(family, &mut row);
        }
        match series.rows.entry(row) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(place) => place.insert(self.value(family)).clone(),
        }
    }

    fn row(&self, family: &'static Family, values: &[&str]) -> Box<[Box<str>]> {
        let mut values = values.iter().copied();
        let own = |label: &str| label == names::APP_ID && !family.names_caller;
        let value = |label: &&'static str| {
            let value = if own(label) { self.app_id.as_str() } else { values.next().unwrap_or("") };
            self.rules.apply(family.name, label, value).into_owned().into_boxed_str()
        };
        let mut row: Box<[Box<str>]> = family.labels.iter().map(value).collect();
        let length = family.open.and_then(|open| row.get(open)).map_or(0, |value| value.len());
        if length > MAX_VALUE {
            fold(family, &mut row);
        }
        row
    }

    fn value(&self, family: &Family) -> Value {
        match family.kind {
            Kind::Counter | Kind::Gauge => Value::Number(Arc::default()),
            Kind::Latency => Value::Distribution(Arc::new(Distribution::new(Arc::clone(&self.latency)))),
            Kind::Size => Value::Distribution(Arc::new(Distribution::new(Arc::clone(&self.size)))),
        }
    }
}

/// Takes away what clients choose.
fn fold(family: &Family, row: &mut [Box<str>]) {
    if let Some(value) = family.open.and_then(|open| row.get_mut(open)) {
        *value = Box::default();
    }
}
