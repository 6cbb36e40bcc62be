//! Any text as a time in each format, and any text as a format: what is taken for one reads what it writes.
#![no_main]

use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use tailwater::model::time::Time;
use tailwater::parse::formats::{Format, zone};

const NEAR: Time = Time { secs: 1_795_423_848, nanos: 0 };

fuzz_target!(|text: &str| {
    let (first, second) = text.split_once('\n').unwrap_or((text, text));
    for format in
        ["auto", "rfc3339", "rfc2822", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "%b %e %H:%M:%S", "%H:%M", first]
    {
        let Ok(format) = Format::parse(format) else { continue };
        let zone = zone(first).unwrap_or(TimeZone::UTC);
        let (one, other) = (format.read(second, NEAR, &zone), format.read(second, NEAR, &zone));
        assert_eq!(one, other);
    }
});
