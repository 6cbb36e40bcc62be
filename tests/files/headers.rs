//! Names of fields from each file's header line: whatever becomes of the file, and whenever the program is there.

use serde_json::Value;

use crate::rotators::{Kubelet, compress, copy_and_truncate, make_old, truncate, with};
use crate::world::World;

const LOG: &str = "pods/shop_cart-0_u1/app/0.log";

/// So many lines of values, which must arrive; each as it is written.
fn values(world: &mut World, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| {
            let line = format!("info,\"{}, number\",7", world.time());
            world.expect(&line);
            line
        })
        .collect()
}

fn plain(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn cri(world: &mut World, stream: &str, lines: &[String]) -> String {
    lines.iter().map(|line| format!("{} {stream} F {line}\n", world.time())).collect()
}

/// Every line that has values says them under its header's names.
fn assert_named(world: &World, names: [&str; 3]) {
    world.store.look(|state| {
        let documents = state.store.indices.values().flat_map(|index| &index.documents);
        for document in documents.map(|document| document.json()) {
            let message = document["message"].as_str().expect("a message");
            let Some((level, rest)) = message.split_once(',') else { continue };
            let what = rest.split('"').nth(1).expect("a quoted value");
            let [a, b, c] = names;
            let expected = serde_json::json!({ a: level, b: what, c: "7" });
            assert_eq!(document.get("fields").unwrap_or(&Value::Null), &expected, "{message}");
            assert_eq!(document["log"]["level"], "info");
        }
    });
}

/// Rotated by the kubelet in the midst of it, compressed, restarted, killed; the container's error output has a line first.
#[test]
fn a_container_has_one_header_for_all_its_files() {
    let mut world = World::kubernetes().and("parse: { csv: header }");
    let mut kubelet = Kubelet::new(world.place.path(LOG), 5);
    world.expect("Picked up JAVA_TOOL_OPTIONS: -Xmx1g");
    let text = cri(&mut world, "stderr", &["Picked up JAVA_TOOL_OPTIONS: -Xmx1g".to_owned()]);
    kubelet.write(&text);
    world.start();
    world.assert_all_arrived();
    let header = cri(&mut world, "stdout", &["Level,What,count".to_owned()]);
    kubelet.write(&header);
    for round in 0..4 {
        let lines = values(&mut world, 20);
        let text = cri(&mut world, "stdout", &lines);
        kubelet.write(&text);
        if round == 2 {
            // The container's program began anew.
            kubelet.write(&header);
        }
        if round == 1 {
            // Rotated while nobody looks.
            world.assert_all_arrived();
            world.stop();
        }
        kubelet.rename();
        kubelet.reopen();
        match round {
            1 => world.start(),
            2 => {
                world.assert_all_arrived();
                world.kill();
                world.start();
            }
            _ => {}
        }
    }
    let lines = values(&mut world, 1);
    let text = cri(&mut world, "stdout", &lines);
    kubelet.write(&text);
    world.assert_all_arrived();
    assert_named(&world, ["Level", "What", "count"]);
    assert_eq!(world.count("lines_malformed_total"), 0);
    world.assert_all_arrived_and_nothing_else();
}

/// The first look is at a compressed file and one behind it that was copied and truncated; then its program writes other columns.
#[test]
fn files_have_headers_of_their_own_or_go_on_with_the_last() {
    let mut world = World::files("app.log*").and("parse: { csv: header }");
    let lines = values(&mut world, 200);
    world.place.append("app.log", format!("level,what,count\r\n{}", plain(&lines)));
    copy_and_truncate(&world.place.path("app.log"));
    compress(&with(&world.place.path("app.log"), ".1"));
    make_old(&with(&world.place.path("app.log"), ".1.gz"));
    let lines = values(&mut world, 3);
    world.place.append("app.log", plain(&lines));
    world.start();
    world.assert_all_arrived();
    world.restart();
    let lines = values(&mut world, 3);
    world.place.append("app.log", plain(&lines));
    world.assert_all_arrived();
    assert_named(&world, ["level", "what", "count"]);
    assert_eq!(world.count("lines_filtered_total"), 0, "the header was read before the restart");
    world.assert_all_arrived_and_nothing_else();

    let mut world = World::files("app.log").and("parse: { tsv: header }");
    world.place.append("app.log", "one\ttwo\n1\t2\n");
    world.expect("1\t2");
    world.start();
    world.assert_all_arrived();
    truncate(&world.place.path("app.log"));
    world.place.append("app.log", "two\tthree\n2\t3\n");
    world.expect("2\t3");
    world.assert_all_arrived();
    let fields = world.store.look(|state| {
        let documents = state.store.indices.values().flat_map(|index| &index.documents);
        let mut fields: Vec<_> = documents.map(|document| document.json()["fields"].to_string()).collect();
        fields.sort();
        fields
    });
    assert_eq!(fields, [r#"{"one":"1","two":"2"}"#, r#"{"three":"3","two":"2"}"#]);
    assert_eq!(world.count("lines_filtered_total"), 2);
    world.assert_all_arrived_and_nothing_else();
}

/// With the setting given to files that are half read: their heads are looked at.
#[test]
fn a_header_is_found_when_the_settings_ask_for_it() {
    let mut world = World::files("app.log").and("parse: plain");
    world.place.append("app.log", "level,what,count\n");
    world.expect("level,what,count");
    world.start();
    world.assert_all_arrived();
    world.stop();
    let mut world = world.with_parser("{ csv: header }");
    world.start();
    let lines = values(&mut world, 3);
    world.place.append("app.log", plain(&lines));
    world.assert_all_arrived();
    let named = world.store.look(|state| {
        let documents = state.store.indices.values().flat_map(|index| &index.documents);
        documents.filter(|document| document.json()["fields"]["count"] == "7").count()
    });
    assert_eq!(named, 3);
    world.assert_all_arrived_and_nothing_else();
}
