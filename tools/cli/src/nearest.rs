//! The nearest known name to one that is not known, for error messages. Used where clap does not do it itself.

/// The candidate that differs least from `name`, if it is near enough to be meant.
pub(crate) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let limit = (name.len() / 3).max(1);
    candidates
        .iter()
        .map(|candidate| (distance(&name.to_lowercase(), &candidate.to_lowercase()), *candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added, taken away, or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    let at = |rows: &[Vec<usize>], row: usize, column: usize| {
        rows.get(row).and_then(|row| row.get(column)).copied().unwrap_or(usize::MAX / 2)
    };
    for (i, letter) in left.iter().enumerate() {
        rows.push(vec![i + 1]);
        for (j, other) in right.iter().enumerate() {
            let swapped = i > 0 && j > 0 && left.get(i - 1) == Some(other) && right.get(j - 1) == Some(letter);
            let swap = if swapped { at(&rows, i - 1, j - 1) + 1 } else { usize::MAX / 2 };
            let change = at(&rows, i, j) + usize::from(letter != other);
            let best = change.min(swap).min(at(&rows, i, j + 1) + 1).min(at(&rows, i + 1, j) + 1);
            if let Some(row) = rows.last_mut() {
                row.push(best);
            }
        }
    }
    at(&rows, left.len(), right.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["appPort", "appID", "command"];
        assert_eq!(nearest("appport", &known), Some("appPort"));
        assert_eq!(nearest("comand", &known), Some("command"));
        assert_eq!(nearest("appId", &known), Some("appID"));
        assert_eq!(nearest("replicas", &known), None);
        assert_eq!(nearest("rnu", &["run", "list"]), Some("run"));
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
