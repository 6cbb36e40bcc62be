//! A pipe cannot be read again: what is not delivered pushes back on whoever writes.

use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::common::{
    LIMIT, assert_balanced_now, assert_each_once, assert_memory, cri_line, head, quick, wait_until_starved,
};
use crate::scenario::{PATIENCE, Place, Tailwater};
use crate::support::doubles::elasticsearch::{Elasticsearch, Mode, Step};

/// More than memory and the pipe hold together.
const LINES: u64 = 200_000;

/// A writer on a thread of its own, and what can be seen of it.
struct Writer {
    written: Arc<AtomicU64>,
    pipe: OwnedFd,
    thread: thread::JoinHandle<()>,
}

impl Writer {
    fn start(process: &mut Tailwater) -> Writer {
        let mut stdin = process.stdin();
        let pipe = stdin.as_fd().try_clone_to_owned().expect("a second handle");
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let thread = thread::spawn(move || {
            for number in 0..LINES {
                stdin.write_all(cri_line(number).as_bytes()).expect("it is read to the end");
                count.fetch_add(1, Ordering::Release);
            }
        });
        Writer { written, pipe, thread }
    }

    /// Whether the pipe has no room for another line.
    fn is_blocked(&self) -> bool {
        let held = rustix::io::ioctl_fionread(&self.pipe).expect("a pipe");
        let size = rustix::pipe::fcntl_getpipe_size(&self.pipe).expect("a pipe") as u64;
        // A line that does not fit is written in part, and a page that is begun is not shared.
        held + 4096 + cri_line(0).len() as u64 > size
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// The last handle goes, so that the other side sees the end.
    fn finish(self) {
        self.thread.join().expect("all is written");
        drop(self.pipe);
    }
}

fn sink(store: &Elasticsearch) -> String {
    format!("{{ type: elasticsearch, url: '{}', {} }}", store.url(), quick())
}

fn start(place: &Place, sinks: &str) -> Tailwater {
    let settings = place.settings(&format!("{}sources: {{ pipe: {{ type: stdin }} }}\nsinks: {{ {sinks} }}\n", head()));
    let settings = settings.display().to_string();
    let mut process = Tailwater::with(place, ["run", "--config", &settings]).piped().start();
    process.wait_for_log("the admin port answers");
    process
}

#[test]
fn a_sink_that_never_answers_pushes_back_on_the_writer() {
    let (place, store) = (Place::new(), Elasticsearch::start());
    store.set_mode(Mode::Always(Step::NeverAnswer));
    let mut process = start(&place, &format!("store: {}", sink(&store)));
    let writer = Writer::start(&mut process);
    wait_until_starved(&mut process, "store", 2);
    process.wait_until("the writer waits", PATIENCE, || writer.is_blocked());
    let most = (LIMIT + (1 << 20)) / cri_line(0).len() as u64;
    assert!(writer.written() < most.min(LINES), "{} lines were taken", writer.written());
    assert_memory(&process, LIMIT);
    let admin = process.admin();
    assert_balanced_now(&admin, &["store"]);
    store.close_connections();
    store.recover();
    // The end of the pipe ends the process, so the account is looked at before.
    process.wait_until("all is written", PATIENCE, || writer.written() == LINES);
    assert_balanced_now(&admin, &["store"]);
    writer.finish();
    assert_eq!(process.wait(PATIENCE), 0);
    store.look(|state| assert_each_once(state, LINES));
}

#[test]
fn of_two_sinks_the_slowest_decides_and_it_is_said() {
    let (place, live, slow) = (Place::new(), Elasticsearch::start(), Elasticsearch::start());
    slow.set_mode(Mode::Always(Step::Hold));
    let mut process = start(&place, &format!("live: {}, slow: {}", sink(&live), sink(&slow)));
    assert!(process.log().contains("stdin is read at the pace of the slowest sink"), "{}", process.log());
    let writer = Writer::start(&mut process);
    wait_until_starved(&mut process, "slow", 2);
    process.wait_until("the writer waits", PATIENCE, || writer.is_blocked());
    let admin = process.admin();
    assert_balanced_now(&admin, &["live", "slow"]);
    let stored = live.look(|state| state.stored());
    assert!(stored < LINES && writer.written() < LINES, "the live sink waits too: {stored} stored");
    assert_memory(&process, LIMIT);
    slow.recover();
    process.wait_until("all is written", PATIENCE, || writer.written() == LINES);
    writer.finish();
    assert_eq!(process.wait(PATIENCE), 0);
    live.look(|state| assert_each_once(state, LINES));
    slow.look(|state| assert_each_once(state, LINES));
}
