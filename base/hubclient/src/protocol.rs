//! Which versions of the hub's protocol this build speaks, and how two ends agree on one. Used by both ends.

/// The header in which each request says which version it speaks.
pub const PROTOCOL_HEADER: &str = "trilby-hub-protocol";
/// The oldest version this build speaks.
pub const OLDEST_PROTOCOL: u32 = 1;
/// The newest version this build speaks.
pub const NEWEST_PROTOCOL: u32 = 2;
/// The first version that has topics.
pub const TOPICS_PROTOCOL: u32 = 2;

/// The newest version that is in both ranges.
#[must_use]
pub fn agree(ours: (u32, u32), theirs: (u32, u32)) -> Option<u32> {
    let newest = ours.1.min(theirs.1);
    (newest >= ours.0.max(theirs.0)).then_some(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_spoken() {
        assert_eq!(agree((1, 3), (2, 5)), Some(3));
        assert_eq!(agree((2, 5), (1, 3)), Some(3));
        assert_eq!(agree((1, 1), (1, 1)), Some(1));
        assert_eq!(agree((1, 2), (3, 4)), None);
        assert_eq!(agree((3, 4), (1, 2)), None);
    }
}
