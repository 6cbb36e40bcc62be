//! The cluster that the tests run in: its kubectl, its pods, and Tailwater beside it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::lines::Lines;
use crate::scenario::process::wait_until_ready;
use crate::scenario::{PATIENCE, Place, Tailwater, wait_until};
use crate::support::doubles::elasticsearch::Elasticsearch;

/// Where the kubelet keeps its pods' logs.
pub(crate) fn pod_logs() -> PathBuf {
    let dir = std::env::var("TAILWATER_TEST_CLUSTER_DIR").expect("tests/cluster/run starts these tests");
    PathBuf::from(dir).join("podlogs")
}

/// Runs kubectl; what it prints.
pub(crate) fn kubectl(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("kubectl reads");
    let output = child.wait_with_output().expect("kubectl ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {}: {said}", arguments.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A namespace of a test's own, whose pods go with it.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    pub(crate) fn new(name: &str) -> Namespace {
        kubectl(&["create", "namespace", name], "");
        wait_until("the namespace has its service account", PATIENCE, || {
            let found = ["-n", name, "get", "serviceaccount", "default", "--ignore-not-found", "-o", "name"];
            !kubectl(&found, "").is_empty()
        });
        Namespace(name.to_owned())
    }

    /// Pods that write, each by its name; all at once.
    pub(crate) fn write(&self, pods: &[Writer]) {
        let items: Vec<Value> = pods.iter().map(Writer::manifest).collect();
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
        self.kubectl_with(&["apply", "-f", "-"], &list.to_string());
    }

    /// Deletes pods, and does not wait for their end.
    pub(crate) fn delete(&self, pods: &[String]) {
        let mut arguments = vec!["delete", "pod", "--wait=false", "--grace-period=1"];
        arguments.extend(pods.iter().map(String::as_str));
        self.kubectl(&arguments);
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "")
    }

    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> String {
        kubectl(&[&["-n", &self.0], arguments].concat(), input)
    }

    /// Whether files of its pods are still there.
    pub(crate) fn has_files(&self) -> bool {
        let prefix = format!("{}_", self.0);
        let folders = std::fs::read_dir(pod_logs()).expect("the pods' logs").flatten();
        folders
            .filter(|folder| folder.file_name().to_string_lossy().starts_with(&prefix))
            .any(|folder| std::fs::read_dir(folder.path().join("c")).is_ok_and(|mut files| files.next().is_some()))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cluster ends soon; what matters here is that its pods write no more.
        _ = Command::new("kubectl")
            .args(["-n", &self.0, "delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false"])
            .output();
    }
}

/// A pod whose only container runs `writer.rs`.
pub(crate) struct Writer {
    pub(crate) pod: String,
    /// How many lines; 0 for no end.
    pub(crate) count: u64,
    /// Bytes a second; 0 for as fast as it goes.
    pub(crate) rate: u64,
    /// `well`, `badly` or `unfinished`.
    pub(crate) end: &'static str,
    /// Whether the container is started again when it has ended.
    pub(crate) restarts: bool,
}

impl Writer {
    fn manifest(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": self.pod },
            "spec": {
                "hostNetwork": true,
                "terminationGracePeriodSeconds": 1,
                "restartPolicy": if self.restarts { "Always" } else { "Never" },
                "containers": [{
                    "name": "c", "image": "tailwater.test/writer:1", "imagePullPolicy": "Never",
                    "args": ["lines", self.count.to_string(), self.rate.to_string(), self.end],
                    "env": [{ "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
                }],
            },
        })
    }
}

/// Tailwater outside of the cluster, following one namespace's pods into a store of its own.
pub(crate) struct Follower {
    pub(crate) place: Place,
    pub(crate) store: Elasticsearch,
    pub(crate) namespace: String,
}

const STREAM: &str = "logs-pods-default";

impl Follower {
    pub(crate) fn new(namespace: &Namespace) -> Follower {
        Follower { place: Place::new(), store: Elasticsearch::start(), namespace: namespace.0.clone() }
    }

    /// Starts the program, or starts it again.
    pub(crate) fn start(&self) -> Tailwater {
        let settings = settings(&self.namespace, &pod_logs().display().to_string(), &self.store.url(), "127.0.0.1:0");
        let mut process = Tailwater::daemon(&self.place, &settings);
        wait_until_ready(&mut process);
        process
    }

    /// What has arrived.
    pub(crate) fn lines(&self) -> Lines {
        let mut lines = Lines::default();
        self.store.look(|state| {
            for document in state.store.documents(STREAM) {
                lines.see(&document.json());
            }
        });
        lines
    }

    /// Documents whose id came again.
    pub(crate) fn repeats(&self) -> u64 {
        self.store.look(|state| state.store.repeats())
    }

    /// Waits until so many documents are there.
    pub(crate) fn wait_for_lines(&self, count: u64) {
        wait_until("so many lines have arrived", PATIENCE, || self.store.look(|state| state.store.stored()) >= count);
    }

    /// Waits until `condition` holds of what has arrived. It is looked at only when more has arrived; for few lines, since
    /// the store stands still meanwhile.
    pub(crate) fn wait_for(&self, what: &str, condition: impl Fn(&Lines) -> bool) {
        let mut looked_at = u64::MAX;
        wait_until(what, PATIENCE, || {
            let stored = self.store.look(|state| state.store.stored());
            stored != std::mem::replace(&mut looked_at, stored) && condition(&self.lines())
        });
    }

    /// `kill -9` and a new start, at a moment in which it is not far behind: what the kubelet removes while nobody holds it
    /// is lost to everybody.
    pub(crate) fn kill_and_start(&self, mut process: Tailwater) -> Tailwater {
        let admin = process.admin();
        process.wait_until("it is not far behind", PATIENCE, || {
            crate::scenario::process::Metrics::of(&admin).of_pipeline("lag_bytes", "store") < 1 << 20
        });
        process.kill();
        self.start()
    }

    /// Waits until nothing is left to read, then holds the account: nothing unreachable, nothing dropped.
    pub(crate) fn settle(process: &mut Tailwater) {
        let admin = process.admin();
        process.wait_until("everything is delivered", PATIENCE, || {
            let metrics = crate::scenario::process::Metrics::of(&admin);
            metrics.of_pipeline("lag_bytes", "store") == 0 && metrics.of_pipeline("lines_in_flight", "store") == 0
        });
        let metrics = process.metrics();
        metrics.assert_accounted("store");
        for never in ["unreachable_bytes_total", "lines_dropped_total"] {
            assert_eq!(metrics.of_pipeline(never, "store"), 0, "{never}");
        }
    }
}

/// The daemon's settings, but for its state directory.
pub(crate) fn settings(namespace: &str, logs: &str, store: &str, admin: &str) -> String {
    // Lines stay whole under `message`, so that they can be compared.
    format!(
        "admin: {{ listen: '{admin}' }}\nparse: plain\n\
         sources: {{ pods: {{ type: kubernetes, path: '{logs}', include_namespaces: [{namespace}] }} }}\n\
         sinks: {{ store: {{ type: elasticsearch, url: '{store}', data_stream: {STREAM} }} }}\n"
    )
}
