//! The ways to sign in, by name.
//!
//! Owns their names, the order in which `auto` looks at them, and what to do when one does not work. Must not know how one is done.

use super::SignInOptions;
use crate::config::Cloud;

/// A way to sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignInMethod {
    /// The first of the others that can be taken, in the order of [`SignInMethod::candidates`].
    #[default]
    Auto,
    /// The secret of an application.
    ClientSecret,
    /// The certificate of an application.
    ClientCertificate,
    /// The identity of a GitHub Actions job, which Entra trusts: no secret is stored.
    GithubOidc,
    /// The service connection of an Azure Pipelines job, by workload identity federation.
    AzurePipelines,
    /// The service account of a pod, which Entra trusts.
    WorkloadIdentity,
    /// Whoever signed in to the Azure CLI.
    AzureCli,
    /// Whoever signed in to the Azure Developer CLI.
    AzureDeveloperCli,
    /// The Azure CLI, else the Azure Developer CLI.
    DeveloperTools,
    /// The identity of the machine: system-assigned, or the user-assigned one of the client id.
    ManagedIdentity,
}

impl SignInMethod {
    /// All ways, `auto` first.
    pub const ALL: [SignInMethod; 10] = [
        SignInMethod::Auto,
        SignInMethod::ClientSecret,
        SignInMethod::ClientCertificate,
        SignInMethod::GithubOidc,
        SignInMethod::AzurePipelines,
        SignInMethod::WorkloadIdentity,
        SignInMethod::AzureCli,
        SignInMethod::AzureDeveloperCli,
        SignInMethod::DeveloperTools,
        SignInMethod::ManagedIdentity,
    ];

    /// Returns the name that the command line knows it by.
    pub fn name(self) -> &'static str {
        match self {
            SignInMethod::Auto => "auto",
            SignInMethod::ClientSecret => "client-secret",
            SignInMethod::ClientCertificate => "client-certificate",
            SignInMethod::GithubOidc => "github-oidc",
            SignInMethod::AzurePipelines => "azure-pipelines",
            SignInMethod::WorkloadIdentity => "workload-identity",
            SignInMethod::AzureCli => "azure-cli",
            SignInMethod::AzureDeveloperCli => "azure-developer-cli",
            SignInMethod::DeveloperTools => "developer-tools",
            SignInMethod::ManagedIdentity => "managed-identity",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<SignInMethod> {
        SignInMethod::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Returns the ways that are looked at, in order.
    ///
    /// `auto` looks first at what somebody set variables for, then at who signed in on this machine, and last at the machine itself:
    /// many machines have an identity that nobody thinks of, and a person who ran `az login` means to be that person.
    pub fn candidates(self) -> &'static [SignInMethod] {
        match self {
            SignInMethod::Auto => &[
                SignInMethod::ClientSecret,
                SignInMethod::ClientCertificate,
                SignInMethod::GithubOidc,
                SignInMethod::AzurePipelines,
                SignInMethod::WorkloadIdentity,
                SignInMethod::AzureCli,
                SignInMethod::AzureDeveloperCli,
                SignInMethod::ManagedIdentity,
            ],
            SignInMethod::DeveloperTools => &[SignInMethod::AzureCli, SignInMethod::AzureDeveloperCli],
            SignInMethod::ClientSecret => &[SignInMethod::ClientSecret],
            SignInMethod::ClientCertificate => &[SignInMethod::ClientCertificate],
            SignInMethod::GithubOidc => &[SignInMethod::GithubOidc],
            SignInMethod::AzurePipelines => &[SignInMethod::AzurePipelines],
            SignInMethod::WorkloadIdentity => &[SignInMethod::WorkloadIdentity],
            SignInMethod::AzureCli => &[SignInMethod::AzureCli],
            SignInMethod::AzureDeveloperCli => &[SignInMethod::AzureDeveloperCli],
            SignInMethod::ManagedIdentity => &[SignInMethod::ManagedIdentity],
        }
    }

    /// Returns whether variables have to be set for it, so that it is meant where they are.
    pub(super) fn is_configured(self) -> bool {
        self.lead_variable().is_some()
    }

    /// Returns the variable without which nobody means this way; none if it needs no variable.
    pub(super) fn lead_variable(self) -> Option<&'static str> {
        match self {
            SignInMethod::ClientSecret => Some("AZURE_CLIENT_SECRET"),
            SignInMethod::ClientCertificate => Some("AZURE_CLIENT_CERTIFICATE_PATH"),
            SignInMethod::GithubOidc => Some("ACTIONS_ID_TOKEN_REQUEST_URL"),
            SignInMethod::AzurePipelines => Some("SYSTEM_OIDCREQUESTURI"),
            SignInMethod::WorkloadIdentity => Some("AZURE_FEDERATED_TOKEN_FILE"),
            _ => None,
        }
    }

    /// Returns what a person should do when it does not work.
    pub(super) fn advice(self, options: &SignInOptions) -> String {
        let tenant = &options.tenant;
        let select = match options.cloud {
            Cloud::Public => "",
            Cloud::UsGov => "az cloud set --name AzureUSGovernment && ",
            Cloud::China => "az cloud set --name AzureChinaCloud && ",
        };
        let az = format!("{select}az login --tenant {tenant}");
        match self {
            SignInMethod::Auto => format!(
                "run: {az}; or set AZURE_CLIENT_ID with AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH or \
                 AZURE_FEDERATED_TOKEN_FILE; or name a way with --auth"
            ),
            SignInMethod::ClientSecret => format!(
                "set AZURE_CLIENT_ID and AZURE_CLIENT_SECRET to an application of tenant {tenant} and a secret of it that has not expired"
            ),
            SignInMethod::ClientCertificate => format!(
                "set AZURE_CLIENT_ID to an application of tenant {tenant}, and AZURE_CLIENT_CERTIFICATE_PATH to a PEM file with a \
                 certificate that is registered there and its RSA key, not encrypted"
            ),
            SignInMethod::GithubOidc => format!(
                "give the job `permissions: id-token: write`, set AZURE_CLIENT_ID to an application of tenant {tenant}, and let a \
                 federated credential of it trust this repository and branch or environment"
            ),
            SignInMethod::AzurePipelines => {
                "run inside an AzureCLI task with a service connection of workload identity federation, and map \
                 SYSTEM_ACCESSTOKEN: $(System.AccessToken) into its environment"
                    .to_owned()
            }
            SignInMethod::WorkloadIdentity => {
                "let the pod carry the label azure.workload.identity/use, its service account the annotation \
                 azure.workload.identity/client-id, and the identity a federated credential that trusts the service account"
                    .to_owned()
            }
            SignInMethod::AzureCli => format!("install the Azure CLI if it is missing, then run: {az}"),
            SignInMethod::AzureDeveloperCli => {
                format!("install the Azure Developer CLI if it is missing, then run: azd auth login --tenant-id {tenant}")
            }
            SignInMethod::DeveloperTools => format!("run: {az}"),
            SignInMethod::ManagedIdentity => {
                "run on a machine in Azure that has a managed identity, and set AZURE_CLIENT_ID (or --client-id) for a \
                 user-assigned one"
                    .to_owned()
            }
        }
    }
}
