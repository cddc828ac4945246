//! A small evaluator of the Kusto query language, as far as Resource Graph queries about clusters and policies use it.
//!
//! Known: `where`, `project`, `project-away`, `extend`, `order by`/`sort by`, `limit`/`take`, `top`, `count`, `distinct` and
//! `summarize` with `count()`, `dcount()`, `min()`, `max()`. Anything else is an error, never a silent no-op. It must not know
//! where the rows come from.

mod eval;
mod lexer;
mod parser;

use std::collections::BTreeMap;

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

/// Runs the operators of a query over the rows of its table.
///
/// # Errors
/// A column or function that is not known.
pub fn run(query: &Query, columns: &[&str], rows: Vec<Row>) -> Result<Table, Fault> {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    let mut table = Table {
        columns,
        rows,
        ordered: false,
        limited: false,
    };
    for operator in &query.operators {
        apply(&mut table, operator)?;
    }
    Ok(table)
}

fn apply(table: &mut Table, operator: &Operator) -> Result<(), Fault> {
    match operator {
        Operator::Where(condition) => {
            eval::check(condition, &table.columns)?;
            let mut kept = Vec::new();
            for row in table.rows.drain(..) {
                if eval::is_true(&eval::evaluate(condition, &row)) {
                    kept.push(row);
                }
            }
            table.rows = kept;
        }
        Operator::Project(columns) => {
            for (_, expression) in columns {
                eval::check(expression, &table.columns)?;
            }
            table.rows = table
                .rows
                .iter()
                .map(|row| {
                    columns
                        .iter()
                        .map(|(name, expression)| (name.clone(), eval::evaluate(expression, row)))
                        .collect()
                })
                .collect();
            table.columns = columns.iter().map(|(name, _)| name.clone()).collect();
        }
        Operator::ProjectAway(names) => {
            table.columns.retain(|column| !names.contains(column));
            for row in &mut table.rows {
                row.retain(|column, _| !names.contains(column));
            }
        }
        Operator::Extend(columns) => {
            for (name, expression) in columns {
                eval::check(expression, &table.columns)?;
                for row in &mut table.rows {
                    let value = eval::evaluate(expression, row);
                    row.insert(name.clone(), value);
                }
                if !table.columns.contains(name) {
                    table.columns.push(name.clone());
                }
            }
        }
        Operator::Order(keys) => {
            for (expression, _) in keys {
                eval::check(expression, &table.columns)?;
            }
            table.rows.sort_by(|left, right| {
                keys.iter()
                    .map(|(expression, descending)| {
                        let order =
                            eval::compare(&eval::evaluate(expression, left), &eval::evaluate(expression, right));
                        if *descending { order.reverse() } else { order }
                    })
                    .find(|order| order.is_ne())
                    .unwrap_or(std::cmp::Ordering::Equal)
            });
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
            for (_, expression) in columns {
                eval::check(expression, &table.columns)?;
            }
            let mut seen: BTreeMap<String, Row> = BTreeMap::new();
            for row in &table.rows {
                let picked: Row = columns
                    .iter()
                    .map(|(name, expression)| (name.clone(), eval::evaluate(expression, row)))
                    .collect();
                seen.entry(Value::Object(picked.clone()).to_string()).or_insert(picked);
            }
            table.rows = seen.into_values().collect();
            table.columns = columns.iter().map(|(name, _)| name.clone()).collect();
        }
        Operator::Summarize(aggregates, keys) => summarize(table, aggregates, keys)?,
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

fn summarize(
    table: &mut Table,
    aggregates: &[(String, Aggregate)],
    keys: &[(String, parser::Expression)],
) -> Result<(), Fault> {
    for (_, expression) in keys {
        eval::check(expression, &table.columns)?;
    }
    for (_, aggregate) in aggregates {
        if let Aggregate::Distinct(of) | Aggregate::Min(of) | Aggregate::Max(of) = aggregate {
            eval::check(of, &table.columns)?;
        }
    }
    let mut groups: BTreeMap<String, (Row, Vec<&Row>)> = BTreeMap::new();
    for row in &table.rows {
        let key: Row = keys
            .iter()
            .map(|(name, expression)| (name.clone(), eval::evaluate(expression, row)))
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
            let values =
                |of: &parser::Expression| members.iter().map(|row| eval::evaluate(of, row)).collect::<Vec<_>>();
            let value = match aggregate {
                Aggregate::Count => json!(members.len()),
                Aggregate::Distinct(of) => {
                    json!(
                        values(of)
                            .iter()
                            .map(Value::to_string)
                            .collect::<std::collections::BTreeSet<_>>()
                            .len()
                    )
                }
                Aggregate::Min(of) => values(of).into_iter().min_by(eval::compare).unwrap_or_default(),
                Aggregate::Max(of) => values(of).into_iter().max_by(eval::compare).unwrap_or_default(),
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
    Ok(())
}

#[cfg(test)]
mod tests;
