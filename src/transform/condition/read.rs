//! Conditions as they are typed in settings.

use super::{Condition, Mistake};
use crate::model::settings::Section;

impl Condition {
    /// The condition under `key` of `section`, for the transform `name`: whether there is one, and whether it can be run. What is
    /// wrong is noted.
    pub fn read(section: &mut Section<'_>, name: &str, key: &str) -> Option<Option<Self>> {
        let node = section.node(key)?;
        let Some(text) = section.text(key) else { return Some(None) };
        match Self::new(&text) {
            Ok(condition) => Some(Some(condition)),
            Err(mistake) => {
                let what =
                    format!("the condition of transform `{name}`{}: {}", place_in(&text, &mistake), mistake.text);
                section.problems().add_with_hint(&node.place, what, mistake.hint);
                Some(None)
            }
        }
    }
}

/// How much of a condition is quoted from where it is wrong.
const QUOTED: usize = 24;

/// Where in a condition something is wrong, in words: its place in the file is that of all of it.
fn place_in(text: &str, mistake: &Mistake) -> String {
    let Some(at) = mistake.at else { return String::new() };
    let rest: String = text.chars().skip(at).take(QUOTED).collect();
    let rest = rest.lines().next().unwrap_or("").trim_end();
    if rest.is_empty() { " at its end".to_owned() } else { format!(" at character {}, `{rest}`", at + 1) }
}
