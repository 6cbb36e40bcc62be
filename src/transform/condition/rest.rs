//! The part of a condition that the library runs: arithmetic, lists, `exists`, `map`, ….
//!
//! **Invariant**: what can be asked of the event without it is asked before, and handed in as a variable; so the library sees
//! no more of a line than the condition names. Should it panic, that is an answer like any other.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cel::common::ast::IdedExpr;
use cel::{Context, Env, ExecutionError};
use serde_json::Value as Json;

use crate::model::event::Fields;
use crate::model::text::Text;

use super::answer::Answer;
use super::value::Value;

/// An expression that the library runs.
#[derive(Clone)]
pub(super) struct Expression {
    tree: IdedExpr,
    /// The library's functions.
    env: Arc<Env>,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expression").finish_non_exhaustive()
    }
}

impl Expression {
    /// Of a tree in which what is asked of an event are variables.
    pub(super) fn new(tree: IdedExpr) -> Self {
        Self { tree, env: Arc::new(Env::stdlib()) }
    }

    /// Runs it. What is missing is no variable: the library answers as it does for a key that is not there.
    pub(super) fn run<'n>(&self, variables: impl Iterator<Item = (&'n str, cel::Value)>) -> Answer {
        let mut context = Context::with_env(Arc::clone(&self.env));
        variables.for_each(|(name, value)| context.add_variable_from_value(name, value));
        match catch_unwind(AssertUnwindSafe(|| cel::Value::resolve(&self.tree, &context))) {
            Ok(Ok(cel::Value::Bool(is_true))) => Answer::of(is_true),
            Ok(Err(ExecutionError::UndeclaredReference(_) | ExecutionError::NoSuchKey(_))) => Answer::Missing,
            Ok(_) | Err(_) => Answer::Wrong,
        }
    }
}

/// All fields of a line, as a map.
pub(super) fn fields(fields: Fields<'_>) -> cel::Value {
    match fields {
        Fields::None => cel::Value::from(HashMap::<String, cel::Value>::new()),
        Fields::Json(object) => nested(object),
        Fields::Pairs(pairs) => {
            let of = |(key, value): &(Text<'_>, Text<'_>)| {
                let value = match value {
                    Text::Bare(json) => nested(json),
                    text => cel::Value::from(&*text.plain()),
                };
                (key.plain().into_owned(), value)
            };
            // Of keys that repeat the first counts, as everywhere.
            cel::Value::from(pairs.iter().rev().map(of).collect::<HashMap<_, _>>())
        }
    }
}

/// A value, as the library has it.
pub(super) fn of(value: &Value<'_>) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Truth(is_true) => cel::Value::Bool(*is_true),
        Value::Whole(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => cel::Value::Int(number),
            (_, Ok(number)) => cel::Value::UInt(number),
            _ => cel::Value::Float(*number as f64),
        },
        Value::Decimal(number) => cel::Value::Float(*number),
        Value::Text(text) | Value::Untyped(text) => cel::Value::from(&**text),
        Value::Level(level) => cel::Value::from(level.name()),
        Value::Nested(json) => nested(json),
    }
}

fn nested(json: &str) -> cel::Value {
    serde_json::from_str(json).map_or(cel::Value::Null, of_json)
}

fn of_json(json: Json) -> cel::Value {
    match json {
        Json::Null => cel::Value::Null,
        Json::Bool(is_true) => cel::Value::Bool(is_true),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => cel::Value::Int(number),
            (_, Some(number), _) => cel::Value::UInt(number),
            (.., number) => cel::Value::Float(number.unwrap_or(f64::NAN)),
        },
        Json::String(text) => cel::Value::from(text),
        Json::Array(items) => cel::Value::List(Arc::new(items.into_iter().map(of_json).collect())),
        Json::Object(members) => {
            cel::Value::from(members.into_iter().map(|(key, value)| (key, of_json(value))).collect::<HashMap<_, _>>())
        }
    }
}
