//! What pods do, and what must arrive.

use serde_json::{Value, json};

use crate::node::{Follower, Namespace, Writer, kubectl, pod_logs, settings};
use crate::scenario::process::Metrics;
use crate::scenario::{PATIENCE, wait_until};
use crate::support::http;

/// So many bytes a second over all writing pods of a test.
const RATE: u64 = 5_000_000;

pub(crate) fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number}")).collect()
}

/// Whether the kubelet has rotated and compressed files of the namespace.
fn is_rotated(namespace: &str) -> bool {
    let folders = std::fs::read_dir(pod_logs()).expect("the pods' logs").flatten();
    let of = folders.filter(|folder| folder.file_name().to_string_lossy().starts_with(&format!("{namespace}_")));
    of.flat_map(|folder| std::fs::read_dir(folder.path().join("c")).into_iter().flatten().flatten())
        .any(|file| file.file_name().to_string_lossy().ends_with(".gz"))
}

/// Four pods write 5 MB/s together while the kubelet rotates at 100 KiB; one Tailwater follows from outside and is killed
/// twice, another follows from a pod.
#[test]
fn busy_pods_followed_from_outside_and_from_a_pod() {
    let namespace = Namespace::new("busy");
    let outside = Follower::new(&namespace);
    let mut process = outside.start();
    let inside = Follower::new(&namespace);
    let agent = Agent::start(&inside);
    let pods = names("busy", 4);
    let each = 100_000;
    let writers: Vec<_> = pods
        .iter()
        .map(|pod| Writer { pod: pod.clone(), count: each, rate: RATE / 4, end: "well", restarts: false })
        .collect();
    namespace.write(&writers);
    let mut was_rotated = false;
    for third in 1..3 {
        outside.wait_for_lines(third * 4 * each / 3);
        was_rotated |= is_rotated("busy");
        process = outside.kill_and_start(process);
    }
    for (who, follower) in [("outside", &outside), ("in a pod", &inside)] {
        follower.wait_for_lines(4 * each);
        // A line that was split is two of them.
        follower.wait_for("every pod's last line", |lines| pods.iter().all(|pod| lines.of_pod(pod) as u64 == each));
        let report = follower.lines().assert_no_gap(|_| true);
        println!("busy pods, followed from {who}: {report:?}, {} repeats recognised", follower.repeats());
        assert_eq!((report.runs, report.lines, report.repeated), (4, 4 * each, 0));
    }
    assert!(was_rotated, "the kubelet compressed a file while the pods wrote");
    Follower::settle(&mut process);
    assert_eq!(process.terminate(), 0);
    agent.assert_nothing_unreachable();
}

/// Two pods write so that the kubelet rotates every few seconds; Tailwater in a pod is replaced as by a rollout, then
/// killed.
#[test]
fn an_agent_that_is_replaced_and_killed() {
    let namespace = Namespace::new("replaced");
    let follower = Follower::new(&namespace);
    let agent = Agent::start(&follower);
    let pods = names("replaced", 2);
    let each = 3_000;
    let writers: Vec<_> = pods
        .iter()
        .map(|pod| Writer { pod: pod.clone(), count: each, rate: 25_000, end: "well", restarts: false })
        .collect();
    namespace.write(&writers);
    follower.wait_for_lines(2 * each / 3);
    agent.replace(&[]);
    follower.wait_for_lines(4 * each / 3);
    agent.replace(&["--grace-period=0", "--force"]);
    follower.wait_for("the last lines", |lines| pods.iter().all(|pod| lines.ended(pod) == 2));
    let report = follower.lines().assert_no_gap(|_| true);
    println!("an agent replaced and killed: {report:?}, {} repeats recognised", follower.repeats());
    assert_eq!((report.runs, report.lines, report.repeated), (2, 2 * each, 0));
    agent.assert_nothing_unreachable();
}

/// Tailwater as a pod that reads the node's logs, as a DaemonSet's does.
struct Agent {
    manifest: Value,
}

/// Where it answers; the whole node is in a network of its own.
const ADMIN: &str = "127.0.0.1:9880";

impl Agent {
    fn start(follower: &Follower) -> Agent {
        let text = settings(&follower.namespace, "/var/log/pods", &follower.store.url(), ADMIN);
        let text = format!("state_dir: /var/lib/tailwater\n{text}");
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "tailwater" },
            "data": { "tailwater.yaml": text },
        });
        kubectl(&["-n", "default", "apply", "-f", "-"], &map.to_string());
        let logs = pod_logs().display().to_string();
        let mount =
            |name: &str, path: &str, read_only: bool| json!({ "name": name, "mountPath": path, "readOnly": read_only });
        let host =
            |name: &str, path: &str| json!({ "name": name, "hostPath": { "path": path, "type": "DirectoryOrCreate" } });
        let manifest = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "tailwater" },
            "spec": {
                "hostNetwork": true, "restartPolicy": "Always", "terminationGracePeriodSeconds": 20,
                "containers": [{
                    "name": "tailwater", "image": "tailwater.test/tailwater:1", "imagePullPolicy": "Never",
                    "args": ["run", "--config", "/etc/tailwater/tailwater.yaml"],
                    "readinessProbe": { "httpGet": { "host": "127.0.0.1", "path": "/readyz", "port": 9880 }, "periodSeconds": 1 },
                    "volumeMounts": [
                        mount("logs", "/var/log/pods", true), mount("state", "/var/lib/tailwater", false),
                        mount("settings", "/etc/tailwater", true),
                    ],
                }],
                "volumes": [
                    host("logs", &logs), host("state", &follower.place.state()),
                    { "name": "settings", "configMap": { "name": "tailwater" } },
                ],
            },
        });
        let agent = Agent { manifest };
        agent.apply();
        agent
    }

    fn apply(&self) {
        kubectl(&["-n", "default", "apply", "-f", "-"], &self.manifest.to_string());
        kubectl(&["-n", "default", "wait", "--for=condition=Ready", "pod/tailwater", "--timeout=120s"], "");
    }

    /// Deletes it and makes it anew, with the same state.
    fn replace(&self, how: &[&str]) {
        kubectl(&[&["-n", "default", "delete", "pod", "tailwater"], how].concat(), "");
        self.apply();
    }

    fn assert_nothing_unreachable(&self) {
        let metrics = Metrics::of(&format!("http://{ADMIN}"));
        metrics.assert_accounted("store");
        assert_eq!(metrics.of_pipeline("unreachable_bytes_total", "store"), 0);
        kubectl(&["-n", "default", "delete", "pod", "tailwater"], "");
    }
}

/// A container that crashes and is started again and again.
#[test]
fn containers_that_crash_and_restart() {
    let namespace = Namespace::new("crash");
    let follower = Follower::new(&namespace);
    let mut process = follower.start();
    let pods = names("crash", 3);
    let writers: Vec<_> = pods
        .iter()
        .map(|pod| Writer { pod: pod.clone(), count: 2_000, rate: 0, end: "badly", restarts: true })
        .collect();
    namespace.write(&writers);
    follower.wait_for("four runs of each", |lines| pods.iter().all(|pod| lines.ended(pod) >= 8));
    namespace.delete(&pods);
    wait_until("the files are gone", PATIENCE, || !namespace.has_files());
    Follower::settle(&mut process);
    // The run that was ended with its pod may be a part.
    let newest = |pod: &str| follower.lines().newest(pod);
    let last: Vec<_> = pods.iter().map(|pod| newest(pod)).collect();
    let report = follower.lines().assert_no_gap(|stream| !last.contains(&stream.run));
    println!("crashing containers: {report:?}");
    assert!(report.runs >= 12 && report.repeated == 0 && follower.repeats() == 0, "{report:?}");
    assert_eq!(process.terminate(), 0);
}

/// The last line has no line end: the runtime tags it as a piece that nothing follows.
#[test]
fn a_last_line_without_an_end() {
    let namespace = Namespace::new("unfinished");
    let follower = Follower::new(&namespace);
    let mut process = follower.start();
    let pods = names("unfinished", 2);
    let writers: Vec<_> = pods
        .iter()
        .map(|pod| Writer { pod: pod.clone(), count: 700, rate: 0, end: "unfinished", restarts: false })
        .collect();
    namespace.write(&writers);
    follower.wait_for("all but the last lines", |lines| pods.iter().all(|pod| lines.of_pod(pod) >= 698));
    // Then their containers are done, which the deletion of their pods shows at once.
    for pod in &pods {
        let wait = ["wait", "--for=jsonpath={.status.phase}=Succeeded", &format!("pod/{pod}"), "--timeout=120s"];
        namespace.kubectl(&wait);
    }
    namespace.delete(&pods);
    follower.wait_for("the last lines", |lines| pods.iter().all(|pod| lines.ended(pod) == 2));
    Follower::settle(&mut process);
    let report = follower.lines().assert_no_gap(|_| true);
    assert_eq!((report.runs, report.lines, report.repeated), (2, 1_400, 0));
    assert_eq!(process.terminate(), 0);
}

/// Pods that live for a fraction of a second. They are deleted when `/status` shows their files.
#[test]
fn pods_that_live_for_a_moment() {
    let namespace = Namespace::new("moment");
    let follower = Follower::new(&namespace);
    let mut process = follower.start();
    let pods = names("moment", 20);
    let writers: Vec<_> =
        pods.iter().map(|pod| Writer { pod: pod.clone(), count: 210, rate: 0, end: "well", restarts: false }).collect();
    namespace.write(&writers);
    let admin = process.admin();
    let mut left = pods.clone();
    process.wait_until("every file was seen", PATIENCE, || {
        let seen = seen_pods(&admin);
        let (there, waiting): (Vec<_>, Vec<_>) = left.drain(..).partition(|pod| seen.contains(pod));
        if !there.is_empty() {
            namespace.delete(&there);
        }
        left = waiting;
        left.is_empty()
    });
    wait_until("the files are gone", PATIENCE, || !namespace.has_files());
    Follower::settle(&mut process);
    let report = follower.lines().assert_no_gap(|_| false);
    println!("pods that live for a moment: {report:?}");
    assert_eq!((report.runs, report.repeated), (20, 0));
    assert_eq!(process.terminate(), 0);
}

/// The pods that `/status` knows.
fn seen_pods(admin: &str) -> Vec<String> {
    let answer =
        http::request("GET", admin, "/status", &[], b"").and_then(http::Response::json).expect("/status answers");
    let origins = answer["pipelines"][0]["origins"].as_array().cloned().unwrap_or_default();
    let workloads = answer["pipelines"][0]["workloads"].as_array().cloned().unwrap_or_default();
    origins.iter().chain(&workloads).filter_map(|one| one["pod"].as_str().map(str::to_owned)).collect()
}

/// Pods that are deleted while they write: their files vanish with them.
#[test]
fn pods_that_are_deleted_while_they_write() {
    let namespace = Namespace::new("deleted");
    let follower = Follower::new(&namespace);
    let mut process = follower.start();
    let pods = names("deleted", 4);
    let writers: Vec<_> = pods
        .iter()
        .map(|pod| Writer { pod: pod.clone(), count: 0, rate: RATE / 8, end: "well", restarts: false })
        .collect();
    namespace.write(&writers);
    follower.wait_for("some lines of each", |lines| pods.iter().all(|pod| lines.of_pod(pod) >= 5_000));
    namespace.delete(&pods);
    wait_until("the files are gone", PATIENCE, || !namespace.has_files());
    Follower::settle(&mut process);
    let report = follower.lines().assert_no_gap(|_| false);
    println!("pods deleted while they write: {report:?}");
    assert!(report.runs == 4 && report.lines >= 20_000 && report.repeated == 0, "{report:?}");
    assert_eq!(process.terminate(), 0);
}
