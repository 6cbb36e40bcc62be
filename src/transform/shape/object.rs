//! A line's fields as an object that can be changed.
//!
//! **Invariant**: values are kept as they stand in the line; only objects on the way to what is changed are taken apart. What
//! is written is valid JSON where what was read is.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::event::Fields;
use crate::model::text::{Text, escape};
use crate::model::walk;

/// Members in the order of the line; keys as they stand between their quotes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Object<'t>(Vec<(Cow<'t, str>, Value<'t>)>);

/// A member's value.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'t> {
    /// As it stands.
    Json(Cow<'t, str>),
    /// Taken apart.
    Object(Object<'t>),
}

impl<'t> Object<'t> {
    /// Of an event's fields. Values of pairs without a type are texts; where a key repeats they are a list.
    pub(super) fn new(fields: &Fields<'t>) -> Self {
        let mut object = Self::default();
        match fields {
            Fields::None => {}
            Fields::Json(text) => object = Self::of(text),
            Fields::Pairs(pairs) => {
                let mut places = HashMap::with_capacity(pairs.len());
                for (key, value) in *pairs {
                    let value = quoted(*value);
                    let known = places.entry(key.plain()).or_insert(object.0.len());
                    match object.0.get_mut(*known) {
                        Some((_, Value::Json(Cow::Owned(list)))) => append(list, &value),
                        _ => object.0.push((escaped(&key.plain()), Value::Json(Cow::Owned(value)))),
                    }
                }
            }
        }
        object
    }

    fn of(text: &'t str) -> Self {
        Self(walk::members(text).map(|(key, value)| (Cow::Borrowed(key), Value::Json(Cow::Borrowed(value)))).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the member called `name` out: `name` itself, else its parts between dots one inside the other.
    pub(super) fn take(&mut self, name: &str) -> Option<(Cow<'t, str>, Value<'t>)> {
        if let Some(at) = self.0.iter().position(|(key, _)| is(key, name)) {
            return Some(self.0.remove(at));
        }
        let (head, rest) = name.split_once('.')?;
        self.inner(head)?.take(rest)
    }

    /// Puts a value under `name`: in the place of the member that is called so, else into the objects that the parts
    /// between dots name. Where one of these is there and is no object, the whole name is the key.
    pub(super) fn put(&mut self, name: &str, value: Value<'t>) {
        if let Some((_, known)) = self.0.iter_mut().find(|(key, _)| is(key, name)) {
            *known = value;
            return;
        }
        if let Some((head, rest)) = name.split_once('.')
            && !head.is_empty()
            && !rest.is_empty()
        {
            if !self.0.iter().any(|(key, _)| is(key, head)) {
                self.0.push((escaped(head), Value::Object(Self::default())));
            }
            if let Some(inner) = self.inner(head) {
                return inner.put(rest, value);
            }
        }
        self.0.push((escaped(name), value));
    }

    /// Puts the members of an object in its place; `false` where there is none of this name.
    pub(super) fn lift(&mut self, name: &str) -> bool {
        if self.inner_of(name).is_none() {
            return false;
        }
        match self.take(name) {
            Some((_, Value::Object(inner))) => {
                for (key, value) in inner.0 {
                    let plain = Text::Escaped(&key).plain().into_owned();
                    match self.0.iter_mut().find(|(known, _)| is(known, &plain)) {
                        // What is there already stays where it was meant to be: under both names.
                        Some(_) => self.0.push((Cow::Owned(format!("{}.{key}", &*escaped(name))), value)),
                        None => self.0.push((key, value)),
                    }
                }
                true
            }
            _ => false,
        }
    }

    /// The object called `name`, taken apart.
    fn inner_of(&mut self, name: &str) -> Option<&mut Self> {
        if self.0.iter().any(|(key, _)| is(key, name)) {
            return self.inner(name);
        }
        let (head, rest) = name.split_once('.')?;
        self.inner(head)?.inner_of(rest)
    }

    /// The object under this key, taken apart; `None` where there is none, or it is something else.
    fn inner(&mut self, key: &str) -> Option<&mut Self> {
        let (_, value) = self.0.iter_mut().find(|(known, _)| is(known, key))?;
        if let Value::Json(json) = value
            && json.starts_with('{')
        {
            let object = match std::mem::take(json) {
                Cow::Borrowed(text) => Object::of(text),
                Cow::Owned(text) => Object::of(&text).into_owned(),
            };
            *value = Value::Object(object);
        }
        match value {
            Value::Object(object) => Some(object),
            Value::Json(_) => None,
        }
    }

    /// Puts the members of `found` beside these, or into the object called `into`, which is made if it `is_there`; in the place of those
    /// that are called the same. `false` where nothing was put anywhere.
    pub(super) fn join(&mut self, into: Option<&str>, found: Self, is_there: bool) -> bool {
        let home = match into {
            None => self,
            Some(_) if !is_there => return false,
            Some(name) => {
                if self.inner_of(name).is_none() {
                    self.put(name, Value::Object(Self::default()));
                }
                match self.inner_of(name) {
                    Some(inner) => inner,
                    None => return false,
                }
            }
        };
        let is_changed = into.is_some() || !found.0.is_empty();
        // A line may have thousands of members: then they are not looked through for each.
        let mut places: Option<HashMap<String, usize>> = (home.0.len().max(found.0.len()) > FEW)
            .then(|| home.0.iter().enumerate().rev().map(|(at, (key, _))| (plain(key), at)).collect());
        for (key, value) in found.0 {
            let next = home.0.len();
            let known = match &mut places {
                Some(places) => *places.entry(plain(&key)).or_insert(next),
                None => home.0.iter().position(|(known, _)| is_same(known, &key)).unwrap_or(next),
            };
            match home.0.get_mut(known) {
                Some((_, old)) => *old = value,
                None => home.0.push((key, value)),
            }
        }
        is_changed
    }

    fn into_owned<'o>(self) -> Object<'o> {
        let value = |value| match value {
            Value::Json(json) => Value::Json(Cow::Owned(json.into_owned())),
            Value::Object(object) => Value::Object(object.into_owned()),
        };
        Object(self.0.into_iter().map(|(key, of)| (Cow::Owned(key.into_owned()), value(of))).collect())
    }

    /// Appends it as JSON.
    pub(super) fn write(&self, out: &mut String) {
        out.push('{');
        for (at, (key, value)) in self.0.iter().enumerate() {
            out.push_str(if at == 0 { "\"" } else { ",\"" });
            out.push_str(key);
            out.push_str("\":");
            match value {
                Value::Json(json) => out.push_str(json),
                Value::Object(object) => object.write(out),
            }
        }
        out.push('}');
    }
}

/// Puts a value behind those of a list, or makes a list of one value.
fn append(list: &mut String, value: &str) {
    if list.starts_with('[') {
        list.pop();
    } else {
        list.insert(0, '[');
    }
    list.push(',');
    list.push_str(value);
    list.push(']');
}

/// So many members are looked through one by one.
const FEW: usize = 64;

/// A key without its escapes.
fn plain(key: &str) -> String {
    Text::Escaped(key).plain().into_owned()
}

/// Whether two keys as they stand mean the same.
fn is_same(one: &str, other: &str) -> bool {
    one == other || (one.contains('\\') || other.contains('\\')) && plain(one) == plain(other)
}

/// Whether a key as it stands is this name.
fn is(key: &str, name: &str) -> bool {
    if key.contains('\\') { Text::Escaped(key).plain() == name } else { key == name }
}

/// A key as it stands between quotes.
fn escaped<'o>(name: &str) -> Cow<'o, str> {
    let mut out = Vec::with_capacity(name.len());
    escape(name, &mut out);
    // Made of a text.
    Cow::Owned(String::from_utf8(out).unwrap_or_default())
}

/// A text as a JSON value.
pub(super) fn quoted(text: Text<'_>) -> String {
    let mut out = Vec::new();
    text.write_value(&mut out);
    // Made of a text.
    String::from_utf8(out).unwrap_or_default()
}
