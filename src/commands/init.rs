//! `aksgate init`

use super::context::Context;
use super::error::{CommandError, Exit};
use crate::config::schema;
use crate::render::SHIPPED;
use crate::store;
use std::path::PathBuf;

/// A file of this project's estate: its path and its text.
macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../", $path)))
    };
}

/// The estate that is written: the one that this project is tried with, without the tests of its rules.
const ESTATE: &[(&str, &str)] = &[
    file!("aksgate.yaml"),
    file!("aksgate.lock"),
    file!("environments/dev.yaml"),
    file!("environments/test.yaml"),
    file!("environments/prod.yaml"),
    file!("initiatives/pod-security-baseline.yaml"),
    file!("initiatives/pod-security-restricted.yaml"),
    file!("initiatives/image-governance.yaml"),
    file!("initiatives/exposure.yaml"),
    file!("initiatives/exposure/no-node-port.rego"),
    file!("initiatives/exposure/no-node-port.yaml"),
    file!("initiatives/network-isolation.yaml"),
    file!("initiatives/network-isolation/namespace-network-policy.rego"),
    file!("initiatives/network-isolation/namespace-network-policy.yaml"),
    file!("initiatives/network-isolation/open-network-policy.rego"),
    file!("initiatives/network-isolation/open-network-policy.yaml"),
    file!("initiatives/supply-chain.yaml"),
    file!("initiatives/supply-chain/approved-image-references.rego"),
    file!("initiatives/supply-chain/approved-image-references.yaml"),
    file!("initiatives/cluster-network.yaml"),
    file!("initiatives/cluster-network/network-policy-engine.json"),
    file!("initiatives/cluster-network/network-policy-engine.yaml"),
    file!("initiatives/fleet-enablement.yaml"),
    file!("initiatives/resource-hygiene.yaml"),
    file!("initiatives/vulnerable-images.yaml"),
];

/// Write an estate to begin with
///
/// The files are commented and fit the sandbox: `aksgate plan dev --sandbox` works at once. Nothing that is there is
/// overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate init
  aksgate init estates/shop")]
pub(super) struct Args {
    /// The folder, below the one of `-C` if that is given; made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let named = match &context.global.dir {
        Some(above) if args.folder.as_os_str() == "." => above.clone(),
        Some(above) => above.join(&args.folder),
        None => args.folder.clone(),
    };
    let folder = context.working_dir().join(&named);
    let mut files: Vec<(String, String)> = ESTATE
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    files.extend(
        SHIPPED
            .iter()
            .map(|(name, text)| (format!("templates/{name}"), (*text).to_owned())),
    );
    files.extend(schema::all().map(|(name, schema)| (format!("schema/{name}"), schema::text(&schema))));
    let there: Vec<&str> = files
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| store::exists(&folder.join(path)))
        .collect();
    if !there.is_empty() {
        return Err(CommandError::failed(format!(
            "`{}` already holds an estate, or a part of one",
            named.display()
        ))
        .detail(format!("there already: {}", there.join(", ")))
        .hint("name a new folder: `aksgate init DIR`"));
    }
    for (path, text) in &files {
        store::create_new(&folder.join(path), text.as_bytes())
            .map_err(|error| CommandError::failed(format!("`{path}` cannot be written")).detail(error.to_string()))?;
        context.printer.note(&format!("wrote {path}"));
    }
    if !store::exists(&folder.join(".gitignore")) {
        store::create_new(&folder.join(".gitignore"), b".aksgate/\n")
            .map_err(|error| CommandError::failed("`.gitignore` cannot be written").detail(error.to_string()))?;
    }
    let dir = named.display().to_string();
    let option = if dir == "." {
        String::new()
    } else {
        format!(" -C {dir}")
    };
    context.printer.data(&format!(
        "The estate is ready. Try it: aksgate{option} plan dev --sandbox"
    ));
    Ok(Exit::Done)
}
