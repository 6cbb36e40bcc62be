//! Any bytes as a settings file: problems with a place that is in the file, or settings that show and load again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tailwater::config::{report, show};

fuzz_target!(|bytes: &[u8]| {
    match tailwater_fuzz::settings(bytes) {
        Ok(settings) => {
            let shown = show::render(&settings);
            let again = tailwater_fuzz::settings(shown.as_bytes());
            assert!(again.is_ok(), "what is shown loads again: {shown}");
        }
        Err(problems) => {
            let text = String::from_utf8_lossy(bytes);
            let report = report::render(&problems, "fuzz.yaml", &text);
            assert!(report.contains("error: "), "{report}");
        }
    }
});
