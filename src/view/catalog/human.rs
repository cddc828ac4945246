//! The catalogue for a person at a terminal.

use super::words::{
    Member, One, Row, default_effect, gate, kind_of, objects, one, origin, rows, totals, value, values, versions,
    with_marks,
};
use crate::catalog::{Catalog, Definition, Found, Parameter, PolicySet};
use crate::view::page::{Layout, Page};
use crate::view::text::{columns, plain};
use std::collections::BTreeMap;

/// From this many columns on, the list shows a built-in a line.
const WIDE: usize = 140;

/// Where Azure keeps the constraint templates of its own definitions.
const TEMPLATES: &str = "https://store.policy.core.windows.net/kubernetes/";

/// Returns what was found for a terminal: a list, or the details if it is one built-in.
pub fn human(catalog: &Catalog, found: &Found<'_>, layout: Layout) -> String {
    let mut page = Page::new(layout);
    match one(found) {
        Some(One::Initiative(set)) => page.initiative(catalog, set),
        Some(One::Definition(definition)) => page.definition(catalog, definition),
        None => page.list(catalog, found),
    }
    page.out
}

impl Page {
    fn list(&mut self, catalog: &Catalog, found: &Found<'_>) {
        let rows = rows(found);
        if rows.is_empty() {
            self.put(
                0,
                2,
                "No built-in matches. The catalogue holds what concerns AKS; see `aksgate catalog`.",
            );
            return;
        }
        if self.layout.width == 0 || self.layout.width >= WIDE {
            let widest = |of: fn(&Row) -> &str| rows.iter().map(|row| columns(of(row))).max().unwrap_or(0);
            let (version, about) = (widest(|row| &row.version), widest(|row| &row.about));
            for row in &rows {
                let Row { name, kind, title, .. } = row;
                let lead = format!("{name}  {:<version$}  {kind:<10}  {:<about$}  ", row.version, row.about);
                self.put(0, columns(&lead), &format!("{lead}{title}"));
            }
        } else {
            for row in &rows {
                self.heading(&row.title);
                self.put(2, 6, &format!("{}  {}  {}", row.name, row.version, row.kind));
                self.put(2, 4, &row.about);
            }
        }
        if self.layout.width != 0 {
            self.out.push('\n');
            self.put(0, 2, &format!("{}; from {}", totals(found), origin(catalog.source())));
        }
    }

    fn definition(&mut self, catalog: &Catalog, definition: &Definition) {
        let facts = definition.current();
        self.heading(&plain(&definition.display_name));
        self.field("name", &plain(&definition.name));
        let kind = format!(
            "policy definition, category {}, mode {}",
            definition.category, facts.mode
        );
        self.field(
            "kind",
            &with_marks(plain(&kind), definition.preview, definition.deprecated),
        );
        self.field("version", &versions(&facts.version, definition.versions()));
        self.field(
            "pin",
            &definition.current_pin().map(|pin| pin.to_string()).unwrap_or_default(),
        );
        self.field("effects", &plain(&facts.effects.join(", ")));
        self.field("default", &default_effect(facts));
        self.field("gate", gate(facts));
        self.field("kinds", &objects(facts));
        self.field("resources", &plain(&facts.resource_types.join(", ")));
        let template = facts.template.as_deref().unwrap_or_default();
        self.field("template", &plain(template.strip_prefix(TEMPLATES).unwrap_or(template)));
        for role in &facts.role_definition_ids {
            self.field("role", &plain(role.rsplit('/').next().unwrap_or(role)));
        }
        for (set, member) in catalog.users_of(&definition.name) {
            let pin = member.version.map(|pin| format!(" at {pin}")).unwrap_or_default();
            self.field(
                "member",
                &plain(&format!("{}{pin} of {}", member.reference_id, set.display_name)),
            );
        }
        self.parameters(&facts.parameters);
        self.source(catalog);
    }

    fn initiative(&mut self, catalog: &Catalog, set: &PolicySet) {
        let facts = set.current();
        self.heading(&plain(&set.display_name));
        self.field("name", &plain(&set.name));
        let kind = format!("policy set definition (initiative), category {}", set.category);
        self.field("kind", &with_marks(plain(&kind), set.preview, set.deprecated));
        self.field("version", &versions(&facts.version, set.versions()));
        self.field("pin", &set.current_pin().map(|pin| pin.to_string()).unwrap_or_default());
        self.parameters(&facts.parameters);
        self.out.push('\n');
        self.heading(&format!("Members ({})", facts.members.len()));
        for member in &facts.members {
            let member = Member::of(catalog, member);
            self.put(2, 4, &member.reference_id);
            self.put(4, 6, &member.title);
            self.put(4, 6, &format!("{}  {}", member.definition, member.version));
            self.put(4, 6, &format!("effect: {}", member.effect));
            self.put(4, 6, member.gate);
            for (name, value) in &member.fixed {
                self.put(4, 6, &format!("{name} = {value}"));
            }
        }
        self.source(catalog);
    }

    fn parameters(&mut self, parameters: &BTreeMap<String, Parameter>) {
        if parameters.is_empty() {
            return;
        }
        self.out.push('\n');
        self.heading(&format!("Parameters ({})", parameters.len()));
        for (name, parameter) in parameters {
            self.put(2, 4, &format!("{}: {}", plain(name), kind_of(parameter)));
            let default = parameter.default.as_ref();
            self.put(
                6,
                8,
                &default.map_or("no default: a value is required".to_owned(), |it| {
                    format!("default {}", value(it))
                }),
            );
            if let Some(allowed) = &parameter.allowed {
                self.put(6, 8, &format!("one of {}", values(allowed)));
            }
            if let Some(schema) = &parameter.schema {
                self.put(6, 8, &format!("schema {}", value(schema)));
            }
        }
    }

    fn source(&mut self, catalog: &Catalog) {
        self.out.push('\n');
        self.put(0, 2, &format!("From {}", origin(catalog.source())));
    }
}
