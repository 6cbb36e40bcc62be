//! What Loki's answers mean, and those of VictoriaLogs where it plays Loki.
//!
//! | status | meaning | verdict |
//! |---|---|---|
//! | 204 | stored | delivered |
//! | 260 | the tenant is blocked; a success by its number only | hold |
//! | 400 | some entries are refused for good, the rest is stored; the text names one of them | bisect |
//! | 400 | of a body too large for VictoriaLogs | split |
//! | 400 | of the tenant's name, or not of Loki's making: not about entries | hold |
//! | 413 | too large | split |
//! | 429 | of one stream, or of new streams only: the rest is stored | retry by group |
//! | 429 | nothing is stored | retry |
//! | 5xx | transient | retry |
//! | 301, 401, 403, 404, 405, 422, others | nothing will be stored until a person acts | hold |
//!
//! **Invariant**: only 204 settles entries as delivered.

use crate::model::sink::{Answer, Verdict};
use crate::sinks::answer::{is_not_about_entries, says, words};

/// Texts of a 400 that mean that the body is too large (VictoriaLogs).
const TOO_LARGE: &[&str] = &["too big data size"];
/// Texts of a 400 that mean that the tenant's name is not taken: VictoriaLogs' (of several versions), Loki's.
const TENANT_REFUSED: &[&str] =
    &["cannot parse common params from request", "cannot parse X-Scope-OrgID", "tenant ID", "no org id"];
/// Texts of a 429 that leave the other streams stored.
const SOME_STREAMS: &[&str] = &["per stream rate limit exceeded", "maximum active stream limit exceeded"];

/// What an answer means.
pub(super) fn verdict(answer: &Answer<'_>) -> Verdict {
    let said = || words(answer);
    match answer.status {
        204 => Verdict::Delivered,
        400 if says(answer, TOO_LARGE) => Verdict::Split(said()),
        400 if says(answer, TENANT_REFUSED) || is_not_about_entries(answer) => Verdict::Hold(said()),
        400 => Verdict::Bisect(said()),
        413 => Verdict::Split(said()),
        429 if says(answer, SOME_STREAMS) => Verdict::RetryByGroup(said()),
        429 | 500..=599 => Verdict::Retry(said()),
        _ => Verdict::Hold(said()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: fn(String) -> Verdict) {
        let answer = Answer { status, body: body.as_bytes() };
        let said = if body.is_empty() { format!("status {status}") } else { format!("status {status}: {body}") };
        assert_eq!(verdict(&answer), expected(said), "{status} {body}");
    }

    #[test]
    fn stored() {
        check(204, "", |_| Verdict::Delivered);
    }

    #[test]
    fn a_blocked_tenant_is_no_success() {
        check(
            260,
            "ingestion blocked for user fake until '2026-12-01 00:00:00 +0000 UTC' with status code '260'",
            Verdict::Hold,
        );
    }

    #[test]
    fn refused_entries_are_looked_for() {
        for body in [
            r#"entry for stream '{app="a"}' has timestamp too old: 2020-01-01T00:00:00Z, oldest acceptable timestamp is: 2026-11-16T00:00:00Z"#,
            r#"entry for stream '{app="a"}' has timestamp too new: 2030-01-01T00:00:00Z"#,
            r#"Max entry size '262144' bytes exceeded for stream '{app="a"}' while adding an entry with length '300000' bytes"#,
            r#"entry for stream '{app="a"}' has 16 label names; limit 15"#,
            r#"stream '{app="a"}' has label value too long: 'xxx'"#,
            r#"stream '{app="a"}' has label name too long: 'xxx'"#,
            r#"entry with timestamp 2026-11-23 08:50:48 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 2026-11-23T07:00:00Z', user 'fake', total ignored: 1 out of 2 for stream: {app="a"}"#,
            r#"error parsing labels: couldn't parse labels: 1:2: parse error"#,
            r#"stream '{app="a"}' has structured metadata too large: '70000' bytes, limit: '65536' bytes"#,
            "",
        ] {
            check(400, body, Verdict::Bisect);
        }
    }

    #[test]
    fn refusals_that_are_not_about_entries_hold() {
        // What VictoriaLogs 1.51 really says was taken for a refusal of the lines, and dropped all of them.
        for body in [
            r#"cannot parse common params from request: cannot parse accountID from "team-a": cannot parse "team-a" as uint32"#,
            r#"cannot parse X-Scope-OrgID="team-a": cannot parse "team-a" as uint32"#,
            "tenant ID 'a b' contains unsupported character ' '",
            "Client sent an HTTP request to an HTTPS server.",
            "<html><h1>400 Bad Request</h1></html>",
        ] {
            check(400, body, Verdict::Hold);
        }
    }

    #[test]
    fn too_large_is_split() {
        check(413, "", Verdict::Split);
        check(413, "request body too large", Verdict::Split);
        check(400, "cannot read request body: too big data size: 70000000 exceeds 67108864 bytes", Verdict::Split);
    }

    #[test]
    fn limits_of_rate() {
        check(
            429,
            "Ingestion rate limit exceeded for user fake (limit: 4194304 bytes/sec) while attempting to ingest '2500' lines totaling '1048576' bytes, reduce log volume or contact your Loki administrator to see if the limit can be increased",
            Verdict::Retry,
        );
        check(
            429,
            r#"Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{app="a"}' totaling 1MB"#,
            Verdict::RetryByGroup,
        );
        check(
            429,
            r#"Maximum active stream limit exceeded when trying to create stream {app="a"}, reduce the number of active streams"#,
            Verdict::RetryByGroup,
        );
        check(429, "", Verdict::Retry);
        check(429, "the storage is in read-only mode", Verdict::Retry);
    }

    #[test]
    fn transient() {
        for status in [500, 502, 503, 504, 599] {
            check(status, "empty ring", Verdict::Retry);
        }
    }

    #[test]
    fn until_a_person_acts() {
        for status in [401, 403, 404, 405, 301, 422] {
            check(status, "no", Verdict::Hold);
        }
    }

    #[test]
    fn what_is_not_known_is_never_settled() {
        let known = |status| matches!(status, 204 | 400 | 413 | 429 | 500..=599);
        for status in (100..600).filter(|status| !known(*status)) {
            check(status, "", Verdict::Hold);
        }
    }
}
