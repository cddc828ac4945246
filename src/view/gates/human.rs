//! The guide for a person at a terminal.

use super::Guidebook;
use super::model::Entry;
use crate::config::Incident;
use crate::view::page::{Layout, Page};
use crate::view::text::value;

/// Returns the guide for a terminal: a list by incident, or the details if it is of one gate.
pub fn human(guide: &Guidebook, layout: Layout) -> String {
    let mut page = Page::new(layout);
    match guide.entries.as_slice() {
        [entry] if !guide.settings => page.gate(entry),
        _ => page.overview(guide),
    }
    page.out
}

impl Page {
    fn overview(&mut self, guide: &Guidebook) {
        for incident in Incident::ALL {
            let gates: Vec<&Entry> = guide.against(incident).collect();
            let settings: Vec<_> = guide.settings_against(incident).collect();
            if gates.is_empty() && settings.is_empty() {
                continue;
            }
            self.heading(incident.title());
            for entry in gates {
                let members = entry.members.len();
                let text = format!("{}: {members} members, as far as {}", entry.name, entry.furthest());
                self.put(2, 4, &text);
            }
            for setting in settings {
                self.put(
                    2,
                    4,
                    &format!("{}: {} ({})", setting.key, setting.title, setting.stages),
                );
            }
        }
        let unsaid: Vec<&Entry> = guide
            .entries
            .iter()
            .filter(|entry| entry.incidents.is_empty())
            .collect();
        if !unsaid.is_empty() {
            self.heading("Without a guide");
            for entry in unsaid {
                self.put(2, 4, &format!("{}: as far as {}", entry.name, entry.furthest()));
            }
        }
        let namespaces: Vec<&str> = guide.namespaces().iter().map(|namespace| namespace.name).collect();
        if !namespaces.is_empty() {
            self.heading("Namespaces that every gate leaves out");
            self.put(2, 4, &namespaces.join(", "));
        }
        if self.layout.width != 0 {
            self.out.push('\n');
            self.put(
                0,
                2,
                "`aksgate catalog --gates NAME` shows one with its members, parameters and what it breaks.",
            );
        }
    }

    fn gate(&mut self, entry: &Entry) {
        self.heading(&entry.name);
        self.field("title", &entry.title);
        self.field("about", &entry.description);
        self.field("is", &entry.origin);
        let against: Vec<&str> = entry.incidents.iter().map(|incident| incident.title()).collect();
        self.field("against", &against.join(", "));
        self.field("furthest", entry.furthest());
        for (environment, gate, target) in &entry.used {
            self.field("used", &format!("{environment} as {gate}, to {target}"));
        }
        self.field("breaks", &entry.breaks);
        self.field("roll out", &entry.roll_out);
        if !entry.members.is_empty() {
            self.out.push('\n');
            self.heading(&format!("Members ({})", entry.members.len()));
        }
        for row in &entry.members {
            let notes = if row.notes.is_empty() {
                String::new()
            } else {
                format!(" ({})", row.notes.join(", "))
            };
            self.put(2, 6, &format!("{}: {}{notes}", row.reference, row.title));
            self.put(
                6,
                8,
                &format!("{}; judges {}; {}", row.stages, row.judges, row.definition),
            );
        }
        if !entry.settable.is_empty() {
            self.out.push('\n');
            self.heading(&format!("Parameters ({})", entry.settable.len()));
        }
        for settable in &entry.settable {
            let default = settable
                .default
                .as_ref()
                .map_or("needed".to_owned(), |default| format!("else {}", value(default)));
            self.put(2, 6, &format!("{}: {}, {default}", settable.name, settable.kind));
        }
    }
}
