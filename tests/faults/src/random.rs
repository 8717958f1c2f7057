//! Numbers from a seed, so that a failed run can be run again. Every test prints its seed.

/// A small generator (SplitMix64); the same seed gives the same numbers for ever.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From `TRILBY_SEED`, or from the clock; the seed is printed with the name of what it is for.
    #[must_use]
    pub fn for_test(name: &str) -> Self {
        let given = testkit::variable("TRILBY_SEED").map(|text| text.parse().expect("TRILBY_SEED is a number"));
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is past 1970");
            now.as_secs() ^ u64::from(now.subsec_nanos()) << 20
        });
        println!("{name}: TRILBY_SEED={seed}");
        Self(seed)
    }

    /// From a number.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.any() % limit
    }

    /// A number in a range.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }
}
