//! The names of a file's columns are those of its header line, whenever that is found.

use super::*;

const HEADER: &str = "time,level,what";

fn ways() -> Ways {
    Ways { headed: true, ..Ways::default() }
}

fn cri_line(stream: &str, text: &str) -> String {
    format!("2026-11-23T08:50:00.5Z {stream} F {text}\n")
}

/// Gives `world` the file that follows the one that it has read.
fn follow(world: &mut World, bytes: &str, format: Format) {
    let id = OriginId(world.origin.id.0 + 1);
    let book = Arc::clone(&world.book);
    let mut before = None;
    book.look(&mut |state| before = state.origins.get(&world.origin.id).cloned());
    let before = before.expect("the file before");
    book.append(vec![Record::Origin(OriginRecord { id, order: before.order + 1, ..before })]);
    world.origin = Arc::new(Origin { id, format, ..(*world.origin).clone() });
    world.content = Arc::new(Growing { bytes: bytes.as_bytes().to_vec(), there: Mutex::new((0, usize::MAX)) });
    world.ended = false;
    world.feed();
}

/// What was stored of a file's only line that names fields, or of all of them.
fn texts(world: &mut World) -> Vec<String> {
    world.run_to_its_end();
    let stored = std::mem::take(&mut world.stored);
    stored.into_values().map(|(text, _)| text).collect()
}

fn assert_named(texts: &[String], expected: &[&str]) {
    assert_eq!(texts.len(), expected.len(), "{texts:?}");
    for (text, expected) in texts.iter().zip(expected) {
        assert!(text.trim_end().ends_with(expected), "{text} is not …{expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Lines of the error output before the header, a header that comes again, lines that do not fit, pieces.
    #[test]
    fn headers_of_containers_are_found_alike(
        lines in proptest::collection::vec((0_u8..9, 0_usize..60), 1..60),
        steps in moves(),
    ) {
        let mut bytes = String::new();
        for (kind, length) in lines {
            let text = "x".repeat(length);
            bytes += &match kind {
                0 | 1 => cri_line("stderr", &format!("2026, an error {text}")),
                2 => cri_line("stdout", HEADER),
                3 => cri_line("stdout", &text),
                4 => format!("2026-11-23T08:50:00.5Z stdout P a,{text}\n"),
                5 => format!("no cri, {text}\n"),
                _ => cri_line("stdout", &format!("7,warn,{text}")),
            };
        }
        check_with(bytes.as_bytes(), Format::Cri, &steps, ways());
    }

    #[test]
    fn headers_of_files_are_found_alike(
        is_headed in any::<bool>(),
        lines in proptest::collection::vec("(time,level,what|[a-c0-9,\"]{0,40})\r?", 1..60),
        steps in moves(),
    ) {
        let header = if is_headed { format!("{HEADER}\n") } else { String::new() };
        check_with((header + &lines.join("\n")).as_bytes(), Format::Plain, &steps, ways());
    }
}

#[test]
fn a_header_is_left_out_and_counted_under_its_name() {
    let mut world = World::with(b"time,level,what\n1,warn,a\ntime,level,what\n2,error,b\n3\n", Format::Plain, ways());
    assert_named(
        &texts(&mut world),
        &["time=1 level=warn what=a", "time=2 level=error what=b", "Some(NotParsed) \"3\""],
    );
    let look = world.pipeline.look(false);
    let counted: Vec<_> = look.filtered.iter().map(|rule| (&*rule.rule, rule.tally.entries)).collect();
    assert_eq!(counted, [("csv header", 2)]);
    assert!(look.account.is_balanced());
}

/// The runtime rotates in the midst of what a container writes; the first line of the next file may be all words.
#[test]
fn a_containers_next_file_goes_on_with_the_header_of_the_one_before() {
    let first =
        [cri_line("stderr", "Picked up, of no use"), cri_line("stdout", HEADER), cri_line("stdout", "1,warn,a")];
    let mut world = World::with(first.concat().as_bytes(), Format::Cri, ways());
    assert_named(&texts(&mut world), &["\"Picked up, of no use\"", "time=1 level=warn what=a"]);
    follow(&mut world, &[cri_line("stdout", "noon,info,b"), cri_line("stdout", HEADER)].concat(), Format::Cri);
    assert_named(&texts(&mut world), &["time=noon level=info what=b"]);
    // Also where the file before was read, and forgotten by the pipeline, before a restart.
    world.crash(false);
    follow(&mut world, &cri_line("stdout", "2,warn,c"), Format::Cri);
    assert_named(&texts(&mut world), &["time=2 level=warn what=c"]);
}

/// A program that begins a file anew writes its header again, perhaps another one; a copy-and-truncate leaves none.
#[test]
fn a_files_own_header_goes_before_that_of_the_file_before() {
    let mut world = World::with(b"a,b\n1,2\n", Format::Plain, ways());
    assert_named(&texts(&mut world), &["a=1 b=2"]);
    follow(&mut world, "b,c\n3,4\n", Format::Plain);
    assert_named(&texts(&mut world), &["b=3 c=4"]);
    follow(&mut world, "5,6\n", Format::Plain);
    assert_named(&texts(&mut world), &["b=5 c=6"]);
    // All words, and none of them a name that was there.
    follow(&mut world, "error,disk full\nb,c\n", Format::Plain);
    assert_named(&texts(&mut world), &["b=error c=disk full"]);
}

/// Nothing is known that names the values: the lines stay whole, and it is said of each.
#[test]
fn without_a_header_lines_stay_whole() {
    let mut world = World::with(b"1,warn,a\ntime,level,what\n2,warn,b\n", Format::Plain, ways());
    let flawed =
        ["Some(NotParsed) \"1,warn,a\"", "Some(NotParsed) \"time,level,what\"", "Some(NotParsed) \"2,warn,b\""];
    assert_named(&texts(&mut world), &flawed);
}

/// A line that is not all there says nothing yet; one that is too long never does.
#[test]
fn a_header_is_waited_for_and_bounded() {
    let mut world = World::with(b"time,level,what\n1,warn,a\n", Format::Plain, ways());
    for length in [0, 5, HEADER.len()] {
        world.content.there.lock().expect("not poisoned").0 = length;
        world.pass();
        assert_eq!(world.pipeline.feeds[&world.origin.id].header, None, "at {length}");
    }
    world.take(&Move::Grow(1));
    world.pass();
    assert_eq!(world.pipeline.feeds[&world.origin.id].header.as_deref(), Some(HEADER));
    assert_named(&texts(&mut world), &["time=1 level=warn what=a"]);
    let long = format!("time,{}\n1,2\n", "x".repeat(MAX_LINE));
    let mut world = World::with(long.as_bytes(), Format::Plain, ways());
    texts(&mut world);
    let book = world.book.0.lock().expect("not poisoned");
    assert_eq!(book.headers[&world.origin.id], "".into(), "it is fixed that there is none");
}

/// What is a secret in a line is none in a name.
#[test]
fn a_header_is_redacted_like_its_lines() {
    let ways = Ways { redacts: true, ..ways() };
    let mut world = World::with(b"time,ann@shop.example\n1,2\n", Format::Plain, ways);
    let texts = texts(&mut world);
    assert!(texts.len() == 1 && !texts[0].contains("ann@shop"), "{texts:?}");
    assert!(texts[0].contains("time=1"), "{texts:?}");
}

/// A file that grows with every read.
struct Growth {
    bytes: Vec<u8>,
    there: Mutex<usize>,
    by: usize,
}

impl Content for Growth {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut there = self.there.lock().expect("not poisoned");
        let rest = self.bytes[..*there].get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        *there = (*there + self.by).min(self.bytes.len());
        Ok(count)
    }
}

/// What comes between the look for the header and the reading of lines is not read without one.
#[test]
fn no_line_is_read_before_its_header_is_known() {
    let bytes = [cri_line("stderr", "a, b"), cri_line("stdout", HEADER), cri_line("stdout", "1,warn,a")].concat();
    for by in 1..bytes.len() {
        let mut world = World::with(bytes.as_bytes(), Format::Cri, ways());
        let there = Mutex::new(0);
        let state = world.pipeline.feeds.get_mut(&world.origin.id).expect("the feed is there");
        state.feed.content = Arc::new(Growth { bytes: bytes.clone().into_bytes(), there, by });
        for _ in 0..bytes.len() {
            world.pass();
            world.pipeline.seal();
            world.answer(0, false);
        }
        assert_named(&texts(&mut world), &["\"a, b\"", "time=1 level=warn what=a"]);
    }
}
