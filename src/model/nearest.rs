//! Names typed wrong: which known one was meant.

/// The known name that was most likely meant: the nearest, or the one that goes on where `typed` ends.
pub fn meant<'n>(typed: &str, known: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    let begun = known.clone().find(|name| typed.chars().count() > 2 && name.starts_with(typed));
    nearest(typed, known).or(begun)
}

/// The known name that is nearest to `typed`, if one is near: at most a third of its letters (and at least two)
/// differ.
pub fn nearest<'n>(typed: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (typed.chars().count() / 3).max(2);
    known
        .map(|name| (distance(typed, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein's distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        assert_eq!(nearest("lokki", ["loki", "stdout"].into_iter()), Some("loki"));
        assert_eq!(nearest("user", ["password", "username"].into_iter()), None);
        assert_eq!(meant("user", ["password", "username"].into_iter()), Some("username"));
        assert_eq!(nearest("kafka", ["loki", "stdout"].into_iter()), None);
    }
}
