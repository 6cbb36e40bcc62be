//! What a `--to` value says, as the settings of a sink that say the same.

const FORMS: &str = "known: `loki+http://HOST:PORT`, `es+http://HOST:PORT/DATA-STREAM-OR-INDEX` (both also with \
                     `https`), `stdout:`, `null:`";

/// The entries of the settings of the sink that `text` stands for; what can be typed instead, where it stands for none.
pub fn parse(text: &str) -> Result<Vec<(&str, &str)>, String> {
    let web = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    match text.split_once('+') {
        Some(("loki", url)) if web(url) => return Ok(vec![("type", "loki"), ("url", url)]),
        Some(("es", url)) if web(url) => return Ok(elasticsearch(url)),
        _ => {}
    }
    match text {
        "stdout:" => Ok(vec![("type", "stdout")]),
        "null:" => Ok(vec![("type", "null")]),
        "stdout" | "null" => Err(format!("did you mean `{text}:`? {FORMS}")),
        url if web(url) => Err(format!("say which store it is: `loki+{url}` or `es+{url}`")),
        _ => Err(FORMS.to_owned()),
    }
}

/// The last part of the path is the data stream or the index: `http://host/prefix/logs-nginx-default`. A path that
/// ends in `/` is a prefix alone.
fn elasticsearch(url: &str) -> Vec<(&str, &str)> {
    let host = url.find("://").map_or(0, |at| at + 3);
    let path = url.get(host..).and_then(|rest| rest.rfind('/'));
    let (base, target) = match path.map(|at| url.split_at(host + at)) {
        Some((base, target)) => (base, target.trim_start_matches('/')),
        None => (url, ""),
    };
    let mut entries = vec![("type", "elasticsearch"), ("url", base)];
    if !target.is_empty() {
        entries.push((if is_data_stream(target) { "data_stream" } else { "index" }, target));
    }
    entries
}

/// `type-dataset-namespace`, with the types that stores have templates for. Equivalent:
/// `^(logs|metrics|traces|synthetics)-[^-]+-[^-]+$`.
fn is_data_stream(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [kind, dataset, namespace] = parts.as_slice() else { return false };
    matches!(*kind, "logs" | "metrics" | "traces" | "synthetics") && !dataset.is_empty() && !namespace.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        assert_eq!(parse(text).as_deref(), Ok(expected), "{text}");
    }

    #[test]
    fn sinks() {
        check("stdout:", &[("type", "stdout")]);
        check("null:", &[("type", "null")]);
        check("loki+http://l:3100", &[("type", "loki"), ("url", "http://l:3100")]);
        check("loki+https://u:p@l/insert", &[("type", "loki"), ("url", "https://u:p@l/insert")]);
        let es = |url, key, target| [("type", "elasticsearch"), ("url", url), (key, target)];
        check("es+http://e:9200/logs-nginx-default", &es("http://e:9200", "data_stream", "logs-nginx-default"));
        check("es+https://e/x/logs-{app}-default", &es("https://e/x", "data_stream", "logs-{app}-default"));
        check("es+http://e:9200/app-%Y.%m.%d", &es("http://e:9200", "index", "app-%Y.%m.%d"));
        check("es+http://e:9200/logs-a-b-c", &es("http://e:9200", "index", "logs-a-b-c"));
        check("es+http://e:9200", &[("type", "elasticsearch"), ("url", "http://e:9200")]);
        check("es+http://e:9200/", &[("type", "elasticsearch"), ("url", "http://e:9200")]);
        check("es+http://e/prefix/", &[("type", "elasticsearch"), ("url", "http://e/prefix")]);
    }

    #[test]
    fn no_sinks() {
        let check = |text: &str, hint: &str| {
            let said = parse(text).expect_err(text);
            assert!(said.starts_with(hint), "{text}: {said}");
        };
        check("http://l:3100", "say which store it is: `loki+http://l:3100` or `es+http://l:3100`");
        check("stdout", "did you mean `stdout:`? known: `loki+http");
        for text in ["", "loki", "loki+ftp://x", "lokki+http://x", "file:///x", "stdout:x"] {
            check(text, "known: `loki+http");
        }
    }
}
