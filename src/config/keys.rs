//! Which keys stand below which: the tables that live beside what they configure, put together.

use super::cases;
use crate::deliver;
use crate::deliver::http::settings as http;
use crate::flow::{batch, retry};
use crate::frame::group::rules;
use crate::model::settings::Key;
use crate::sources::spool;
use crate::transform::redact::settings as redact;
use crate::transform::{dedupe, limit, sample};
use crate::{admin, log};

/// The maps that stand under a key of this name, wherever that is, and their keys.
pub const MAPS: &[(&str, &[Key])] = &[
    ("admin", admin::KEYS),
    ("log", log::KEYS),
    ("batch", batch::Settings::KEYS),
    ("retry", retry::KEYS),
    ("dead_letter", deliver::DEAD_LETTER_KEYS),
    ("auth", http::AUTH_KEYS),
    ("basic", http::BASIC_KEYS),
    ("tls", http::TLS_KEYS),
    ("spool", spool::KEYS),
    ("redact", redact::KEYS),
    ("sample", sample::KEYS),
    ("limit", limit::KEYS),
    ("dedupe", dedupe::KEYS),
    ("tests", cases::KEYS),
    ("expect", cases::EXPECT_KEYS),
    ("multiline", rules::KEYS),
];

/// The keys of a map that may stand under `key`. `None` for keys with other values.
pub(super) fn keys_below(key: &str) -> Option<&'static [Key]> {
    MAPS.iter().find(|(name, _)| *name == key).map(|(_, keys)| *keys)
}
