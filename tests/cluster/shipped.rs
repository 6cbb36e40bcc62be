//! What is shipped in `deploy/kubernetes`, with the shipped image: applied with kustomize, updated, killed, deleted.
//!
//! Over each kustomization lies one of the test's own, for what this node is: every pod is on the host's network, and the
//! node's folders are the test's.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::lines::Lines;
use crate::node::{Namespace, Writer, kubectl, pod_logs};
use crate::pods::names;
use crate::scenario::process::Metrics;
use crate::scenario::{PATIENCE, Place, wait_until};
use crate::support::doubles::elasticsearch::{Elasticsearch, Mode, Step};
use crate::support::stores::VictoriaLogs;

/// Where the agent answers; the whole node is in a network of its own.
const ADMIN: &str = "http://127.0.0.1:9880";
/// Lines of each pod that writes while the agent is replaced and killed.
const EACH: u64 = 3_000;
/// Lines of each pod that writes while the agent is away: fewer than the kubelet rotates at.
const FEW: u64 = 300;

/// A kustomization over a shipped one.
struct Overlay {
    /// Where it lies, and the node's folders.
    place: Place,
    namespace: &'static str,
}

/// The way from a folder to one of the repository: kustomize takes no absolute ones.
fn way(from: &Path, to: &str) -> String {
    let up = "../".repeat(from.components().count() - 1);
    let to = Path::new(env!("CARGO_MANIFEST_DIR")).join(to).display().to_string();
    format!("{up}{}", to.trim_start_matches('/'))
}

impl Overlay {
    /// `pod` is laid over the specification of the pods of `target`, a kind and a name.
    fn over(place: Place, namespace: &'static str, shipped: &[&str], target: (&str, &str), pod: &Value) -> Overlay {
        let (kind, name) = target;
        let patch = json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name }, "spec": { "template": { "spec": pod } },
        });
        let ways: Vec<String> = shipped.iter().map(|shipped| way(&place.path("k"), shipped)).collect();
        let text = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": namespace,
            "resources": [ways[0]], "components": ways[1..],
            "patches": [{ "target": { "kind": kind, "name": name }, "patch": patch.to_string() }],
        });
        place.write("k/kustomization.yaml", text.to_string());
        Overlay { place, namespace }
    }

    /// The shipped DaemonSet; `store` is the variable that says where its store is.
    fn daemonset(place: Place, shipped: &[&str], store: (&str, &str)) -> Overlay {
        let host = |name: &str, path: String| json!({ "name": name, "hostPath": { "path": path } });
        let logs = pod_logs().display().to_string();
        let pod = json!({
            "hostNetwork": true,
            "containers": [{ "name": "tailwater", "env": [{ "name": store.0, "value": store.1 }] }],
            "volumes": [host("logs", logs), host("state", place.state()), host("docker", place.text("docker"))],
        });
        Overlay::over(place, "tailwater", shipped, ("DaemonSet", "tailwater"), &pod)
    }

    fn apply(&self) {
        kubectl(&["apply", "-k", &self.place.text("k")], "");
    }

    /// Deletes all of it, its namespace too, and waits until it is gone.
    fn delete(&self) {
        kubectl(&["delete", "-k", &self.place.text("k"), "--timeout=120s"], "");
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        kubectl(&[&["-n", self.namespace], arguments].concat(), "")
    }

    fn rolled_out(&self, what: &str) {
        self.kubectl(&["rollout", "status", what, "--timeout=120s"]);
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        // Where a test failed, its agent has the node's port, which the next one needs.
        let dir = self.place.text("k");
        let arguments = ["delete", "-k", &dir, "--ignore-not-found", "--timeout=60s"];
        if std::thread::panicking() {
            let seen = Command::new("kubectl").args(["-n", self.namespace, "describe", "pods"]).output();
            eprintln!("{}", String::from_utf8_lossy(&seen.map(|output| output.stdout).unwrap_or_default()));
        }
        _ = Command::new("kubectl").args(arguments).output();
    }
}

/// What a store has, and what is seen of it.
struct Seen<'a> {
    /// The sink's name.
    pipeline: &'a str,
    /// How many lines there are.
    count: &'a dyn Fn() -> u64,
    /// The lines of the test's pods.
    lines: &'a dyn Fn() -> Lines,
    /// Has the store take lines without a word, and waits until it did; or answer again.
    is_silent: &'a dyn Fn(bool),
}

impl Seen<'_> {
    fn wait_for_count(&self, count: u64) {
        wait_until("so many lines have arrived", PATIENCE, || (self.count)() >= count);
    }

    fn wait_for_end(&self, pods: &[String]) {
        wait_until("every pod's last line", PATIENCE, || {
            let lines = (self.lines)();
            pods.iter().all(|pod| lines.ended(pod) == 2)
        });
    }
}

/// Pods write while the agent is replaced by an update and killed. Gives how many lines came again.
fn is_updated_and_killed(overlay: &Overlay, namespace: &Namespace, seen: &Seen<'_>) -> u64 {
    let pods = names("shipped", 2);
    let writers: Vec<_> = pods
        .iter()
        .map(|pod| Writer { pod: pod.clone(), count: EACH, rate: 25_000, end: "well", restarts: false })
        .collect();
    namespace.write(&writers);
    seen.wait_for_count(2 * EACH / 3);
    overlay.kubectl(&["rollout", "restart", "daemonset/tailwater"]);
    overlay.rolled_out("daemonset/tailwater");
    // An update is a stop in order: nothing comes again.
    seen.wait_for_count(4 * EACH / 3);
    assert_eq!((seen.lines)().assert_no_gap(|_| false).repeated, 0, "an update repeats nothing");
    (seen.is_silent)(true);
    kill_the_agent();
    (seen.is_silent)(false);
    seen.wait_for_end(&pods);
    let restarts = ["get", "pods", "-o", "jsonpath={.items[*].status.containerStatuses[0].restartCount}"];
    assert_eq!(overlay.kubectl(&restarts), "1", "it was killed once");
    let report = (seen.lines)().assert_no_gap(|_| true);
    assert_eq!((report.runs, report.lines), (2, 2 * EACH));
    let metrics = Metrics::of(ADMIN);
    metrics.assert_accounted(seen.pipeline);
    assert_eq!(metrics.of_pipeline("unreachable_bytes_total", seen.pipeline), 0);
    report.repeated
}

/// Everything is deleted while pods write, and applied again: `apply` does that.
fn is_deleted_and_comes_back(overlay: &Overlay, namespace: &Namespace, seen: &Seen<'_>, apply: &dyn Fn()) {
    let before = ((seen.count)(), (seen.lines)().assert_no_gap(|_| true).repeated);
    let pods = names("left", 2);
    let writers: Vec<_> = pods
        .iter()
        .map(|pod| Writer { pod: pod.clone(), count: FEW, rate: 5_000, end: "well", restarts: false })
        .collect();
    namespace.write(&writers);
    seen.wait_for_count(before.0 + FEW / 2);
    overlay.delete();
    (seen.lines)().assert_no_gap(|stream| stream.pod.starts_with("shipped"));
    apply();
    seen.wait_for_end(&pods);
    let report = (seen.lines)().assert_no_gap(|_| true);
    assert_eq!((report.lines, report.repeated), (2 * EACH + 2 * FEW, before.1), "what was read was delivered first");
}

/// `kill -9`: its process is seen from here, as every one on the node.
fn kill_the_agent() {
    let of = |entry: &std::fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let is_agent = |id: &i32| {
        std::fs::read_link(format!("/proc/{id}/exe")).is_ok_and(|exe| exe == Path::new("/usr/local/bin/tailwater"))
    };
    let found: Vec<i32> = processes.filter_map(|entry| of(&entry)).filter(is_agent).collect();
    let [id] = found[..] else { panic!("one agent: {found:?}") };
    kill_process(Pid::from_raw(id).expect("an id"), Signal::KILL).expect("it is there");
}

/// What the containers of this name said so far, of all pods of a namespace.
fn said(namespace: &str, container: &str) -> String {
    let pods = std::fs::read_dir(pod_logs()).expect("the pods' logs").flatten();
    let of = pods.filter(|pod| pod.file_name().to_string_lossy().starts_with(&format!("{namespace}_")));
    of.map(|pod| std::fs::read_to_string(pod.path().join(container).join("0.log")).unwrap_or_default()).collect()
}

/// Its pod may ask for nothing, and has nothing to ask with.
fn assert_without_rights(overlay: &Overlay) {
    let account = format!("--as=system:serviceaccount:{}:tailwater", overlay.namespace);
    for what in ["pods", "nodes", "namespaces", "secrets"] {
        let answer = Command::new("kubectl").args(["auth", "can-i", "get", what, &account]).output().expect("kubectl");
        assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "no", "whether it may get {what}");
    }
    let volumes = overlay.kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.volumes[*].name}"]);
    assert!(!volumes.contains("kube-api-access"), "{volumes}");
}

/// As root, to a real VictoriaLogs by Loki's interface. It keeps every repeat: those of a kill are what was in flight.
#[test]
fn the_shipped_daemonset_to_loki() {
    let store = VictoriaLogs::start_with(&[]);
    let namespace = Namespace::new("shipped-loki");
    let overlay =
        Overlay::daemonset(Place::new(), &["deploy/kubernetes/overlays/loki"], ("LOKI_URL", &store.loki_url()));
    let began = Instant::now();
    overlay.apply();
    overlay.rolled_out("daemonset/tailwater");
    println!("the shipped DaemonSet to Loki: applied and ready after {:.1?}", began.elapsed());
    assert_without_rights(&overlay);
    let query = "{namespace=\"shipped-loki\"}";
    let seen = Seen {
        pipeline: "loki",
        // It cannot be told to; what is in flight at the moment of the kill is chance.
        is_silent: &|_| {},
        count: &|| {
            store.force_flush();
            store.count(query)
        },
        lines: &|| {
            let mut lines = Lines::default();
            store.force_flush();
            store.each(query, |entry| {
                let pod = json!({ "pod": { "name": entry["pod"] } });
                lines.see(&json!({ "message": entry["_msg"], "stream": entry["stream"], "kubernetes": pod }));
            });
            lines
        },
    };
    let repeated = is_updated_and_killed(&overlay, &namespace, &seen);
    println!("the shipped DaemonSet to Loki: {repeated} lines came again after kill -9");
    // Two pods at 25 kB/s: no request waits for longer than a second to be full, four may be under way.
    assert!(repeated <= 4 * 1_000, "{repeated} lines came again");
    is_deleted_and_comes_back(&overlay, &namespace, &seen, &|| {
        overlay.apply();
        overlay.rolled_out("daemonset/tailwater");
    });
    overlay.delete();
}

/// Without root, to the bulk interface with a password from a Secret. It knows repeats by their ids.
#[test]
fn the_shipped_daemonset_to_elasticsearch() {
    let store = Elasticsearch::start();
    // `shipper:of logs`
    store.change(|store| store.authorization = Some("Basic c2hpcHBlcjpvZiBsb2dz".to_owned()));
    let namespace = Namespace::new("shipped-es");
    let place = Place::new();
    // As the component says: a folder of the image's user.
    std::fs::create_dir(place.path("state")).expect("a folder");
    chown(place.path("state"), Some(65532), None).expect("as root");
    let shipped = ["deploy/kubernetes/overlays/elasticsearch", "deploy/kubernetes/components/nonroot"];
    let overlay = Overlay::daemonset(place, &shipped, ("ES_URL", &store.url()));
    let secret = [
        "create",
        "secret",
        "generic",
        "tailwater-elasticsearch",
        "--from-literal=username=shipper",
        "--from-literal=password=of logs",
    ];
    let apply = || {
        overlay.apply();
        overlay.kubectl(&secret);
        overlay.rolled_out("daemonset/tailwater");
    };
    apply();
    let stream = "logs-kubernetes.container_logs-default";
    let ours = |document: &Value| document["kubernetes"]["namespace"] == "shipped-es";
    let seen = Seen {
        pipeline: "search",
        is_silent: &|is_silent| {
            if is_silent {
                let stored = || store.look(|state| state.store.stored());
                let before = stored();
                store.set_mode(Mode::Always(Step::StoreThenSilence));
                wait_until("lines are stored without an answer", PATIENCE, || stored() > before);
            } else {
                store.recover();
            }
        },
        count: &|| {
            let of = |json: Value| u64::from(ours(&json));
            store.look(|state| state.store.documents(stream).iter().map(|document| of(document.json())).sum())
        },
        lines: &|| {
            let mut lines = Lines::default();
            store.look(|state| {
                for document in state.store.documents(stream) {
                    let json = document.json();
                    if ours(&json) {
                        lines.see(&json);
                    }
                }
            });
            lines
        },
    };
    let repeated = is_updated_and_killed(&overlay, &namespace, &seen);
    let known = store.look(|state| state.store.repeats());
    println!("the shipped DaemonSet to Elasticsearch, without root: {known} repeats recognised");
    assert!(known > 0 && repeated == 0, "{known} repeats were recognised, {repeated} lines are there twice");
    is_deleted_and_comes_back(&overlay, &namespace, &seen, &apply);
    overlay.delete();
}

/// The store is away when the pod is deleted: the application ends, then Tailwater reads its file to the end and waits.
#[test]
fn the_shipped_sidecar() {
    let store = Elasticsearch::start();
    let namespace = Namespace::new("sidecar");
    let pod = json!({
        "hostNetwork": true,
        "initContainers": [{ "name": "tailwater", "env": [{ "name": "ES_URL", "value": store.url() }] }],
    });
    let overlay = Overlay::over(Place::new(), "sidecar", &["deploy/kubernetes/sidecar"], ("Deployment", "shop"), &pod);
    let began = Instant::now();
    overlay.apply();
    overlay.rolled_out("deployment/shop");
    println!("the shipped sidecar: applied and ready after {:.1?}", began.elapsed());
    let stored = || store.look(|state| state.store.stored());
    wait_until("lines of the application", PATIENCE, || stored() >= 20);
    store.set_mode(Mode::Refuse);
    wait_until("lines that wait", PATIENCE, || Metrics::of(ADMIN).of_pipeline("lag_bytes", "search") > 500);
    let before = stored();
    namespace.kubectl(&["scale", "deployment/shop", "--replicas=0"]);
    // What the API says of containers stands still until the last one has ended.
    wait_until("the sidecar is told to stop, behind the application", PATIENCE, || {
        said("sidecar", "tailwater").contains("stopping: files are read to their end")
    });
    assert_eq!(stored(), before, "the store took nothing");
    store.recover();
    namespace.kubectl(&["wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=shop", "--timeout=120s"]);
    let mut numbers = Vec::new();
    let mut last = None;
    store.look(|state| {
        for document in state.store.documents("logs-app-default") {
            let document = document.json();
            let number = document["fields"]["number"].as_u64().expect("a number");
            match document["message"].as_str() {
                Some("order placed") => numbers.push(number),
                Some("shop closed") => assert_eq!(last.replace(number), None, "one last word"),
                other => panic!("{other:?}"),
            }
        }
    });
    numbers.sort_unstable();
    let last = last.unwrap_or_else(|| panic!("no last word, but {numbers:?}"));
    assert!(numbers.iter().copied().eq(0..last), "all {last} lines once: {numbers:?}");
    println!("the shipped sidecar: {} lines after the store was away, {} in all", last + 1 - before, last + 1);
    overlay.kubectl(&["delete", "deployment", "shop"]);
}
