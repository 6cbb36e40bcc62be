//! Which keys and which words mean which level.
//!
//! **Invariant**: a level is never guessed. A value that is not in the tables below gives none, and what a number means
//! depends on the key it stands under, since 3 is an error for syslog and nothing at all for pino.

use crate::model::event::Level;

/// What the values of a key may look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A word, or a number as pino, bunyan and Python (10–60) or Monolog (100–600) write it.
    Level,
    /// A word only: numbers under these keys mean too many things.
    Word,
    /// A number of syslog: 0 (emergency) to 7 (debug), or a word.
    Syslog,
    /// A word that is no task's priority: `critical` and `high` may be either.
    Task,
    /// A number of OpenTelemetry: 1 to 24, four to a level.
    OpenTelemetry,
}

/// The rank of the key that no other can better.
pub const BEST_RANK: u8 = 0;

/// What kind of level key `key` is, in any case of its letters, and its rank: where a line has several, the smallest
/// rank counts.
#[inline]
pub fn key(key: &[u8]) -> Option<(u8, KeyKind)> {
    if !may_be_key(key) {
        return None;
    }
    let mut buffer = [0; LONGEST_KEY];
    Some(match lower(key, &mut buffer)? {
        b"level" => (BEST_RANK, KeyKind::Level),
        b"lvl" => (1, KeyKind::Level),
        b"loglevel" | b"log_level" | b"log.level" | b"log-level" => (2, KeyKind::Level),
        b"severity" => (3, KeyKind::Word),
        b"levelname" | b"level_name" | b"leveldisplayname" => (4, KeyKind::Word),
        b"@level" | b"@l" | b"l" => (5, KeyKind::Word),
        b"severitytext" | b"severity_text" => (6, KeyKind::Word),
        b"error_severity" => (7, KeyKind::Word),
        b"severitynumber" | b"severity_number" => (8, KeyKind::OpenTelemetry),
        b"syslog.severity" | b"syslog_severity" | b"log.syslog.severity.code" => (9, KeyKind::Syslog),
        b"sev" | b"severity_label" | b"log_severity" | b"syslogseverity-text" => (9, KeyKind::Word),
        // journald's own, and only as journald writes it: `priority` in lower case is about tasks, too.
        b"priority" if key == b"PRIORITY" => (10, KeyKind::Syslog),
        // SonicWall's: of the whole priority the numbers up to 7 say the same as of a severity.
        b"pri" => (11, KeyKind::Syslog),
        b"priority" => (12, KeyKind::Task),
        _ => return None,
    })
}

const LONGEST_KEY: usize = "log.syslog.severity.code".len();

/// Whether it is worth to look closer: a cheap test of the first letter and the length, which most keys of a line fail.
#[inline(always)]
pub fn may_be_key(key: &[u8]) -> bool {
    const fn lengths(all: &[u32]) -> u32 {
        let (mut bits, mut at) = (0, 0);
        while at < all.len() {
            bits |= 1 << all[at];
            at += 1;
        }
        bits
    }
    let Some(first) = key.first() else { return false };
    // With this bit set `L` is `l` and `@` is a backtick.
    let known = match first | 0x20 {
        b'l' => const { lengths(&[1, 3, 5, 8, 9, 10, 12, 16, 24]) },
        b's' => const { lengths(&[3, 8, 12, 13, 14, 15, 19]) },
        b'`' => const { lengths(&[2, 6]) },
        b'e' => const { lengths(&[14]) },
        b'p' => const { lengths(&[3, 8]) },
        _ => 0,
    };
    key.len() <= LONGEST_KEY && known >> key.len() & 1 == 1
}

/// The level that the text `value` under a key of `kind` says.
pub fn of_word(kind: KeyKind, value: &str) -> Option<Level> {
    if value.bytes().next().is_some_and(|byte| byte.is_ascii_digit()) {
        return of_number(kind, value);
    }
    match kind {
        KeyKind::Level | KeyKind::Word | KeyKind::Syslog => named(value),
        KeyKind::Task => named(value).filter(|level| value.len() > 2 && *level != Level::Fatal),
        KeyKind::OpenTelemetry => None,
    }
}

/// The level that the number `value` under a key of `kind` says.
pub fn of_number(kind: KeyKind, value: &str) -> Option<Level> {
    let number: u16 = value.parse().ok()?;
    match kind {
        KeyKind::Word | KeyKind::Task => None,
        // Numbers in between are the user's own levels: at least as grave as the round one below.
        KeyKind::Level => match number {
            10..=19 => Some(Level::Trace),
            20..=29 => Some(Level::Debug),
            30..=39 => Some(Level::Info),
            40..=49 => Some(Level::Warn),
            50..=59 => Some(Level::Error),
            60 => Some(Level::Fatal),
            100 => Some(Level::Debug),
            200 | 250 => Some(Level::Info),
            300 => Some(Level::Warn),
            400 => Some(Level::Error),
            500 | 550 | 600 => Some(Level::Fatal),
            _ => None,
        },
        KeyKind::Syslog => match number {
            0..=2 => Some(Level::Fatal),
            3 => Some(Level::Error),
            4 => Some(Level::Warn),
            5 | 6 => Some(Level::Info),
            7 => Some(Level::Debug),
            _ => None,
        },
        KeyKind::OpenTelemetry => match number {
            1..=4 => Some(Level::Trace),
            5..=8 => Some(Level::Debug),
            9..=12 => Some(Level::Info),
            13..=16 => Some(Level::Warn),
            17..=20 => Some(Level::Error),
            21..=24 => Some(Level::Fatal),
            _ => None,
        },
    }
}

/// The level that `word` names, in any case of its letters: the value of a level key. Go's `slog` writes levels between
/// its own as `INFO+2`; the sum is left out.
pub fn named(word: &str) -> Option<Level> {
    let word = without_colour(word.trim_ascii());
    let word = match word.bytes().position(|byte| matches!(byte, b'+' | b'-')) {
        Some(at) if at + 1 < word.len() && word.bytes().skip(at + 1).all(|byte| byte.is_ascii_digit()) => &word[..at],
        _ => word,
    };
    let mut buffer = [0; LONGEST_WORD];
    let lower = lower(word.as_bytes(), &mut buffer)?;
    one_letter(lower).or_else(|| unmistakable(lower)).or_else(|| marked(lower)).or_else(|| everyday(lower))
}

/// The level that `word` names in a text, where it stands at a level's place and is set off from the text by a colon or
/// brackets. Words of everyday language count only in upper case.
pub fn set_off(word: &[u8]) -> Option<Level> {
    let mut buffer = [0; LONGEST_WORD];
    let lower = lower(word, &mut buffer)?;
    // `FAIL:` says how a test or a login ended; `fail:` is .NET's level.
    let marked = marked(lower).filter(|_| word != b"FAIL");
    unmistakable(lower).or(marked).or_else(|| is_upper(word).then(|| everyday(lower)).flatten())
}

/// The level that `word` names in a text, where it stands in upper case at a level's place. `sure` is whether the place
/// alone (behind a time) makes it unlikely that it is the text's first word.
pub fn upper(word: &[u8], sure: bool) -> Option<Level> {
    if !is_upper(word) || word == b"FAIL" {
        return None;
    }
    let mut buffer = [0; LONGEST_WORD];
    let lower = lower(word, &mut buffer)?;
    unmistakable(lower).or_else(|| sure.then(|| marked(lower).or_else(|| everyday(lower))).flatten())
}

/// The level that a single capital letter is for, at a place that only a level's letter can have.
pub fn letter(letter: u8) -> Option<Level> {
    Some(match letter {
        b'V' | b'T' => Level::Trace,
        b'D' => Level::Debug,
        b'I' | b'N' => Level::Info,
        b'W' => Level::Warn,
        b'E' => Level::Error,
        b'C' | b'F' => Level::Fatal,
        _ => return None,
    })
}

/// The level that `word` names directly behind a time, in any case of its letters. `error`, `warning` and others begin
/// sentences, too: they count where `sure`, that is where what follows is no sentence.
pub fn spoken(word: &[u8], sure: bool) -> Option<Level> {
    let mut buffer = [0; LONGEST_WORD];
    let lower = lower(word, &mut buffer)?;
    match lower {
        b"info" | b"inf" | b"warn" | b"wrn" | b"err" | b"dbg" => unmistakable(lower),
        b"verbose" | b"notice" if sure => marked(lower),
        _ if sure => unmistakable(lower),
        _ => None,
    }
}

/// A word in JSON may have a terminal's colours around it, which winston writes: `\u001b[32minfo\u001b[39m`.
fn without_colour(word: &str) -> &str {
    const ESCAPE: &str = "\\u001b[";
    let Some((_, coloured)) = word.strip_prefix(ESCAPE).and_then(|rest| rest.split_once('m')) else { return word };
    coloured.split_once(ESCAPE).map_or(coloured, |(word, _)| word)
}

const LONGEST_WORD: usize = "informational".len();

fn is_upper(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

fn one_letter(lower: &[u8]) -> Option<Level> {
    Some(match lower {
        b"t" => Level::Trace,
        b"d" => Level::Debug,
        b"i" => Level::Info,
        b"w" => Level::Warn,
        b"e" => Level::Error,
        b"f" => Level::Fatal,
        _ => return None,
    })
}

/// Words that are hardly anything but a level.
fn unmistakable(lower: &[u8]) -> Option<Level> {
    Some(match lower {
        b"trace" | b"trc" | b"trce" | b"trac" => Level::Trace,
        b"debug" | b"dbg" | b"dbug" | b"debu" | b"debug1" | b"debug2" | b"debug3" | b"debug4" | b"debug5" => {
            Level::Debug
        }
        b"info" | b"inf" | b"information" | b"informational" => Level::Info,
        b"warn" | b"wrn" | b"warning" => Level::Warn,
        b"error" | b"err" | b"eror" | b"erro" | b"severe" => Level::Error,
        b"fatal" | b"ftl" | b"fata" | b"critical" | b"crit" | b"emerg" => Level::Fatal,
        _ => return None,
    })
}

/// Words that are a level wherever something marks them as one.
fn marked(lower: &[u8]) -> Option<Level> {
    Some(match lower {
        b"verbose" | b"finest" | b"finer" | b"blat" => Level::Trace,
        b"notice" | b"note" | b"noti" => Level::Info,
        b"fail" => Level::Error,
        b"panic" | b"alert" | b"emergency" => Level::Fatal,
        _ => return None,
    })
}

/// Words that are levels under a level's key, and in a text mostly something else.
fn everyday(lower: &[u8]) -> Option<Level> {
    Some(match lower {
        b"silly" => Level::Trace,
        b"fine" | b"config" | b"ddebug" | b"subdebug" => Level::Debug,
        b"log" | b"success" => Level::Info,
        b"failure" | b"errs" => Level::Error,
        b"dpanic" | b"pani" => Level::Fatal,
        _ => return None,
    })
}

/// `text` in lower case; `None` if it is longer than `buffer`.
#[inline]
fn lower<'b>(text: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let lower = buffer.get_mut(..text.len())?;
    for (to, from) in lower.iter_mut().zip(text) {
        *to = from.to_ascii_lowercase();
    }
    Some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_key(text: &str, expected: Option<KeyKind>) {
        assert_eq!(key(text.as_bytes()).map(|(_, kind)| kind), expected, "{text}");
    }

    #[test]
    fn keys() {
        for text in ["level", "Level", "LEVEL", "lvl", "logLevel", "LogLevel", "log_level", "log.level", "loglevel"] {
            check_key(text, Some(KeyKind::Level));
        }
        for text in ["severity", "SEVERITY", "levelname", "level_name", "@level", "@l", "SeverityText"] {
            check_key(text, Some(KeyKind::Word));
        }
        check_key("PRIORITY", Some(KeyKind::Syslog));
        check_key("pri", Some(KeyKind::Syslog));
        check_key("priority", Some(KeyKind::Task));
        for text in ["L", "sev", "log_severity", "severity_label"] {
            check_key(text, Some(KeyKind::Word));
        }
        check_key("syslog.severity", Some(KeyKind::Syslog));
        check_key("SeverityNumber", Some(KeyKind::OpenTelemetry));
        for text in ["", "prior", "levels", "log", "logger", "status", "le", "`l", "error", "level "] {
            check_key(text, None);
        }
    }

    fn check_value(kind: KeyKind, values: &str, expected: Option<Level>) {
        for value in values.split(',') {
            assert_eq!(of_word(kind, value), expected, "{value} under {kind:?}");
        }
    }

    #[test]
    fn values_under_a_level_key() {
        let check = |values, expected| check_value(KeyKind::Level, values, expected);
        check("trace,TRACE,trc,TRCE,finest,Verbose,silly,10,T", Some(Level::Trace));
        check("debug,Debug,DBG,dbug,fine,CONFIG,debug3,20,25,100,DEBUG-4", Some(Level::Debug));
        check("info,INFO,inf,Information,notice,note,LOG,success, info ,30,200,250,INFO+2,i", Some(Level::Info));
        check("warn,WARNING,wrn,40,300", Some(Level::Warn));
        check("error,ERR,eror,SEVERE,fail,50,400,ERROR+4", Some(Level::Error));
        check("fatal,FTL,critical,crit,alert,emerg,emergency,panic,dpanic,60,500,600", Some(Level::Fatal));
        check("\\u001b[32minfo\\u001b[39m", Some(Level::Info));
        check(",x,\\u001b[32,high,none,off,informational!,0,3,9,61,99,1000,30.0,99999999,-30,INFO+,in-fo,info-x", None);
    }

    #[test]
    fn numbers_mean_what_their_key_says() {
        check_value(KeyKind::Word, "10,30,3,0", None);
        check_value(KeyKind::Word, "Warning", Some(Level::Warn));
        check_value(KeyKind::Syslog, "0,1,2", Some(Level::Fatal));
        check_value(KeyKind::Syslog, "3", Some(Level::Error));
        check_value(KeyKind::Syslog, "5,6", Some(Level::Info));
        check_value(KeyKind::Syslog, "notice", Some(Level::Info));
        check_value(KeyKind::Syslog, "8,30,high", None);
        check_value(KeyKind::Task, "Warning", Some(Level::Warn));
        check_value(KeyKind::Task, "critical,high,1,3,E", None);
        check_value(KeyKind::OpenTelemetry, "9,12", Some(Level::Info));
        check_value(KeyKind::OpenTelemetry, "17", Some(Level::Error));
        check_value(KeyKind::OpenTelemetry, "0,25,info", None);
    }

    #[test]
    fn words_in_a_text() {
        assert_eq!(set_off(b"warn"), Some(Level::Warn));
        assert_eq!(set_off(b"panic"), Some(Level::Fatal));
        assert_eq!(set_off(b"fine"), None);
        assert_eq!(set_off(b"FINE"), Some(Level::Debug));
        assert_eq!(set_off(b"E"), None);
        assert_eq!((set_off(b"fail"), set_off(b"FAIL"), upper(b"FAIL", true)), (Some(Level::Error), None, None));
        assert_eq!((spoken(b"Info", false), spoken(b"error", false)), (Some(Level::Info), None));
        assert_eq!((spoken(b"error", true), spoken(b"verbose", true)), (Some(Level::Error), Some(Level::Trace)));
        assert_eq!((spoken(b"fine", true), spoken(b"log", true)), (None, None));
        assert_eq!((letter(b'W'), letter(b'A'), letter(b'w')), (Some(Level::Warn), None, None));
        assert_eq!(upper(b"WARN", false), Some(Level::Warn));
        assert_eq!(upper(b"Warn", true), None);
        assert_eq!(upper(b"LOG", false), None);
        assert_eq!(upper(b"LOG", true), Some(Level::Info));
        assert_eq!(upper(b"", true), None);
    }
}
