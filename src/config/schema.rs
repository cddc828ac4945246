//! The JSON Schema of each kind of file, made from the table of keys, for editors.

use super::format::Format;
use super::keys::{self, Form, Key, Shape, Table};
use serde_json::{Map, Value, json};

/// Returns the schema of `aksgate.yaml`.
pub fn estate() -> Value {
    document("estate", &keys::ESTATE)
}

/// Returns the schema of `environments/NAME.yaml`.
pub fn environment() -> Value {
    document("environment", &keys::ENVIRONMENT)
}

/// Returns the schema of `initiatives/NAME.yaml`.
pub fn initiative() -> Value {
    document("initiative", &keys::INITIATIVE)
}

/// Returns the schema of `initiatives/SET/NAME.yaml`.
pub fn rule() -> Value {
    document("rule", &keys::RULE)
}

/// Returns every schema with the name of its file, such as `estate.schema.json`.
pub fn all() -> [(&'static str, Value); 4] {
    [
        ("estate.schema.json", estate()),
        ("environment.schema.json", environment()),
        ("initiative.schema.json", initiative()),
        ("rule.schema.json", rule()),
    ]
}

/// Returns a schema as the text of its file.
pub fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

fn document(title: &str, table: &'static Table) -> Value {
    let mut schema = of_table(table);
    // Draft 7 is the newest that yaml-language-server reads without gaps.
    schema.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    schema.insert("title".into(), format!("aksgate {title}").into());
    Value::Object(schema)
}

fn of_table(table: &'static Table) -> Map<String, Value> {
    let property = |key: &'static Key| {
        let mut schema = of_shape(&key.shape);
        schema.insert("description".into(), key.doc.into());
        if let Some(default) = key.default {
            schema.insert("default".into(), default.into());
        }
        (key.name.to_owned(), Value::Object(schema))
    };
    let required: Vec<&str> = table
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let mut schema = object();
    schema.insert("description".into(), table.doc.into());
    schema.insert(
        "properties".into(),
        Value::Object(table.keys.iter().map(property).collect()),
    );
    schema.insert("additionalProperties".into(), false.into());
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    if !table.forms.is_empty() {
        let forms: Vec<Value> = table.forms.iter().map(|form| of_form(form, table)).collect();
        schema.insert("oneOf".into(), forms.into());
    }
    schema
}

/// One form: what it must have, and that it has nothing of the others.
fn of_form(form: &Form, table: &Table) -> Value {
    let required: Vec<&str> = std::iter::once(form.lead)
        .chain(form.required.iter().copied())
        .collect();
    let foreign = table.keys.iter().filter(|key| !form.has(key.name));
    let foreign: Map<String, Value> = foreign.map(|key| (key.name.to_owned(), false.into())).collect();
    json!({"title": form.name, "required": required, "properties": foreign})
}

fn of_shape(shape: &'static Shape) -> Map<String, Value> {
    match shape {
        Shape::Table(table) => of_table(table),
        Shape::Map { key, value } => {
            let mut schema = object();
            schema.insert("propertyNames".into(), Value::Object(of_format(*key)));
            schema.insert("additionalProperties".into(), Value::Object(of_shape(value)));
            schema
        }
        Shape::List { item, least } => {
            let mut schema = Map::new();
            schema.insert("type".into(), "array".into());
            schema.insert("items".into(), Value::Object(of_shape(item)));
            if *least > 0 {
                schema.insert("minItems".into(), (*least).into());
            }
            schema
        }
        Shape::Text(format) => {
            let mut schema = of_format(*format);
            schema.insert("type".into(), "string".into());
            schema
        }
        Shape::Words(words) => {
            let (names, docs): (Vec<&str>, Vec<&str>) = words.iter().copied().unzip();
            let mut schema = Map::new();
            schema.insert("type".into(), "string".into());
            schema.insert("enum".into(), json!(names));
            schema.insert("markdownEnumDescriptions".into(), json!(docs));
            schema
        }
        Shape::Number => {
            let mut schema = Map::new();
            schema.insert("type".into(), "integer".into());
            schema.insert("minimum".into(), json!(0));
            schema
        }
        Shape::Boolean => {
            let mut schema = Map::new();
            schema.insert("type".into(), "boolean".into());
            schema
        }
        Shape::TextOrBoolean(format) => {
            let mut schema = of_format(*format);
            schema.insert("type".into(), json!(["string", "boolean"]));
            schema
        }
        Shape::Parameter => Map::new(),
    }
}

fn of_format(format: Format) -> Map<String, Value> {
    let mut schema = Map::new();
    if let Some(pattern) = format.pattern() {
        schema.insert("pattern".into(), pattern.into());
        schema.insert(
            "patternErrorMessage".into(),
            format!("expected {}", format.expected()).into(),
        );
    }
    if let Some(longest) = format.longest() {
        schema.insert("maxLength".into(), longest.into());
    }
    if matches!(format, Format::Title(_)) {
        schema.insert("minLength".into(), 1.into());
    }
    schema
}

fn object() -> Map<String, Value> {
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SHIPPED, SMALL, changed};
    use super::super::{parameters, walk};
    use super::*;
    use crate::yaml;
    use proptest::prelude::*;

    /// Says whether a schema of ours takes a value: the keywords that are used here, and no others.
    fn takes(schema: &Value, value: &Value) -> bool {
        let Value::Object(keywords) = schema else {
            return schema == &Value::Bool(true);
        };
        let empty = Map::new();
        let object = value.as_object();
        let names = |list: &Value| {
            list.as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let count = |text: &str| text.chars().count() as u64;
        keywords.iter().all(|(keyword, rule)| match keyword.as_str() {
            "type" => {
                let types = if rule.is_string() { json!([rule]) } else { rule.clone() };
                names(&types).iter().any(|name| match name.as_str() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    other => panic!("{other}"),
                })
            }
            "properties" => rule
                .as_object()
                .unwrap()
                .iter()
                .all(|(name, rule)| value.get(name).is_none_or(|value| takes(rule, value))),
            "additionalProperties" => {
                let known = keywords.get("properties").and_then(Value::as_object).unwrap_or(&empty);
                object.is_none_or(|object| {
                    object
                        .iter()
                        .all(|(name, value)| known.contains_key(name) || takes(rule, value))
                })
            }
            "propertyNames" => {
                object.is_none_or(|object| object.keys().all(|name| takes(rule, &Value::String(name.clone()))))
            }
            "required" => object.is_none_or(|object| names(rule).iter().all(|name| object.contains_key(name))),
            "oneOf" => {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .filter(|rule| takes(rule, value))
                    .count()
                    == 1
            }
            "items" => value
                .as_array()
                .is_none_or(|items| items.iter().all(|item| takes(rule, item))),
            "minItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "enum" => value
                .as_str()
                .is_none_or(|text| names(rule).iter().any(|name| name == text)),
            "pattern" => value
                .as_str()
                .is_none_or(|text| regex_lite::Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
            "maxLength" => value.as_str().is_none_or(|text| count(text) <= rule.as_u64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| count(text) >= rule.as_u64().unwrap()),
            "$schema" | "title" | "description" | "default" | "markdownEnumDescriptions" | "patternErrorMessage" => {
                true
            }
            other => panic!("the keyword {other}"),
        })
    }

    /// Returns the table and the schema of a file.
    fn kind(path: &str) -> (&'static Table, Value) {
        match path.split_once('/') {
            None => (&keys::ESTATE, estate()),
            Some(("environments", _)) => (&keys::ENVIRONMENT, environment()),
            Some((_, name)) if name.contains('/') => (&keys::RULE, rule()),
            Some(_) => (&keys::INITIATIVE, initiative()),
        }
    }

    #[test]
    fn estates_without_a_mistake_fit_their_schemas() {
        for (path, text) in SHIPPED.iter().chain(&SMALL).filter(|(path, _)| path.ends_with(".yaml")) {
            let (document, _) = yaml::parse(path, text.as_bytes());
            let value = parameters::value(&document.unwrap().root).unwrap();
            assert!(takes(&kind(path).1, &value), "{path}");
        }
    }

    #[test]
    fn shipped_files_name_their_schema() {
        for (path, text) in SHIPPED.into_iter().filter(|(path, _)| path.ends_with(".yaml")) {
            let schema = match path.split_once('/') {
                None => "schema/estate.schema.json",
                Some(("environments", _)) => "../schema/environment.schema.json",
                Some((_, name)) if name.contains('/') => "../../schema/rule.schema.json",
                Some(_) => "../schema/initiative.schema.json",
            };
            let first = text.lines().next().unwrap();
            assert_eq!(first, format!("# yaml-language-server: $schema={schema}"), "{path}");
        }
    }

    /// `AKSGATE_UPDATE=1 cargo test schema` writes the files anew.
    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the files of the repository are compared and renewed here"
    )]
    fn files_hold_the_schemas() {
        for (name, schema) in all() {
            let path = format!("{}/schema/{name}", env!("CARGO_MANIFEST_DIR"));
            if std::env::var_os("AKSGATE_UPDATE").is_some() {
                std::fs::write(&path, text(&schema)).unwrap();
            }
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                found == text(&schema),
                "schema/{name} is out of step: run AKSGATE_UPDATE=1 cargo test schema"
            );
        }
    }

    proptest! {
        #[test]
        fn walk_and_schema_agree(files in changed()) {
            for file in files {
                let (Some(document), read) = yaml::parse(&file.path, &file.content) else { continue };
                let Some(value) = parameters::value(&document.root).filter(|_| read.is_empty()) else { continue };
                let (table, schema) = kind(&file.path);
                let mut mistakes = Vec::new();
                walk::walk(&file.path, &document, table, &mut mistakes);
                prop_assert_eq!(takes(&schema, &value), mistakes.is_empty(), "{} {:?}", String::from_utf8_lossy(&file.content), mistakes);
            }
        }
    }
}
