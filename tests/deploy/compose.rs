//! The example for Docker Compose. Loki and Grafana are not run here: only what is said of them is held together.

use serde_json::{Value, json};

use crate::manifests::{at, document, list, text};
use crate::{IMAGE, load, paths, store};

/// `NAME: VALUE` of a service's environment.
fn variables(service: &Value) -> std::collections::BTreeMap<String, String> {
    let map = service["environment"].as_object().expect("an environment");
    map.iter().map(|(name, value)| (name.clone(), value.as_str().expect("a text").to_owned())).collect()
}

/// The source and the mode of the mount at a path.
fn mount(service: &Value, path: &str) -> Option<(String, bool)> {
    list(service.get("volumes")).iter().find_map(|mount| {
        let mut parts = mount.as_str().expect("a mount").split(':');
        let source = parts.next()?.to_owned();
        (parts.next() == Some(path)).then(|| (source, parts.next() == Some("ro")))
    })
}

/// The ports that are published, all on loopback: the host's and the container's.
fn published(service: &Value) -> (u16, u16) {
    let ports = list(service.get("ports"));
    let [port] = ports.as_slice() else { panic!("one port: {ports:?}") };
    let text = port.as_str().and_then(|port| port.strip_prefix("127.0.0.1:")).expect("on loopback");
    let (host, container) = text.split_once(':').expect("two ports");
    (host.parse().expect("a port"), container.parse().expect("a port"))
}

#[test]
fn compose() {
    let compose = document(&text(&at("deploy/compose/compose.yaml")));
    let services = &compose["services"];
    let names: Vec<&String> = services.as_object().expect("services").keys().collect();
    assert_eq!(names, ["app", "grafana", "loki", "tailwater"]);
    let tailwater = &services["tailwater"];
    assert_eq!((&tailwater["image"], &tailwater["build"]), (&json!(IMAGE), &json!("../..")));
    assert_eq!((&tailwater["read_only"], &tailwater["cap_drop"]), (&json!(true), &json!(["ALL"])));
    assert_eq!(tailwater["command"], json!(["run", "--config", "/etc/tailwater/tailwater.yaml"]));
    assert_eq!(mount(tailwater, "/etc/tailwater/tailwater.yaml"), Some(("./tailwater.yaml".into(), true)));

    let settings = load(&text(&at("deploy/compose/tailwater.yaml")), &variables(tailwater), Some(160 << 20));
    assert_eq!(tailwater["mem_limit"], "160m");
    let port = settings.admin.expect("an admin port").listen.port();
    assert_eq!(published(tailwater), (port, port));
    let grace = tailwater["stop_grace_period"].as_str().and_then(|grace| grace.strip_suffix('s')).expect("seconds");
    assert!(grace.parse::<u64>().expect("a number") >= settings.shutdown_grace.as_secs() + 5);
    let state = settings.state_dir.as_deref().and_then(|path| path.to_str()).expect("a state directory");
    let (state, is_read_only) = mount(tailwater, state).expect("the state directory is a volume");
    assert!(!is_read_only);
    let folder = &paths(&settings.sources[0].settings)[0];
    let folder = folder.to_str().expect("a path");
    let (logs, is_read_only) = mount(tailwater, folder).expect("the logs are a volume");
    assert_eq!(mount(&services["app"], folder), Some((logs.clone(), false)), "the application writes what is read");
    assert!(is_read_only);
    let said = services["app"]["command"][2].as_str().expect("a script");
    assert!(said.contains(&format!(">>{folder}/shop.log")), "{said}");

    // One Loki, for both who speak to it.
    assert_eq!(store(&settings), ("loki".to_owned(), published(&services["loki"]).1));
    let (file, is_read_only) =
        mount(&services["grafana"], "/etc/grafana/provisioning/datasources/loki.yaml").expect("a source of data");
    assert!(is_read_only);
    let provisioned = document(&text(&at("deploy/compose").join(file)));
    assert_eq!(provisioned["datasources"][0]["url"], variables(tailwater)["LOKI_URL"]);
    for name in [&state, &logs] {
        assert!(compose["volumes"].get(name).is_some(), "volume `{name}`");
    }
    // A tag that moves is another program tomorrow.
    for (name, service) in services.as_object().expect("services") {
        let image = service["image"].as_str().expect("an image");
        assert!(image.rsplit_once(':').is_some_and(|(_, tag)| tag.contains('.')), "{name}: {image}");
    }
}
