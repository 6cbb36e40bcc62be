//! The library's tree → what is run on each line.
//!
//! **Invariant**: names, functions and the kinds of constants are checked here, so that a condition that compiles asks for
//! things that there are. What is no comparison goes to the library, without the parts that are.

use std::borrow::Cow;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo};
use regex::Regex;

use crate::model::settings::nearest;

use super::answer::{Mistake, Wants};
use super::names::{Field, KUBERNETES, LEVELS, NAMES, Name};
use super::rest::Expression;
use super::syntax;
use super::test::{Find, Operand, Order, Rest, Test};
use super::value::Value;

/// Its types, which are names too.
pub(super) const TYPES: [&str; 9] = ["int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type"];
/// What a condition calls all fields, and all Kubernetes names.
pub(super) const FIELDS: &str = "fields";
pub(super) const KUBERNETES_NAMES: &str = "kubernetes";

/// Compiles a condition; also says how much of a line must be known for it.
pub(super) fn compile(text: &str) -> Result<(Test, Wants), Mistake> {
    let (tree, source) = syntax::read(text)?;
    let mut compiler = Compiler { text, source, bound: Vec::new(), wants: Wants::default() };
    let test = compiler.test(&tree)?;
    Ok((test, compiler.wants))
}

/// Reads a tree.
pub(super) struct Compiler<'t> {
    /// The whole text.
    text: &'t str,
    /// Where each node stands in it.
    source: SourceInfo,
    /// Names that `exists`, `map` and their like have given, inside of these.
    pub(super) bound: Vec<String>,
    /// How much of a line must be known for what was asked so far.
    pub(super) wants: Wants,
}

pub(super) type Made<T> = Result<T, Mistake>;

impl Compiler<'_> {
    /// What is true or false.
    fn test(&mut self, node: &IdedExpr) -> Made<Test> {
        match self.simple(node)? {
            Some(test) => Ok(test),
            None => {
                let mut variables = Vec::new();
                let tree = self.rest(node, &mut variables)?;
                Ok(Test::Rest(Box::new(Rest { expression: Expression::new(tree), variables })))
            }
        }
    }

    /// The same where the library is not needed for the outermost part of it; `None` where it is.
    pub(super) fn simple(&mut self, node: &IdedExpr) -> Made<Option<Test>> {
        if self.mentions_bound(node) {
            return Ok(None);
        }
        match &node.expr {
            Expr::Literal(LiteralValue::Boolean(is_true)) => Ok(Some(Test::Always(*is_true.inner()))),
            Expr::Literal(_) | Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => {
                Err(self.mistake(node, "a value is no condition", "compare it: `fields.status == 200`"))
            }
            Expr::Select(select) if select.test => {
                let named = path(&select.operand).map(|mut parts| {
                    parts.push(select.field.clone());
                    parts
                });
                let Some(parts) = named else { return Ok(None) };
                Ok(Some(Test::Has(self.name(node, &parts)?)))
            }
            Expr::Call(call) => self.call(node, call),
            Expr::Ident(_) | Expr::Select(_) => match self.operand(node)? {
                Some(Operand::Name(name)) if matches!(name, Name::Level) || name.is_text() => {
                    Err(self.mistake(node, "a text is neither true nor false", "compare it: `stream == \"stderr\"`"))
                }
                Some(Operand::Const(_)) => {
                    Err(self.mistake(node, "a level is neither true nor false", "compare it: `level >= warn`"))
                }
                Some(operand) => Ok(Some(Test::Is(operand))),
                None => Ok(None),
            },
            Expr::Comprehension(_) | Expr::Unspecified => Ok(None),
        }
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Made<Option<Test>> {
        // `a.f(b)` and `f(a, b)` are the same.
        let arguments: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        match (call.func_name.as_str(), arguments.as_slice()) {
            ("_&&_", parts) => Ok(Some(Test::All(self.tests("_&&_", parts)?))),
            ("_||_", parts) => Ok(Some(Test::Any(self.tests("_||_", parts)?))),
            ("!_", [test]) => Ok(Some(Test::Not(Box::new(self.test(test)?)))),
            ("_?_:_", [condition, then, otherwise]) => {
                let tests = [self.test(condition)?, self.test(then)?, self.test(otherwise)?];
                Ok(Some(Test::If(Box::new(tests))))
            }
            ("@in", [operand, list]) => self.one_of(operand, list),
            ("startsWith", [text, what]) => self.find(text, Find::StartsWith, what),
            ("endsWith", [text, what]) => self.find(text, Find::EndsWith, what),
            ("contains", [text, what]) => self.find(text, Find::Contains, what),
            ("matches", [text, pattern]) => self.matches(text, pattern),
            (name, [left, right]) if order(name).is_some() => {
                let Some(order) = order(name) else { return Ok(None) };
                self.comparison(left, order, right)
            }
            ("_[_]", _) => match self.operand(node)? {
                Some(operand) => Ok(Some(Test::Is(operand))),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The parts of a chain of the same operator, which the parser has made a tree of.
    fn tests(&mut self, operator: &str, parts: &[&IdedExpr]) -> Made<Vec<Test>> {
        let mut tests = Vec::new();
        for part in parts {
            match &part.expr {
                Expr::Call(call) if call.func_name == operator => {
                    tests.extend(self.tests(operator, &call.args.iter().collect::<Vec<_>>())?);
                }
                _ => tests.push(self.test(part)?),
            }
        }
        Ok(tests)
    }

    fn comparison(&mut self, left: &IdedExpr, order: Order, right: &IdedExpr) -> Made<Option<Test>> {
        let (Some(mut one), Some(mut other)) = (self.operand(left)?, self.operand(right)?) else { return Ok(None) };
        if is_level(&one) || is_level(&other) {
            self.leveled(left, &mut one, &other)?;
            self.leveled(right, &mut other, &one)?;
        }
        for (node, operand, beside) in [(left, &one, &other), (right, &other, &one)] {
            let (Operand::Name(name), Operand::Const(value)) = (operand, beside) else { continue };
            if name.is_text() && !matches!(value, Value::Text(_) | Value::Null) {
                let hint = "compare it with a text in quotes";
                return Err(self.mistake(node, "a text is compared with what is none", hint));
            }
        }
        Ok(Some(Test::Compare(one, order, other)))
    }

    fn one_of(&mut self, operand: &IdedExpr, list: &IdedExpr) -> Made<Option<Test>> {
        let Expr::List(list) = &list.expr else { return Ok(None) };
        let Some(operand) = self.operand(operand)? else { return Ok(None) };
        let mut known = Vec::new();
        for element in &list.elements {
            let Some(mut value) = self.operand(element)? else { return Ok(None) };
            if is_level(&operand) || is_level(&value) {
                self.leveled(element, &mut value, &operand)?;
            }
            let Operand::Const(value) = value else { return Ok(None) };
            known.push(value);
        }
        Ok(Some(Test::In(operand, known)))
    }

    fn find(&mut self, text: &IdedExpr, find: Find, what: &IdedExpr) -> Made<Option<Test>> {
        let (Some(in_what), Some(what)) = (self.text(text)?, self.text(what)?) else { return Ok(None) };
        Ok(Some(Test::Text(in_what, find, what)))
    }

    fn matches(&mut self, text: &IdedExpr, pattern: &IdedExpr) -> Made<Option<Test>> {
        let (Some(operand), Some(expression)) = (self.text(text)?, self.text(pattern)?) else { return Ok(None) };
        let Operand::Const(Value::Text(expression)) = expression else { return Ok(None) };
        match Regex::new(&expression) {
            Ok(regex) => Ok(Some(Test::Matches(operand, regex))),
            Err(error) => {
                let words = error.to_string();
                let last = words.lines().last().unwrap_or("").trim_start_matches("error: ").to_owned();
                let hint = "the syntax is that of Rust's `regex` crate, without look-around and back-references; \
                            in front of the quotes, `r` keeps backslashes: `r'\\d+'`";
                Err(self.mistake(pattern, &format!("it is no regular expression: {last}"), hint))
            }
        }
    }

    /// What is to be a text.
    fn text(&mut self, node: &IdedExpr) -> Made<Option<Operand>> {
        let operand = self.operand(node)?;
        match &operand {
            Some(Operand::Name(Name::Level)) => {
                Err(self.mistake(node, "`level` is no text", "compare it: `level in [debug, trace]`"))
            }
            Some(Operand::Const(value)) if !matches!(value, Value::Text(_)) => {
                Err(self.mistake(node, "it must be a text", "put it in quotes"))
            }
            _ => Ok(operand),
        }
    }

    /// What has a value and does not need the library.
    pub(super) fn operand(&mut self, node: &IdedExpr) -> Made<Option<Operand>> {
        if self.mentions_bound(node) {
            return Ok(None);
        }
        if let Some(parts) = path(node) {
            if let [word] = parts.as_slice() {
                if let Some(level) = LEVELS.iter().find(|level| level.name() == word) {
                    return Ok(Some(Operand::Const(Value::Level(*level))));
                }
                if word == FIELDS || TYPES.contains(&word.as_str()) {
                    return Ok(None);
                }
            }
            return Ok(Some(Operand::Name(self.name(node, &parts)?)));
        }
        match &node.expr {
            Expr::Literal(value) => Ok(constant(value).map(Operand::Const)),
            Expr::Call(call) => {
                let arguments: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
                let [argument] = arguments.as_slice() else { return Ok(None) };
                let make = match call.func_name.as_str() {
                    "size" => Operand::Size,
                    "int" => Operand::Whole,
                    "double" => Operand::Decimal,
                    "string" => Operand::Text,
                    "-_" => return Ok(self.operand(argument)?.and_then(negative)),
                    _ => return Ok(None),
                };
                Ok(self.text_or_field(argument)?.map(|of| make(Box::new(of))))
            }
            _ => Ok(None),
        }
    }

    /// What a function can be asked of: anything but the level, which is neither text nor number.
    pub(super) fn text_or_field(&mut self, node: &IdedExpr) -> Made<Option<Operand>> {
        let operand = self.operand(node)?;
        if operand.as_ref().is_some_and(is_level) {
            return Err(self.mistake(node, "`level` can be compared, and nothing else", "write `level >= warn`"));
        }
        Ok(operand)
    }

    /// The thing that a name stands for.
    fn name(&mut self, node: &IdedExpr, parts: &[String]) -> Made<Name> {
        let name = match parts {
            [word] => NAMES.iter().find(|(known, _)| known == word).map(|(_, name)| name.clone()),
            [first, word] if first == KUBERNETES_NAMES => {
                KUBERNETES.iter().position(|(known, _)| known == word).map(Name::Kubernetes)
            }
            [first, rest @ ..] if first == FIELDS => Some(Name::Field(Box::new(Field::new(rest.join("."))))),
            _ => None,
        };
        let Some(name) = name else { return Err(self.unknown_name(node, parts)) };
        self.wants = self.wants.max(name.wants());
        Ok(name)
    }

    fn unknown_name(&self, node: &IdedExpr, parts: &[String]) -> Mistake {
        let first = parts.first().map_or("", String::as_str);
        if first == KUBERNETES_NAMES {
            let names = KUBERNETES.map(|(name, _)| format!("kubernetes.{name}"));
            return self.mistake(node, &format!("unknown name `{}`", parts.join(".")), &known(&names));
        }
        let is_kubernetes = KUBERNETES.iter().any(|(name, _)| *name == first);
        let mut names: Vec<String> = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.extend(["fields.NAME".to_owned(), "kubernetes.NAME".to_owned()]);
        let words = NAMES.iter().map(|(name, _)| *name).chain(LEVELS.iter().map(|level| level.name()));
        let hint = match nearest(first, words.chain([FIELDS, KUBERNETES_NAMES])) {
            _ if is_kubernetes => format!("write `kubernetes.{first}`"),
            Some(near) => format!("did you mean `{near}`? {}; a text stands in quotes", known(&names)),
            None => format!("a field of the line is `fields.{first}`, a text stands in quotes; {}", known(&names)),
        };
        self.mistake(node, &format!("unknown name `{first}`"), &hint)
    }

    /// What stands beside a level, as a level.
    fn leveled(&self, node: &IdedExpr, operand: &mut Operand, beside: &Operand) -> Made<()> {
        let names = LEVELS.map(|level| level.name().to_owned());
        match operand {
            Operand::Name(Name::Level) | Operand::Const(Value::Null) => Ok(()),
            Operand::Const(Value::Level(_)) if matches!(beside, Operand::Name(Name::Level)) => Ok(()),
            Operand::Const(Value::Level(level)) => {
                let hint = format!("a level as it is written in the line is a text: `\"{}\"`", level.name());
                Err(self.mistake(node, "a level is compared with what is none", &hint))
            }
            Operand::Const(Value::Text(text)) => {
                let Some(level) = LEVELS.iter().find(|level| level.name() == text) else {
                    return Err(self.mistake(node, &format!("`{text}` is no level"), &known(&names)));
                };
                *operand = Operand::Const(Value::Level(*level));
                Ok(())
            }
            _ => Err(self.mistake(node, "`level` is compared with what is no level", &known(&names))),
        }
    }

    /// Whether it depends on a name that only the library has a value for.
    pub(super) fn mentions_bound(&self, node: &IdedExpr) -> bool {
        !self.bound.is_empty() && mentions(node, &self.bound)
    }

    pub(super) fn mistake(&self, node: &IdedExpr, text: &str, hint: &str) -> Mistake {
        let at = self.source.offset_for(beginning(node).id).map(|(start, _)| start as usize);
        // A node without a place of its own begins with the text.
        let at = at.filter(|at| *at < self.text.chars().count());
        Mistake { at: at.or(Some(0)), text: text.to_owned(), hint: hint.to_owned() }
    }
}

/// Whether one of these names stands anywhere in it.
fn mentions(node: &IdedExpr, names: &[String]) -> bool {
    let any = |nodes: &[IdedExpr]| nodes.iter().any(|node| mentions(node, names));
    match &node.expr {
        Expr::Unspecified | Expr::Literal(_) => false,
        Expr::Ident(name) => names.contains(name),
        Expr::Select(select) => mentions(&select.operand, names),
        Expr::List(list) => any(&list.elements),
        Expr::Call(call) => call.target.as_ref().is_some_and(|target| mentions(target, names)) || any(&call.args),
        Expr::Map(map) => map.entries.iter().any(|entry| of_entry(&entry.expr, names)),
        Expr::Struct(made) => made.entries.iter().any(|entry| of_entry(&entry.expr, names)),
        Expr::Comprehension(each) => {
            let parts = [&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result];
            parts.into_iter().any(|part| mentions(part, names))
        }
    }
}

fn of_entry(entry: &EntryExpr, names: &[String]) -> bool {
    match entry {
        EntryExpr::MapEntry(entry) => mentions(&entry.key, names) || mentions(&entry.value, names),
        EntryExpr::StructField(field) => mentions(&field.value, names),
    }
}

/// The part of a node that its text begins with.
fn beginning(node: &IdedExpr) -> &IdedExpr {
    match &node.expr {
        Expr::Select(select) => beginning(&select.operand),
        Expr::Call(CallExpr { target: Some(target), .. }) => beginning(target),
        Expr::Call(call) if call.func_name.starts_with("_") => call.args.first().map_or(node, beginning),
        _ => node,
    }
}

fn is_level(operand: &Operand) -> bool {
    matches!(operand, Operand::Name(Name::Level) | Operand::Const(Value::Level(_)))
}

/// The comparison that an operator is.
pub(super) fn order(operator: &str) -> Option<Order> {
    Some(match operator {
        "_==_" => Order::Equal,
        "_!=_" => Order::Other,
        "_<_" => Order::Less,
        "_<=_" => Order::LessOrEqual,
        "_>_" => Order::Greater,
        "_>=_" => Order::GreaterOrEqual,
        _ => return None,
    })
}

/// `a.b.c`, `a["b"].c`: its parts.
pub(super) fn path(node: &IdedExpr) -> Option<Vec<String>> {
    match &node.expr {
        Expr::Ident(name) => Some(vec![name.trim_start_matches('.').to_owned()]),
        Expr::Select(select) if !select.test => {
            let mut parts = path(&select.operand)?;
            parts.push(select.field.clone());
            Some(parts)
        }
        Expr::Call(call) if call.func_name == "_[_]" => {
            let [of, Expr::Literal(LiteralValue::String(key))] = [&call.args.first()?.expr, &call.args.get(1)?.expr]
            else {
                return None;
            };
            let mut parts = path(&IdedExpr { id: 0, expr: of.clone() })?;
            parts.push(key.inner().to_owned());
            Some(parts)
        }
        _ => None,
    }
}

fn constant(value: &LiteralValue) -> Option<Value<'static>> {
    Some(match value {
        LiteralValue::Boolean(is_true) => Value::Truth(*is_true.inner()),
        LiteralValue::Double(number) => Value::Decimal(*number.inner()),
        LiteralValue::Int(number) => Value::Whole(i128::from(*number.inner())),
        LiteralValue::UInt(number) => Value::Whole(i128::from(*number.inner())),
        LiteralValue::Null => Value::Null,
        LiteralValue::String(text) => Value::Text(Cow::Owned(text.inner().to_owned())),
        LiteralValue::Bytes(_) => return None,
    })
}

/// The constant below zero.
fn negative(operand: Operand) -> Option<Operand> {
    match operand {
        Operand::Const(Value::Whole(number)) => Some(Operand::Const(Value::Whole(-number))),
        Operand::Const(Value::Decimal(number)) => Some(Operand::Const(Value::Decimal(-number))),
        _ => None,
    }
}

/// A list of names for a hint.
pub(super) fn known(names: &[String]) -> String {
    format!("known: {}", names.join(", "))
}
