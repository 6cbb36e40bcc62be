//! A pipeline with a file, a book and a store that a test drives step by step.

use super::*;

/// A file of which only so much is there yet, and which reads give in pieces of any size.
pub(super) struct Growing {
    pub(super) bytes: Vec<u8>,
    /// Bytes that are there, and the most that one read gives.
    pub(super) there: Mutex<(usize, usize)>,
}

impl Content for Growing {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let (there, most) = *self.there.lock().expect("not poisoned");
        let from = (offset as usize).min(there);
        let count = into.len().min(there - from).min(most);
        into[..count].copy_from_slice(&self.bytes[from..from + count]);
        Ok(count)
    }
}

/// Writes an event as text, with everything that a replay must give again.
pub(super) struct Plain {
    /// Whether lines of last minute get the time of reading.
    pub(super) restamps: bool,
    /// Demotes labels, where it does.
    pub(super) demoter: Option<demote::Demoter>,
    /// Whether fields are written too.
    pub(super) has_fields: bool,
}

impl Plain {
    pub(super) fn of(ways: Ways) -> Self {
        let demoter = ways.most.map(demote::Demoter::new);
        Self { restamps: ways.restamps, demoter, has_fields: ways.headed }
    }
}

impl Encoder for Plain {
    fn push(&mut self, event: &Event<'_>, body: &mut Body) {
        if body.groups.is_empty() {
            body.groups.push(Group { route: None, head: "".into() });
        }
        let own = match event.time_source {
            TimeSource::Restamped { own } => own.to_rfc3339(),
            TimeSource::Runtime | TimeSource::Line | TimeSource::Field | TimeSource::Reading => String::new(),
        };
        let of_file = matches!(event.time_source, TimeSource::Runtime | TimeSource::Line | TimeSource::Field);
        let read = if of_file { "" } else { "read " };
        let time = event.time.to_rfc3339();
        let (nudge, stream, flaw) = (event.nudge, event.stream, event.flaw);
        let labels = self.demoter.as_mut().map(|demoter| demoter.see(event)).unwrap_or_default();
        let mut line = format!("{labels}{read}{time}+{nudge} {own} {stream:?} {flaw:?} {:?}", event.body);
        if let (true, Fields::Pairs(pairs)) = (self.has_fields, &event.fields) {
            pairs.iter().for_each(|(key, value)| line += &format!(" {}={}", key.plain(), value.plain()));
        }
        line.push('\n');
        body.bytes.extend_from_slice(line.as_bytes());
        body.close_item(event.origin, event.spans, 0);
    }

    fn restamps_after(&self) -> Option<Duration> {
        self.restamps.then_some(Duration::from_secs(60))
    }

    fn crowded(&mut self) -> Option<String> {
        self.demoter.as_mut()?.crowded.pop()
    }

    fn demotable(&self) -> &[String] {
        self.demoter.as_ref().map_or(&[], |demoter| &demoter.labels)
    }

    fn bound(&self, line: usize) -> usize {
        // `Debug` writes up to ten bytes for one.
        line * 12 + 240
    }
}

#[derive(Default)]
pub(super) struct Memory(pub(super) Mutex<State>);

impl Book for Memory {
    fn look(&self, look: &mut dyn FnMut(&State)) {
        look(&self.0.lock().expect("not poisoned"));
    }

    fn append(&self, records: Vec<Record>) {
        let mut state = self.0.lock().expect("not poisoned");
        for record in records {
            state.apply(record);
        }
    }
}

/// What a pipeline does beside.
#[derive(Clone, Copy)]
pub(super) struct Ways {
    pub(super) restamps: bool,
    pub(super) redacts: bool,
    pub(super) filters: bool,
    /// Whether transforms with memory are at work.
    pub(super) remembers: bool,
    /// Whether a field says the time.
    pub(super) timed: bool,
    /// Whether the names of fields are those of a header line.
    pub(super) headed: bool,
    /// How many values a label may take, where more have it demoted.
    pub(super) most: Option<usize>,
    /// `start` stands for an expression.
    pub(super) multiline: &'static str,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            restamps: false,
            redacts: false,
            filters: false,
            remembers: false,
            timed: false,
            headed: false,
            most: None,
            multiline: "auto",
        }
    }
}

impl Ways {
    pub(super) fn recipe(self) -> Recipe {
        if self.headed {
            return Parser::Separated(Box::new(Separated::with_header(b','))).into();
        }
        if !self.timed {
            return Parser::Plain.into();
        }
        let node = |value| Node { place: Place { file: "t.yaml".into(), line: 1, column: 1 }, value };
        let entry =
            |(key, text): (&str, &str)| (key.to_owned(), node(Value::Null).place, node(Value::Scalar(text.to_owned())));
        let entries = [("field", "at"), ("format", "%b-%d %H:%M:%S"), ("max_ahead", "3d")].map(entry);
        let time = Moment::from_settings(&node(Value::Map(entries.into())), &mut Problems::default());
        Recipe::new(Parser::Logfmt, Vec::new(), Some(time.expect("settings")))
    }

    pub(super) fn rules(self) -> Rules {
        match self.multiline {
            "start" => Rules::start("^[E#]").expect("an expression"),
            name => Rules::preset(name).expect("a preset"),
        }
    }
}

/// A pipeline and the store behind it.
pub(super) struct World {
    pub(super) content: Arc<Growing>,
    pub(super) origin: Arc<Origin>,
    pub(super) book: Arc<Memory>,
    pub(super) pipeline: Pipeline,
    pub(super) sent: Arc<Mutex<Vec<Batch>>>,
    pub(super) _inbox: Sender<Inbox>,
    pub(super) ended: bool,
    pub(super) ways: Ways,
    /// What the store got: spans → text, and how often.
    pub(super) stored: BTreeMap<Vec<Span>, (String, u32)>,
    /// How many entries were in flight at crashes, and so may be stored twice.
    pub(super) excused: u64,
    /// The lines of our own that were sent.
    pub(super) said: Vec<String>,
    /// How many entries these speak of.
    pub(super) spoken_of: u64,
}

pub(super) const MAX_LINE: usize = 300;

impl World {
    pub(super) fn new(bytes: &[u8], format: Format) -> Self {
        Self::with(bytes, format, Ways::default())
    }

    pub(super) fn with(bytes: &[u8], format: Format, ways: Ways) -> Self {
        let origin = Arc::new(Origin {
            id: OriginId(7),
            source: "s".into(),
            path: Path::new("/f").into(),
            format,
            workload: None,
            host: "h".into(),
        });
        let content = Arc::new(Growing { bytes: bytes.to_vec(), there: Mutex::new((0, usize::MAX)) });
        let book = Arc::new(Memory::default());
        book.append(vec![Record::Origin(OriginRecord {
            id: origin.id,
            source: "s".into(),
            path: Path::new("/f").into(),
            format,
            head_len: 1,
            head_hash: 1,
            count: 0,
            inode: (0, 0),
            order: 0,
        })]);
        let (pipeline, sent, inbox) = start(&book, ways);
        let mut world = Self {
            content,
            origin,
            book,
            pipeline,
            sent,
            _inbox: inbox,
            ended: false,
            ways,
            stored: BTreeMap::new(),
            excused: 0,
            said: Vec::new(),
            spoken_of: 0,
        };
        world.feed();
        world
    }

    pub(super) fn feed(&mut self) {
        let marks = Arc::new(Marks::new(1));
        if self.ended {
            marks.set_ended();
        }
        let feed = Feed {
            origin: Arc::clone(&self.origin),
            content: Arc::clone(&self.content) as _,
            marks,
            head: None,
            replayable: true,
            chain: 0,
            order: 0,
            parser: ParserName(0),
        };
        let mut resume = None;
        self.book.look(&mut |state| {
            resume = state.cursors.get(&(self.origin.id, "p".into())).map(|cursor| cursor.resume.clone());
        });
        self.pipeline.take(Inbox::Source(Signal::Feed(feed, resume.map(Box::new))));
    }

    pub(super) fn pass(&mut self) {
        for (id, state) in &mut self.pipeline.feeds {
            state.due = Instant::now();
            self.pipeline.schedule.put(state.due, *id);
        }
        self.pipeline.pass();
        self.pipeline.say(false);
    }

    /// Notes what a batch says for itself.
    pub(super) fn hear(&mut self, batch: &Batch) {
        let own = (0..batch.body.items.len()).filter(|index| batch.body.item_spans(*index).is_empty());
        let own: Vec<_> = own.map(|index| String::from_utf8_lossy(batch.body.item(index)).into_owned()).collect();
        let told = self.pipeline.told.get(&batch.id).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(own.len(), told.len(), "what is told is kept until it is answered for");
        self.spoken_of += told.iter().map(|line| line.entries).sum::<u64>();
        self.said.extend(own);
    }

    pub(super) fn store(&mut self, batch: &Batch) {
        for index in 0..batch.body.items.len() {
            let spans = batch.body.item_spans(index).to_vec();
            if spans.is_empty() {
                continue;
            }
            let text = String::from_utf8(batch.body.item(index).to_vec()).expect("text");
            let known = self.stored.entry(spans).or_insert((text.clone(), 0));
            assert_eq!(known.0, text, "a replay makes the same event");
            known.1 += 1;
        }
    }

    /// The store answers for one of the batches in flight.
    pub(super) fn answer(&mut self, which: usize, partly: bool) {
        let mut sent = self.sent.lock().expect("not poisoned");
        if sent.is_empty() {
            return;
        }
        let at = which % sent.len();
        let batch = sent.remove(at);
        drop(sent);
        self.hear(&batch);
        self.store(&batch);
        if !partly {
            self.pipeline.take(Inbox::Report(Report::Delivered(batch)));
            return;
        }
        // The same by halves: the odd items first.
        let settled = |odd: usize| -> Vec<Settled> {
            (0..batch.body.items.len())
                .filter(|index| index % 2 == odd)
                .map(|index| Settled {
                    origin: Arc::clone(&self.origin),
                    spans: batch.body.item_spans(index).to_vec(),
                    fate: Fate::Delivered,
                })
                .collect()
        };
        let retrying = vec![Arc::clone(&self.origin)];
        self.pipeline.take(Inbox::Report(Report::Part { batch: batch.id, settled: settled(1), retrying }));
        assert_eq!(self.pipeline.feeds.values().map(|state| state.retrying).sum::<u32>(), 1);
        let settled = settled(0);
        self.pipeline.take(Inbox::Report(Report::End { batch: batch.id, settled, permit: batch.permit }));
    }

    /// All batches in flight wait for a line of another origin to be taken, which keeps nothing of this one back.
    pub(super) fn retry_all_for_another(&mut self) {
        let other = Arc::new(Origin { id: OriginId(8), ..(*self.origin).clone() });
        let ids: Vec<_> = self.sent.lock().expect("not poisoned").iter().map(|batch| batch.id).collect();
        for batch in ids {
            let retrying = vec![Arc::clone(&other)];
            self.pipeline.take(Inbox::Report(Report::Part { batch, settled: Vec::new(), retrying }));
        }
    }

    /// The process dies; batches in flight may or may not have arrived.
    pub(super) fn crash(&mut self, arrived: bool) {
        self.meet_other_origins();
        let sent = std::mem::take(&mut *self.sent.lock().expect("not poisoned"));
        for batch in &sent {
            self.hear(batch);
            if arrived {
                self.excused += batch.body.items.len() as u64;
                self.store(batch);
            }
        }
        (self.pipeline, self.sent, self._inbox) = start(&self.book, self.ways);
        self.feed();
    }

    /// The pipeline is given settings anew. The store answers `answered` more batches; the others may have arrived.
    pub(super) fn refit(&mut self, answered: usize, arrived: bool) {
        self.meet_other_origins();
        let sent = Arc::clone(&self.sent);
        let redactor = self.ways.redacts.then(Redactor::all).flatten();
        let refit = Refit {
            tools: tools(
                Box::new(Plain::of(self.ways)),
                redactor,
                steps_of(self.ways),
                self.ways.rules(),
                self.ways.recipe(),
            ),
            outlet: Box::new(move |batch| sent.lock().expect("not poisoned").push(batch)),
            sources: vec![("s".into(), ParserName(0))],
            done: Box::new(|_| ()),
        };
        self.pipeline.take(Inbox::Refit(Box::new(refit)));
        self.pass();
        for _ in 0..answered {
            self.answer(0, false);
        }
        let unanswered = std::mem::take(&mut *self.sent.lock().expect("not poisoned"));
        // What these say for themselves is owed again.
        for batch in unanswered.iter().filter(|_| arrived) {
            self.excused += batch.body.items.len() as u64;
            self.store(batch);
        }
        let open: u64 = self.pipeline.feeds.values().map(|state| state.in_flight()).sum();
        let given_back = self.pipeline.books.account().given_back.entries + open;
        self.pipeline.take(Inbox::DeliveryEnded);
        let account = self.pipeline.books.account();
        assert!(account.is_balanced(), "{account:?}");
        assert_eq!((account.given_back.entries, account.in_flight.entries), (given_back, 0));
    }

    pub(super) fn take(&mut self, step: &Move) {
        match *step {
            Move::Grow(by) => {
                let mut there = self.content.there.lock().expect("not poisoned");
                there.0 = (there.0 + by).min(self.content.bytes.len());
            }
            Move::ReadsOf(most) => self.content.there.lock().expect("not poisoned").1 = most,
            Move::Pass => self.pass(),
            Move::Seal => self.pipeline.seal(),
            Move::Answer(which, partly) => self.answer(which, partly),
            Move::Crash(arrived) => self.crash(arrived),
            Move::Refit(answered, arrived) => self.refit(answered, arrived),
        }
    }

    /// What labels have taken so far, begun anew, is also a matter of which files are read first: sooner or later than before one is
    /// crowded.
    pub(super) fn meet_other_origins(&mut self) {
        self.ways.most = self.ways.most.map(|most| (most * 5 + 3) % 7);
    }

    /// Everything is there, nothing more comes; to the end.
    pub(super) fn finish(mut self) -> BTreeMap<Vec<Span>, String> {
        self.run_to_its_end();
        demote::assert_final(&self.stored);
        // The time of a first reading is the clock's, and where a label is demoted is a matter of what was read before: another
        // course of events has another.
        let without_clock = |text: String| {
            let text = demote::without_labels(&text);
            let read = text.strip_prefix("read ").and_then(|rest| rest.split_once(' '));
            read.map_or(text, |(_, rest)| rest).to_owned()
        };
        self.stored.into_iter().map(|(spans, (text, _))| (spans, without_clock(text))).collect()
    }

    pub(super) fn run_to_its_end(&mut self) {
        let length = self.content.bytes.len();
        *self.content.there.lock().expect("not poisoned") = (length, usize::MAX);
        self.ended = true;
        for state in self.pipeline.feeds.values() {
            state.feed.marks.set_ended();
        }
        for _ in 0..10_000 {
            self.pass();
            self.pipeline.seal();
            self.answer(0, false);
            if self.pipeline.feeds.is_empty() {
                break;
            }
        }
        if let Some(state) = self.pipeline.feeds.values().next() {
            panic!(
                "the feed comes to its end: pos {} seen {} of {length}, at end {}, final {}, retrying {}, in flight {}, {:?}",
                state.pos,
                state.seen,
                state.at_end,
                state.is_final,
                state.retrying,
                state.in_flight(),
                state.ledger
            );
        }
        let watermark = self.book.0.lock().expect("not poisoned").cursors[&(self.origin.id, "p".into())].resume.offset;
        assert_eq!(watermark, length as u64, "everything is settled");
        let repeats: u64 = self.stored.values().map(|(_, count)| u64::from(count - 1)).sum();
        assert!(repeats <= self.excused, "{repeats} repeats, {} were in flight", self.excused);
        while !self.pipeline.say(true) {
            self.answer(0, false);
        }
        self.pipeline.seal();
        while !self.sent.lock().expect("not poisoned").is_empty() {
            self.answer(0, false);
        }
    }
}

pub(super) fn start(book: &Arc<Memory>, ways: Ways) -> (Pipeline, Arc<Mutex<Vec<Batch>>>, Sender<Inbox>) {
    let redactor = ways.redacts.then(Redactor::all).flatten();
    start_as(book, Box::new(Plain::of(ways)), redactor, steps_of(ways), ways.rules(), ways.recipe())
}

/// What leaves out lines by their length, and by how they were split.
pub(super) fn steps_of(ways: Ways) -> Steps {
    if ways.remembers {
        return memory::steps();
    }
    if !ways.filters {
        return Steps::default();
    }
    let condition = |text: &str| Condition::new(text).expect("a condition");
    let step = |name: &str, what| Step { name: name.into(), what };
    Steps::new(vec![
        step("short", What::Drop(condition("size(line) < 10 && stream == 'stdout'"))),
        step("odd", What::Keep(condition("flaw != null || size(line) % 2 == 0"))),
    ])
}

pub(super) fn start_with(
    book: &Arc<Memory>,
    encoder: Box<dyn Encoder>,
) -> (Pipeline, Arc<Mutex<Vec<Batch>>>, Sender<Inbox>) {
    start_as(book, encoder, None, Steps::default(), Rules::default(), Parser::Plain.into())
}

pub(super) fn start_as(
    book: &Arc<Memory>,
    encoder: Box<dyn Encoder>,
    redactor: Option<Redactor>,
    steps: Steps,
    rules: Rules,
    recipe: Recipe,
) -> (Pipeline, Arc<Mutex<Vec<Batch>>>, Sender<Inbox>) {
    let (sender, inbox) = channel();
    let sent = Arc::new(Mutex::new(Vec::new()));
    let outlet = Arc::clone(&sent);
    let pipeline = Pipeline::new(Parts {
        name: "p".into(),
        index: 0,
        worker: 0,
        beat: Arc::default(),
        tools: tools(encoder, redactor, steps, rules, recipe),
        poll_interval: Duration::ZERO,
        book: Arc::clone(book) as _,
        inbox,
        outlet: Box::new(move |batch| outlet.lock().expect("not poisoned").push(batch)),
        metrics: Metrics::new().pipeline("p"),
    });
    (pipeline, sent, sender)
}

pub(super) fn tools(
    encoder: Box<dyn Encoder>,
    redactor: Option<Redactor>,
    steps: Steps,
    rules: Rules,
    recipe: Recipe,
) -> Tools {
    let batch = batch::Settings { max_bytes: 4 << 10, max_age: Duration::ZERO };
    let permit_bytes = batch.permit_bytes(encoder.bound(MAX_LINE), 0);
    Tools {
        encoder,
        parsers: vec![recipe],
        multiline: vec![rules],
        batch,
        budget: Budget::new(4 * permit_bytes),
        permit_bytes,
        most_underway: 2,
        max_line: MAX_LINE,
        redactor,
        steps,
    }
}
