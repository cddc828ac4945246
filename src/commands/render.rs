//! `aksgate render`

use super::context::Context;
use super::error::{CommandError, Exit};
use super::gather::{desired_error, known_gates, rendered_offline};
use crate::desired::DesiredObject;
use crate::kinds::Kind;
use crate::store;
use crate::view::printer::Format;
use crate::view::text::code;
use serde_json::json;
use std::path::PathBuf;

/// Print the ARM documents of an environment, without calling Azure
///
/// Gates are rendered in audit, as a first apply writes them. What is only found in Azure stands as a placeholder:
/// {subscriptionId}, {resourceGroup}, {cluster}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate render prod
  aksgate render prod --gate pod-security
  aksgate render prod --out rendered/")]
pub(super) struct Args {
    /// The environment
    env: String,
    /// Write one file a document into this folder instead
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Render this gate only; can be given more than once
    #[arg(long, value_name = "GATE")]
    gate: Vec<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let environment = loaded.environment(&args.env)?;
    known_gates(environment, &args.gate)?;
    let mut objects = rendered_offline(
        (&loaded.estate, &loaded.catalog),
        &loaded.renderer,
        environment,
        &args.gate,
    )
    .map_err(|error| desired_error(&error))?;
    objects.sort_by(|one, two| (one.kind, &one.id).cmp(&(two.kind, &two.id)));
    objects.dedup_by(|one, two| one.kind == two.kind && one.id == two.id);
    if let Some(folder) = &args.out {
        for object in &objects {
            let path = folder.join(file_name(object));
            let text = format!("{:#}\n", object.body);
            store::create_directory(folder)
                .and_then(|()| store::replace(&path, text.as_bytes()))
                .map_err(|error| {
                    CommandError::failed(format!("`{}` cannot be written", path.display())).detail(error.to_string())
                })?;
            context.printer.note(&format!("wrote {}", path.display()));
        }
    }
    print(context, args, &objects);
    Ok(Exit::Done)
}

fn print(context: &Context, args: &Args, objects: &[DesiredObject]) {
    let printer = &context.printer;
    match printer.format {
        Format::Json => {
            let documents: Vec<_> = objects
                .iter()
                .map(|object| json!({"kind": object.kind.name(), "id": object.id.as_str(), "gate": object.gate, "body": object.body}))
                .collect();
            let document = json!({
                "formatVersion": 1,
                "command": "render",
                "outcome": Exit::Done.outcome(),
                "environment": args.env,
                "documents": documents,
            });
            printer.data(&format!("{document:#}"));
        }
        _ if args.out.is_some() => {}
        Format::Markdown => {
            for object in objects {
                let title = format!(
                    "### {} {}\n\n{}\n",
                    object.kind.label(),
                    code(object.id.name()),
                    code(object.id.as_str())
                );
                printer.data(&format!("{title}\n```json\n{:#}\n```\n", object.body));
            }
        }
        Format::Human => {
            for object in objects {
                printer.data(&printer.out.bold(&format!("# {} {}", object.kind.label(), object.id)));
                printer.data(&format!("{:#}\n", object.body));
            }
        }
    }
}

/// A name that says what the document is of: kind, and the last segment of what tells it from the others.
fn file_name(object: &DesiredObject) -> String {
    let which = match object.kind {
        Kind::DefenderPlan => object.id.value_of("subscriptions").unwrap_or_default(),
        Kind::KubernetesExtension => object.id.value_of("connectedClusters").unwrap_or_default(),
        Kind::DeploymentSafeguards => object.id.value_of("managedClusters").unwrap_or_default(),
        _ => object.id.name(),
    };
    let plain: String = which
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' })
        .collect();
    format!("{}.{plain}.json", object.kind.name())
}
