//! Few descriptors: what is open is a budget, and every line arrives.

use crate::scenario::Tailwater;
use crate::world::{Steps, Store, settle};

/// More files than descriptors, all of them written to.
#[test]
fn sixty_four_descriptors() {
    for (kind, files) in [("-S", 20), ("-SH", 200)] {
        let mut steps = Steps::new(Store::elasticsearch());
        let names: Vec<String> = (0..files).map(|number| format!("f{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        steps.write(&names, 10);
        let file = steps.place.settings(&steps.settings()).display().to_string();
        let limited = format!("ulimit {kind} -n 64; exec \"$0\" \"$@\"");
        let mut process =
            Tailwater::with(&steps.place, ["run", "--config", &file]).through(["sh", "-c", &limited]).start();
        steps.store.wait_for(&steps.place, steps.lines());
        steps.write(&names, 10);
        steps.store.wait_for(&steps.place, steps.lines());
        settle(&mut process, "store");
        assert_eq!(process.terminate(), 0, "{kind}");
        steps.assert_once();
        assert_eq!(steps.repeats(), 0, "{kind}");
    }
}
