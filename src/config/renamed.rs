//! Keys that were called otherwise: their old names are still taken, and it is said how to write them now.
//!
//! **Invariant**: a settings file that worked with one version works with the next. A key is renamed by a row in
//! [`RENAMED`]; whoever reads settings knows the new name only.

use crate::model::settings::{Node, Place, Problem, Problems, Value};

/// A key that has a new name.
pub struct Renamed {
    /// The keys on the way to it, its old name last; `*` stands for the name of any source or sink.
    pub path: &'static [&'static str],
    /// Its name now, at the same place.
    pub new: &'static str,
    /// The version that renamed it.
    pub since: &'static str,
}

/// All renamed keys.
pub const RENAMED: &[Renamed] = &[];

/// Gives the keys of `root` their names of today; what was called otherwise is told, to be said at the start.
pub fn apply(root: &mut Node, renamed: &[Renamed], problems: &mut Problems) -> Vec<Problem> {
    let mut told = Vec::new();
    for row in renamed {
        rename(root, row.path, row, &mut told, problems);
    }
    told
}

fn rename(node: &mut Node, path: &[&str], row: &Renamed, told: &mut Vec<Problem>, problems: &mut Problems) {
    let (Some((first, rest)), Value::Map(entries)) = (path.split_first(), &mut node.value) else { return };
    if !rest.is_empty() {
        for (.., below) in entries.iter_mut().filter(|(name, ..)| *first == "*" || name == first) {
            rename(below, rest, row, told, problems);
        }
        return;
    }
    let place_of = |entries: &[(String, Place, Node)], name: &str| {
        entries.iter().find(|(known, ..)| known == name).map(|(_, place, _)| place.clone())
    };
    let Some(place) = place_of(entries, first) else { return };
    if place_of(entries, row.new).is_some() {
        let text = format!("`{first}` and `{}` are the same key", row.new);
        problems.add_with_hint(&place, text, format!("remove `{first}`, its old name"));
        return;
    }
    for (name, ..) in entries.iter_mut().filter(|(name, ..)| name == first) {
        row.new.clone_into(name);
    }
    let text = format!("`{first}` is called `{}` since {}; it is taken by both names", row.new, row.since);
    told.push(Problem { place, text, hint: format!("write `{}`", row.new) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml;
    use std::sync::Arc;

    const ROWS: &[Renamed] = &[
        Renamed { path: &["grace"], new: "shutdown_grace", since: "0.2.0" },
        Renamed { path: &["sinks", "*", "org"], new: "tenant", since: "0.3.0" },
    ];

    fn check(text: &str, keys: &str, said: &[&str]) {
        let mut problems = Problems::default();
        let mut as_it_is = |scalar: yaml::Scalar<'_>, _: &mut Problems| Some(scalar.text.to_owned());
        let mut root = yaml::parse(text, &Arc::from("f"), &mut as_it_is, &mut problems).expect("YAML").root;
        let told = apply(&mut root, ROWS, &mut problems);
        fn names(node: &Node, out: &mut Vec<String>) {
            if let Value::Map(entries) = &node.value {
                for (name, _, below) in entries {
                    out.push(name.clone());
                    names(below, out);
                }
            }
        }
        let mut found = Vec::new();
        names(&root, &mut found);
        assert_eq!(found.join(" "), keys, "{text}");
        let all: Vec<_> = told.iter().chain(&problems.0).map(|p| format!("{} {}", p.place, p.text)).collect();
        assert_eq!(all, said, "{text}");
    }

    #[test]
    fn old_names_are_taken_and_told() {
        check("shutdown_grace: 1s", "shutdown_grace", &[]);
        check(
            "grace: 1s\n",
            "shutdown_grace",
            &["f:1:1 `grace` is called `shutdown_grace` since 0.2.0; it is taken by both names"],
        );
        check(
            "sinks:\n  a: { org: x }\n  b: { tenant: y, org: z }\n  c: 1\norg: top",
            "sinks a tenant b tenant org c org",
            &[
                "f:2:8 `org` is called `tenant` since 0.3.0; it is taken by both names",
                "f:3:19 `org` and `tenant` are the same key",
            ],
        );
    }
}
