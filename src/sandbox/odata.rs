//! The query options of Policy Insights: `$filter`, `$apply`, `$orderby`, `$select`.
//!
//! A small part of OData 4, over rows that are JSON objects. Names of fields and texts match without case, as the service compares ids.
//! What is not understood is an error, never a silent no-op.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::json::entry_without_case;
use super::time;

/// A row: names of fields and values.
pub type Row = Map<String, Value>;

/// A condition on a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Both hold.
    And(Box<Condition>, Box<Condition>),
    /// One holds.
    Or(Box<Condition>, Box<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A field compares so with one of the values.
    Compare(String, Comparison, Vec<Value>),
}

/// How two values compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// One of the values is the same.
    Equal,
    /// None of the values is the same.
    NotEqual,
    /// The field is less.
    Less,
    /// The field is less or equal.
    AtMost,
    /// The field is more.
    More,
    /// The field is more or equal.
    AtLeast,
    /// The field starts with the text.
    StartsWith,
    /// The field ends with the text.
    EndsWith,
    /// The text is in the field.
    Contains,
}

impl Condition {
    /// Reads a `$filter`.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::new(text)?;
        let condition = reader.either()?;
        reader.end()?;
        Ok(condition)
    }

    /// Returns whether it holds for a row.
    #[must_use]
    pub fn holds(&self, row: &Row) -> bool {
        match self {
            Self::And(one, two) => one.holds(row) && two.holds(row),
            Self::Or(one, two) => one.holds(row) || two.holds(row),
            Self::Not(inner) => !inner.holds(row),
            Self::Compare(field, comparison, values) => {
                let found = entry_without_case(row, field).map_or(&Value::Null, |(_, value)| value);
                // Of a list any item may be meant.
                let items: Vec<&Value> = match found {
                    Value::Array(items) => items.iter().collect(),
                    other => vec![other],
                };
                let any = |test: &dyn Fn(&Value, &Value) -> bool| {
                    values.iter().any(|value| items.iter().any(|item| test(item, value)))
                };
                let ordered = |wanted: &[Ordering]| {
                    any(&|item, value| compare(item, value).is_some_and(|order| wanted.contains(&order)))
                };
                let texts = |test: &dyn Fn(&str, &str) -> bool| {
                    any(&|item, value| match (item.as_str(), value.as_str()) {
                        (Some(item), Some(value)) => test(&item.to_ascii_lowercase(), &value.to_ascii_lowercase()),
                        _ => false,
                    })
                };
                match comparison {
                    Comparison::Equal => ordered(&[Ordering::Equal]),
                    Comparison::NotEqual => !ordered(&[Ordering::Equal]),
                    Comparison::Less => ordered(&[Ordering::Less]),
                    Comparison::AtMost => ordered(&[Ordering::Less, Ordering::Equal]),
                    Comparison::More => ordered(&[Ordering::Greater]),
                    Comparison::AtLeast => ordered(&[Ordering::Greater, Ordering::Equal]),
                    Comparison::StartsWith => texts(&|item, value| item.starts_with(value)),
                    Comparison::EndsWith => texts(&|item, value| item.ends_with(value)),
                    Comparison::Contains => texts(&|item, value| item.contains(value)),
                }
            }
        }
    }
}

/// Compares two values: times and numbers as such, texts without case.
fn compare(one: &Value, two: &Value) -> Option<Ordering> {
    match (one, two) {
        (Value::String(one), Value::String(two)) => match (time::parse(one), time::parse(two)) {
            (Some(one), Some(two)) => Some(one.cmp(&two)),
            _ => Some(one.to_ascii_lowercase().cmp(&two.to_ascii_lowercase())),
        },
        (Value::Bool(one), Value::Bool(two)) => Some(one.cmp(two)),
        (Value::Null, Value::Null) => Some(Ordering::Equal),
        _ => one.as_f64()?.partial_cmp(&two.as_f64()?),
    }
}

/// Reads `$apply` and does what it says.
///
/// # Errors
/// What is not understood.
pub fn apply(text: &str, rows: Vec<Row>) -> Result<Vec<Row>, String> {
    let mut reader = Reader::new(text)?;
    let mut rows = rows;
    loop {
        rows = reader.transformation(rows)?;
        if !reader.takes("/") {
            reader.end()?;
            return Ok(rows);
        }
    }
}

/// Orders rows by `$orderby`, such as `timestamp desc, resourceId`.
///
/// # Errors
/// What is not understood.
pub fn order(text: &str, rows: &mut [Row]) -> Result<(), String> {
    let mut keys = Vec::new();
    for part in text.split(',') {
        let words: Vec<&str> = part.split_whitespace().collect();
        match words.as_slice() {
            [field] => keys.push((*field, false)),
            [field, way] if way.eq_ignore_ascii_case("asc") || way.eq_ignore_ascii_case("desc") => {
                keys.push((*field, way.eq_ignore_ascii_case("desc")));
            }
            _ => return Err(format!("`{}` is no order", part.trim())),
        }
    }
    let value = |row: &Row, field: &str| {
        entry_without_case(row, field)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    rows.sort_by(|one, two| {
        let orders = keys.iter().map(|(field, down)| {
            let order = compare(&value(one, field), &value(two, field)).unwrap_or(Ordering::Equal);
            if *down { order.reverse() } else { order }
        });
        orders
            .into_iter()
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    Ok(())
}

/// Keeps the fields that `$select` names.
pub fn select(text: &str, rows: &mut [Row]) {
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    for row in rows {
        row.retain(|name, _| fields.iter().any(|field| field.eq_ignore_ascii_case(name)));
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Symbol(char),
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn new(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            if first == '\'' {
                let mut inner = String::new();
                let mut after = rest.get(1..).unwrap_or_default();
                loop {
                    let (before, more) = after
                        .split_once('\'')
                        .ok_or_else(|| format!("the text `{rest}` does not end"))?;
                    inner.push_str(before);
                    match more.strip_prefix('\'') {
                        Some(more) => {
                            inner.push('\'');
                            after = more;
                        }
                        None => {
                            rest = more;
                            break;
                        }
                    }
                }
                tokens.push(Token::Text(inner));
            } else if "(),/".contains(first) {
                tokens.push(Token::Symbol(first));
                rest = rest.get(1..).unwrap_or_default();
            } else {
                let end = rest
                    .find(|letter: char| letter.is_whitespace() || "(),'/".contains(letter))
                    .unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                tokens.push(Token::Word(word.to_owned()));
                rest = after;
            }
            rest = rest.trim_start();
        }
        Ok(Self { tokens, at: 0 })
    }

    fn unexpected(&self) -> String {
        match self.tokens.get(self.at) {
            None => "it ends too early".to_owned(),
            Some(Token::Word(word)) => format!("`{word}` is not understood"),
            Some(Token::Text(text)) => format!("the text '{text}' is not expected"),
            Some(Token::Symbol(symbol)) => format!("`{symbol}` is not expected"),
        }
    }

    fn end(&self) -> Result<(), String> {
        if self.at == self.tokens.len() {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// Takes a word or symbol if it is the next one.
    fn takes(&mut self, wanted: &str) -> bool {
        let found = match self.tokens.get(self.at) {
            Some(Token::Word(word)) => word.eq_ignore_ascii_case(wanted),
            Some(Token::Symbol(symbol)) => wanted.chars().eq([*symbol]),
            _ => false,
        };
        self.at += usize::from(found);
        found
    }

    fn expects(&mut self, wanted: &str) -> Result<(), String> {
        if self.takes(wanted) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word.clone())
            }
            _ => Err(self.unexpected()),
        }
    }

    fn literal(&mut self) -> Result<Value, String> {
        let value = match self.tokens.get(self.at) {
            Some(Token::Text(text)) => json!(text),
            Some(Token::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "true" => json!(true),
                "false" => json!(false),
                "null" => Value::Null,
                _ if time::parse(word).is_some() => json!(word),
                other => match other.parse::<f64>() {
                    Ok(number) => json!(number),
                    Err(_) => return Err(self.unexpected()),
                },
            },
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        Ok(value)
    }

    fn either(&mut self) -> Result<Condition, String> {
        let mut left = self.both()?;
        while self.takes("or") {
            left = Condition::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Condition, String> {
        let mut left = self.one()?;
        while self.takes("and") {
            left = Condition::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Condition, String> {
        if self.takes("not") {
            return Ok(Condition::Not(Box::new(self.one()?)));
        }
        if self.takes("(") {
            let inner = self.either()?;
            self.expects(")")?;
            return Ok(inner);
        }
        // 'group' in policyDefinitionGroupNames
        if let Some(Token::Text(text)) = self.tokens.get(self.at).cloned() {
            self.at += 1;
            self.expects("in")?;
            return Ok(Condition::Compare(self.word()?, Comparison::Equal, vec![json!(text)]));
        }
        let word = self.word()?;
        let function = match word.to_ascii_lowercase().as_str() {
            "startswith" => Some(Comparison::StartsWith),
            "endswith" => Some(Comparison::EndsWith),
            "contains" => Some(Comparison::Contains),
            _ => None,
        };
        if let Some(function) = function
            && self.takes("(")
        {
            let field = self.word()?;
            self.expects(",")?;
            let value = self.literal()?;
            self.expects(")")?;
            return Ok(Condition::Compare(field, function, vec![value]));
        }
        let operator = self.word()?.to_ascii_lowercase();
        let comparison = match operator.as_str() {
            "eq" => Comparison::Equal,
            "ne" => Comparison::NotEqual,
            "lt" => Comparison::Less,
            "le" => Comparison::AtMost,
            "gt" => Comparison::More,
            "ge" => Comparison::AtLeast,
            "in" => {
                self.expects("(")?;
                let mut values = vec![self.literal()?];
                while self.takes(",") {
                    values.push(self.literal()?);
                }
                self.expects(")")?;
                return Ok(Condition::Compare(word, Comparison::Equal, values));
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected());
            }
        };
        Ok(Condition::Compare(word, comparison, vec![self.literal()?]))
    }

    fn transformation(&mut self, rows: Vec<Row>) -> Result<Vec<Row>, String> {
        if self.takes("filter") {
            self.expects("(")?;
            let condition = self.either()?;
            self.expects(")")?;
            return Ok(rows.into_iter().filter(|row| condition.holds(row)).collect());
        }
        if self.takes("aggregate") {
            let aggregates = self.aggregates()?;
            return Ok(vec![summary(Row::new(), &rows, &aggregates)]);
        }
        self.expects("groupby")?;
        self.expects("(")?;
        self.expects("(")?;
        let mut fields = vec![self.word()?];
        while self.takes(",") {
            fields.push(self.word()?);
        }
        self.expects(")")?;
        let mut aggregates = Vec::new();
        if self.takes(",") {
            self.expects("aggregate")?;
            aggregates = self.aggregates()?;
        }
        self.expects(")")?;
        let mut groups: BTreeMap<String, (Row, Vec<Row>)> = BTreeMap::new();
        for row in rows {
            let mut head = Row::new();
            for field in &fields {
                let found = entry_without_case(&row, field);
                head.insert(
                    found.map_or(field, |(name, _)| name).clone(),
                    found.map(|(_, value)| value.clone()).unwrap_or_default(),
                );
            }
            let key = Value::Object(head.clone()).to_string().to_ascii_lowercase();
            groups.entry(key).or_insert_with(|| (head, Vec::new())).1.push(row);
        }
        Ok(groups
            .into_values()
            .map(|(head, rows)| summary(head, &rows, &aggregates))
            .collect())
    }

    /// Reads `($count as n, field with max as m)`.
    fn aggregates(&mut self) -> Result<Vec<(String, Option<String>, String)>, String> {
        let mut aggregates = Vec::new();
        self.expects("(")?;
        loop {
            let field = self.word()?;
            let mut method = None;
            if !field.eq_ignore_ascii_case("$count") {
                self.expects("with")?;
                let name = self.word()?.to_ascii_lowercase();
                if !["min", "max", "countdistinct"].contains(&name.as_str()) {
                    self.at -= 1;
                    return Err(self.unexpected());
                }
                method = Some(name);
            }
            self.expects("as")?;
            aggregates.push((field, method, self.word()?));
            if !self.takes(",") {
                self.expects(")")?;
                return Ok(aggregates);
            }
        }
    }
}

fn summary(mut head: Row, rows: &[Row], aggregates: &[(String, Option<String>, String)]) -> Row {
    for (field, method, name) in aggregates {
        let values = rows
            .iter()
            .filter_map(|row| entry_without_case(row, field))
            .map(|(_, value)| value);
        let order = |one: &&Value, two: &&Value| compare(one, two).unwrap_or(Ordering::Equal);
        let value = match method.as_deref() {
            None => json!(rows.len()),
            Some("min") => values.min_by(order).cloned().unwrap_or_default(),
            Some("max") => values.max_by(order).cloned().unwrap_or_default(),
            Some(_) => {
                let distinct: std::collections::BTreeSet<String> =
                    values.map(|value| value.to_string().to_ascii_lowercase()).collect();
                json!(distinct.len())
            }
        };
        head.insert(name.clone(), value);
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |value: Value| value.as_object().cloned().unwrap();
        vec![
            row(
                json!({"name": "One", "n": 1, "state": "Compliant", "at": "2027-01-04T08:00:00Z", "groups": ["a", "b"], "none": null}),
            ),
            row(
                json!({"name": "two", "n": 2, "state": "NonCompliant", "at": "2027-01-04T09:00:00Z", "groups": [], "none": null}),
            ),
            row(
                json!({"name": "it's", "n": 3, "state": "NonCompliant", "at": "2027-01-04T10:00:00Z", "groups": ["b"], "none": null}),
            ),
        ]
    }

    #[test]
    fn filters_choose_rows() {
        for (filter, expected) in [
            ("Name eq 'ONE'", vec![1]),
            ("name ne 'one'", vec![2, 3]),
            ("state eq 'NonCompliant' and n lt 3", vec![2]),
            ("n eq 1 or n eq 2 and state eq 'x'", vec![1]),
            ("(n eq 1 or n eq 2) and state eq 'noncompliant'", vec![2]),
            ("not (n ge 2)", vec![1]),
            ("name in ('one', 'two')", vec![1, 2]),
            ("at gt 2027-01-04T08:30:00Z and at le '2027-01-04T09:00:00Z'", vec![2]),
            ("startswith(name, 'T') or endswith(name,'''s')", vec![2, 3]),
            ("contains(state, 'non')", vec![2, 3]),
            ("'b' IN groups", vec![1, 3]),
            ("none eq null", vec![1, 2, 3]),
            ("missing eq 'x'", vec![]),
        ] {
            let condition = Condition::parse(filter).unwrap();
            let found: Vec<i64> = rows()
                .iter()
                .filter(|row| condition.holds(row))
                .map(|row| row["n"].as_i64().unwrap())
                .collect();
            assert_eq!(found, expected, "{filter}");
        }
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for (filter, why) in [
            ("name like 'x'", "`like` is not understood"),
            ("name eq", "ends too early"),
            ("name eq 'x", "does not end"),
            ("name eq x", "`x` is not understood"),
            ("name eq 'x' name", "`name` is not understood"),
            ("(name eq 'x'", "ends too early"),
            ("length(name) eq 1", "`(` is not expected"),
        ] {
            let error = Condition::parse(filter).unwrap_err();
            assert!(error.contains(why), "{filter}: {error}");
        }
        assert!(
            apply("sort(x)", rows()).is_err() && apply("groupby((x), aggregate(n with sum as s))", rows()).is_err()
        );
        assert!(order("n up", &mut rows()).is_err());
    }

    #[test]
    fn rows_are_grouped_ordered_and_cut() {
        let grouped = apply(
            "groupby((state),aggregate($count as count, n with max as most))",
            rows(),
        )
        .unwrap();
        assert_eq!(
            json!(grouped),
            json!([{"state": "Compliant", "count": 1, "most": 1}, {"state": "NonCompliant", "count": 2, "most": 3}])
        );
        let counted = apply(
            "filter(n gt 1)/aggregate($count as c, state with countdistinct as d)",
            rows(),
        )
        .unwrap();
        assert_eq!(json!(counted), json!([{"c": 2, "d": 1}]));
        let mut ordered = rows();
        order("state desc, at desc", &mut ordered).unwrap();
        select("N, nothing", &mut ordered);
        assert_eq!(json!(ordered), json!([{"n": 3}, {"n": 2}, {"n": 1}]));
    }
}
