//! The summary that a pipeline shows of its job.

use crate::store;
use crate::view::printer::Printer;
use std::io;
use std::path::Path;

/// What is left of the 1 MiB that GitHub Actions takes of one step (docs.github.com, "Workflow commands": job summaries), with room for
/// what others add.
const LONGEST: usize = 900 * 1024;

/// Adds a page to the file that GitHub Actions shows.
pub(super) fn append(path: &Path, page: String) -> io::Result<()> {
    store::append_line(path, &shortened(page))
}

/// Writes a page to a file of its own and tells Azure Pipelines of it.
pub(super) fn upload(folder: &Path, page: String, printer: &Printer) -> io::Result<()> {
    let path = folder.join(format!("aksgate-{}.md", std::process::id()));
    store::replace_shared(&path, shortened(page).as_bytes())?;
    printer.error(&format!("##vso[task.uploadsummary]{}", path.display()));
    Ok(())
}

/// Cuts a page that is too long at the end of a line, and says so.
fn shortened(mut page: String) -> String {
    if page.len() <= LONGEST {
        return page;
    }
    let cut = page
        .char_indices()
        .take_while(|(at, _)| *at <= LONGEST)
        .filter(|(_, c)| *c == '\n')
        .last()
        .map_or(0, |(at, _)| at);
    page.truncate(cut);
    page.push_str("\n\nThe rest does not fit here: the log has all of it.\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_page_is_cut_between_lines_and_says_so() {
        let line = "| é |\n";
        let page = line.repeat(LONGEST);
        let short = shortened(page);
        assert!(short.len() < LONGEST + 100 && short.ends_with("the log has all of it.\n"));
        assert!(
            short
                .lines()
                .all(|one| one.is_empty() || one == line.trim_end() || one.starts_with("The rest"))
        );
        assert_eq!(shortened("x".into()), "x");
    }
}
