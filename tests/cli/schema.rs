//! `aksgate schema`

use crate::harness::{Folder, root};
use serde_json::Value;

#[test]
fn the_schemas_are_the_files_in_schema() {
    let folder = Folder::empty();
    for kind in ["estate", "environment", "initiative", "plan"] {
        let run = folder.run(&format!("schema {kind}")).expect(0);
        let file = root().join("schema").join(format!("{kind}.schema.json"));
        let file = std::fs::read_to_string(file).unwrap();
        assert_eq!(run.stdout, file, "{kind}");
        let schema: Value = run.json();
        assert!(
            schema["$schema"].as_str().unwrap().contains("json-schema.org"),
            "{kind}"
        );
    }
}

/// Says where a document has a field that its schema does not know, or lacks one that it asks for.
fn misfits(document: &Value, schema: &Value, root: &Value, path: &str, found: &mut Vec<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let words = schema["enum"].as_array();
    if words.is_some_and(|words| !words.contains(document)) {
        found.push(format!("{path} is {document}"));
    }
    if let (Some(items), Some(schema)) = (document.as_array(), schema.get("items")) {
        for (at, item) in items.iter().enumerate() {
            misfits(item, schema, root, &format!("{path}[{at}]"), found);
        }
    }
    let (Some(fields), Some(known)) = (document.as_object(), schema["properties"].as_object()) else {
        return;
    };
    for (name, value) in fields {
        match known.get(name) {
            Some(schema) => misfits(value, schema, root, &format!("{path}.{name}"), found),
            None => found.push(format!("{path}.{name} is not in the schema")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if !fields.contains_key(name.as_str().unwrap()) {
            found.push(format!("{path}.{} is missing", name.as_str().unwrap()));
        }
    }
}

#[test]
fn plan_files_fit_the_published_schema() {
    let folder = Folder::shipped();
    let schema: Value = serde_json::from_str(&folder.run("schema plan").expect(0).stdout).unwrap();
    for environment in ["dev", "test", "prod"] {
        folder
            .run(&format!("plan {environment} --sandbox --out plan.json"))
            .expect(0);
        let mut plan: Value = serde_json::from_str(&folder.read("plan.json")).unwrap();
        let mut found = Vec::new();
        misfits(&plan, &schema, &schema, "plan", &mut found);
        assert_eq!(found, Vec::<String>::new());
        plan["steps"][0]["action"] = "destroy".into();
        plan["more"] = 1.into();
        plan.as_object_mut().unwrap().remove("planId");
        misfits(&plan, &schema, &schema, "plan", &mut found);
        assert_eq!(found.len(), 3, "the check can fail: {found:?}");
    }
}
