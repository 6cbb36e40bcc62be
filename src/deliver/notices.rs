//! What a person hears of a delivery, and how often.
//!
//! **Invariant**: for one sink and one kind of trouble (of drops: and one origin) there is at most one line a minute, and
//! it counts what was left unsaid; the end of a trouble that was told is told once. A store's words are cut short, made
//! harmless, and hold neither credentials nor what they quote of a line.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::retry_gate::Recovery;
use crate::flow::worklist::{Notice, Trouble};
use crate::model::origin::{Origin, OriginId};

/// The most bytes of a store's words in a line.
const WORDS_MAX: usize = 300;
/// At most one line of a kind in this time.
const EVERY: Duration = Duration::from_secs(60);

/// So many troubles are told apart; of more origins than that only the first ones are named within a minute.
const TOLD_MAX: usize = 1000;

/// The kinds of trouble, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Store(Trouble, Option<OriginId>),
    DeadLetter,
}

/// One kind of trouble that was told.
#[derive(Debug)]
struct Told {
    kind: Kind,
    at: Duration,
    /// Events left unsaid since.
    unsaid: u64,
}

/// What is said about one sink.
#[derive(Debug)]
pub struct Notices {
    sink: Arc<str>,
    /// Where refused entries go, in words.
    refused_go: &'static str,
    told: Vec<Told>,
    /// A failure was told and its end was not.
    open: bool,
}

impl Notices {
    /// Nothing was said yet. `refused_go` says where refused entries go.
    pub fn new(sink: Arc<str>, refused_go: &'static str) -> Self {
        Self { sink, refused_go, told: Vec::new(), open: false }
    }

    /// Tells of trouble with the store; `words` are the notice's, with credentials masked.
    pub fn trouble(&mut self, notice: &Notice, words: &str, now: Duration) {
        let kind = Kind::Store(notice.trouble, notice.origin.as_ref().map(|origin| origin.id));
        let Some(unsaid) = self.may_say(kind, notice.items, now) else { return };
        let (sink, events, answer) = (&*self.sink, notice.items, without_lines(words));
        let origin = notice.origin.as_ref().map_or_else(String::new, |origin| name_of(origin));
        match notice.trouble {
            Trouble::Failing => {
                self.open = true;
                tracing::warn!(
                    sink,
                    events,
                    unsaid,
                    answer,
                    "the store did not take events; they are kept and sent again (normal while it restarts or is overloaded)"
                );
            }
            Trouble::Held => {
                self.open = true;
                tracing::warn!(
                    sink,
                    events,
                    unsaid,
                    answer,
                    "the store takes nothing until something is changed: check the URL, the credentials, the \
                     certificates and the tenant; \
                     nothing is lost, it is tried again now and then"
                );
            }
            Trouble::Refused => {
                let refused_go = self.refused_go;
                tracing::warn!(sink, origin, events, unsaid, answer, "the store refused events for good; {refused_go}");
            }
            Trouble::GaveUp => tracing::warn!(
                sink,
                origin,
                events,
                unsaid,
                answer,
                "events were dropped: the store did not take them within `retry.give_up_after`"
            ),
        }
    }

    /// Tells that refused entries could not be written.
    pub fn letters_failing(&mut self, items: usize, words: &str, now: Duration) {
        let Some(unsaid) = self.may_say(Kind::DeadLetter, items, now) else { return };
        let (sink, answer) = (&*self.sink, without_lines(words));
        tracing::warn!(
            sink,
            events = items,
            unsaid,
            answer,
            "refused events cannot be written to the dead-letter file; they are kept and tried again"
        );
    }

    /// Tells that the store works again, if its trouble was told.
    pub fn recovered(&mut self, recovery: Recovery) {
        if std::mem::take(&mut self.open) {
            let (sink, failures, seconds) = (&*self.sink, recovery.failures, recovery.after.as_secs_f64());
            tracing::info!(sink, failures, seconds, "the store takes events again");
        }
    }

    /// How many events of this kind were left unsaid, if it is time to say something.
    fn may_say(&mut self, kind: Kind, events: usize, now: Duration) -> Option<u64> {
        let is_over = |told: &Told| now.saturating_sub(told.at) >= EVERY;
        let known = self.told.iter_mut().find(|told| told.kind == kind);
        if let Some(told) = known {
            if !is_over(told) {
                told.unsaid += events as u64;
                return None;
            }
            told.at = now;
            return Some(std::mem::take(&mut told.unsaid));
        }
        if self.told.len() >= TOLD_MAX {
            self.told.retain(|told| !is_over(told));
        }
        if self.told.len() >= TOLD_MAX {
            // The metrics count it all the same.
            return None;
        }
        self.told.push(Told { kind, at: now, unsaid: 0 });
        Some(0)
    }
}

/// How a person knows an origin: by its file, or by its source where it has none.
fn name_of(origin: &Origin) -> String {
    if origin.path.as_os_str().is_empty() { origin.source.to_string() } else { origin.path.display().to_string() }
}

/// `words` on one line, at most 300 bytes, without control characters (which could forge lines or steer a terminal).
pub fn harmless(words: &str) -> String {
    let mut out = String::with_capacity(words.len().min(WORDS_MAX));
    for c in words.trim().chars() {
        // Also the marks that turn the reading direction, which hide text from the reader.
        let harmful = c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let c = if harmful { ' ' } else { c };
        if out.len() + c.len_utf8() > WORDS_MAX {
            break;
        }
        out.push(c);
    }
    out
}

/// Behind these words stores quote what a line says.
const QUOTING: [&str; 3] = ["Preview of field's value", "For input string", "prefix of the first immense term"];

/// `words`, made harmless, without what they quote of a line: everyone who reaches the admin port may read them.
pub fn without_lines(words: &str) -> String {
    let end = QUOTING.iter().filter_map(|quoting| words.find(quoting)).min();
    match end {
        Some(end) => format!("{}…", harmless(&words[..end])),
        None => harmless(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_made_harmless() {
        for (words, expected) in [
            ("  entry too far behind\n", "entry too far behind"),
            ("a\r\nlevel=error b\u{1b}[31m\u{0}\u{9b}c", "a  level=error b [31m  c"),
            ("\u{202e}live", " live"),
            ("é", "é"),
        ] {
            assert_eq!(harmless(words), expected);
        }
        assert_eq!(harmless(&"é".repeat(200)).len(), 300);
        assert_eq!(harmless(&format!("a{}", "é".repeat(200))).len(), 299, "no half characters");
    }

    #[test]
    fn what_a_store_quotes_of_a_line_is_left_out() {
        for (words, expected) in [
            (
                "document_parsing_exception: [1:79] failed to parse field [fields.free] of type [long] in document with id \
                 'x'. Preview of field's value: 'hunter2' (For input string: \"hunter2\")",
                "document_parsing_exception: [1:79] failed to parse field [fields.free] of type [long] in document with id \
                 'x'.…",
            ),
            (
                "mapper_parsing_exception: failed to parse (For input string: \"hunter2\")",
                "mapper_parsing_exception: failed to parse (…",
            ),
            ("status 429: slow down", "status 429: slow down"),
        ] {
            assert_eq!(without_lines(words), expected);
        }
    }

    #[test]
    fn a_kind_is_told_once_a_minute_with_what_was_left_unsaid() {
        let mut notices = Notices::new("loki".into(), "");
        let mut say = |kind, secs| notices.may_say(kind, 10, Duration::from_secs(secs));
        let (failing, held) = (Kind::Store(Trouble::Failing, None), Kind::Store(Trouble::Held, None));
        assert_eq!(say(failing, 0), Some(0));
        assert_eq!(say(failing, 1), None);
        assert_eq!(say(held, 2), Some(0));
        assert_eq!(say(failing, 59), None);
        assert_eq!(say(failing, 60), Some(20));
        assert_eq!(say(failing, 119), None);
        assert_eq!(say(failing, 121), Some(10));
    }

    #[test]
    fn drops_are_told_by_origin_and_not_without_end() {
        let mut notices = Notices::new("loki".into(), "");
        let mut say = |origin, secs| {
            let kind = Kind::Store(Trouble::Refused, Some(OriginId(origin)));
            notices.may_say(kind, 1, Duration::from_secs(secs))
        };
        assert_eq!((say(1, 0), say(2, 0), say(1, 1), say(1, 60)), (Some(0), Some(0), None, Some(1)));
        let told = (10..10 + 2 * TOLD_MAX as u128).filter(|origin| say(*origin, 61).is_some()).count();
        assert_eq!(told, TOLD_MAX - 1, "all but the one that was told a moment ago");
        assert_eq!(say(5, 121), Some(0), "a minute later there is room again");
    }
}
