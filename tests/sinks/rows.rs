//! Rows of the verdict tables, whichever store they are of: what it answers, and what comes of 8 lines.
//!
//! Invariant: a row ends with its script played to the end and every line stored once.

use std::collections::BTreeMap;

use crate::scenario::figures::{self, Figures};
use crate::stage::{Books, NOW, Stage, quick};
use crate::support::doubles::elasticsearch::ElasticsearchStore;
use crate::support::doubles::loki::LokiStore;
use crate::support::doubles::server::{Double, Mode, Step, Store};

/// A kind of store, as far as the rows go.
pub(crate) trait Kind: Store + Sized {
    /// The sink's type.
    const TYPE: &str;

    /// One that is an hour older than the lines.
    fn new() -> Self;

    /// How often each message is there.
    fn messages(&self) -> BTreeMap<String, usize>;

    /// How often something came that was there.
    fn repeated(&self) -> u64;
}

impl Kind for LokiStore {
    const TYPE: &str = "loki";

    fn new() -> LokiStore {
        LokiStore { now: Some(NOW), ..LokiStore::default() }
    }

    fn messages(&self) -> BTreeMap<String, usize> {
        assert!(self.surprises.is_empty(), "{:?}", self.surprises);
        let mut lines = BTreeMap::new();
        self.entries().for_each(|(.., entry)| *lines.entry(entry.line.clone()).or_default() += 1);
        lines
    }

    fn repeated(&self) -> u64 {
        self.repeats()
    }
}

impl Kind for ElasticsearchStore {
    const TYPE: &str = "elasticsearch";

    fn new() -> ElasticsearchStore {
        ElasticsearchStore::default()
    }

    fn messages(&self) -> BTreeMap<String, usize> {
        let mut messages = BTreeMap::new();
        let of_lines = self.indices.iter().filter(|(name, _)| *name != "dead-letters");
        for document in of_lines.flat_map(|(_, index)| &index.documents) {
            let document = document.json();
            *messages.entry(document["message"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        messages
    }

    fn repeated(&self) -> u64 {
        self.repeats()
    }
}

/// One row: what the store does, and what is to come of 8 lines.
pub(crate) struct Row<'r, S> {
    pub(crate) name: &'r str,
    /// One for each request, in order.
    pub(crate) script: Vec<Step<S>>,
    /// More of the sink's settings.
    pub(crate) sink: &'r str,
    /// What one line of the log says.
    pub(crate) says: &'r [&'r str],
    /// The outcomes that requests have at least, with their counts.
    pub(crate) outcomes: &'r [(&'r str, u64)],
}

impl<S> Default for Row<'_, S> {
    fn default() -> Self {
        Row { name: "", script: Vec::new(), sink: "", says: &[], outcomes: &[] }
    }
}

/// A store that is about to be sent to.
pub(crate) fn start<T: Kind>() -> Double<T> {
    Double::start_with(T::new())
}

/// The inside of the sink's settings.
pub(crate) fn sink<T: Kind>(store: &Double<T>, more: &str) -> String {
    format!("type: {}, url: '{}', {}", T::TYPE, store.url(), quick(more))
}

/// Every line is stored once, after all.
pub(crate) fn check<T: Kind>(row: Row<'_, T::Special>) -> (Double<T>, Books) {
    let store = start::<T>();
    store.script(row.script);
    let books = Stage::with_lines(8).run(&sink(&store, row.sink));
    books.assert_lines(row.name, 8, 0, 0, 0);
    assert_stored_once(row.name, &store, 8);
    if !row.says.is_empty() {
        books.assert_says(row.name, row.says);
    }
    for (outcome, count) in row.outcomes {
        let seen = books.requests(outcome);
        assert!(seen >= *count, "{}: {seen} requests were {outcome}", row.name);
    }
    assert_eq!(store.look(|state| state.steps_left()), 0, "{}: the script was played", row.name);
    (store, books)
}

/// Connections are refused for a while.
pub(crate) fn not_there<T: Kind>() {
    let store = start::<T>();
    store.set_mode(Mode::Refuse);
    let stage = Stage::with_lines(8);
    let mut run = stage.start(&sink(&store, ""));
    run.wait_for("requests_total", "outcome=\"failed\"", 3);
    store.recover();
    let books = run.end();
    books.assert_lines(T::TYPE, 8, 0, 0, 0);
    books.assert_says(T::TYPE, &["they are kept and sent again", "cannot connect to `http://127.0.0.1:"]);
    books.assert_says(T::TYPE, &["the store takes events again"]);
    assert_stored_once(T::TYPE, &store, 8);
}

/// `line 0` to `line count-1`, each once.
pub(crate) fn assert_stored_once<T: Kind>(what: &str, store: &Double<T>, count: usize) {
    let expected: BTreeMap<String, usize> = (0..count).map(|at| (format!("line {at}"), 1)).collect();
    assert_eq!(messages(store), expected, "{what}");
    let count = count as u64;
    let repeated = store.look(|state| state.store.repeated());
    figures::note(store.url(), Figures { written: count, delivered: count, repeated, lost: 0 });
}

/// The same, with so many lines that the store refused for good beside them.
pub(crate) fn assert_stored_but<T: Kind>(what: &str, store: &Double<T>, count: usize, refused: u64) {
    assert_stored_once(what, store, count);
    let delivered = count as u64;
    let repeated = store.look(|state| state.store.repeated());
    figures::note(store.url(), Figures { written: delivered + refused, delivered, repeated, lost: refused });
}

/// How often each message is there.
pub(crate) fn messages<T: Kind>(store: &Double<T>) -> BTreeMap<String, usize> {
    store.look(|state| state.store.messages())
}
