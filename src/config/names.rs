//! Names in the settings: those of sources and sinks, and of their kinds.
//!
//! **Invariant**: a kind is known by its row in a table alone.

use crate::model::settings::{Node, Place, Problems, Value, meant};

/// Names stand in metrics, in checkpoints and on the command line.
pub(super) fn check_name(what: &str, name: &str, place: &Place, problems: &mut Problems) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || !name.chars().all(legal) {
        problems.add_with_hint(
            place,
            format!("`{name}` cannot be the name of a {what}"),
            "use letters, digits, `_`, `-` and `.`",
        );
    }
}

/// The row of the kind that `node` names under `type`.
pub(super) fn kind_of<'k, K>(
    what: &str,
    name: &str,
    place: &Place,
    node: &Node,
    known: impl Iterator<Item = (&'static str, &'k K)> + Clone,
    problems: &mut Problems,
) -> Option<&'k K> {
    let names: Vec<_> = known.clone().map(|(name, _)| name).collect();
    let list = format!("known: {}", names.join(", "));
    let typed = match &node.value {
        Value::Map(entries) => entries.iter().find(|(key, ..)| key == "type").map(|(.., node)| node),
        Value::Null => None,
        Value::Scalar(_) | Value::List(_) => {
            let hint = format!("write `{name}: {{ type: … }}`; {list}");
            problems.add_with_hint(&node.place, format!("{what} `{name}` must be a map"), hint);
            return None;
        }
    };
    match typed.map(|node| (&node.place, &node.value)) {
        Some((at, Value::Scalar(typed))) => {
            let found = known.clone().find(|(name, _)| name == typed).map(|(_, kind)| kind);
            if found.is_none() {
                let hint = match meant(typed, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`? {list}"),
                    None => list,
                };
                problems.add_with_hint(at, format!("unknown {what} `{typed}`"), hint);
            }
            found
        }
        Some((at, Value::Null)) if names.contains(&"null") => {
            let text = format!("`type` of {what} `{name}` has no value");
            problems.add_with_hint(
                at,
                text,
                format!("the sink that throws away is written in quotes: `\"null\"`; {list}"),
            );
            None
        }
        _ => {
            problems.add_with_hint(place, format!("{what} `{name}` needs `type`"), list);
            None
        }
    }
}
