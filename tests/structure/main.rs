//! Keeps the shape of the code: which module may use which, and what every file must be.
//!
//! The rules are a table in `layers`; `tree` finds the modules, `paths` what each one names, `check` compares the two.

mod check;
mod files;
mod layers;
mod paths;
mod tree;

use std::path::Path;

/// Returns the folder of the package.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
