//! `aksgate catalog`

use super::context::Context;
use super::error::{CommandError, Exit};
use crate::catalog::Catalog;
use crate::view::catalog as view;
use crate::view::printer::Format;

/// List and show the built-in policies that concern AKS
///
/// Works offline, from facts inside the program. A search that fits one entry shows all that is known of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate catalog
  aksgate catalog privileged
  aksgate catalog a8640138-9b0a-4a28-b8cb-1666c838647d
  aksgate catalog 'pod security' --format json")]
pub(super) struct Args {
    /// A GUID, or words of the title
    search: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let catalog = Catalog::embedded();
    let search = args.search.as_deref().unwrap_or_default();
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
