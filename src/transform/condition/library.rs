//! What is left to the library: the same tree, with variables for all that can be asked without it.
//!
//! **Invariant**: what it hands over names only functions that the library has, and nothing of the event but its variables.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr};

use crate::model::settings::nearest;

use super::answer::{Mistake, Wants};
use super::compile::{Compiler, FIELDS, KUBERNETES_NAMES, Made, TYPES, known, order, path};
use super::names::{LEVELS, NAMES};
use super::test::Variable;

/// The functions that the library knows.
const FUNCTIONS: [&str; 13] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "bytes",
    "type",
    "dyn",
];
/// Its macros, which are gone from the tree where they were used rightly.
const MACROS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];
type Variables = Vec<(String, Variable)>;

impl Compiler<'_> {
    /// What is left to the library: the same tree, with variables for all that can be asked without it.
    pub(super) fn rest(&mut self, node: &IdedExpr, variables: &mut Variables) -> Made<IdedExpr> {
        let expr = match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => node.expr.clone(),
            Expr::Ident(name) if self.bound.contains(name) || TYPES.contains(&name.as_str()) => node.expr.clone(),
            Expr::Ident(name) if name == FIELDS => {
                self.wants = Wants::All;
                variable(variables, Variable::Fields)
            }
            Expr::Ident(_) | Expr::Select(_) if path(node).is_some() && !self.mentions_bound(node) => {
                match self.text_or_field(node)? {
                    Some(operand) => variable(variables, Variable::Value(operand)),
                    None => node.expr.clone(),
                }
            }
            Expr::Ident(_) => node.expr.clone(),
            Expr::Select(select) => {
                let mut select = select.clone();
                *select.operand = self.part(&select.operand, variables)?;
                Expr::Select(select)
            }
            Expr::List(list) => {
                let mut list = list.clone();
                list.elements = self.rests(&list.elements, variables)?;
                Expr::List(list)
            }
            Expr::Map(map) => {
                let mut map = map.clone();
                for entry in &mut map.entries {
                    if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                        entry.key = self.part(&entry.key, variables)?;
                        entry.value = self.part(&entry.value, variables)?;
                    }
                }
                Expr::Map(map)
            }
            Expr::Struct(_) => return Err(self.mistake(node, "there are no messages", "write a map: `{'a': 1}`")),
            Expr::Call(call) => Expr::Call(self.library_call(node, call, variables)?),
            Expr::Comprehension(each) => Expr::Comprehension(Box::new(self.each(node, each, variables)?)),
        };
        Ok(IdedExpr { id: node.id, expr })
    }

    fn library_call(&mut self, node: &IdedExpr, call: &CallExpr, variables: &mut Variables) -> Made<CallExpr> {
        let is_operator = call.func_name.contains(|c: char| !c.is_ascii_alphanumeric());
        if !is_operator && !FUNCTIONS.contains(&call.func_name.as_str()) {
            return Err(self.unknown_function(node, &call.func_name));
        }
        let mut call = call.clone();
        if let Some(target) = &mut call.target {
            **target = self.part(target, variables)?;
        }
        call.args = self.rests(&call.args, variables)?;
        Ok(call)
    }

    /// What `exists`, `map` and their like have become.
    fn each(
        &mut self,
        node: &IdedExpr,
        each: &ComprehensionExpr,
        variables: &mut Variables,
    ) -> Made<ComprehensionExpr> {
        let mut each = each.clone();
        each.iter_range = self.part(&each.iter_range, variables)?;
        let given = [Some(each.iter_var.clone()), each.iter_var2.clone(), Some(each.accu_var.clone())];
        let given: Vec<String> = given.into_iter().flatten().collect();
        if let Some(taken) = given.iter().find(|name| is_taken(name)) {
            return Err(self.mistake(node, &format!("`{taken}` is a name already"), "call the elements otherwise"));
        }
        let before = self.bound.len();
        self.bound.extend(given);
        for part in [&mut each.accu_init, &mut each.loop_cond, &mut each.loop_step, &mut each.result] {
            *part = self.part(part, variables)?;
        }
        self.bound.truncate(before);
        Ok(each)
    }

    fn rests(&mut self, nodes: &[IdedExpr], variables: &mut Variables) -> Made<Vec<IdedExpr>> {
        nodes.iter().map(|node| self.part(node, variables)).collect()
    }

    /// A part of what is left to the library: a variable, where it can be had without it.
    fn part(&mut self, node: &IdedExpr, variables: &mut Variables) -> Made<IdedExpr> {
        let is_test = match &node.expr {
            Expr::Call(call) => is_test(&call.func_name),
            Expr::Select(select) => select.test,
            _ => false,
        };
        let found = if is_test {
            self.simple(node)?.map(Variable::Test)
        } else if matches!(&node.expr, Expr::Call(call) if call.func_name != "_[_]") {
            self.operand(node)?.map(Variable::Value)
        } else {
            None
        };
        match found {
            Some(found) => Ok(IdedExpr { id: node.id, expr: variable(variables, found) }),
            None => self.rest(node, variables),
        }
    }

    fn unknown_function(&self, node: &IdedExpr, name: &str) -> Mistake {
        let names = FUNCTIONS.iter().chain(&MACROS).map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let hint = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`? {}", known(&names)),
            None => known(&names),
        };
        self.mistake(node, &format!("unknown function `{name}`"), &hint)
    }
}

/// One more variable, as an expression.
fn variable(variables: &mut Variables, found: Variable) -> Expr {
    // No name of a condition's own begins so.
    let name = format!("@{}", variables.len());
    variables.push((name.clone(), found));
    Expr::Ident(name)
}

fn is_taken(name: &str) -> bool {
    let levels = LEVELS.map(|level| level.name());
    NAMES.iter().any(|(known, _)| *known == name)
        || levels.contains(&name)
        || [FIELDS, KUBERNETES_NAMES].contains(&name)
}

/// Whether what a function gives is true or false.
fn is_test(function: &str) -> bool {
    let others = ["_&&_", "_||_", "!_", "@in", "startsWith", "endsWith", "contains", "matches"];
    order(function).is_some() || others.contains(&function)
}
