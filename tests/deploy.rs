//! What is in `deploy/`, held against the program: settings, paths, ports, probes, variables, times and sizes agree.
//!
//! It reads the files alone. Kubernetes' own schema, and what kustomize makes of the overlays, are `.ci/run`'s; that it all
//! runs is shown by `tests/image/run` and `tests/cluster/run`.
#![expect(clippy::disallowed_methods, reason = "a test reads what is shipped")]

#[path = "deploy/compose.rs"]
mod compose;
#[path = "deploy/manifests.rs"]
mod manifests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser as _;
use serde_json::{Value, json};
use tailwater::app::machine::NODE_NAME;
use tailwater::cli::{Cli, Command};
use tailwater::config::flags::LogTyped;
use tailwater::config::machine::{Found, Machine};
use tailwater::config::report;
use tailwater::config::settings::{Settings, Shutdown};
use tailwater::{admin, sources};

use manifests::{Kustomized, at, document, files, list, text};

const IMAGE: &str = concat!("tailwater:", env!("CARGO_PKG_VERSION"));

/// Settings as the program has them with these variables and this limit of memory.
fn load(text: &str, variables: &BTreeMap<String, String>, memory: Option<u64>) -> Settings {
    let env = |name: &str| variables.get(name).cloned();
    let machine = Machine {
        env: &env,
        variables: &Vec::new,
        what_is: &|_| Found::Other,
        secret: &|_| Ok("a secret of enough bytes".to_owned()),
        memory,
        cpus: 1,
        stdout_terminal: false,
        stderr_terminal: false,
    };
    let settings = Settings::from_file(text.as_bytes(), "tailwater.yaml", &LogTyped::default(), &machine);
    settings.unwrap_or_else(|problems| panic!("{}", report::render(&problems, "tailwater.yaml", text)))
}

/// The variables that settings name.
fn named(settings: &str) -> BTreeSet<String> {
    let uncommented = settings.lines().map(|line| line.split_once("# ").map_or(line, |(before, _)| before));
    let parts: Vec<String> = uncommented.flat_map(|line| line.split("${").skip(1).map(str::to_owned)).collect();
    parts.iter().map(|part| part.split([':', '}']).next().unwrap_or_default().to_owned()).collect()
}

/// A number of bytes as Kubernetes writes it.
fn quantity(value: &Value) -> u64 {
    let text = value.as_str().expect("a quantity");
    let (number, unit) = [("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)]
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1));
    number.parse::<u64>().expect("a number") * unit
}

/// A container of ours within its pod.
struct Container<'a> {
    pod: &'a Value,
    container: &'a Value,
    /// Its settings file.
    text: String,
    settings: Settings,
}

impl<'a> Container<'a> {
    /// Finds it, and the settings that are mounted into it.
    fn of(kustomized: &'a Kustomized, kind: &str) -> Container<'a> {
        let pod = &kustomized.object(kind)["spec"]["template"]["spec"];
        let containers = ["containers", "initContainers"].into_iter().filter_map(|key| pod[key].as_array()).flatten();
        let container = containers.into_iter().find(|container| container["name"] == "tailwater").expect("Tailwater");
        let arguments: Vec<String> = serde_json::from_value(container["args"].clone()).expect("arguments");
        let cli = Cli::try_parse_from(std::iter::once("tailwater".to_owned()).chain(arguments)).expect("known flags");
        let Some(Command::Run(config)) = cli.command else { panic!("it runs as a daemon") };
        let config = config.config.expect("a settings file");
        let (mount, volume) = mounted(pod, container, &config);
        assert_eq!(mount["readOnly"], true);
        let name = volume["configMap"]["name"].as_str().expect("settings are a map of the cluster");
        let key = config.file_name().and_then(|name| name.to_str()).expect("a name");
        let map = kustomized.maps.iter().find(|(map, file, _)| map == name && file == key);
        let text = text(&map.unwrap_or_else(|| panic!("no map `{name}` with `{key}`")).2);
        // What a Secret holds is its owner's.
        let variables = list(container.get("env")).into_iter().map(|variable| {
            let value = variable["value"].as_str().unwrap_or("from the cluster").to_owned();
            (variable["name"].as_str().expect("a name").to_owned(), value)
        });
        let memory = quantity(&container["resources"]["limits"]["memory"]);
        let settings = load(&text, &variables.collect(), Some(memory));
        Container { pod, container, text, settings }
    }

    /// What holds of each of them.
    fn check(&self) {
        let Container { pod, container, settings, .. } = self;
        assert_eq!(container["image"], IMAGE);
        let port = settings.admin.expect("an admin port").listen;
        assert!(port.ip().is_unspecified(), "the kubelet asks from outside of the pod: {port}");
        assert_eq!(container["ports"], json!([{ "name": "admin", "containerPort": port.port() }]));
        for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz"), ("startupProbe", "/readyz")] {
            let Some(probe) = container.get(probe) else { continue };
            assert!(admin::PAGES.contains(&path));
            assert_eq!(probe["httpGet"], json!({ "path": path, "port": "admin" }));
        }
        let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().expect("seconds"));
        assert!(grace >= settings.shutdown_grace + Duration::from_secs(5), "{grace:?} is too short to end in order");

        let state = settings.state_dir.as_deref().expect("a state directory");
        let (mount, volume) = mounted(pod, container, state);
        assert_eq!((Path::new(mount["mountPath"].as_str().expect("a path")), mount.get("readOnly")), (state, None));
        assert!(volume.get("hostPath").is_some() || volume.get("emptyDir").is_some(), "{volume}");
        for source in &settings.sources {
            for path in paths(&source.settings) {
                assert_eq!(mounted(pod, container, &path).0["readOnly"], true, "{} is only read", path.display());
            }
        }
        for volume in list(pod.get("volumes")) {
            let mounts = |container: &Value| list(container.get("volumeMounts"));
            let containers = ["containers", "initContainers"].map(|key| list(pod.get(key))).concat();
            let is_mounted = containers.iter().flat_map(mounts).any(|mount| mount["name"] == volume["name"]);
            assert!(is_mounted, "nobody mounts {}", volume["name"]);
        }

        let environment: BTreeSet<String> =
            list(container.get("env")).iter().map(|variable| variable["name"].as_str().unwrap_or("").into()).collect();
        for variable in &environment {
            assert!(variable == NODE_NAME || named(&self.text).contains(variable), "nobody reads {variable}");
        }
        let node = list(container.get("env")).into_iter().find(|variable| variable["name"] == NODE_NAME);
        assert_eq!(node.expect("the node's name")["valueFrom"]["fieldRef"]["fieldPath"], "spec.nodeName");

        // Enough for what the settings hold in flight, and as much again for everything else.
        let limit = quantity(&container["resources"]["limits"]["memory"]);
        assert!(limit >= 2 * settings.memory_limit, "{limit} for {}", settings.memory_limit);
        assert!(limit >= quantity(&container["resources"]["requests"]["memory"]));
        assert!(settings.notices.is_empty(), "{:?}", settings.notices);

        assert_eq!(
            container["securityContext"],
            json!({
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
            })
        );
        assert_eq!(pod["securityContext"]["seccompProfile"], json!({ "type": "RuntimeDefault" }));
        assert_eq!(pod["automountServiceAccountToken"], false);
    }
}

/// The mount that a path lies in, and its volume.
fn mounted(pod: &Value, container: &Value, path: &Path) -> (Value, Value) {
    let mounts = list(container.get("volumeMounts"));
    let holds = |mount: &&Value| path.starts_with(mount["mountPath"].as_str().expect("a path"));
    let mount = mounts.iter().find(holds).unwrap_or_else(|| panic!("{} is not mounted", path.display()));
    let volume = list(pod.get("volumes")).into_iter().find(|volume| volume["name"] == mount["name"]);
    (mount.clone(), volume.unwrap_or_else(|| panic!("no volume {}", mount["name"])))
}

/// The folders that a source reads.
fn paths(source: &sources::Settings) -> Vec<PathBuf> {
    match source {
        sources::Settings::Kubernetes(settings) => vec![settings.path.clone()],
        sources::Settings::File(settings) => settings.roots.iter().map(|root| root.dir.clone()).collect(),
        sources::Settings::Stdin(_) => Vec::new(),
    }
}

/// Where the first sink's store is.
fn store(settings: &Settings) -> (String, u16) {
    let store = settings.sinks[0].store.as_ref().expect("a store behind HTTP");
    let url = &store.http.urls[0].url;
    (url.host_str().expect("a host").to_owned(), url.port_or_known_default().expect("a port"))
}

#[test]
fn daemonsets() {
    for overlay in ["loki", "elasticsearch"] {
        let kustomized = Kustomized::of(&at("deploy/kubernetes/overlays").join(overlay));
        let container = Container::of(&kustomized, "DaemonSet");
        container.check();
        let Container { pod, settings, .. } = &container;
        assert_eq!(settings.shutdown, Shutdown::Stop, "a node's logs go on: what is unread is read by the next pod");
        assert_eq!(pod["tolerations"], json!([{ "operator": "Exists" }]));
        assert_eq!(pod["priorityClassName"], kustomized.object("PriorityClass")["metadata"]["name"]);
        let account = kustomized.object("ServiceAccount");
        assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
        assert_eq!(account["automountServiceAccountToken"], false);
        assert!(kustomized.objects.iter().all(|object| !object["kind"].to_string().contains("Role")), "no rights");
        // The state directory is locked: of two pods on one node the second would wait, and end.
        let rolling = &kustomized.object("DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"];
        assert_eq!((&rolling["maxSurge"], rolling.get("maxUnavailable").is_some()), (&json!(0), true));
        // Docker's files are what its links in /var/log/pods point to: they are found at the same path as on the node.
        for path in ["/var/log/pods", "/var/lib/docker/containers"] {
            let (mount, volume) = mounted(pod, container.container, Path::new(path));
            assert_eq!((&mount["mountPath"], &volume["hostPath"]["path"]), (&json!(path), &json!(path)));
            assert_eq!(mount["readOnly"], true);
        }
        let policy = &kustomized.object("NetworkPolicy")["spec"];
        let labels = &kustomized.object("DaemonSet")["spec"]["template"]["metadata"]["labels"];
        assert_eq!(&policy["podSelector"]["matchLabels"], labels);
        let ports = |rules: &Value| -> Vec<u64> {
            list(Some(rules))
                .iter()
                .flat_map(|rule| list(rule.get("ports")))
                .filter_map(|port| port["port"].as_u64())
                .collect()
        };
        let own = u64::from(settings.admin.expect("an admin port").listen.port());
        assert_eq!(ports(&policy["ingress"]), [own]);
        assert_eq!(ports(&policy["egress"]), [53, 53, u64::from(store(settings).1)]);
        let annotations = &kustomized.object("DaemonSet")["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations["prometheus.io/port"], own.to_string());
    }
}

#[test]
fn a_daemonset_without_root() {
    let mut kustomized = Kustomized::of(&at("deploy/kubernetes/overlays/loki"));
    let as_root = kustomized.object("DaemonSet")["spec"]["template"]["spec"]["securityContext"].clone();
    kustomized.add(&at("deploy/kubernetes/components/nonroot"));
    Container::of(&kustomized, "DaemonSet").check();
    let context = &kustomized.object("DaemonSet")["spec"]["template"]["spec"]["securityContext"];
    assert_eq!((&as_root["runAsUser"], &as_root["runAsGroup"]), (&json!(0), &json!(0)));
    assert_eq!((&context["runAsNonRoot"], &context["runAsGroup"]), (&json!(true), &json!(0)));
    assert_eq!(context["runAsUser"].to_string(), user_of_the_image());
}

#[test]
fn the_sidecar() {
    let kustomized = Kustomized::of(&at("deploy/kubernetes/sidecar"));
    let container = Container::of(&kustomized, "Deployment");
    container.check();
    let Container { pod, container, settings, .. } = &container;
    assert_eq!(container["restartPolicy"], "Always", "a native sidecar");
    assert!(list(pod.get("initContainers")).iter().any(|one| &one == container));
    assert_eq!(settings.shutdown, Shutdown::Drain, "its files go with the pod");
    assert!(container.get("startupProbe").is_some(), "it stands before the application starts");
    assert!(container.get("readinessProbe").is_none(), "a store's outage takes no application out of service");
    assert_eq!(pod["securityContext"]["runAsUser"].to_string(), user_of_the_image());
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    // The application writes where Tailwater reads.
    let folder = &paths(&settings.sources[0].settings)[0];
    let (mount, volume) = mounted(pod, &pod["containers"][0], folder);
    assert_eq!((mount.get("readOnly"), &volume["name"]), (None, &mounted(pod, container, folder).1["name"]));
}

/// Settings are read as they are in `config/`, but for the line that editors need.
#[test]
fn settings_are_those_of_config() {
    let rest = |path: &str| text(&at(path)).split_once('\n').expect("lines").1.to_owned();
    for (shipped, example) in [("overlays/loki", "daemonset"), ("sidecar", "sidecar")] {
        let shipped = rest(&format!("deploy/kubernetes/{shipped}/tailwater.yaml"));
        assert_eq!(shipped, rest(&format!("config/{example}.yaml")), "config/{example}.yaml");
    }
    for file in files(&at("deploy")).iter().filter(|file| file.ends_with("tailwater.yaml")) {
        let text = text(file);
        let schema = text.lines().next().and_then(|line| line.split_once("$schema=")).expect("a schema").1;
        assert!(file.parent().expect("a folder").join(schema).exists(), "{}: {schema}", file.display());
    }
}

/// Whoever adds a file to a folder forgets no kustomization, and no file is beyond these tests.
#[test]
fn every_file_is_used() {
    let mut used: BTreeSet<PathBuf> = BTreeSet::new();
    for folder in ["overlays/loki", "overlays/elasticsearch", "sidecar"] {
        used.extend(Kustomized::of(&at("deploy/kubernetes").join(folder)).files);
    }
    used.insert(at("deploy/kubernetes/components/nonroot/kustomization.yaml"));
    let there: BTreeSet<PathBuf> = files(&at("deploy/kubernetes")).into_iter().collect();
    assert_eq!(used, there);
    for file in files(&at("deploy")) {
        document(&text(&file));
    }
}

/// The image's user, as its Dockerfile says.
fn user_of_the_image() -> String {
    let file = text(&at("Dockerfile"));
    let line = file.lines().find_map(|line| line.strip_prefix("USER ")).expect("a user");
    line.split_once(':').expect("user and group").0.to_owned()
}

#[test]
fn the_dockerfile() {
    let file = text(&at("Dockerfile"));
    let has = |what: &str| assert!(file.contains(what), "no `{what}`");
    has(concat!("org.opencontainers.image.version=\"", env!("CARGO_PKG_VERSION"), "\""));
    has(concat!("org.opencontainers.image.description=\"", env!("CARGO_PKG_DESCRIPTION"), "\""));
    has(concat!("org.opencontainers.image.licenses=\"", env!("CARGO_PKG_LICENSE"), "\""));
    has(concat!("-t tailwater:", env!("CARGO_PKG_VERSION"), " ."));
    has(&format!("EXPOSE {}\n", admin::Settings::default().listen.port()));
    // The compiler is new enough for what the manifest asks for.
    let version = |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().expect("a number")).collect() };
    let base = file.lines().find_map(|line| line.strip_prefix("ARG BASE=docker.io/library/rust:")).expect("a base");
    let least = env!("CARGO_PKG_RUST_VERSION");
    assert!(version(base.split('-').next().expect("a version")) >= version(least), "{base} is older than {least}");
    has(&format!("Rust ({least} or newer)"));
    // What is copied is let through.
    let ignored = text(&at(".dockerignore"));
    let copied = file.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--"));
    for name in copied.flat_map(|line| line.rsplit_once(' ').expect("what and where").0.split(' ')) {
        assert!(ignored.lines().any(|line| line == format!("!{name}")), ".dockerignore keeps `{name}` out");
    }
}
