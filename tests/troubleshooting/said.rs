//! What the source says: uses of macros, calls and structs, and the texts between their brackets.
//!
//! Tokens, not types: a name followed by brackets is a use, whatever it is. What stands under `#[cfg(test)]`, and files of
//! tests, are left out.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// How a name is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `name!(…)`
    Macro,
    /// `name(…)`
    Call,
    /// `name { … }`
    Braces,
}

/// A name and what stands between its brackets.
#[derive(Debug)]
pub(crate) struct Use {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    /// The innermost function around it.
    pub(crate) function: String,
    inside: Vec<TokenTree>,
}

impl Use {
    pub(crate) fn at(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// The text of a macro that formats or logs: the first argument that is nothing but a text.
    pub(crate) fn message(&self) -> Option<String> {
        let arguments = self.inside.split(|token| is_punct(token, ','));
        arguments.into_iter().find_map(|argument| match argument {
            [TokenTree::Literal(literal)] => text_of(&literal.to_string()),
            _ => None,
        })
    }

    /// The texts inside. Of a struct: those of its field `message` or `text`.
    pub(crate) fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        if self.kind != Kind::Braces || self.name == "match" {
            texts_in(&self.inside, &mut texts);
            return texts;
        }
        for field in self.inside.split(|token| is_punct(token, ',')) {
            if let [TokenTree::Ident(name), colon, value @ ..] = field
                && (name == "message" || name == "text")
                && is_punct(colon, ':')
            {
                texts_in(value, &mut texts);
            }
        }
        texts
    }
}

fn texts_in(tokens: &[TokenTree], texts: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Literal(literal) => texts.extend(text_of(&literal.to_string())),
            TokenTree::Group(group) => texts_in(&group.stream().into_iter().collect::<Vec<_>>(), texts),
            _ => {}
        }
    }
}

/// A message as a document shows it: `…` for what is put in, no more than its first line.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.lines().next().unwrap_or_default().chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' if rest.next_if_eq(&'{').is_some() => out.push('{'),
            '}' if rest.next_if_eq(&'}').is_some() => out.push('}'),
            '{' => {
                while rest.next().is_some_and(|c| c != '}') {}
                out.push('…');
            }
            c => out.push(c),
        }
    }
    out
}

/// The files of `src/` that are no tests, by their path.
pub(crate) fn files(root: &Path) -> BTreeMap<String, String> {
    fn read(folder: &Path, name: &str, files: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let last = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = format!("{name}/{last}");
            if path.is_dir() && last != "tests" {
                read(&path, &name, files);
            } else if last.ends_with(".rs") && last != "tests.rs" {
                files.insert(name, fs::read_to_string(&path).expect("text"));
            }
        }
    }
    let mut files = BTreeMap::new();
    read(&root.join("src"), "src", &mut files);
    assert!(files.len() > 100, "the source was found");
    files
}

/// All uses in a file.
pub(crate) fn uses(file: &str, text: &str) -> Vec<Use> {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut uses = Vec::new();
    walk(file, "", &tokens.into_iter().collect::<Vec<_>>(), &mut uses);
    uses
}

/// Ways around the macros: another name for one, an event of tracing's by hand, stderr itself.
pub(crate) fn ways_around(file: &str, text: &str) -> Vec<String> {
    fn look(file: &str, tokens: &[TokenTree], found: &mut Vec<String>) {
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(name) => {
                    let next = tokens.get(at + 1);
                    let is_renamed = ["warn", "error", "eprint", "eprintln"].iter().any(|word| is_ident(token, word))
                        && next.is_some_and(|next| is_ident(next, "as"));
                    let is_event = is_ident(token, "event") && next.is_some_and(|next| is_punct(next, '!'));
                    let is_stderr = is_ident(token, "stderr") && matches!(next, Some(TokenTree::Group(_)));
                    if is_renamed || is_event || is_stderr {
                        found.push(format!("{file}:{}: `{name}` goes around this test", name.span().start().line));
                    }
                }
                TokenTree::Group(group) => look(file, &group.stream().into_iter().collect::<Vec<_>>(), found),
                _ => {}
            }
        }
    }
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut found = Vec::new();
    look(file, &tokens.into_iter().collect::<Vec<_>>(), &mut found);
    found
}

fn walk(file: &str, function: &str, tokens: &[TokenTree], uses: &mut Vec<Use>) {
    // The function whose body is the next group in braces.
    let mut named = String::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if is_punct(token, '#')
            && let Some(TokenTree::Group(attribute)) = tokens.get(at + 1)
            && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
        {
            // To the end of what it stands before.
            let end = tokens[at..].iter().position(|token| is_braces(token) || is_punct(token, ';'));
            at += end.map_or(tokens.len(), |end| end + 1);
            continue;
        }
        match token {
            TokenTree::Ident(name) => {
                let before = at.checked_sub(1).and_then(|before| tokens.get(before));
                if before.is_some_and(|token| is_ident(token, "fn")) {
                    named = name.to_string();
                } else if let Some((kind, group)) = brackets(tokens, at)
                    && !is_definition(&tokens[..at])
                {
                    uses.push(Use {
                        kind,
                        name: name.to_string(),
                        file: file.to_owned(),
                        line: name.span().start().line,
                        function: function.to_owned(),
                        inside: group.stream().into_iter().collect(),
                    });
                }
            }
            TokenTree::Group(group) => {
                let is_body = group.delimiter() == Delimiter::Brace && !named.is_empty();
                let inside: Vec<TokenTree> = group.stream().into_iter().collect();
                let body_of = if is_body { std::mem::take(&mut named) } else { function.to_owned() };
                walk(file, &body_of, &inside, uses);
            }
            // A function without a body.
            TokenTree::Punct(punct) if punct.as_char() == ';' => named.clear(),
            _ => {}
        }
        at += 1;
    }
}

/// The brackets that belong to the name at `at`. Those of a `match` stand behind what it looks at.
fn brackets(tokens: &[TokenTree], at: usize) -> Option<(Kind, &Group)> {
    let group = |at: usize| match tokens.get(at) {
        Some(TokenTree::Group(group)) => Some(group),
        _ => None,
    };
    if is_ident(&tokens[at], "match") {
        let braces = tokens[at..].iter().position(is_braces)?;
        return group(at + braces).map(|group| (Kind::Braces, group));
    }
    if is_punct(tokens.get(at + 1)?, '!') {
        return group(at + 2).map(|group| (Kind::Macro, group));
    }
    let group = group(at + 1)?;
    match group.delimiter() {
        Delimiter::Parenthesis => Some((Kind::Call, group)),
        Delimiter::Brace => Some((Kind::Braces, group)),
        _ => None,
    }
}

fn is_punct(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_ident(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// Whether what follows is a definition, or a function's type in front of its body.
fn is_definition(before: &[TokenTree]) -> bool {
    match before {
        [.., dash, arrow] if is_punct(dash, '-') && is_punct(arrow, '>') => true,
        [.., word] => ["struct", "enum", "impl", "for"].iter().any(|known| is_ident(word, known)),
        [] => false,
    }
}

fn is_braces(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// What a literal says, if it is a text.
fn text_of(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        let raw = raw.trim_matches('#');
        return Some(raw.strip_prefix('"')?.strip_suffix('"')?.to_owned());
    }
    let inside = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::new();
    let mut rest = inside.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next()? {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                // The line goes on behind the next one's indentation.
                '\n' => while rest.next_if(|c| c.is_whitespace()).is_some() {},
                c => out.push(c),
            },
            c => out.push(c),
        }
    }
    Some(out)
}
