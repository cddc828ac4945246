//! A sandbox in a directory, shared by processes: lock, read what changed, answer, write, unlock.
//!
//! It must not know who asks: requests inside this process and those over TLS come through the same door.

use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use super::{Request, Response, Sandbox, SeedOptions};
use crate::store::{self, Lock};

/// How much of the state's start tells whether it changed: its version, instance and revision.
const START_LENGTH: u64 = 128;

/// Why a sandbox could not be used.
#[derive(Debug, Error)]
pub enum DoorError {
    /// The file system failed.
    #[error("cannot use `{path}`")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// The state cannot be read.
    #[error("the sandbox state `{path}` cannot be read: {reason}; `aksgate sandbox reset` makes a new one")]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The way to a sandbox that lives in a directory.
#[derive(Debug)]
pub struct Door {
    directory: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The sandbox as it was last read or written, with the start of the file that holds it.
    cached: Option<(Vec<u8>, Sandbox)>,
    /// The instance that `unsaved` belongs to.
    instance: String,
    /// How far the clock ran since the state was last written, in seconds.
    unsaved: u64,
}

impl Door {
    /// Returns the way to the sandbox in `directory`; makes one on first use.
    ///
    /// # Errors
    /// When the directory cannot be used, or holds a state that cannot be read.
    pub fn open(directory: &Path) -> Result<Self, DoorError> {
        let door = Self {
            directory: directory.to_path_buf(),
            held: Mutex::new(Held::default()),
        };
        door.with(|_| ())?;
        Ok(door)
    }

    /// Replaces the sandbox by a new one; its instance id is new even for an old seed.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn reset(directory: &Path, options: &SeedOptions) -> Result<Self, DoorError> {
        let door = Self {
            directory: directory.to_path_buf(),
            held: Mutex::new(Held::default()),
        };
        {
            let mut held = door.held();
            let _lock = door.lock()?;
            door.save(
                &mut held,
                Sandbox::seed(&SeedOptions {
                    entropy: entropy(),
                    ..options.clone()
                }),
            )?;
        }
        Ok(door)
    }

    /// Answers a request after the clock ran `elapsed` seconds more. The state is written when the request changed it.
    ///
    /// # Errors
    /// When the state cannot be read or written; then nothing changed.
    pub fn call(&self, request: Request, elapsed: u64) -> Result<Response, DoorError> {
        let mut held = self.held();
        let _lock = self.lock()?;
        let (start, mut sandbox) = self.load(&mut held)?;
        let revision = sandbox.state.revision;
        held.unsaved = held.unsaved.saturating_add(elapsed);
        sandbox.state.advance(elapsed);
        let response = sandbox.handle(request);
        if sandbox.state.revision == revision {
            held.cached = Some((start, sandbox));
        } else {
            self.save(&mut held, sandbox)?;
        }
        Ok(response)
    }

    /// Moves the sandbox's clock forward for good, and returns its new time in seconds since 1970.
    ///
    /// # Errors
    /// When the state cannot be read or written.
    pub fn advance(&self, seconds: u64) -> Result<i64, DoorError> {
        let mut held = self.held();
        let _lock = self.lock()?;
        let (_, mut sandbox) = self.load(&mut held)?;
        sandbox.advance(seconds);
        let now = sandbox.state.now;
        self.save(&mut held, sandbox)?;
        Ok(now)
    }

    /// Changes the sandbox, other than by a request; what fails changes nothing.
    ///
    /// # Errors
    /// When the state cannot be read or written, and what `change` returns.
    pub fn change<T, E: From<DoorError>>(&self, change: impl FnOnce(&mut Sandbox) -> Result<T, E>) -> Result<T, E> {
        let mut held = self.held();
        let _lock = self.lock()?;
        let (start, sandbox) = self.load(&mut held)?;
        let mut next = sandbox.clone();
        match change(&mut next) {
            Ok(value) => {
                next.state.revision += 1;
                self.save(&mut held, next)?;
                Ok(value)
            }
            Err(error) => {
                held.cached = Some((start, sandbox));
                Err(error)
            }
        }
    }

    /// Looks at the sandbox as it is now.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn with<T>(&self, look: impl FnOnce(&Sandbox) -> T) -> Result<T, DoorError> {
        let mut held = self.held();
        let _lock = self.lock()?;
        let (start, sandbox) = self.load(&mut held)?;
        let seen = look(&sandbox);
        held.cached = Some((start, sandbox));
        Ok(seen)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // A panic elsewhere leaves at most an old copy here, which the start of the file unmasks.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self) -> PathBuf {
        self.directory.join("state.json")
    }

    fn lock(&self) -> Result<Lock, DoorError> {
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |source| DoorError::File { path, source }
        };
        store::create_directory(&self.directory).map_err(at(&self.directory))?;
        let lock = self.directory.join("lock");
        Lock::exclusive(&lock).map_err(at(&lock))
    }

    /// Returns the sandbox and the start of its file, out of memory when the file is the same.
    fn load(&self, held: &mut Held) -> Result<(Vec<u8>, Sandbox), DoorError> {
        let path = self.path();
        let failed = |source| DoorError::File {
            path: path.clone(),
            source,
        };
        let start = store::read_start(&path, START_LENGTH).map_err(failed)?;
        if let (Some(start), Some((known, _))) = (&start, &held.cached)
            && start == known
            && let Some(cached) = held.cached.take()
        {
            return Ok(cached);
        }
        let Some(bytes) = store::read(&path).map_err(failed)? else {
            let sandbox = Sandbox::seed(&SeedOptions {
                entropy: entropy(),
                ..SeedOptions::default()
            });
            self.save(held, sandbox)?;
            return held.cached.take().ok_or_else(|| DoorError::State {
                path,
                reason: "it vanished".to_owned(),
            });
        };
        let mut sandbox = Sandbox::from_bytes(&bytes).map_err(|reason| DoorError::State { path, reason })?;
        if held.instance != sandbox.state.instance {
            held.unsaved = 0;
            held.instance.clone_from(&sandbox.state.instance);
        }
        sandbox.state.advance(held.unsaved);
        Ok((start_of(&bytes), sandbox))
    }

    fn save(&self, held: &mut Held, sandbox: Sandbox) -> Result<(), DoorError> {
        let path = self.path();
        let bytes = sandbox.to_bytes().map_err(|reason| DoorError::State {
            path: path.clone(),
            reason,
        })?;
        store::replace(&path, &bytes).map_err(|source| DoorError::File { path, source })?;
        held.unsaved = 0;
        held.instance.clone_from(&sandbox.state.instance);
        held.cached = Some((start_of(&bytes), sandbox));
        Ok(())
    }
}

fn start_of(bytes: &[u8]) -> Vec<u8> {
    let length = usize::try_from(START_LENGTH).unwrap_or(usize::MAX).min(bytes.len());
    bytes.get(..length).unwrap_or_default().to_vec()
}

/// Returns a number that differs each time, from the keys that the standard library draws for its hash maps.
fn entropy() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::super::testing::DEV;
    use super::super::token;
    use super::*;

    fn request(door: &Door, method: &str, target: &str, body: &str) -> Request {
        let token = door.with(|sandbox| token::issue(&sandbox.state, "", 0)).unwrap();
        let mut request = Request::new(method, target);
        request
            .headers
            .push(("authorization".to_owned(), format!("Bearer {token}")));
        request.body = bytes::Bytes::copy_from_slice(body.as_bytes());
        request
    }

    fn assign(door: &Door, name: &str) -> u16 {
        let target = format!("{DEV}/providers/Microsoft.Authorization/policyAssignments/{name}?api-version=2026-07-01");
        let body = r#"{"properties":{"policyDefinitionId":"/providers/Microsoft.Authorization/policyDefinitions/021f8078-41a0-40e6-81b6-c6597da9f3ee"}}"#;
        door.call(request(door, "PUT", &target, body), 0).unwrap().status
    }

    fn assignments(door: &Door) -> usize {
        let target = format!(
            "{DEV}/providers/Microsoft.Authorization/policyAssignments?api-version=2026-07-01&$filter=atExactScope()"
        );
        let answer = door.call(request(door, "GET", &target, ""), 0).unwrap();
        answer.value()["value"].as_array().unwrap().len()
    }

    #[test]
    fn two_doors_see_each_others_changes() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().join("new/sandbox");
        let (one, two) = (Door::open(&directory).unwrap(), Door::open(&directory).unwrap());
        let instance = |door: &Door| door.with(|sandbox| sandbox.state.instance.clone()).unwrap();
        assert_eq!(instance(&one), instance(&two));
        assert_eq!(
            (assign(&one, "a"), assign(&two, "b"), assign(&one, "c")),
            (201, 201, 201)
        );
        assert_eq!((assignments(&one), assignments(&two)), (3, 3));
        let before = instance(&one);
        Door::reset(&directory, &SeedOptions::default()).unwrap();
        assert_ne!(instance(&one), before, "a reset is another sandbox");
        assert_eq!((assignments(&one), assignments(&two)), (0, 0));
    }

    #[test]
    fn writers_at_the_same_time_lose_nothing() {
        let directory = tempfile::tempdir().unwrap();
        Door::open(directory.path()).unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let directory = directory.path();
                scope.spawn(move || {
                    let door = Door::open(directory).unwrap();
                    for index in 0..10 {
                        assert_eq!(assign(&door, &format!("w{writer}-{index}")), 201);
                    }
                });
            }
        });
        assert_eq!(assignments(&Door::open(directory.path()).unwrap()), 40);
    }

    #[test]
    fn the_clock_runs_without_a_write_and_is_kept_with_the_next_one() {
        let directory = tempfile::tempdir().unwrap();
        let door = Door::open(directory.path()).unwrap();
        let now = |door: &Door| door.with(|sandbox| sandbox.state.now).unwrap();
        let start = now(&door);
        for _ in 0..3 {
            door.call(request(&door, "GET", "/subscriptions?api-version=2022-12-01", ""), 5)
                .unwrap();
        }
        assert_eq!(now(&door), start + 15);
        let other = Door::open(directory.path()).unwrap();
        assert_eq!(now(&other), start, "nothing was written");
        assert_eq!(other.advance(100).unwrap(), start + 100);
        assert_eq!(now(&door), start + 115, "its own run comes on top");
        assign(&door, "a");
        assert_eq!((now(&door), now(&other)), (start + 116, start + 116));
    }

    #[test]
    fn a_damaged_state_is_told_and_never_replaced_silently() {
        let directory = tempfile::tempdir().unwrap();
        store::replace(&directory.path().join("state.json"), b"{\"version\":1,").unwrap();
        let error = Door::open(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains("state.json") && error.contains("sandbox reset"),
            "{error}"
        );
        assert_eq!(
            store::read(&directory.path().join("state.json")).unwrap().unwrap(),
            b"{\"version\":1,"
        );
    }
}
