//! One of the environments that a command was asked about, with what was found there.

/// An environment, and what was read of it.
#[derive(Clone, Debug)]
pub struct Environment<T> {
    /// Its name.
    pub name: String,
    /// Its scope.
    pub scope: String,
    /// What was read, or why it could not be.
    pub read: Result<T, String>,
}

impl<T> Environment<T> {
    /// Returns an environment of the estate with what was read of it.
    pub fn of(environment: &crate::config::Environment, read: Result<T, String>) -> Environment<T> {
        Environment {
            name: environment.name.clone(),
            scope: environment.scope.to_string(),
            read,
        }
    }
}
