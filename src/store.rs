//! The only place that touches the file system: whole-file reads, atomic replacement, and a lock between processes.
//!
//! Owns durability (temporary file, `fsync`, rename) and permissions (0600 files, 0700 directories). It must not know what
//! is in a file, nor why it is written.
#![expect(clippy::disallowed_methods, reason = "this is the home of file access")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Returns the whole content of `path`, or `None` when there is no such file.
///
/// # Errors
/// Any other failure of the file system.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    absent_as_none(fs::read(path))
}

/// Returns the first bytes of `path`, at most `length` of them, or `None` when there is no such file.
///
/// # Errors
/// Any other failure of the file system.
pub fn read_start(path: &Path, length: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(file) = absent_as_none(File::open(path))? else {
        return Ok(None);
    };
    let mut start = Vec::new();
    file.take(length).read_to_end(&mut start)?;
    Ok(Some(start))
}

/// Creates `directory` and its parents, readable by the owner only, unless they exist.
///
/// # Errors
/// Any failure of the file system.
pub fn create_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Replaces `path` by `content` so that a reader sees the old file or the new one, never a part; the new one has mode 0600.
///
/// The content and the rename are flushed to disk before this returns.
///
/// # Errors
/// Any failure of the file system; the old file is then still in place.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with(path, content, 0o600)
}

/// Replaces `path` as [`replace`] does, for everybody to read: a file of the estate itself.
///
/// # Errors
/// Any failure of the file system; the old file is then still in place.
pub fn replace_shared(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with(path, content, 0o644)
}

fn replace_with(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = parent(path);
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut temporary_name = std::ffi::OsString::from(".");
    temporary_name.push(name);
    temporary_name.push(format!(".{}.tmp", std::process::id()));
    let temporary = directory.join(temporary_name);
    let written = write_new(&temporary, content, mode).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The rename did not happen; what is left of the temporary file has no meaning to anybody.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Appends `line` and a line feed to `path`, which is created with mode 0600 when missing.
///
/// # Errors
/// Any failure of the file system.
pub fn append_line(path: &Path, line: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(format!("{line}\n").as_bytes())
}

/// A file that only grows, each line on disk before the next one is begun.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Creates the file, readable by the owner only.
    ///
    /// # Errors
    /// Any failure of the file system; `AlreadyExists` if the file is there.
    pub fn create(path: &Path) -> io::Result<Log> {
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        #[cfg(unix)]
        File::open(parent(path))?.sync_all()?;
        Ok(Log(file))
    }

    /// Adds a line, which is on disk when this returns.
    ///
    /// # Errors
    /// Any failure of the file system.
    pub fn append(&mut self, line: &str) -> io::Result<()> {
        self.0.write_all(format!("{line}\n").as_bytes())?;
        self.0.sync_data()
    }
}

/// Returns the names of the files in a folder, hidden ones left out; none if there is no such folder.
///
/// # Errors
/// Any other failure of the file system.
pub fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let entries = absent_as_none(fs::read_dir(folder))?;
    let mut names = Vec::new();
    for entry in entries.into_iter().flatten() {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}

/// An exclusive lock between processes; it ends when the value is dropped or its process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until `path`, created when missing, can be locked by this process alone.
    ///
    /// # Errors
    /// Any failure of the file system, also where it knows no locks.
    pub fn exclusive(path: &Path) -> io::Result<Self> {
        let file = Self::open(path)?;
        file.lock()?;
        Ok(Self { _file: file })
    }

    /// Locks `path`, created when missing, if no other process has it locked; none if one has.
    ///
    /// # Errors
    /// Any failure of the file system, also where it knows no locks.
    pub fn attempt(path: &Path) -> io::Result<Option<Self>> {
        let file = Self::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn open(path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)
    }
}

/// Returns the nearest folder from `start` upwards that holds something of that name.
pub fn find_upwards(start: &Path, name: &str) -> Option<PathBuf> {
    let start = fs::canonicalize(start).ok()?;
    start
        .ancestors()
        .find(|folder| folder.join(name).exists())
        .map(Path::to_path_buf)
}

/// A file below a folder: its path with `/` between its parts, and its bytes.
pub type FoundFile = (String, Vec<u8>);

/// Returns the files that lie directly in `folder` or in one of the `subfolders` of it, at most `longest` bytes of each,
/// sorted by path. `name/*` among the subfolders stands for each folder in `name`. What is hidden, and folders further down,
/// are passed over.
///
/// # Errors
/// Any failure of the file system, and a link that leads out of the folder.
pub fn read_files(folder: &Path, subfolders: &[&str], longest: u64) -> io::Result<Vec<FoundFile>> {
    let root = fs::canonicalize(folder)?;
    let mut found = Vec::new();
    let mut places = vec![(String::new(), root.clone())];
    for subfolder in subfolders {
        match subfolder.strip_suffix("/*") {
            None => places.push((format!("{subfolder}/"), root.join(subfolder))),
            Some(above) => places.extend(folders_in(&root, above)?),
        }
    }
    for (prefix, place) in places {
        let Some(entries) = absent_as_none(fs::read_dir(&place))? else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            if name.starts_with('.') || !entry.path().is_file() {
                continue;
            }
            if !fs::canonicalize(entry.path())?.starts_with(&root) {
                let message = format!("`{path}` is a link that leads out of the estate");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            let start = read_start(&entry.path(), longest).map_err(|error| named(&path, &error))?;
            found.extend(start.map(|content| (path, content)));
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the folders in `above`, a folder below `root`, each with the start of its files' paths.
fn folders_in(root: &Path, above: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in absent_as_none(fs::read_dir(root.join(above)))?.into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !entry.path().is_dir() {
            continue;
        }
        let path = format!("{above}/{name}");
        if !fs::canonicalize(entry.path())?.starts_with(root) {
            let message = format!("`{path}` is a link that leads out of the estate");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        found.push((path + "/", entry.path()));
    }
    Ok(found)
}

/// What lies at a path that somebody named.
#[derive(Debug, Default)]
pub struct Below {
    /// The files, sorted by their paths, which start with the path that was named.
    pub files: Vec<PathBuf>,
    /// What could not be looked at, and why.
    pub refused: Vec<(PathBuf, io::Error)>,
}

/// Returns the files below a folder, however deep, whose names have one of the `extensions`; of a path that is no folder, itself.
///
/// What is hidden is passed over. A link is followed as long as it stays below the folder, and each folder is visited once.
///
/// # Errors
/// Nothing is there, or the folder itself cannot be looked at.
pub fn files_below(path: &Path, extensions: &[&str]) -> io::Result<Below> {
    let mut below = Below::default();
    if !fs::metadata(path)?.is_dir() {
        below.files.push(path.to_path_buf());
        return Ok(below);
    }
    let root = fs::canonicalize(path)?;
    let mut visited = std::collections::BTreeSet::from([root.clone()]);
    let mut folders = vec![path.to_path_buf()];
    fs::read_dir(path)?;
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => {
                below.refused.push((folder, error));
                continue;
            }
        };
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let wanted = path
                .extension()
                .is_some_and(|extension| extensions.iter().any(|wanted| extension.eq_ignore_ascii_case(wanted)));
            let real = fs::canonicalize(&path).and_then(|real| fs::metadata(&real).map(|metadata| (real, metadata)));
            match real {
                Ok((real, metadata)) if metadata.is_dir() || wanted => {
                    if !real.starts_with(&root) {
                        let error =
                            io::Error::new(io::ErrorKind::InvalidInput, "it is a link that leads out of the folder");
                        below.refused.push((path, error));
                    } else if metadata.is_file() {
                        below.files.push(path);
                    } else if metadata.is_dir() && visited.insert(real) {
                        folders.push(path);
                    }
                }
                Ok(_) => {}
                // A link to nothing, say.
                Err(error) if wanted => below.refused.push((path, error)),
                Err(_) => {}
            }
        }
    }
    below.files.sort();
    below.refused.sort_by(|(one, _), (two, _)| one.cmp(two));
    Ok(below)
}

/// Returns the first bytes of a file below the folder `root`, at most `length` of them, or `None` when there is no such file.
///
/// # Errors
/// Any other failure of the file system, and a path or a link that leads out of the folder.
pub fn read_below(root: &Path, path: &Path, length: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(real) = absent_as_none(fs::canonicalize(path))? else {
        return Ok(None);
    };
    if !real.starts_with(fs::canonicalize(root)?) {
        let message = format!("it leads out of `{}`", root.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    read_start(&real, length)
}

/// Returns a path as the file system knows it: from its root, without links and without `..`.
///
/// # Errors
/// Any failure of the file system; `NotFound` if nothing is there.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// Writes a file that is not there yet, with the folders above it, for everybody to read.
///
/// # Errors
/// Any failure of the file system; `AlreadyExists` if the file is there.
pub fn create_new(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(parent(path))?;
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)
}

/// Returns whether there is anything at `path`.
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Returns whether there is a folder at `path`.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

fn named(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{path}`: {error}"))
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn absent_as_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_none_and_a_replaced_one_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b").join("state.json");
        assert_eq!(read(&path).unwrap(), None);
        create_directory(path.parent().unwrap()).unwrap();
        replace(&path, b"first").unwrap();
        replace(&path, b"second and longer").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"second and longer"[..]));
        assert_eq!(read_start(&path, 6).unwrap().as_deref(), Some(&b"second"[..]));
        let left: Vec<_> = fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["state.json"], "no temporary file stays behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("target");
        create_directory(&path).unwrap();
        fs::write(path.join("kept"), b"kept").unwrap();
        assert!(replace(&path, b"a file cannot replace a directory").is_err());
        assert_eq!(fs::read(path.join("kept")).unwrap(), b"kept");
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "no temporary file stays behind"
        );
    }

    #[test]
    fn the_lock_keeps_others_out_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let lock = Lock::exclusive(&path).unwrap();
        assert!(File::open(&path).unwrap().try_lock().is_err());
        assert!(Lock::attempt(&path).unwrap().is_none());
        drop(lock);
        drop(Lock::attempt(&path).unwrap().unwrap());
        File::open(&path).unwrap().try_lock().unwrap();
    }

    #[test]
    fn a_star_stands_for_each_folder_and_no_deeper() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str| {
            let path = directory.path().join(path);
            create_directory(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        };
        for path in [
            "a",
            "sets/b",
            "sets/one/c",
            "sets/two/d",
            "sets/one/tests/e",
            "sets/.git/f",
            "sets/one/.g",
        ] {
            write(path);
        }
        let found = read_files(directory.path(), &["sets", "sets/*", "none/*"], 10).unwrap();
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["a", "sets/b", "sets/one/c", "sets/two/d"]);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/", directory.path().join("sets/out")).unwrap();
            let error = read_files(directory.path(), &["sets/*"], 10).unwrap_err().to_string();
            assert!(error.contains("`sets/out` is a link that leads out"), "{error}");
        }
    }

    #[test]
    fn files_are_found_however_deep_and_each_folder_once() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        let write = |path: &str| {
            let path = directory.path().join(path);
            create_directory(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        };
        for path in [
            "root/b.yaml",
            "root/a/c.YML",
            "root/a/deep/er/d.json",
            "root/a/e.txt",
            "root/.git/f.yaml",
            "root/.g.yaml",
            "elsewhere/h.yaml",
        ] {
            write(path);
        }
        let shown = |paths: Vec<&Path>| {
            let relative = |path: &&Path| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            paths.iter().map(relative).collect::<Vec<_>>()
        };
        let files = |below: &Below| shown(below.files.iter().map(PathBuf::as_path).collect());
        let extensions = ["yaml", "yml", "json"];
        let found = files_below(&root, &extensions).unwrap();
        assert_eq!(files(&found), ["a/c.YML", "a/deep/er/d.json", "b.yaml"]);
        assert!(found.refused.is_empty());
        let text = root.join("a/e.txt");
        assert_eq!(
            files_below(&text, &extensions).unwrap().files,
            [text],
            "what is named is meant"
        );
        assert!(files_below(&root.join("none"), &extensions).is_err());
        #[cfg(unix)]
        {
            let link = |target: &Path, name: &str| std::os::unix::fs::symlink(target, root.join(name)).unwrap();
            link(&root, "a/loop");
            link(Path::new("a/deep"), "inside");
            link(&directory.path().join("elsewhere"), "out");
            link(&directory.path().join("elsewhere/h.yaml"), "out.yaml");
            link(Path::new("nothing"), "gone.yaml");
            let found = files_below(&root, &extensions).unwrap();
            assert_eq!(found.files.len(), 3, "{:?}", files(&found));
            let refused = shown(found.refused.iter().map(|(path, _)| path.as_path()).collect());
            assert_eq!(refused, ["gone.yaml", "out", "out.yaml"]);
            assert!(found.refused[1].1.to_string().contains("leads out"));
        }
    }

    #[test]
    fn what_leads_out_of_a_folder_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        create_directory(&root.join("in")).unwrap();
        fs::write(root.join("a"), b"inside").unwrap();
        fs::write(directory.path().join("b"), b"outside").unwrap();
        let read = |path: &str| read_below(&root, &root.join(path), 4);
        assert_eq!(read("in/../a").unwrap().as_deref(), Some(&b"insi"[..]));
        assert_eq!(read("in/none").unwrap(), None);
        assert!(read("in/../../b").unwrap_err().to_string().contains("leads out"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(directory.path().join("b"), root.join("link")).unwrap();
            assert!(read("link").unwrap_err().to_string().contains("leads out"));
        }
    }

    #[test]
    fn lines_are_appended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.jsonl");
        append_line(&path, "{}").unwrap();
        append_line(&path, "[]").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some(&b"{}\n[]\n"[..]));
    }
}
