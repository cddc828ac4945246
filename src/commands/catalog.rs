//! `aksgate catalog`

use super::context::Context;
use super::error::{CommandError, Exit};
use crate::catalog::Catalog;
use crate::view::catalog as view;
use crate::view::gates::{self as view_gates, guidebook};
use crate::view::printer::Format;

/// List and show the built-in policies that concern AKS
///
/// Works offline, from facts inside the program. A search that fits one entry shows all that is known of it. With --gates it shows
/// the estate's own initiatives instead: which incident each prevents, how far it can close, what it breaks, how to roll it out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate catalog
  aksgate catalog privileged
  aksgate catalog a8640138-9b0a-4a28-b8cb-1666c838647d
  aksgate catalog 'pod security' --format json
  aksgate catalog --gates exposure")]
pub(super) struct Args {
    /// A GUID, or words of the title
    search: Option<String>,
    /// Show the gates of the estate instead of Azure's built-ins
    #[arg(long)]
    gates: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let catalog = Catalog::embedded();
    let search = args.search.as_deref().unwrap_or_default();
    if args.gates {
        return gates(context, catalog, search);
    }
    let found = catalog.search(search);
    let printer = &context.printer;
    if found.count() == 0 {
        return Err(
            CommandError::failed(format!("nothing in the catalogue fits `{search}`"))
                .hint("`aksgate catalog` lists everything"),
        );
    }
    match printer.format {
        Format::Human => {
            printer.data(&view::human(
                catalog,
                &found,
                view::Layout {
                    paint: printer.out,
                    width: printer.width,
                },
            ));
        }
        Format::Markdown => printer.data(&view::page(catalog, &found)),
        Format::Json => printer.data(&crate::view::text::json(&view::document(catalog, &found))),
    }
    Ok(Exit::Done)
}

fn gates(context: &Context, catalog: &Catalog, search: &str) -> Result<Exit, CommandError> {
    let loaded = context.estate()?;
    let guide = guidebook(&loaded.estate, catalog, search);
    if guide.is_empty() {
        return Err(
            CommandError::failed(format!("no initiative of the estate fits `{search}`"))
                .hint("`aksgate catalog --gates` lists all of them"),
        );
    }
    let printer = &context.printer;
    match printer.format {
        Format::Human => {
            let (paint, width) = (printer.out, printer.width);
            printer.data(&view_gates::human(&guide, view::Layout { paint, width }));
        }
        Format::Markdown => printer.data(&view_gates::page(&guide)),
        Format::Json => printer.data(&crate::view::text::json(&view_gates::document(&guide))),
    }
    Ok(Exit::Done)
}
