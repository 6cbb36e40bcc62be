//! What a bulk request's answers mean, on Elasticsearch and on OpenSearch.
//!
//! | status | meaning | verdict |
//! |---|---|---|
//! | 200, `"errors":false` | all stored | delivered |
//! | 200, `"errors":true` | by item: see below | items |
//! | 200, too long to be kept whole | not known what was stored | split: each half's answer is shorter |
//! | 200, anything else | not known what was stored | retry: ids make it safe |
//! | 400 | the whole request is refused for one item | bisect |
//! | 400 | not of the store's making | hold |
//! | 413 | too large | split |
//! | 429, 5xx | transient | retry |
//! | 401, 403, others | nothing will be stored until a person acts | hold |
//!
//! | item | meaning | verdict |
//! |---|---|---|
//! | 200, 201 | stored | delivered |
//! | 409 | already there: the id was created before | delivered |
//! | 400 | the document is refused | refused for its fields |
//! | 400 of a missing ingest pipeline | a person must act | retry |
//! | 404 | there is no such index, and none is made | refused |
//! | 401, 403 | blocked, or not allowed: a person must act | retry |
//! | 429, 5xx, others | transient, or not known | retry |
//!
//! **Invariant**: only 200, 201 and 409 settle an item as delivered, and only 400 and 404 as refused.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::sink::{Answer, ItemVerdict, Verdict};
use crate::sinks::answer::{is_not_about_entries, one_line, words};

/// What an answer means for a request with `items` items.
pub(super) fn verdict(answer: &Answer<'_>, items: usize) -> Verdict {
    let said = || words(answer);
    match answer.status {
        200 if has_no_errors(answer.body) => Verdict::Delivered,
        200 => match by_item(answer.body, items) {
            Ok(verdicts) => Verdict::Items(verdicts),
            Err(_) if items > 1 && is_cut(answer.body) => Verdict::Split(said()),
            Err(what) => Verdict::Retry(format!("{what}: {}", said())),
        },
        400 if is_not_about_entries(answer) => Verdict::Hold(said()),
        400 => Verdict::Bisect(said()),
        413 => Verdict::Split(said()),
        429 | 500..=599 => Verdict::Retry(said()),
        _ => Verdict::Hold(said()),
    }
}

/// The usual answer, known by its beginning. Equivalent: `^\s*\{\s*"errors"\s*:\s*false\s*[,}]`, white space aside.
fn has_no_errors(body: &[u8]) -> bool {
    let rest = body.trim_ascii_start().strip_prefix(b"{\"errors\":false").unwrap_or_default();
    matches!(rest.first(), Some(b',' | b'}'))
}

/// The least bytes that are kept of every answer.
const KEPT: usize = 64 << 10;

/// Whether an answer ends where it was cut off for its length. Stores quote names of fields in their reasons, and a
/// name may be as long as its line: asked again as it was, the request would get the same answer for ever.
fn is_cut(body: &[u8]) -> bool {
    body.len() >= KEPT && serde_json::from_slice::<&RawValue>(body).is_err_and(|error| error.is_eof())
}

fn by_item(body: &[u8], items: usize) -> Result<Vec<ItemVerdict>, String> {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return Err("the answer is broken".to_owned());
    };
    if answer.get("errors") == Some(&Value::Bool(false)) {
        return Ok(vec![ItemVerdict::Delivered; items]);
    }
    let Some(answers) = answer.get("items").and_then(Value::as_array) else {
        return Err("the answer has no items".to_owned());
    };
    if answers.len() != items {
        return Err(format!("the answer is of {} items, {items} were sent", answers.len()));
    }
    Ok(answers.iter().map(of_item).collect())
}

fn of_item(item: &Value) -> ItemVerdict {
    // `{"create":{…}}`: the action, whichever it is called.
    let action = item.as_object().and_then(|item| item.values().next()).unwrap_or(&Value::Null);
    let error = action.get("error");
    match action.get("status").and_then(Value::as_u64) {
        Some(200 | 201 | 409) => ItemVerdict::Delivered,
        Some(400) if lacks_pipeline(error) => ItemVerdict::Retry(item_words(400, error)),
        Some(400) => ItemVerdict::RefusedFields(item_words(400, error)),
        Some(404) => ItemVerdict::Refused(item_words(404, error)),
        Some(status) => ItemVerdict::Retry(item_words(status, error)),
        None => ItemVerdict::Retry("the answer to the item has no status".to_owned()),
    }
}

/// Whether the ingest pipeline of the settings does not exist: every document would be refused for it.
fn lacks_pipeline(error: Option<&Value>) -> bool {
    let reason = error.and_then(|error| error.get("reason")).and_then(Value::as_str).unwrap_or_default();
    reason.starts_with("pipeline with id [") && reason.ends_with("does not exist")
}

/// `type: reason`, and the cause where it says more.
fn item_words(status: u64, error: Option<&Value>) -> String {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(error) = error else { return format!("status {status}") };
    let (kind, mut reason) = (text(error, "type"), text(error, "reason"));
    if let Some(cause) = error.get("caused_by").map(|cause| text(cause, "reason")).filter(|cause| !cause.is_empty()) {
        reason = format!("{reason} ({cause})");
    }
    let words = match (kind.is_empty(), reason.is_empty()) {
        (true, true) => format!("status {status}"),
        (false, true) => kind,
        (true, false) => format!("status {status}: {reason}"),
        (false, false) => format!("{kind}: {reason}"),
    };
    one_line(words.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, items: usize, expected: impl Fn(String) -> Verdict) {
        let answer = Answer { status, body: body.as_bytes() };
        assert_eq!(verdict(&answer, items), expected(words(&answer)), "{status} {body}");
    }

    fn items(body: &str, expected: &[ItemVerdict]) {
        check(200, body, expected.len(), |_| Verdict::Items(expected.to_vec()));
    }

    #[test]
    fn all_stored() {
        for body in [
            r#"{"errors":false}"#,
            r#"{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}"#,
            // What was cut off could not have said more.
            r#"{"errors":false,"items":[{"create":{"sta"#,
            "\n {\"errors\":false,",
        ] {
            check(200, body, 2, |_| Verdict::Delivered);
        }
        items(r#"{"took":3,"errors":false,"items":[]}"#, &[ItemVerdict::Delivered, ItemVerdict::Delivered]);
    }

    #[test]
    fn by_item_in_order() {
        let exists = r#"{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"[x]: version conflict, document already exists (current version [1])"}}}"#;
        let opensearch = r#"{"create":{"status":400,"error":{"type":"mapper_parsing_exception","reason":"failed to parse field [fields.a] of type [long]","caused_by":{"type":"illegal_argument_exception","reason":"For input string: \"x\""}}}}"#;
        let elastic = r#"{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"[1:2] failed to parse"}}}"#;
        let limit = r#"{"create":{"status":400,"error":{"type":"illegal_argument_exception","reason":"Limit of total fields [1000] has been exceeded"}}}"#;
        let blocked = r#"{"create":{"status":403,"error":{"type":"cluster_block_exception","reason":"index [x] blocked by: [FORBIDDEN/8/index write (api)];"}}}"#;
        let read_only =
            r#"{"create":{"status":429,"error":{"type":"cluster_block_exception","reason":"disk usage exceeded"}}}"#;
        let queue =
            r#"{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"rejected"}}}"#;
        let missing =
            r#"{"create":{"status":404,"error":{"type":"index_not_found_exception","reason":"no such index [x]"}}}"#;
        let pipeline = r#"{"create":{"status":400,"error":{"type":"illegal_argument_exception","reason":"pipeline with id [p] does not exist"}}}"#;
        let shard = r#"{"create":{"status":503,"error":{"type":"unavailable_shards_exception","reason":"primary shard is not active"}}}"#;
        let rows: [(&str, ItemVerdict); 14] = [
            (r#"{"create":{"status":201}}"#, ItemVerdict::Delivered),
            (r#"{"create":{"status":200}}"#, ItemVerdict::Delivered),
            (exists, ItemVerdict::Delivered),
            (opensearch, ItemVerdict::RefusedFields("mapper_parsing_exception: failed to parse field [fields.a] of type [long] (For input string: \"x\")".into())),
            (elastic, ItemVerdict::RefusedFields("document_parsing_exception: [1:2] failed to parse".into())),
            (limit, ItemVerdict::RefusedFields("illegal_argument_exception: Limit of total fields [1000] has been exceeded".into())),
            (blocked, ItemVerdict::Retry("cluster_block_exception: index [x] blocked by: [FORBIDDEN/8/index write (api)];".into())),
            (read_only, ItemVerdict::Retry("cluster_block_exception: disk usage exceeded".into())),
            (queue, ItemVerdict::Retry("es_rejected_execution_exception: rejected".into())),
            (missing, ItemVerdict::Refused("index_not_found_exception: no such index [x]".into())),
            (pipeline, ItemVerdict::Retry("illegal_argument_exception: pipeline with id [p] does not exist".into())),
            (shard, ItemVerdict::Retry("unavailable_shards_exception: primary shard is not active".into())),
            (r#"{"create":{"status":418}}"#, ItemVerdict::Retry("status 418".into())),
            (r#"{"create":{}}"#, ItemVerdict::Retry("the answer to the item has no status".into())),
        ];
        let answers: Vec<_> = rows.iter().map(|(answer, _)| *answer).collect();
        let expected: Vec<_> = rows.iter().map(|(_, expected)| expected.clone()).collect();
        items(&format!(r#"{{"errors":true,"items":[{}]}}"#, answers.join(",")), &expected);
    }

    #[test]
    fn what_is_not_known_to_be_stored_is_sent_again() {
        for (body, what) in [
            ("", "the answer is broken"),
            ("OK", "the answer is broken"),
            ("<html>", "the answer is broken"),
            (r#"{"errors":true,"items":[{"create":{"status":201}},{"cre"#, "the answer is broken"),
            (r#"{"errors":falsey}"#, "the answer is broken"),
            ("{}", "the answer has no items"),
            ("[]", "the answer has no items"),
            (r#"{"errors":true}"#, "the answer has no items"),
            (r#"{"errors":true,"items":[{"create":{"status":201}}]}"#, "the answer is of 1 items, 2 were sent"),
        ] {
            check(200, body, 2, |said| Verdict::Retry(format!("{what}: {said}")));
        }
    }

    #[test]
    fn an_answer_too_long_to_be_kept_is_asked_for_in_halves() {
        let long =
            format!(r#"{{"errors":true,"items":[{{"create":{{"status":400,"error":{{"reason":"{}"#, "é".repeat(KEPT));
        check(200, &long, 2, Verdict::Split);
        check(200, &long, 1, |said| Verdict::Retry(format!("the answer is broken: {said}")));
        check(200, &format!("<html>{long}"), 2, |said| Verdict::Retry(format!("the answer is broken: {said}")));
    }

    #[test]
    fn whole_requests() {
        let bad_line = r#"{"error":{"type":"illegal_argument_exception","reason":"Malformed action/metadata line [3]"},"status":400}"#;
        check(400, bad_line, 2, Verdict::Bisect);
        check(400, "Client sent an HTTP request to an HTTPS server.", 2, Verdict::Hold);
        check(413, "", 2, Verdict::Split);
        for status in [429, 500, 502, 503, 504] {
            check(status, "busy", 2, Verdict::Retry);
        }
        let known = |status| matches!(status, 200 | 400 | 413 | 429 | 500..=599);
        for status in (100..600).filter(|status| !known(*status)) {
            check(status, "", 2, Verdict::Hold);
        }
    }
}
