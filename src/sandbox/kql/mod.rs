//! A small evaluator of the Kusto query language, as far as Resource Graph queries about clusters and policies use it.
//!
//! Known: `where`, `project`, `project-away`, `extend`, `order by`/`sort by`, `limit`/`take`, `top`, `count`, `distinct` and
//! `summarize` with `count()`, `dcount()`, `min()`, `max()`, `make_list()`. Anything else is an error, never a silent no-op. It must not know
//! where the rows come from.

mod eval;
mod lexer;
mod parser;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

pub use parser::Query;
use parser::{Aggregate, Operator};

/// A row: column names and values.
pub type Row = Map<String, Value>;

/// Why a query was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Resource Graph's code, such as `ParserFailure`.
    pub code: &'static str,
    /// Where in the query, in characters from 0.
    pub position: usize,
    /// The token that was met, or the name that is not known.
    pub token: String,
}

/// What a query gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The column names in order.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether the rows were ordered by the query.
    pub ordered: bool,
    /// Whether the query itself limited the rows.
    pub limited: bool,
}

/// Reads a query.
///
/// # Errors
/// The first place that is not understood.
pub fn parse(text: &str) -> Result<Query, Fault> {
    parser::parse(text)
}

/// Whether rows of a type may be in the result: what the query asks of `type` alone, before anything else, holds for it.
#[must_use]
pub fn may_want(query: &Query, kind: &str) -> bool {
    let row = Row::from_iter([("type".to_owned(), json!(kind))]);
    let conditions = query.operators.iter().map_while(|operator| match operator {
        Operator::Where(condition) => Some(condition),
        _ => None,
    });
    conditions.flat_map(eval::conjuncts).all(|condition| {
        let of_type = eval::places(condition).iter().all(|place| place.column == "type");
        !of_type || eval::is_true(&eval::evaluate(condition, &row))
    })
}

/// What of its rows a query can show or ask for, so that nothing else of them has to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Needs(Option<BTreeSet<String>>);

impl Needs {
    /// Everything.
    pub const ALL: Self = Self(None);

    /// Whether a column, or a key right below `properties`, can be needed.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(name))
    }
}

/// Returns what a query needs of its rows.
#[must_use]
pub fn needs(query: &Query) -> Needs {
    let mut names = BTreeSet::new();
    let mut chosen = false;
    for operator in &query.operators {
        chosen |= operator.chooses_columns();
        for place in operator.expressions().into_iter().flat_map(eval::places) {
            names.insert(place.column.to_owned());
            match place.part {
                Some(part) => names.extend(part.as_str().map(str::to_owned)),
                None if place.column == "properties" => return Needs::ALL,
                None => {}
            }
        }
    }
    Needs(chosen.then_some(names))
}

/// Runs the operators of a query over the rows of its table.
///
/// The rows go one by one through the operators that look at one row alone, so that what these leave out is never held together.
///
/// # Errors
/// A column or function that is not known.
pub fn run(query: &Query, columns: &[&str], rows: impl Iterator<Item = Row>) -> Result<Table, Fault> {
    let alone = query
        .operators
        .iter()
        .take_while(|operator| operator.looks_at_one_row());
    let (alone, together) = query.operators.split_at(alone.count());
    let mut columns = columns.iter().map(|column| (*column).to_owned()).collect();
    for operator in alone {
        columns_after(operator, &mut columns)?;
    }
    let rows = rows.filter_map(|row| alone.iter().try_fold(row, |row, operator| of_row(operator, row)));
    let mut table = Table {
        columns,
        rows: rows.collect(),
        ordered: false,
        limited: false,
    };
    for operator in together {
        apply(&mut table, operator)?;
    }
    Ok(table)
}

/// Makes of the columns before an operator that looks at one row alone those after it.
fn columns_after(operator: &Operator, columns: &mut Vec<String>) -> Result<(), Fault> {
    match operator {
        Operator::Where(condition) => eval::check(condition, columns)?,
        Operator::Project(named) => {
            for (_, expression) in named {
                eval::check(expression, columns)?;
            }
            *columns = named.iter().map(|(name, _)| name.clone()).collect();
        }
        Operator::ProjectAway(names) => columns.retain(|column| !names.contains(column)),
        Operator::Extend(named) => {
            for (name, expression) in named {
                eval::check(expression, columns)?;
                if !columns.contains(name) {
                    columns.push(name.clone());
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// What an operator that looks at one row alone makes of it; none if it leaves it out.
fn of_row(operator: &Operator, mut row: Row) -> Option<Row> {
    match operator {
        Operator::Where(condition) => return eval::is_true(&eval::evaluate(condition, &row)).then_some(row),
        Operator::Project(columns) => {
            let named = |(name, expression): &(String, parser::Expression)| {
                (name.clone(), eval::evaluate(expression, &row).into_owned())
            };
            return Some(columns.iter().map(named).collect());
        }
        Operator::ProjectAway(names) => row.retain(|column, _| !names.contains(column)),
        Operator::Extend(columns) => {
            for (name, expression) in columns {
                let value = eval::evaluate(expression, &row).into_owned();
                row.insert(name.clone(), value);
            }
        }
        _ => {}
    }
    Some(row)
}

fn apply(table: &mut Table, operator: &Operator) -> Result<(), Fault> {
    if !operator.looks_at_one_row() {
        for expression in operator.expressions() {
            eval::check(expression, &table.columns)?;
        }
    }
    match operator {
        Operator::Where(_) | Operator::Project(_) | Operator::ProjectAway(_) | Operator::Extend(_) => {
            columns_after(operator, &mut table.columns)?;
            let rows = std::mem::take(&mut table.rows).into_iter();
            table.rows = rows.filter_map(|row| of_row(operator, row)).collect();
        }
        Operator::Order(keys) => {
            let keyed = |row: Row| -> (Vec<Value>, Row) {
                (
                    keys.iter()
                        .map(|(expression, _)| eval::evaluate(expression, &row).into_owned())
                        .collect(),
                    row,
                )
            };
            let mut rows: Vec<(Vec<Value>, Row)> = std::mem::take(&mut table.rows).into_iter().map(keyed).collect();
            rows.sort_by(|(left, _), (right, _)| {
                let orders = left
                    .iter()
                    .zip(right)
                    .zip(keys)
                    .map(|((left, right), (_, descending))| {
                        let order = eval::compare(left, right);
                        if *descending { order.reverse() } else { order }
                    });
                orders
                    .into_iter()
                    .find(|order| order.is_ne())
                    .unwrap_or(std::cmp::Ordering::Equal)
            });
            table.rows = rows.into_iter().map(|(_, row)| row).collect();
            table.ordered = true;
        }
        Operator::Limit(count) => {
            table.rows.truncate(*count);
            table.limited = true;
        }
        Operator::Count => {
            let count = table.rows.len();
            *table = single("Count".to_owned(), json!(count));
        }
        Operator::Distinct(columns) => {
            let mut seen: BTreeMap<String, Row> = BTreeMap::new();
            for row in &table.rows {
                let picked: Row = columns
                    .iter()
                    .map(|(name, expression)| (name.clone(), eval::evaluate(expression, row).into_owned()))
                    .collect();
                seen.entry(Value::Object(picked.clone()).to_string()).or_insert(picked);
            }
            table.rows = seen.into_values().collect();
            table.columns = columns.iter().map(|(name, _)| name.clone()).collect();
        }
        Operator::Summarize(aggregates, keys) => summarize(table, aggregates, keys),
    }
    Ok(())
}

fn single(name: String, value: Value) -> Table {
    Table {
        columns: vec![name.clone()],
        rows: vec![Map::from_iter([(name, value)])],
        ordered: false,
        limited: true,
    }
}

fn summarize(table: &mut Table, aggregates: &[(String, Aggregate)], keys: &[(String, parser::Expression)]) {
    let mut groups: BTreeMap<String, (Row, Vec<&Row>)> = BTreeMap::new();
    for row in &table.rows {
        let key: Row = keys
            .iter()
            .map(|(name, expression)| (name.clone(), eval::evaluate(expression, row).into_owned()))
            .collect();
        groups
            .entry(Value::Object(key.clone()).to_string())
            .or_insert_with(|| (key, Vec::new()))
            .1
            .push(row);
    }
    if keys.is_empty() && groups.is_empty() {
        groups.insert(String::new(), (Row::new(), Vec::new()));
    }
    let mut rows = Vec::new();
    for (mut row, members) in groups.into_values() {
        for (name, aggregate) in aggregates {
            let values = |of: &parser::Expression| {
                members
                    .iter()
                    .map(|row| eval::evaluate(of, row).into_owned())
                    .collect::<Vec<Value>>()
            };
            let value = match aggregate {
                Aggregate::Count => json!(members.len()),
                Aggregate::Distinct(of) => {
                    json!(values(of).iter().map(Value::to_string).collect::<BTreeSet<_>>().len())
                }
                Aggregate::Min(of) => values(of).into_iter().min_by(eval::compare).unwrap_or_default(),
                Aggregate::Max(of) => values(of).into_iter().max_by(eval::compare).unwrap_or_default(),
                Aggregate::List(of, most) => {
                    let values = values(of).into_iter().filter(|value| !value.is_null());
                    Value::Array(values.take(*most).collect())
                }
            };
            row.insert(name.clone(), value);
        }
        rows.push(row);
    }
    table.columns = keys
        .iter()
        .map(|(name, _)| name.clone())
        .chain(aggregates.iter().map(|(name, _)| name.clone()))
        .collect();
    table.rows = rows;
}

#[cfg(test)]
mod tests;
