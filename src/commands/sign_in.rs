//! What the command line and the environment's variables say about signing in.
//!
//! Owns the names of the variables. Must not know how anybody signs in; keeps secrets in a type that does not show them.

use super::context::read_file;
use super::error::CommandError;
use crate::arm::{SignInMethod, SignInValues};
use azure_core::credentials::Secret;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::ffi::OsString;
use std::path::PathBuf;

/// Returns what reads `--auth`.
pub fn method_parser() -> impl TypedValueParser<Value = SignInMethod> {
    PossibleValuesParser::new(SignInMethod::ALL.map(SignInMethod::name))
        .map(|name| SignInMethod::parse(&name).unwrap_or_default())
}

/// Returns what `variable` says about signing in; an empty variable says nothing.
///
/// # Errors
/// A variable that is no text, or a certificate's file that cannot be read where it may be needed.
pub fn values(
    method: SignInMethod,
    client_id: Option<&str>,
    variable: &dyn Fn(&str) -> Option<OsString>,
) -> Result<SignInValues, CommandError> {
    let raw = |name: &str| variable(name).filter(|value| !value.is_empty());
    let text = |name: &str| -> Result<Option<String>, CommandError> {
        let value = raw(name).map(OsString::into_string).transpose();
        // The value itself is not shown: it may be a secret.
        value.map_err(|_| CommandError::failed(format!("{name} is not a text")))
    };
    let secret = |name: &str| Ok::<_, CommandError>(text(name)?.map(Secret::new));
    let certificate_may_be_needed = method.candidates().contains(&SignInMethod::ClientCertificate);
    let client_certificate = match raw("AZURE_CLIENT_CERTIFICATE_PATH").map(PathBuf::from) {
        Some(path) if certificate_may_be_needed => {
            let content =
                read_file(&path).map_err(|error| error.hint("AZURE_CLIENT_CERTIFICATE_PATH names this file"))?;
            let pem = String::from_utf8(content).map_err(|_| {
                CommandError::failed(format!("`{}` is not a PEM file", path.display())).hint(
                    "AZURE_CLIENT_CERTIFICATE_PATH names this file; write a PKCS#12 file as PEM with: openssl pkcs12 -in FILE -nodes",
                )
            })?;
            Some(Secret::new(pem))
        }
        _ => None,
    };
    Ok(SignInValues {
        client_id: client_id.filter(|id| !id.is_empty()).map(str::to_owned),
        tenant_id: text("AZURE_TENANT_ID")?,
        client_secret: secret("AZURE_CLIENT_SECRET")?,
        client_certificate,
        federated_token_file: raw("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
        github_url: text("ACTIONS_ID_TOKEN_REQUEST_URL")?,
        github_token: secret("ACTIONS_ID_TOKEN_REQUEST_TOKEN")?,
        pipelines_url: text("SYSTEM_OIDCREQUESTURI")?,
        pipelines_token: secret("SYSTEM_ACCESSTOKEN")?,
        service_connection: text("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: SignInMethod, found: &[(&str, &str)]) -> Result<SignInValues, CommandError> {
        let found: Vec<(String, String)> = found.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let variable = move |name: &str| {
            let found = found.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| OsString::from(value))
        };
        values(method, Some("app"), &variable)
    }

    #[test]
    fn variables_are_read_and_empty_ones_say_nothing() {
        let values = read(
            SignInMethod::Auto,
            &[
                ("AZURE_CLIENT_SECRET", "s3cret"),
                ("AZURE_TENANT_ID", ""),
                ("SYSTEM_OIDCREQUESTURI", "https://x"),
            ],
        )
        .unwrap();
        assert_eq!(values.client_secret.as_ref().map(Secret::secret), Some("s3cret"));
        assert_eq!(
            (values.tenant_id.as_deref(), values.client_id.as_deref()),
            (None, Some("app"))
        );
        assert_eq!(values.pipelines_url.as_deref(), Some("https://x"));
        assert!(!format!("{values:?}").contains("s3cret"));
    }

    #[test]
    fn a_certificate_is_read_only_where_it_may_be_needed() {
        let missing = [("AZURE_CLIENT_CERTIFICATE_PATH", "/no/such/file.pem")];
        assert!(read(SignInMethod::AzureCli, &missing).is_ok());
        assert!(read(SignInMethod::Auto, &missing).is_err());
        assert!(read(SignInMethod::ClientCertificate, &missing).is_err());
    }
}
