//! Running a condition on an event.
//!
//! **Invariant**: as in CEL, `&&` and `||` need not know both sides: what is missing on one counts only where the other does
//! not decide.

use std::borrow::Cow;
use std::cmp::Ordering;

use regex::Regex;

use crate::model::event::Event;
use crate::model::walk;

use super::answer::Answer;
use super::names::Name;
use super::rest::{self, Expression};
use super::value::{Value, number, truth};

/// Something that is true of an event, or not.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// `true`, `false`.
    Always(bool),
    /// `!a`.
    Not(Box<Test>),
    /// `a && b && …`.
    All(Vec<Test>),
    /// `a || b || …`.
    Any(Vec<Test>),
    /// `a ? b : c`.
    If(Box<[Test; 3]>),
    /// A field that is true or false.
    Is(Operand),
    /// `a < b` and its like.
    Compare(Operand, Order, Operand),
    /// `a in [b, c]`.
    In(Operand, Vec<Value<'static>>),
    /// `has(a.b)`.
    Has(Name),
    /// `a.contains(b)` and its like.
    Text(Operand, Find, Operand),
    /// `a.matches('b')`.
    Matches(Operand, Regex),
    /// What only the library can run.
    Rest(Box<Rest>),
}

/// What the library runs, and what it needs for that.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    /// The expression, in which what can be asked without it are variables.
    pub(super) expression: Expression,
    /// The variables: names and how they are got.
    pub(super) variables: Vec<(String, Variable)>,
}

/// How a variable is got.
#[derive(Clone, Debug)]
pub(super) enum Variable {
    /// A value.
    Value(Operand),
    /// Whether something is true.
    Test(Test),
    /// All fields of the line.
    Fields,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// `==`.
    Equal,
    /// `!=`.
    Other,
    /// `<`.
    Less,
    /// `<=`.
    LessOrEqual,
    /// `>`.
    Greater,
    /// `>=`.
    GreaterOrEqual,
}

/// How a text is looked for in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Find {
    /// Anywhere.
    Contains,
    /// At its beginning.
    StartsWith,
    /// At its end.
    EndsWith,
}

/// Something that has a value.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    /// Written in the condition.
    Const(Value<'static>),
    /// Asked of the event.
    Name(Name),
    /// `size(a)`: characters of a text, members of a list or an object.
    Size(Box<Operand>),
    /// `int(a)`.
    Whole(Box<Operand>),
    /// `double(a)`.
    Decimal(Box<Operand>),
    /// `string(a)`.
    Text(Box<Operand>),
}

impl Test {
    /// What it says of `event`.
    pub(super) fn ask(&self, event: &Event<'_>) -> Answer {
        match self {
            Self::Always(is_true) => Answer::of(*is_true),
            Self::Not(test) => test.ask(event).opposite(),
            Self::All(tests) => decide(tests, event, Answer::No, Answer::Yes),
            Self::Any(tests) => decide(tests, event, Answer::Yes, Answer::No),
            Self::If(tests) => {
                let [condition, then, otherwise] = &**tests;
                match condition.ask(event) {
                    Answer::Yes => then.ask(event),
                    Answer::No => otherwise.ask(event),
                    unknown => unknown,
                }
            }
            Self::Has(name) => Answer::of(name.value(event).is_some()),
            Self::Rest(rest) => rest.ask(event),
            Self::Is(_) | Self::Compare(..) | Self::In(..) | Self::Text(..) | Self::Matches(..) => {
                self.values(event).unwrap_or_else(|unknown| unknown)
            }
        }
    }

    /// Of the tests that look at values.
    #[inline]
    fn values(&self, event: &Event<'_>) -> Result<Answer, Answer> {
        Ok(Answer::of(match self {
            Self::Is(operand) => match operand.value(event)?.into_owned() {
                Value::Truth(is_true) => is_true,
                Value::Untyped(text) => truth(&text).ok_or(Answer::Wrong)?,
                Value::Null => return Err(Answer::Missing),
                _ => return Err(Answer::Wrong),
            },
            Self::Compare(left, order, right) => compare(&*left.value(event)?, *order, &*right.value(event)?)?,
            Self::In(operand, known) => {
                let value = operand.value(event)?;
                known.iter().any(|known| value.equals(known))
            }
            Self::Text(operand, find, what) => {
                let (text, what) = (operand.text(event)?, what.text(event)?);
                match find {
                    Find::Contains => memchr::memmem::find(text.as_bytes(), what.as_bytes()).is_some(),
                    Find::StartsWith => text.starts_with(&*what),
                    Find::EndsWith => text.ends_with(&*what),
                }
            }
            Self::Matches(operand, regex) => regex.is_match(&operand.text(event)?),
            _ => return Err(Answer::Wrong),
        }))
    }
}

impl Rest {
    fn ask(&self, event: &Event<'_>) -> Answer {
        let mut worst = Answer::Missing;
        let mut value = |variable: &Variable| -> Option<cel::Value> {
            let unknown = match variable {
                Variable::Fields => return Some(rest::fields(event.fields)),
                Variable::Value(operand) => match operand.value(event) {
                    Ok(value) => return Some(rest::of(&value)),
                    Err(unknown) => unknown,
                },
                Variable::Test(test) => match test.ask(event) {
                    Answer::Yes => return Some(cel::Value::Bool(true)),
                    Answer::No => return Some(cel::Value::Bool(false)),
                    unknown => unknown,
                },
            };
            if unknown == Answer::Wrong {
                worst = unknown;
            }
            None
        };
        let variables = self.variables.iter().filter_map(|(name, how)| Some((name.as_str(), value(how)?)));
        match self.expression.run(variables) {
            Answer::Missing => worst,
            answer => answer,
        }
    }
}

/// The answer of several tests: the first that is `deciding`, else what the worst of them says, `otherwise` if all do.
fn decide(tests: &[Test], event: &Event<'_>, deciding: Answer, otherwise: Answer) -> Answer {
    let mut worst = otherwise;
    for test in tests {
        match test.ask(event) {
            answer if answer == deciding => return answer,
            Answer::Wrong => worst = Answer::Wrong,
            Answer::Missing if worst != Answer::Wrong => worst = Answer::Missing,
            _ => {}
        }
    }
    worst
}

fn compare(left: &Value<'_>, order: Order, right: &Value<'_>) -> Result<bool, Answer> {
    Ok(match order {
        Order::Equal => left.equals(right),
        Order::Other => !left.equals(right),
        Order::Less => left.order(right)? == Ordering::Less,
        Order::LessOrEqual => left.order(right)? != Ordering::Greater,
        Order::Greater => left.order(right)? == Ordering::Greater,
        Order::GreaterOrEqual => left.order(right)? != Ordering::Less,
    })
}

impl Operand {
    /// Its value.
    #[inline]
    pub(super) fn value<'e>(&'e self, event: &Event<'e>) -> Result<Cow<'e, Value<'e>>, Answer> {
        let value = match self {
            Self::Const(value) => return Ok(Cow::Borrowed(value)),
            Self::Name(name) => name.value(event).ok_or(Answer::Missing)?,
            Self::Size(of) => size(&*of.value(event)?)?,
            Self::Whole(of) => match of.value(event)?.into_owned() {
                Value::Decimal(number) => Value::Whole(number as i128),
                Value::Text(text) | Value::Untyped(text) => match number(&text) {
                    Some(whole @ Value::Whole(_)) => whole,
                    _ => return Err(Answer::Wrong),
                },
                whole @ Value::Whole(_) => whole,
                other => return Err(unknown(&other)),
            },
            Self::Decimal(of) => match of.value(event)?.into_owned() {
                Value::Whole(number) => Value::Decimal(number as f64),
                Value::Text(text) | Value::Untyped(text) => match number(&text) {
                    Some(Value::Whole(number)) => Value::Decimal(number as f64),
                    Some(decimal) => decimal,
                    None => return Err(Answer::Wrong),
                },
                decimal @ Value::Decimal(_) => decimal,
                other => return Err(unknown(&other)),
            },
            Self::Text(of) => match of.value(event)?.into_owned() {
                Value::Text(text) | Value::Untyped(text) => Value::Text(text),
                Value::Whole(number) => Value::Text(Cow::Owned(number.to_string())),
                Value::Decimal(number) => Value::Text(Cow::Owned(number.to_string())),
                Value::Truth(is_true) => Value::Text(Cow::Borrowed(if is_true { "true" } else { "false" })),
                other => return Err(unknown(&other)),
            },
        };
        Ok(Cow::Owned(value))
    }

    /// Its value as a text.
    fn text<'e>(&'e self, event: &Event<'e>) -> Result<Cow<'e, str>, Answer> {
        match self {
            // Borrowed, since a message may be long.
            Self::Const(Value::Text(text)) => Ok(Cow::Borrowed(text)),
            _ => {
                let value = self.value(event)?.into_owned();
                let unknown = unknown(&value);
                value.text().ok_or(unknown)
            }
        }
    }
}

fn size(value: &Value<'_>) -> Result<Value<'static>, Answer> {
    let size = match value {
        Value::Text(text) | Value::Untyped(text) => text.chars().count(),
        Value::Nested(json) if json.starts_with('{') => walk::members(json).count(),
        Value::Nested(json) => {
            serde_json::from_str::<Vec<&serde_json::value::RawValue>>(json).map_err(|_| Answer::Wrong)?.len()
        }
        other => return Err(unknown(other)),
    };
    Ok(Value::Whole(size as i128))
}

/// What is said of a value that is of the wrong kind.
fn unknown(value: &Value<'_>) -> Answer {
    if *value == Value::Null { Answer::Missing } else { Answer::Wrong }
}
