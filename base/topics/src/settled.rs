//! Which messages of a topic a group has settled: all below a number, and single ones above it, kept as bits. So one message
//! that is never settled costs 128 bytes for each thousand that are. Used by `group`; pure.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};

/// Messages of one chunk.
const CHUNK: u64 = 1024;
const WORDS: usize = 16;

type Bits = [u64; WORDS];

/// What a group has settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    floor: u64,
    /// By its number: the messages from number times 1024 on. Those below the floor are gone.
    chunks: BTreeMap<u64, Bits>,
    /// How many bits at and above the floor are set.
    above: u64,
    changed: BTreeSet<u64>,
    gone: Vec<u64>,
    /// Whether the floor has left a chunk since it was written.
    raised: bool,
}

/// What has to be written since it was asked for last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Chunks by number; `None` for one that is no longer needed.
    pub(crate) chunks: Vec<(u64, Option<Bytes>)>,
    /// The floor, if it has to be written.
    pub(crate) floor: Option<u64>,
}

fn place(number: u64) -> (u64, usize, u64) {
    let inside = number % CHUNK;
    (number / CHUNK, usize::try_from(inside / 64).unwrap_or_default(), 1 << (inside % 64))
}

impl Settled {
    /// All below a number.
    pub(crate) fn below(floor: u64) -> Self {
        Self { floor, ..Self::default() }
    }

    /// What was written.
    pub(crate) fn read(floor: u64, chunks: impl IntoIterator<Item = (u64, Bytes)>) -> Option<Self> {
        let mut read = Self::below(floor);
        for (chunk, content) in chunks {
            let mut bits = Bits::default();
            let words = content.chunks_exact(8).map(|word| word.try_into().map(u64::from_be_bytes));
            for (bits, word) in bits.iter_mut().zip(words) {
                *bits = word.ok()?;
            }
            if content.len() != WORDS * 8 {
                return None;
            }
            // A chunk is removed in the same transaction that moves the floor behind it.
            if (chunk + 1) * CHUNK > floor {
                read.chunks.insert(chunk, bits);
            }
        }
        read.above = read.count(floor);
        read.climb();
        Some(read)
    }

    fn count(&self, from: u64) -> u64 {
        let set = |(chunk, bits): (&u64, &Bits)| {
            let first = chunk * CHUNK;
            if first >= from {
                return bits.iter().map(|word| u64::from(word.count_ones())).sum();
            }
            (from..first + CHUNK).filter(|number| is_set(bits, *number)).count() as u64
        };
        self.chunks.iter().map(set).sum()
    }

    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// Of the messages below `next`, how many are not settled.
    pub(crate) fn missing(&self, next: u64) -> u64 {
        next.saturating_sub(self.floor).saturating_sub(self.above)
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        number < self.floor || self.chunks.get(&(number / CHUNK)).is_some_and(|bits| is_set(bits, number))
    }

    /// Adds one; says whether it is new.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let (chunk, word, bit) = place(number);
        if let Some(word) = self.chunks.entry(chunk).or_default().get_mut(word) {
            *word |= bit;
        }
        self.above += 1;
        self.changed.insert(chunk);
        self.climb();
        true
    }

    /// Moves the floor over what is settled.
    fn climb(&mut self) {
        while let Some(bits) = self.chunks.get(&(self.floor / CHUNK)) {
            if !is_set(bits, self.floor) {
                return;
            }
            let left = self.floor / CHUNK;
            self.floor += 1;
            self.above = self.above.saturating_sub(1);
            if self.floor / CHUNK != left {
                self.chunks.remove(&left);
                self.changed.remove(&left);
                self.gone.push(left);
                self.raised = true;
            }
        }
    }

    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut chunks: Vec<_> = std::mem::take(&mut self.gone).into_iter().map(|chunk| (chunk, None)).collect();
        for chunk in std::mem::take(&mut self.changed) {
            let Some(bits) = self.chunks.get(&chunk) else { continue };
            let mut content = BytesMut::with_capacity(WORDS * 8);
            bits.iter().for_each(|word| content.put_u64(*word));
            chunks.push((chunk, Some(content.freeze())));
        }
        let floor = std::mem::take(&mut self.raised).then_some(self.floor);
        Changes { chunks, floor }
    }
}

fn is_set(bits: &Bits, number: u64) -> bool {
    let (_, word, bit) = place(number);
    bits.get(word).is_some_and(|word| word & bit != 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_settled_is_what_was_inserted_also_after_reading_it_again(
            start in 0_u64..3000,
            numbers in proptest::collection::vec((0_u64..4000, any::<bool>()), 0..400),
            from in 0_u64..2000, run in 0_u64..3000,
        ) {
            let mut model: BTreeSet<u64> = (0..start).collect();
            let mut settled = Settled::below(start);
            let (mut rows, mut floor) = (BTreeMap::new(), start);
            let all = numbers.into_iter().chain((from..from + run).map(|number| (number, number % 97 == 0)));
            for (number, write) in all {
                prop_assert_eq!(settled.insert(number), model.insert(number));
                if write {
                    let changes = settled.take_changes();
                    floor = changes.floor.unwrap_or(floor);
                    for (chunk, content) in changes.chunks {
                        match content {
                            Some(content) => { rows.insert(chunk, content); }
                            None => { rows.remove(&chunk); }
                        }
                    }
                    let mut again = Settled::read(floor, rows.clone()).unwrap();
                    again.take_changes();
                    prop_assert_eq!((again.floor, again.above), (settled.floor, settled.above));
                    prop_assert_eq!(&again.chunks, &settled.chunks);
                }
            }
            for number in 0..6000 {
                prop_assert_eq!(settled.contains(number), model.contains(&number));
            }
            prop_assert_eq!(settled.missing(7000), (0..7000).filter(|number| !model.contains(number)).count() as u64);
        }
    }

    #[test]
    fn a_chunk_that_cannot_be_read_is_told() {
        assert!(Settled::read(0, [(0, Bytes::from_static(b"short"))]).is_none());
    }
}
