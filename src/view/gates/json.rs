//! The guide as JSON.

use super::Guidebook;
use serde_json::{Value, json};

/// Returns the guide as one JSON document.
pub fn document(guide: &Guidebook) -> Value {
    let gates = guide.entries.iter().map(|entry| {
        let members = entry.members.iter().map(|row| {
            json!({
                "ref": row.reference,
                "title": row.title,
                "definition": row.definition,
                "judges": row.judges,
                "stages": row.stages,
                "notes": row.notes,
            })
        });
        let parameters = entry.settable.iter().map(|settable| {
            json!({
                "name": settable.name,
                "takes": settable.kind,
                "required": settable.default.is_none(),
                "default": settable.default,
            })
        });
        let used = entry
            .used
            .iter()
            .map(|(environment, gate, target)| json!({"environment": environment, "gate": gate, "target": target}));
        json!({
            "initiative": entry.name,
            "title": entry.title,
            "description": entry.description,
            "origin": entry.origin,
            "incidents": entry.incidents.iter().map(|incident| incident.name()).collect::<Vec<_>>(),
            "furthestStage": entry.furthest,
            "members": members.collect::<Vec<_>>(),
            "parameters": parameters.collect::<Vec<_>>(),
            "used": used.collect::<Vec<_>>(),
            "breaks": entry.breaks,
            "rollOut": entry.roll_out,
        })
    });
    let settings = guide.all_settings().map(|setting| {
        json!({
            "key": setting.key,
            "title": setting.title,
            "incidents": setting.incidents.iter().map(|incident| incident.name()).collect::<Vec<_>>(),
            "what": setting.what,
            "stages": setting.stages,
            "breaks": setting.breaks,
            "rollOut": setting.roll_out,
        })
    });
    let namespaces = guide
        .namespaces()
        .iter()
        .map(|namespace| json!({"name": namespace.name, "purpose": namespace.purpose, "source": namespace.source}));
    json!({
        "formatVersion": 1,
        "command": "catalog",
        "outcome": "done",
        "gates": gates.collect::<Vec<_>>(),
        "settings": settings.collect::<Vec<_>>(),
        "excludedNamespaces": namespaces.collect::<Vec<_>>(),
    })
}
