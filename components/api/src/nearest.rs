//! Finds the names a reader may have meant. Pure; used for unknown component types and misspelt metadata.

/// The names closest to `wanted`, best first, at most three. A name counts as close when few single-letter changes lead
/// from one to the other, or when both end in the same dotted part; letter case does not count.
pub fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let wanted_tail = tail(&wanted);
    let mut ranked: Vec<(usize, &'a str)> = names
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let same_tail = wanted_tail.len() > 2 && tail(&lower) == wanted_tail;
            let distance = distance(&wanted, &lower);
            (same_tail || distance <= allowance(&wanted)).then_some((if same_tail { 0 } else { distance }, name))
        })
        .collect();
    ranked.sort();
    ranked.dedup_by(|left, right| left.1 == right.1);
    ranked.into_iter().take(3).map(|(_, name)| name).collect()
}

fn tail(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, tail)| tail)
}

fn allowance(wanted: &str) -> usize {
    match wanted.chars().count() {
        0..=3 => 1,
        4..=7 => 2,
        _ => 3,
    }
}

/// Optimal string alignment: single-letter insertions, deletions, changes and swaps of neighbours.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous_letter = None;
    for (row, letter) in left.chars().enumerate() {
        let mut current = Vec::with_capacity(last.len());
        let mut beside = row + 1;
        current.push(beside);
        let mut left_neighbour = None;
        for (column, (other, pair)) in right.iter().zip(last.windows(2)).enumerate() {
            let &[diagonal, above] = pair else { continue };
            let mut best = (diagonal + usize::from(letter != *other)).min(above + 1).min(beside + 1);
            let swapped = previous_letter == Some(*other) && left_neighbour == Some(letter);
            if let (true, Some(two_back)) = (swapped, column.checked_sub(1).and_then(|index| before_last.get(index))) {
                best = best.min(two_back + 1);
            }
            current.push(best);
            beside = best;
            left_neighbour = Some(*other);
        }
        before_last = std::mem::replace(&mut last, current);
        previous_letter = Some(letter);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_letters_count_once() {
        assert_eq!(distance("redsi", "redis"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }

    #[test]
    fn a_misspelt_type_finds_its_neighbours_and_its_siblings() {
        let names = ["state.redis", "pubsub.redis", "state.in-memory", "state.sqlite"];
        assert_eq!(nearest("state.reddis", names), ["state.redis"]);
        assert_eq!(nearest("lock.redis", names), ["pubsub.redis", "state.redis"]);
        assert_eq!(nearest("state.inmemory", names), ["state.in-memory"]);
        assert!(nearest("bindings.nothing-like-it", names).is_empty());
    }
}
