//! What objects are judged with besides rules: who does what to them, and what else is in the cluster.

use super::stream::{namespace, objects};
use crate::admission::judge::{Settings, identity};
use crate::commands::error::CommandError;
use crate::rules::defaults::{Defaults, ServerDefault, fill};
use crate::rules::{Inventory, Operation, strip_nulls};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Options that say how objects are judged.
#[derive(Debug, clap::Args)]
pub(super) struct SettingsArgs {
    /// The namespace of objects that name none
    #[arg(long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,
    /// What is done to the objects
    #[arg(long, value_enum, default_value_t)]
    operation: OperationArg,
    /// Who does it, as the cluster names people
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// A group of whoever does it; can be given more than once
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// The objects as they are before an update
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,
    /// Leave this default of an API server unfilled; can be given more than once
    #[arg(long, value_name = "DEFAULT", value_parser = default_name)]
    without_default: Vec<ServerDefault>,
    /// Other objects of the cluster, for rules that look at them and for the labels of namespaces; can be given more than once
    #[arg(long, value_name = "PATH")]
    inventory: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
enum OperationArg {
    /// They are made.
    #[default]
    Create,
    /// They are changed.
    Update,
    /// They are deleted.
    Delete,
}

/// Settings, and what the report says of them.
pub(super) struct Read {
    pub settings: Settings,
    pub notes: Notes,
}

/// What the report says of the settings.
#[derive(Default)]
pub(super) struct Notes {
    pub defaults: BTreeMap<&'static str, usize>,
    pub without: Vec<&'static str>,
    pub assumptions: Vec<String>,
}

fn default_name(name: &str) -> Result<ServerDefault, String> {
    ServerDefault::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = ServerDefault::ALL.iter().map(|default| default.name()).collect();
        format!("it is none of {}", known.join(", "))
    })
}

impl SettingsArgs {
    /// Reads what the options name.
    pub(super) fn read(&self) -> Result<Read, CommandError> {
        let mut notes = Notes::default();
        let mut defaults = Defaults::default();
        for default in &self.without_default {
            defaults = defaults.without(*default);
        }
        for default in ServerDefault::ALL {
            match defaults.has(default) {
                true => {
                    notes.defaults.insert(default.name(), 0);
                }
                false => notes.without.push(default.name()),
            }
        }
        let operation = match self.operation {
            OperationArg::Create => Operation::Create,
            OperationArg::Update => Operation::Update,
            OperationArg::Delete => Operation::Delete,
        };
        if self.old.is_some() && operation != Operation::Update {
            return Err(CommandError::usage("`--old` is for `--operation UPDATE`"));
        }
        let mut old = BTreeMap::new();
        if let Some(path) = &self.old {
            for mut object in objects(path)? {
                strip_nulls(&mut object);
                fill(&mut object, &defaults, Some(&self.namespace));
                old.insert(identity(&object, ""), object);
            }
        }
        if operation == Operation::Update && self.old.is_none() {
            notes
                .assumptions
                .push("the objects before the update are not known: `--old` gives none".to_owned());
        }
        let user = (self.user.is_some() || !self.group.is_empty()).then(|| {
            let mut user = serde_json::Map::new();
            user.extend(
                self.user
                    .iter()
                    .map(|name| ("username".to_owned(), name.as_str().into())),
            );
            if !self.group.is_empty() {
                user.insert("groups".to_owned(), json!(self.group));
            }
            Value::Object(user)
        });
        if user.is_none() {
            notes
                .assumptions
                .push("who does it is not known: `--user` names nobody".to_owned());
        }
        let mut others = Vec::new();
        for path in &self.inventory {
            others.extend(objects(path)?);
        }
        others.iter_mut().for_each(strip_nulls);
        let namespaces = others.iter().cloned().filter_map(namespace).collect();
        let inventory = (!self.inventory.is_empty()).then(|| Inventory::new(&others.iter().collect::<Vec<_>>()));
        Ok(Read {
            settings: Settings {
                namespace: self.namespace.clone(),
                operation,
                user,
                old,
                defaults,
                namespaces,
                inventory,
            },
            notes,
        })
    }
}
