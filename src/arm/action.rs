//! What a person should do about an error.
//!
//! Owns the table from codes and statuses to advice. Must not know how it is printed.

use super::error::{ArmError, ArmErrorKind};
use super::fault::NetworkFault;

/// Returns the advice for `error`.
pub(super) fn action(error: &ArmError) -> Option<String> {
    match error.kind() {
        ArmErrorKind::Refused | ArmErrorKind::OperationFailed => {
            by_codes(error).or_else(|| by_status(error.status()).map(str::to_owned))
        }
        ArmErrorKind::SignIn => Some("sign in again, to the tenant of the environment".to_owned()),
        ArmErrorKind::Network(fault) => Some(by_fault(fault, error.host())),
        ArmErrorKind::Unusable => Some(format!(
            "check that `{}` is reached directly or through a proxy that leaves answers as they are",
            error.host()
        )),
        ArmErrorKind::ForeignLink => {
            Some("nothing was sent there; if this repeats, report it to Azure with the request id".to_owned())
        }
        ArmErrorKind::OperationTimeout => Some(
            "look at the object in Azure: the operation may still be running; run the command again when it has ended"
                .to_owned(),
        ),
        ArmErrorKind::Truncated => {
            Some("run the command again; nothing was concluded from the part that came".to_owned())
        }
        ArmErrorKind::NotSent => None,
    }
}

/// The innermost code that advice is known for decides.
fn by_codes(error: &ArmError) -> Option<String> {
    let mut codes = error.codes().iter().rev();
    codes.find_map(|code| by_code(&code.to_ascii_lowercase(), error.path()))
}

fn by_code(code: &str, path: &str) -> Option<String> {
    let advice = match code {
        "authorizationfailed" => format!(
            "ask for a role at `{}` that allows this, and sign in again if it was granted only now; \
             it can also mean that the resource provider is not registered in the subscription",
            scope_of(path)
        ),
        "linkedauthorizationfailed" => "the role is missing on something that the request refers to: a definition at another scope, \
             a managed identity, a workspace; ask for a role there as well"
            .to_owned(),
        "requestdisallowedbypolicy" => "a policy in Azure forbids this write; ask its owner for an exemption, or change what is to be written".to_owned(),
        "scopelocked" => "a lock at the scope forbids writes; have it removed, then run the command again".to_owned(),
        "invalidpolicyparameters" => "a parameter or an override has a value that the definition does not allow; compare it with the \
             definition's allowed values"
            .to_owned(),
        "invalidpolicyassignmentname" | "invalidpolicydefinitionname" | "invalidpolicysetdefinitionname" => {
            "the name is too long or has a character that Azure does not allow; an assignment at a management group has at most 24 characters".to_owned()
        }
        "invalidrequestcontent" => "the document does not fit the resource; look for a parameter that the definition does not have".to_owned(),
        "policydefinitionnotfound" | "policysetdefinitionnotfound" => {
            "a definition written just now can take minutes to be known everywhere; run the command again, and check its name if it stays so".to_owned()
        }
        "principalnotfound" => "a new identity can take minutes to be known everywhere; run the command again".to_owned(),
        "roleassignmentexists" => "the role is assigned already under another name; nothing needs to be done".to_owned(),
        "operationnotallowed" | "etagmismatch" | "anotheroperationinprogress" | "conflict" => {
            "another operation runs on the object; wait until it has ended, then run the command again".to_owned()
        }
        "preconditionfailed" => "somebody changed the object after it was read; plan again".to_owned(),
        "missingsubscriptionregistration" | "noregisteredproviderfound" | "subscriptionnotregistered" => {
            let provider = provider_of(path).unwrap_or("NAMESPACE");
            format!(
                "register the resource provider: az provider register --namespace {provider}; if it is registered, this cloud may \
                 not know the api-version: name one under `apiVersions` in the environment's file"
            )
        }
        "policyassignmentnotfound" => "it is not there any more; plan again".to_owned(),
        "invalidapiversionparameter" | "unsupportedapiversion" | "invalidresourcetype" => {
            "this cloud does not know the api-version that is used; name one that it knows under `apiVersions` in the environment's file"
                .to_owned()
        }
        "toomanyrequests" | "subscriptionrequeststhrottled" | "ratelimiting" => {
            "run the command again later, with a lower --parallelism or a longer --max-wait".to_owned()
        }
        "responsepayloadtoolarge" => "the answer is too large for Azure even in small pages; report it with the request id".to_owned(),
        "internalservererror" => {
            "Azure has trouble; run the command again later, and report the request id if it stays so".to_owned()
        }
        "subscriptionnotfound" | "managementgroupnotfound" | "resourcegroupnotfound" => {
            "check the scope in the environment's file, and that the signed-in identity can see it".to_owned()
        }
        "invalidauthenticationtokentenant" => {
            "the token is of another tenant than the scope; check `tenant` in the environment's file and sign in to it".to_owned()
        }
        _ => return None,
    };
    Some(advice)
}

fn by_status(status: Option<u16>) -> Option<&'static str> {
    Some(match status? {
        300..=399 => {
            "redirects are not followed, so that no token leaves Azure; check that no proxy answers in Azure's place"
        }
        401 => "sign in again, to the tenant of the environment",
        403 => "ask for a role that allows this at the scope",
        409 => "wait until what runs on the object has ended, then run the command again",
        412 => "somebody changed the object after it was read; plan again",
        429 => "run the command again later, with a lower --parallelism or a longer --max-wait",
        500.. => "Azure has trouble; run the command again later, and report the request id if it stays so",
        _ => return None,
    })
}

fn by_fault(fault: NetworkFault, host: &str) -> String {
    match fault {
        NetworkFault::UnknownHost => format!("check the network and the name server: `{host}` cannot be resolved"),
        NetworkFault::NoConnection => {
            format!("check that `{host}` can be reached from here on its port, directly or through a proxy")
        }
        NetworkFault::Tls => format!(
            "the certificate of `{host}` is not trusted; if a proxy opens secure connections here, name its authority's certificate with --ca-file"
        ),
        NetworkFault::Proxy => "check HTTPS_PROXY and NO_PROXY, and the rights at the proxy".to_owned(),
        NetworkFault::Timeout | NetworkFault::Interrupted => "check the network, then run the command again".to_owned(),
    }
}

/// The scope that a path stands at: what comes before its last provider.
fn scope_of(path: &str) -> &str {
    let lower = path.to_ascii_lowercase();
    match lower.rfind("/providers/").and_then(|at| path.get(..at)) {
        Some(scope) if !scope.is_empty() => scope,
        _ => path,
    }
}

fn provider_of(path: &str) -> Option<&str> {
    let lower = path.to_ascii_lowercase();
    let at = lower.rfind("/providers/")? + "/providers/".len();
    path.get(at..)?.split('/').next().filter(|name| !name.is_empty())
}
