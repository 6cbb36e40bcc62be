//! Any text as logfmt: keys and values come from the line, in its order.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailwater::model::event::Fields;
use tailwater::parse::logfmt;
use tailwater::parse::pairs::Scratch;
use tailwater::parse::parsed::Parsed;

fuzz_target!(|text: &str| {
    check(text, logfmt::parse_whole(text, &mut Scratch::default().lend()));
    check(text, logfmt::parse_anywhere(text, &mut Scratch::default().lend()));
});

fn check(text: &str, parsed: Option<Parsed<'_>>) {
    let Some(parsed) = parsed else { return };
    let Fields::Pairs(found) = parsed.fields else { panic!("logfmt gives pairs") };
    let mut from = 0;
    for (key, _) in found {
        let key = key.plain();
        let at = text[from..].find(&*key);
        assert!(at.is_some() && !key.is_empty(), "{key:?} stands in the line, in order");
        from += at.unwrap_or_default() + key.len();
    }
}
