//! Where tokens come from.
//!
//! Owns the sign-in with the Azure CLI and what to say when it does not work. Must not know requests; never keeps what a tool printed
//! on its standard output, for that is where tokens are.

use super::reason::clean;
use crate::config::Cloud;
use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_identity::{AzureCliCredential, AzureCliCredentialOptions};
use std::sync::Arc;

/// Why there is no token, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(super) struct SignInFault {
    pub(super) detail: String,
    pub(super) advice: String,
}

/// Returns a credential that asks the Azure CLI for tokens of `tenant`, a GUID.
///
/// The CLI is run when the first request is sent, and again when the token is about to expire. An error if `tenant` is no tenant id.
pub fn azure_cli(tenant: &str, cloud: Cloud) -> Result<Arc<dyn TokenCredential>, Error> {
    let options = AzureCliCredentialOptions {
        tenant_id: Some(tenant.to_owned()),
        ..AzureCliCredentialOptions::default()
    };
    with_options(tenant, cloud, options)
}

fn with_options(
    tenant: &str,
    cloud: Cloud,
    options: AzureCliCredentialOptions,
) -> Result<Arc<dyn TokenCredential>, Error> {
    Ok(Arc::new(AzureCli {
        inner: AzureCliCredential::new(Some(options))?,
        tenant: tenant.to_owned(),
        cloud,
    }))
}

#[derive(Debug)]
struct AzureCli {
    inner: Arc<AzureCliCredential>,
    tenant: String,
    cloud: Cloud,
}

#[async_trait]
impl TokenCredential for AzureCli {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.inner
            .get_token(scopes, options)
            .await
            .map_err(|error| Error::new(ErrorKind::Credential, self.fault(&error)))
    }
}

impl AzureCli {
    fn fault(&self, error: &Error) -> SignInFault {
        let text = error.to_string();
        // The library puts its type's name in front and a link to its own help behind.
        let said = text
            .strip_prefix("AzureCliCredential authentication failed.")
            .unwrap_or(&text);
        let said = said.split("To troubleshoot, visit").next().unwrap_or(said).trim();
        let select = match self.cloud {
            Cloud::Public => "",
            Cloud::UsGov => "az cloud set --name AzureUSGovernment && ",
            Cloud::China => "az cloud set --name AzureChinaCloud && ",
        };
        let login = format!("{select}az login --tenant {}", self.tenant);
        let missing = said.contains("not found on PATH");
        SignInFault {
            detail: clean(&format!(
                "the Azure CLI gave no token for tenant `{}`: {said}",
                self.tenant
            )),
            advice: if missing {
                format!("install the Azure CLI, then run: {login}")
            } else {
                format!("run: {login}")
            },
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use azure_identity::Executor;
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};
    use std::sync::Mutex;

    const TENANT: &str = "11111111-1111-4111-8111-111111111111";
    const SCOPE: &str = "https://management.azure.com/.default";

    /// Stands for the shell that would run `az`.
    #[derive(Debug)]
    struct FakeShell {
        code: i32,
        stdout: String,
        stderr: &'static str,
        commands: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Executor for FakeShell {
        async fn run(&self, _program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
            self.commands
                .lock()
                .unwrap()
                .push(args[1].to_string_lossy().into_owned());
            Ok(Output {
                status: ExitStatus::from_raw(self.code << 8),
                stdout: self.stdout.clone().into_bytes(),
                stderr: self.stderr.as_bytes().to_vec(),
            })
        }
    }

    fn ask(cloud: Cloud, code: i32, stdout: &str, stderr: &'static str) -> (azure_core::Result<AccessToken>, String) {
        let shell = Arc::new(FakeShell {
            code,
            stdout: stdout.to_owned(),
            stderr,
            commands: Mutex::default(),
        });
        let options = AzureCliCredentialOptions {
            tenant_id: Some(TENANT.to_owned()),
            executor: Some(shell.clone()),
            ..AzureCliCredentialOptions::default()
        };
        let credential = with_options(TENANT, cloud, options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(credential.get_token(&[SCOPE], None));
        let commands = shell.commands.lock().unwrap().join("\n");
        (result, commands)
    }

    fn fault(cloud: Cloud, code: i32, stdout: &str, stderr: &'static str) -> SignInFault {
        let error = ask(cloud, code, stdout, stderr).0.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Credential);
        error.into_downcast::<SignInFault>().unwrap()
    }

    #[test]
    fn the_tenant_of_the_environment_is_asked_for() {
        let stdout = r#"{"accessToken":"secret","expires_on":4102444800,"tokenType":"Bearer"}"#;
        let (token, command) = ask(Cloud::Public, 0, stdout, "");
        assert_eq!(token.unwrap().token.secret(), "secret");
        assert!(command.contains(&format!("--scope {SCOPE}")), "{command}");
        assert!(command.contains(&format!("--tenant {TENANT}")), "{command}");
    }

    #[test]
    fn no_sign_in_names_the_tenant_and_the_command() {
        let fault = fault(Cloud::Public, 1, "", "ERROR: Please run 'az login' to setup account.\n");
        assert_eq!(
            fault.detail,
            format!(
                "the Azure CLI gave no token for tenant `{TENANT}`: ERROR: Please run 'az login' to setup account."
            )
        );
        assert_eq!(fault.advice, format!("run: az login --tenant {TENANT}"));
    }

    #[test]
    fn other_clouds_are_selected_first_and_a_missing_tool_is_installed() {
        let government = fault(Cloud::UsGov, 1, "", "x");
        assert!(
            government
                .advice
                .contains("az cloud set --name AzureUSGovernment && az login"),
            "{government:?}"
        );
        let missing = fault(Cloud::Public, 127, "", "/bin/sh: 1: az: not found");
        assert!(missing.advice.starts_with("install the Azure CLI"), "{missing:?}");
    }

    #[test]
    fn what_the_tool_printed_never_shows() {
        let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl";
        for stdout in [
            format!(r#"{{"accessToken":"{token}","expires_on":"{token}","tokenType":"Bearer"}}"#),
            format!(r#"{{"accessToken":"{token}""#),
            token.to_owned(),
        ] {
            let (result, _) = ask(Cloud::Public, 0, &stdout, "");
            let error = result.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("eyJ0eXAi") && !shown.contains("c2lnbmF0dXJl"),
                "{shown}"
            );
        }
    }
}
