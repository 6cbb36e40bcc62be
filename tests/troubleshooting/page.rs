//! The entries of `docs/troubleshooting.md`.
//!
//! ```text
//! ### Headline
//!
//! (a block of `text`: each line a message as it is printed, `…` for what differs; a line that begins with two spaces
//! goes on with the one before)
//!
//! What it means.
//!
//! **Normal**: …
//!
//! **What to do**: …
//! ```

/// One entry.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its headline.
    pub(crate) title: String,
    /// Where that stands.
    pub(crate) line: usize,
    /// The messages that it is about.
    pub(crate) messages: Vec<String>,
    /// Its paragraphs behind the block.
    paragraphs: Vec<String>,
}

impl Entry {
    /// Whether a paragraph begins with `**part**: ` and says something.
    pub(crate) fn has(&self, part: &str) -> bool {
        let begin = format!("**{part}**: ");
        self.paragraphs.iter().any(|text| text.strip_prefix(&begin).is_some_and(|rest| !rest.trim().is_empty()))
    }

    /// Whether it says what the message means.
    pub(crate) fn has_meaning(&self) -> bool {
        self.paragraphs.first().is_some_and(|text| !text.starts_with("**"))
    }
}

/// All entries of a page.
pub(crate) fn entries(page: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    // Outside of a block: none. Inside: whether it is one of messages.
    let mut block = None;
    let (mut is_entry, mut is_in_paragraph) = (false, false);
    for (number, line) in page.lines().enumerate() {
        if block.is_none() && line.starts_with('#') {
            is_entry = line.starts_with("### ");
            is_in_paragraph = false;
            if is_entry {
                let (title, line) = (line.trim_start_matches("### ").to_owned(), number + 1);
                entries.push(Entry { title, line, messages: Vec::new(), paragraphs: Vec::new() });
            }
            continue;
        }
        let Some(entry) = entries.last_mut().filter(|_| is_entry) else { continue };
        if line.starts_with("```") {
            block = if block.is_some() { None } else { Some(line == "```text") };
            is_in_paragraph = false;
            continue;
        }
        match block {
            Some(false) => {}
            Some(true) => match (line.strip_prefix("  "), entry.messages.last_mut()) {
                (Some(rest), Some(last)) => {
                    last.push(' ');
                    last.push_str(rest);
                }
                _ => entry.messages.push(line.to_owned()),
            },
            None if line.trim().is_empty() => is_in_paragraph = false,
            None if is_in_paragraph => {
                if let Some(last) = entry.paragraphs.last_mut() {
                    last.push(' ');
                    last.push_str(line);
                }
            }
            None => {
                entry.paragraphs.push(line.to_owned());
                is_in_paragraph = true;
            }
        }
    }
    entries
}
