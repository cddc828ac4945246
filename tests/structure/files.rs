//! What every file must be.
#![expect(clippy::disallowed_methods, reason = "reads the files of the package")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::root;

/// Returns the sources of the crate by their path from its root.
pub fn sources() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    read(&root().join("src"), "src", &mut files);
    files.retain(|name, _| name.ends_with(".rs"));
    files
}

/// Returns every text file of the package by its path, without what is built or kept by tools.
fn texts() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    read(root(), "", &mut files);
    files
}

fn read(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}/{name}")
        };
        match entry.file_type() {
            Ok(_) if ["target", ".git", ".aksgate"].contains(&name.as_str()) => {}
            Ok(kind) if kind.is_dir() => read(&entry.path(), &path, files),
            Ok(kind) if kind.is_file() => {
                if let Ok(text) = fs::read_to_string(entry.path()) {
                    files.insert(path, text);
                }
            }
            _ => {}
        }
    }
}

/// Returns the first absolute path of somebody's machine in a text.
fn local_path(text: &str) -> Option<&str> {
    // In two parts, so that this file does not hold them.
    let folders = [
        concat!("/", "work"),
        concat!("/", "home/"),
        concat!("/", "root/"),
        concat!("/", "Users/"),
    ];
    let part_of_a_word = |c: char| c.is_alphanumeric() || "._-/}>~".contains(c);
    folders.into_iter().find_map(|folder| {
        text.match_indices(folder).find_map(|(start, found)| {
            let before = text.get(..start).and_then(|before| before.chars().next_back());
            let after = text.get(start + found.len()..).and_then(|after| after.chars().next());
            let inside = before.is_some_and(part_of_a_word)
                || !folder.ends_with('/') && after.is_some_and(|c| c != '/' && part_of_a_word(c));
            if inside {
                None
            } else {
                text.get(start..).and_then(|rest| rest.lines().next())
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{LONG_FILES, LONGEST_FILE};

    #[test]
    fn every_source_says_what_it_owns() {
        let sources = sources();
        assert!(
            sources.contains_key("src/lib.rs") && sources.len() > 5,
            "{:?}",
            sources.keys()
        );
        let silent: Vec<String> = sources
            .into_iter()
            .filter(|(_, text)| !text.starts_with("//! "))
            .map(|(name, _)| name)
            .collect();
        assert!(
            silent.is_empty(),
            "these do not start with `//!` and what they own: {silent:?}"
        );
    }

    #[test]
    fn no_source_is_too_long() {
        let long: Vec<(String, usize)> = sources()
            .into_iter()
            .map(|(name, text)| (name, text.lines().count()))
            .filter(|(name, lines)| *lines > LONGEST_FILE && !LONG_FILES.contains(&name.as_str()))
            .collect();
        assert!(
            long.is_empty(),
            "these have more than {LONGEST_FILE} lines and should be split: {long:?}"
        );
    }

    #[test]
    fn no_file_names_a_place_on_somebodys_machine() {
        let texts = texts();
        assert!(texts.contains_key("Cargo.toml") && texts.contains_key("src/lib.rs"));
        for (name, text) in texts {
            assert_eq!(local_path(&text), None, "{name}");
        }
    }

    #[test]
    fn places_are_told_from_ids() {
        let work = concat!("/", "work");
        for found in [
            work.to_owned(),
            format!("see {work}/x"),
            format!("\"{work}\""),
            concat!("=/", "home/me").to_owned(),
        ] {
            assert!(local_path(&found).is_some(), "{found}");
        }
        for fine in [
            format!("/providers{work}"),
            format!("{work}spaces/x"),
            format!("x{work}/y"),
            "https://a/home/b".to_owned(),
        ] {
            assert_eq!(local_path(&fine), None, "{fine}");
        }
    }
}
