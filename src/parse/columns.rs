//! The names that the first line of a CSV file gives to the values of the others.
//!
//! ```text
//! time,level,Message,request id,request id      time  level  Message  request id  request id_2
//! 2026-11-23 08:50:48,warn,disk nearly full,7   no names: what begins with a digit among them says that it is a line of values
//! ```
//!
//! **Invariant**: no two names are the same, and what stands in a name is what stands in the line. A line of values is taken for names
//! only where all of them are words.

use super::level::{self, KeyKind};

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; empty for one that is no field.
    pub name: String,
    /// What its values are to the event.
    pub part: Part,
}

/// What a value is to its event, beside being a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing else.
    Field,
    /// It says the level.
    Level(KeyKind),
    /// It is the message.
    Message,
}

impl Column {
    /// Of a name that somebody wrote for us: `level` and `message` are the event's own.
    pub fn typed(name: String) -> Self {
        let part = match name.as_str() {
            "level" => Part::Level(KeyKind::Level),
            "message" => Part::Message,
            _ => Part::Field,
        };
        Self { name, part }
    }
}

/// The columns of a header line with these values; `None` where it is none.
pub fn of_header<'v>(values: impl Iterator<Item = &'v str>) -> Option<Vec<Column>> {
    let mut columns: Vec<Column> = Vec::new();
    for (place, value) in values.enumerate() {
        let value = value.trim();
        // Some mark the whole line as a comment.
        let name = if place == 0 { value.strip_prefix('#').unwrap_or(value).trim_start() } else { value };
        if !may_be_name(name) {
            return None;
        }
        columns.push(Column { name: name.to_owned(), part: Part::Field });
    }
    if columns.len() < 2 || columns.iter().all(|column| column.name.is_empty()) {
        return None;
    }
    tell_apart(&mut columns);
    give_parts(&mut columns);
    Some(columns)
}

/// Whether a value may be a name: not a number, and nothing that begins as numbers, dates, times, addresses and durations do. Nothing
/// is one, too.
fn may_be_name(value: &str) -> bool {
    let unsigned = value.strip_prefix(['+', '-']).unwrap_or(value);
    let begins_with_digit = unsigned.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    // `-` stands for a value that there is not.
    !begins_with_digit && value.parse::<f64>().is_err() && value != "-"
}

/// Whether two headers have a name in common, as those that one program writes do.
pub fn are_akin(one: &[Column], other: &[Column]) -> bool {
    let mut names = one.iter().map(|column| &column.name).filter(|name| !name.is_empty());
    names.any(|name| other.iter().any(|other| other.name == *name))
}

/// Gives names that stand there more than once a number: the second `a` is `a_2`.
fn tell_apart(columns: &mut [Column]) {
    for place in 1..columns.len() {
        let (before, rest) = columns.split_at_mut(place);
        let Some(column) = rest.first_mut().filter(|column| !column.name.is_empty()) else { continue };
        let is_taken = |name: &str| before.iter().any(|other| other.name == name);
        let mut number = 2;
        let mut name = column.name.clone();
        while is_taken(&name) {
            name = format!("{}_{number}", column.name);
            number += 1;
        }
        column.name = name;
    }
}

/// Finds the columns of level and message by the names that they have in JSON and logfmt, in any case of their letters.
fn give_parts(columns: &mut [Column]) {
    let ranked = columns.iter().enumerate().filter_map(|(place, column)| {
        let (rank, kind) = level::key(column.name.as_bytes())?;
        Some((rank, place, kind))
    });
    let level = ranked.min_by_key(|(rank, place, _)| (*rank, *place));
    let named = |wanted: &str| columns.iter().position(|column| column.name.eq_ignore_ascii_case(wanted));
    let message = named("message").or_else(|| named("msg"));
    if let Some((_, place, kind)) = level
        && let Some(column) = columns.get_mut(place)
    {
        column.part = Part::Level(kind);
    }
    if let Some(column) = message.and_then(|place| columns.get_mut(place)) {
        column.part = Part::Message;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(line: &str) -> Option<String> {
        let columns = of_header(line.split(','))?;
        let shown = |column: &Column| match column.part {
            Part::Field => column.name.clone(),
            Part::Level(_) => format!("{}!", column.name),
            Part::Message => format!("{}*", column.name),
        };
        Some(columns.iter().map(shown).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn a_header_is_a_line_of_words() {
        let check = |line: &str, expected: Option<&str>| assert_eq!(names(line).as_deref(), expected, "{line}");
        check("time,level,message,status", Some("time|level!|message*|status"));
        check("Time,Severity,MSG", Some("Time|Severity!|MSG*"));
        check("severity,level,msg,message", Some("severity|level!|msg|message*"));
        check("# time , request id", Some("time|request id"));
        check("time,,b", Some("time||b"));
        check(",value", Some("|value"));
        check("a,b,a,a,a_2", Some("a|b|a_2|a_3|a_2_2"));
        check("%cpu,p95", Some("%cpu|p95"));
        // Lines of values.
        check("2026-11-23 08:50:48,warn,disk nearly full", None);
        check("warn,disk nearly full,7", None);
        check("warn,10.0.0.1", None);
        check("08:50:48,a", None);
        check("a,-1.5", None);
        check("a,1e5", None);
        check("a,.5", None);
        check("a,-", None);
        check("a,nan", None);
        check("7ms,error,no", None);
        check("+5s,error,no", None);
        check("one", None);
        check("", None);
        check(",,", None);
    }

    proptest! {
        #[test]
        fn no_two_names_are_the_same(list in proptest::collection::vec("[ab]?(_[23])?", 2..8)) {
            let Some(columns) = of_header(list.iter().map(String::as_str)) else { return Ok(()) };
            let mut names: Vec<_> = columns.iter().map(|column| &column.name).filter(|name| !name.is_empty()).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            prop_assert_eq!(names.len(), count);
        }
    }
}
