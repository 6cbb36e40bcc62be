//! What a condition gets when it asks for something, and how two of these compare.
//!
//! **Invariant**: values of different kinds are not equal, as in CEL; but a value of a line that knows only texts (logfmt,
//! expressions) is taken for what it is compared with.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::model::event::Level;
use crate::model::text::Text;

use super::answer::Answer;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Truth(bool),
    /// A whole number.
    Whole(i128),
    /// Another number.
    Decimal(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// A text that may stand for a number or a truth value.
    Untyped(Cow<'a, str>),
    /// How grave an event is.
    Level(Level),
    /// An object or a list, as JSON.
    Nested(&'a str),
}

impl<'a> Value<'a> {
    /// Of a JSON value that is known to be valid.
    pub(super) fn of_json(json: &'a str) -> Self {
        match json.as_bytes().first() {
            Some(b'"') => {
                let inside = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json);
                Self::Text(Text::Escaped(inside).plain())
            }
            Some(b't') => Self::Truth(true),
            Some(b'f') => Self::Truth(false),
            Some(b'n') | None => Self::Null,
            Some(b'{' | b'[') => Self::Nested(json),
            Some(_) => number(json).unwrap_or(Self::Nested(json)),
        }
    }

    /// Its text; `None` where it is something else.
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) | Self::Untyped(text) => Some(text),
            _ => None,
        }
    }

    /// As what it is compared with.
    fn beside<'s>(&'s self, other: &Value<'_>) -> Cow<'s, Value<'s>> {
        let Self::Untyped(text) = self else { return Cow::Borrowed(self) };
        let kind = match other {
            Value::Whole(_) | Value::Decimal(_) => number(text),
            Value::Truth(_) => truth(text).map(Value::Truth),
            _ => None,
        };
        Cow::Owned(kind.unwrap_or_else(|| Value::Text(Cow::Borrowed(text))))
    }

    /// Whether the two are the same.
    #[inline]
    pub(super) fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Text(one) | Value::Untyped(one), Value::Text(other) | Value::Untyped(other)) => one == other,
            (Value::Null, Value::Null) => true,
            (Value::Nested(one), Value::Nested(other)) => one == other,
            _ => self.order(other) == Ok(Ordering::Equal),
        }
    }

    /// Which is less; [`Answer::Wrong`] where they are not of one kind, [`Answer::Missing`] where one is nothing.
    pub(super) fn order(&self, other: &Value<'_>) -> Result<Ordering, Answer> {
        let order = match (&*self.beside(other), &*other.beside(self)) {
            (Value::Whole(one), Value::Whole(other)) => Some(one.cmp(other)),
            (Value::Decimal(one), Value::Decimal(other)) => one.partial_cmp(other),
            (Value::Whole(one), Value::Decimal(other)) => mixed(*one, *other),
            (Value::Decimal(one), Value::Whole(other)) => mixed(*other, *one).map(Ordering::reverse),
            (Value::Text(one), Value::Text(other)) => Some(one.cmp(other)),
            (Value::Truth(one), Value::Truth(other)) => Some(one.cmp(other)),
            (Value::Level(one), Value::Level(other)) => Some(one.cmp(other)),
            (Value::Null, _) | (_, Value::Null) => return Err(Answer::Missing),
            _ => None,
        };
        order.ok_or(Answer::Wrong)
    }
}

/// `true` or `false`.
pub(super) fn truth(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// The number that a text is.
pub(super) fn number(text: &str) -> Option<Value<'static>> {
    if !text.bytes().next().is_some_and(|first| first.is_ascii_digit() || first == b'-') {
        // `f64` would take words: `inf`, `nan`.
        return None;
    }
    let whole = || text.parse().ok().map(Value::Whole);
    let decimal = || text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Decimal);
    whole().or_else(decimal)
}

/// A whole number beside another one. Beyond 2⁵³ the whole one may not be rounded.
fn mixed(whole: i128, decimal: f64) -> Option<Ordering> {
    match (whole as f64).partial_cmp(&decimal) {
        Some(Ordering::Equal) => Some(whole.cmp(&(decimal as i128))),
        order => order,
    }
}
