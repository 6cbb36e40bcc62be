//! VictoriaLogs as a Loki push store: it decodes the wire format by itself and de-duplicates nothing, so every repeat
//! shows.
//!
//! One store serves all tests: keep them apart by a label of their own (`{test="…"}`) or by tenant.

use super::{Node, required};
use crate::support::http;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::PathBuf;

/// A running VictoriaLogs, seen by one tenant.
pub struct VictoriaLogs {
    url: String,
    tenant: (u32, u32),
    /// Ours to end, where we started it.
    node: Option<Node>,
}

impl VictoriaLogs {
    /// The one that `tests/stores/run` started.
    pub fn from_env() -> VictoriaLogs {
        VictoriaLogs { url: required("TAILWATER_TEST_VICTORIALOGS"), tenant: (0, 0), node: None }
    }

    /// One of the test's own, with flags such as `-loki.maxRequestSize=100KB` (400 above it) or
    /// `-storage.minFreeDiskSpaceBytes=1000000GB` (read-only: 429).
    pub fn start_with(flags: &[&str]) -> VictoriaLogs {
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let node = Node::start("TAILWATER_TEST_VICTORIALOGS_HOME", &flags);
        VictoriaLogs { url: node.url.clone(), tenant: (0, 0), node: Some(node) }
    }

    /// Another tenant of the same store; a push names it in `X-Scope-OrgID: 12:0`.
    pub fn tenant(&self, account: u32, project: u32) -> VictoriaLogs {
        VictoriaLogs { url: self.url.clone(), tenant: (account, project), node: None }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What a Loki sink's `url` must be.
    pub fn loki_url(&self) -> String {
        format!("{}/insert", self.url)
    }

    /// Where its log lies, for one of the test's own.
    pub fn log(&self) -> Option<PathBuf> {
        self.node.as_ref().map(Node::log)
    }

    /// Makes everything that was answered with 204 visible to queries.
    pub fn force_flush(&self) {
        self.send("POST", "/internal/force_flush");
    }

    /// What matches `logsql` (`{test="a"}`, `*`), in no order: `_time`, `_msg`, `_stream`, and each metadata name.
    pub fn query(&self, logsql: &str) -> Vec<Value> {
        let mut all = Vec::new();
        self.each(logsql, |entry| all.push(entry));
        all
    }

    /// As `query`, one entry at a time, for what is better not held at once.
    pub fn each(&self, logsql: &str, mut take: impl FnMut(Value)) {
        let answer = self.send("GET", &format!("/select/logsql/query?query={}", http::percent_encode(logsql)));
        for line in answer.body.lines() {
            let line = line.unwrap_or_else(|error| panic!("`{logsql}`: the answer broke off: {error}"));
            take(serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{logsql}`: `{line}`: {error}")));
        }
    }

    /// How many entries match, counted by the store.
    pub fn count(&self, logsql: &str) -> u64 {
        let rows = self.query(&format!("{logsql} | stats count() n"));
        rows.first().and_then(|row| row["n"].as_str()).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    /// What it answered with 204 and dropped all the same, by its own reason; over all tenants, since it started.
    pub fn rows_dropped(&self) -> BTreeMap<String, u64> {
        let metrics = self.send("GET", "/metrics").text().unwrap_or_else(|error| panic!("/metrics: {error}"));
        let dropped = metrics.lines().filter_map(|line| {
            let (reason, count) = line.strip_prefix("vl_rows_dropped_total{reason=\"")?.split_once("\"} ")?;
            Some((reason.to_owned(), count.parse().ok()?))
        });
        dropped.filter(|&(_, count)| count > 0).collect()
    }

    fn send(&self, method: &str, path: &str) -> http::Response {
        let (account, project) = (self.tenant.0.to_string(), self.tenant.1.to_string());
        let headers = [("AccountID", account.as_str()), ("ProjectID", project.as_str())];
        http::request(method, &self.url, path, &headers, b"")
            .and_then(http::Response::success)
            .unwrap_or_else(|error| panic!("VictoriaLogs at {}: {method} {path}: {error}", self.url))
    }

    /// Ends one of the test's own (`TERM`, `KILL`) and starts it again over the same data; its url changes.
    pub fn restart(self, signal: &str, flags: &[&str]) -> VictoriaLogs {
        let flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let node = self.node.expect("only a store of the test's own is restarted").restart(signal, &flags);
        VictoriaLogs { url: node.url.clone(), tenant: self.tenant, node: Some(node) }
    }
}
