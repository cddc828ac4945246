//! Environments against themselves and each other: scopes, who writes what.

use super::ESTATE_FILE;
use super::draft::EnvironmentDraft;
use super::estate::Mode;
use crate::diagnostic::Diagnostic;
use crate::model::Scope;

/// Reports what neither the environment nor the estate's defaults say.
pub(super) fn missing_defaults(environment: &EnvironmentDraft<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(start) = environment.start.filter(|_| environment.complete) else {
        return;
    };
    let mut missing = |key: &str, missing: bool| {
        if missing {
            let error = Diagnostic::error(
                "missing key",
                environment.file,
                start,
                format!("the file has no `{key}`"),
            );
            diagnostics.push(error.hint(format!(
                "state it here, or for all environments under `defaults` of {ESTATE_FILE}"
            )));
        }
    };
    missing("cloud", environment.cloud.is_none() && !environment.says_cloud);
    missing("tenant", environment.tenant.is_none() && !environment.says_tenant);
}

/// Reports a definition scope that cannot hold the definitions of the scope.
pub(super) fn own_scopes(environment: &EnvironmentDraft<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (Some(scope), Some(definitions)) = (&environment.scope, &environment.definition_scope) else {
        return;
    };
    let outside = match (&scope.value, &definitions.value) {
        // Whether a management group lies above is known to Azure alone.
        (_, Scope::ManagementGroup(_)) => false,
        (Scope::ManagementGroup(_), _) => true,
        (
            Scope::Subscription(id) | Scope::ResourceGroup(id, _),
            Scope::Subscription(other) | Scope::ResourceGroup(other, _),
        ) => id != other,
    };
    if outside {
        let label = format!("`{}` does not lie in it", scope.value);
        let error = Diagnostic::error(
            "definition scope beside the scope",
            environment.file,
            definitions.span,
            label,
        );
        diagnostics
            .push(error.hint(
                "a definition is seen at its own scope and below only: leave the key out, or name a scope above",
            ));
    }
}

/// Reports a location that is none.
pub(super) fn location(environment: &EnvironmentDraft<'_>, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(location) = environment.location.filter(|location| location.value == "global") {
        let label = "an identity is kept in one place";
        let error = Diagnostic::error("no location", environment.file, location.span, label);
        diagnostics.push(error.hint("name a location of the cloud, such as `westeurope`"));
    }
}

/// Reports environments that get in each other's way; the later file of two gets the message.
pub(super) fn between(environments: &[EnvironmentDraft<'_>], diagnostics: &mut Vec<Diagnostic>) {
    for (at, two) in environments.iter().enumerate() {
        for one in environments.iter().take(at).filter(|one| one.cloud == two.cloud) {
            pair(one, two, diagnostics);
        }
    }
}

fn pair(one: &EnvironmentDraft<'_>, two: &EnvironmentDraft<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (Some(scope), Some(other)) = (&two.scope, &one.scope) else {
        return;
    };
    let line = other.span.line;
    if same(&scope.value, &other.value) {
        let label = format!("{} has the same scope on line {line}", one.file);
        let error = Diagnostic::error("overlapping environments", two.file, scope.span, label);
        diagnostics.push(error.hint("each environment needs a scope of its own"));
        return;
    }
    if let (Some(definitions), Some(others)) = (two.effective_definition_scope(), one.effective_definition_scope())
        && same(&definitions.value, &others.value)
    {
        let label = format!("{} keeps its definitions at `{}` too", one.file, others.value);
        let error = Diagnostic::error("shared definition scope", two.file, definitions.span, label);
        diagnostics.push(error.hint("give each environment a `definitionScope` of its own"));
    }
    let manages = |environment: &EnvironmentDraft<'_>| {
        let defender = environment.defender.as_ref()?;
        (defender.containers.as_ref()?.mode == Mode::Manage).then_some(defender.span)
    };
    if let (Some(span), Some(other_span), Some(subscription)) =
        (manages(two), manages(one), shared(&scope.value, &other.value))
    {
        let label = format!("{} manages it too, on line {}", one.file, other_span.line);
        let error = Diagnostic::error("two owners of one Defender plan", two.file, span, label);
        diagnostics.push(error.hint(format!(
            "the plan is one for the whole subscription {subscription}: set `mode: require` in one of the two"
        )));
    }
    super::clusters::between(one, two, diagnostics);
}

/// Returns whether two scopes are one; names are compared without case, as ARM does.
fn same(one: &Scope, two: &Scope) -> bool {
    one.path().eq_ignore_ascii_case(&two.path())
}

/// Returns the subscription that two scopes both lie in, as far as that is known offline.
fn shared<'a>(one: &'a Scope, two: &Scope) -> Option<&'a str> {
    let subscription = |scope: &'a Scope| match scope {
        Scope::ManagementGroup(_) => None,
        Scope::Subscription(id) | Scope::ResourceGroup(id, _) => Some(id.as_str()),
    };
    match two {
        Scope::ManagementGroup(_) => None,
        Scope::Subscription(id) | Scope::ResourceGroup(id, _) => subscription(one).filter(|other| other == id),
    }
}

/// Returns whether one of two scopes contains the other, as far as that is known offline.
pub(super) fn contains(one: &Scope, two: &Scope) -> bool {
    shared(one, two).is_some() && (matches!(one, Scope::Subscription(_)) || matches!(two, Scope::Subscription(_)))
}
