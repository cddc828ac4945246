//! How gates are closed step by step: what an environment says of it, and what of it cannot be.

use super::draft::{EnvironmentDraft, texts};
use super::estate::{Advance, CoverageRule, IgnoredCluster, Rollout, SETTLE};
use super::format::moment;
use super::near;
use super::walk::{Fields, Spanned, Value};
use crate::catalog::managed_namespaces;
use crate::diagnostic::{Diagnostic, Span};
use crate::model::{Area, Freeze, Hours, Part, Period, ResourceId, Ring, Scope, Windows};
use std::collections::BTreeMap;

/// How many locations the overrides of one assignment can name (governance/policy/concepts/assignment-structure: 10 overrides, 50
/// values each).
const MOST_LOCATIONS: usize = 500;

/// What an environment says of its rollout, with the places that messages point to.
pub(super) struct RolloutDraft<'a> {
    pub rings: Vec<RingDraft<'a>>,
    advance: Advance,
    pub promotes_from: Option<Spanned<&'a str>>,
    settle: Period,
    windows: Option<WindowsDraft<'a>>,
}

/// What an environment says of a ring.
pub(super) struct RingDraft<'a> {
    span: Span,
    name: Option<Spanned<&'a str>>,
    locations: Vec<Spanned<&'a str>>,
    scopes: Vec<Spanned<Scope>>,
    pub namespaces: Vec<Spanned<&'a str>>,
    /// The keys that say what belongs to it, right or wrong, with the places of those that are right.
    says: Vec<(&'static str, Option<Span>)>,
}

struct WindowsDraft<'a> {
    zone: Option<Spanned<&'a str>>,
    hours: Vec<Option<Hours>>,
    freezes: Vec<FreezeDraft<'a>>,
}

struct FreezeDraft<'a> {
    from: Option<Spanned<&'a str>>,
    until: Option<Spanned<&'a str>>,
    reason: &'a str,
}

impl<'a> RolloutDraft<'a> {
    /// Reads the keys of an environment.
    pub fn read(fields: &Fields<'a>) -> RolloutDraft<'a> {
        let rings = fields.list("rings").iter().filter_map(|ring| match &ring.value {
            Value::Fields(fields) => Some(RingDraft::read(ring.span, fields)),
            _ => None,
        });
        RolloutDraft {
            rings: rings.collect(),
            advance: match fields.text("advance").map(|word| word.value) {
                Some("auto") => Advance::Auto,
                _ => Advance::Approve,
            },
            promotes_from: fields.text("promotesFrom"),
            settle: fields
                .text("settle")
                .and_then(|settle| Period::parse(settle.value))
                .unwrap_or(SETTLE),
            windows: fields.fields("windows").map(WindowsDraft::read),
        }
    }

    /// Returns what was said; none if something in it is wrong.
    pub fn finish(self) -> Option<Rollout> {
        let windows = match self.windows {
            Some(windows) => Some(windows.finish()?),
            None => None,
        };
        Some(Rollout {
            rings: self.rings.into_iter().map(RingDraft::finish).collect::<Option<_>>()?,
            advance: self.advance,
            promotes_from: self.promotes_from.map(|name| name.value.to_owned()),
            settle: self.settle,
            windows,
        })
    }
}

impl<'a> RingDraft<'a> {
    fn read(span: Span, fields: &Fields<'a>) -> RingDraft<'a> {
        RingDraft {
            span,
            name: fields.text("name"),
            locations: texts(fields, "locations"),
            scopes: texts(fields, "scopes")
                .into_iter()
                .filter_map(|text| text.and_then(Scope::parse))
                .collect(),
            namespaces: texts(fields, "namespaces"),
            says: ["locations", "scopes", "namespaces"]
                .into_iter()
                .filter(|key| fields.says(key))
                .map(|key| (key, fields.key_span(key)))
                .collect(),
        }
    }

    fn area(&self) -> Area {
        let mut namespaces: Vec<String> = self.namespaces.iter().map(|name| name.value.to_owned()).collect();
        namespaces.sort();
        match self.says.first() {
            Some(("locations", _)) => {
                Area::Locations(self.locations.iter().map(|name| name.value.to_owned()).collect())
            }
            Some(("scopes", _)) => Area::Scopes(self.scopes.iter().map(|scope| scope.value.clone()).collect()),
            Some(_) => Area::Namespaces(namespaces),
            None => Area::Rest,
        }
    }

    fn finish(self) -> Option<Ring> {
        Some(Ring {
            name: self.name?.value.to_owned(),
            area: self.area(),
        })
    }
}

impl<'a> WindowsDraft<'a> {
    fn read(fields: &Fields<'a>) -> WindowsDraft<'a> {
        let tables = |key| {
            let items = fields.list(key).iter();
            items.filter_map(|item| match &item.value {
                Value::Fields(fields) => Some(fields),
                _ => None,
            })
        };
        WindowsDraft {
            zone: fields.text("timeZone"),
            hours: tables("open")
                .map(|fields| {
                    let days: Vec<&str> = texts(fields, "days").iter().map(|day| day.value).collect();
                    Hours::parse(&days, fields.text("hours")?.value)
                })
                .collect(),
            freezes: tables("freezes")
                .map(|fields| FreezeDraft {
                    from: fields.text("from"),
                    until: fields.text("until"),
                    reason: fields.text("reason").map_or("", |reason| reason.value),
                })
                .collect(),
        }
    }

    fn finish(self) -> Option<Windows> {
        let freezes = self.freezes.iter().map(|freeze| {
            let (from, until) = (freeze.from?.value, freeze.until?.value);
            Freeze::parse(from, until, freeze.reason)
        });
        let freezes = freezes.collect::<Option<_>>()?;
        Windows::new(
            self.zone?.value,
            self.hours.into_iter().collect::<Option<_>>()?,
            freezes,
        )
    }
}

/// Reads the mapping at `clusters.coverage`.
pub(super) fn coverage(clusters: &Fields<'_>) -> CoverageRule {
    let Some(fields) = clusters.fields("coverage") else {
        return CoverageRule::default();
    };
    let ignore = fields.list("ignore").iter().filter_map(|item| match &item.value {
        Value::Fields(fields) => Some(IgnoredCluster {
            cluster: ResourceId::parse(fields.text("cluster")?.value)?,
            reason: fields.text("reason")?.value.to_owned(),
            expires: moment(fields.text("expires")?.value)?,
        }),
        _ => None,
    });
    CoverageRule {
        stopped_pass: fields.text("stopped").is_some_and(|word| word.value == "pass"),
        ignore: ignore.collect(),
    }
}

/// Returns the clusters that are ignored, with their places.
pub(super) fn ignored(clusters: &Fields<'_>) -> Vec<Spanned<ResourceId>> {
    let items = clusters.fields("coverage").map(|coverage| coverage.list("ignore"));
    let items = items.unwrap_or_default().iter().filter_map(|item| match &item.value {
        Value::Fields(fields) => fields.text("cluster")?.and_then(ResourceId::parse),
        _ => None,
    });
    items.collect()
}

/// Reports clusters that are ignored twice.
pub(super) fn ignored_twice(file: &str, ignored: &[Spanned<ResourceId>], diagnostics: &mut Vec<Diagnostic>) {
    for (at, cluster) in ignored.iter().enumerate() {
        if ignored.iter().take(at).any(|before| before.value == cluster.value) {
            let label = format!("`{}` is ignored already", cluster.value.name());
            diagnostics.push(
                Diagnostic::error("cluster ignored twice", file, cluster.span, label).hint("keep one of the two"),
            );
        }
    }
}

/// Reports what an environment says of its rollout and cannot be; `everywhere` are the namespaces that the estate excludes.
pub(super) fn check(
    environment: &EnvironmentDraft<'_>,
    everywhere: &[Spanned<&str>],
    diagnostics: &mut Vec<Diagnostic>,
) {
    let rollout = &environment.rollout;
    let mut error = |summary: &str, span: Span, label: String, hint: &str| {
        diagnostics.push(Diagnostic::error(summary, environment.file, span, label).hint(hint));
    };
    let mut names: BTreeMap<&str, ()> = BTreeMap::new();
    for (at, ring) in rollout.rings.iter().enumerate() {
        if let Some(name) = ring.name
            && names.insert(name.value, ()).is_some()
        {
            let label = format!("another ring is called `{}` too", name.value);
            error("two rings of one name", name.span, label, "give each its own name");
        }
        if ring.says.is_empty() && at + 1 < rollout.rings.len() {
            let label = "it names nothing, so it is all that is left over".to_owned();
            let hint = "put it at the end, or say with `locations`, `scopes` or `namespaces` what belongs to it";
            error("the rest is not the last ring", ring.span, label, hint);
        }
        if let [(first, _), (second, span), ..] = ring.says.as_slice() {
            let label = format!("it has `{first}` already");
            let hint = "a ring is of one kind; make two rings of it";
            let summary = format!("ring with `{first}` and `{second}`");
            error(&summary, span.unwrap_or(ring.span), label, hint);
        }
    }
    overlaps(rollout, &mut error);
    if let Some(scope) = &environment.scope {
        scopes(rollout, &scope.value, &mut error);
    }
    namespaces(rollout, everywhere, &mut error);
    for freeze in rollout.windows.iter().flat_map(|windows| &windows.freezes) {
        if let (Some(from), Some(until)) = (freeze.from, freeze.until)
            && Freeze::parse(from.value, until.value, freeze.reason).is_none()
        {
            let label = format!("it begins on {}", from.value);
            error(
                "freeze without a day",
                until.span,
                label,
                "name a later day: it ends at that day's beginning",
            );
        }
    }
}

type Report<'e> = dyn FnMut(&str, Span, String, &str) + 'e;

/// Reports what two rings have.
fn overlaps(rollout: &RolloutDraft<'_>, error: &mut Report<'_>) {
    let hint = "a cluster is in one ring only; take it out of one of them";
    let mut locations: BTreeMap<&str, &str> = BTreeMap::new();
    for ring in &rollout.rings {
        let name = ring.name.map_or("", |name| name.value);
        for location in &ring.locations {
            if let Some(other) = locations.insert(location.value, name) {
                let label = format!("`{}` is in ring `{other}` already", location.value);
                error("overlapping rings", location.span, label, hint);
            }
        }
    }
    let all: Vec<Span> = rollout
        .rings
        .iter()
        .flat_map(|ring| ring.locations.iter().map(|location| location.span))
        .collect();
    if let Some(span) = all.get(MOST_LOCATIONS) {
        let label = format!("{} locations, and an assignment can name {MOST_LOCATIONS}", all.len());
        error(
            "too many locations",
            *span,
            label,
            "leave those of the last ring out: it is the rest",
        );
    }
}

/// Reports scopes that do not lie in the environment's, and those of which one lies in the other.
fn scopes(rollout: &RolloutDraft<'_>, environment: &Scope, error: &mut Report<'_>) {
    let rings = rollout.rings.iter();
    let all: Vec<(&str, &Spanned<Scope>)> = rings
        .flat_map(|ring| {
            let name = ring.name.map_or("", |name| name.value);
            ring.scopes.iter().map(move |scope| (name, scope))
        })
        .collect();
    for (at, (_, scope)) in all.iter().enumerate() {
        if is_in(environment, &scope.value) {
            let label = format!("it holds all of `{environment}`, the scope of the environment");
            let hint = "name scopes that lie in it; a ring without a key is all that is left over";
            error("ring as large as the environment", scope.span, label, hint);
        } else if !matches!(environment, Scope::ManagementGroup(_)) && !is_in(&scope.value, environment) {
            let label = format!("it does not lie in `{environment}`, the scope of the environment");
            let hint = "a ring is a part of its environment: name a scope in it";
            error("ring outside the environment", scope.span, label, hint);
        }
        let other = all
            .iter()
            .take(at)
            .find(|(_, other)| is_in(&other.value, &scope.value) || is_in(&scope.value, &other.value));
        if let Some((ring, other)) = other {
            let label = match is_in(&scope.value, &other.value) && is_in(&other.value, &scope.value) {
                true => format!("it is in ring `{ring}` already"),
                false => format!("`{}` is in ring `{ring}`, and one lies in the other", other.value),
            };
            let hint = "a cluster is in one ring only; take it out of one of them";
            error("overlapping rings", scope.span, label, hint);
        }
    }
}

/// Whether a scope lies in another one, or is it. What a management group holds is known to Azure alone.
fn is_in(one: &Scope, other: &Scope) -> bool {
    ResourceId::parse(&one.path()).is_some_and(|one| one.is_within(&other.path()))
}

/// Reports namespaces that no gate judges, that stand twice, and lists that could not be told from each other.
fn namespaces(rollout: &RolloutDraft<'_>, everywhere: &[Spanned<&str>], error: &mut Report<'_>) {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    let mut codes: BTreeMap<String, &str> = BTreeMap::new();
    for ring in &rollout.rings {
        let ring_name = ring.name.map_or("", |name| name.value);
        for name in &ring.namespaces {
            let managed = managed_namespaces().iter().any(|row| row.name == name.value);
            if managed || everywhere.iter().any(|excluded| excluded.value == name.value) {
                let label = match managed {
                    true => "Azure manages it, so no gate judges it".to_owned(),
                    false => "`defaults.excludeNamespaces` leaves it out, so no gate judges it".to_owned(),
                };
                let hint = "take it out: closing a gate on it would refuse nothing";
                error("excluded namespace in a ring", name.span, label, hint);
            }
            if let Some(other) = known.insert(name.value, ring_name) {
                let label = format!("`{}` is in ring `{other}` already", name.value);
                error("overlapping rings", name.span, label, "name it once");
            }
        }
        let Area::Namespaces(names) = ring.area() else {
            continue;
        };
        let code = Part::Namespaces(&names).code();
        if let (false, Some(other)) = (names.is_empty(), codes.insert(code, ring_name)) {
            let label = format!("its assignments would be called as those of ring `{other}`");
            let hint = "names are made of the namespaces: put one more into either, or make one ring of both";
            error("rings that cannot be told apart", ring.span, label, hint);
        }
    }
}

/// Reports environments that come from none, from themselves or from each other.
pub(super) fn promotions(environments: &[EnvironmentDraft<'_>], diagnostics: &mut Vec<Diagnostic>) {
    let from: BTreeMap<&str, &str> = environments
        .iter()
        .filter_map(|environment| Some((environment.name, environment.rollout.promotes_from?.value)))
        .collect();
    let names: Vec<&str> = environments.iter().map(|environment| environment.name).collect();
    for environment in environments {
        let Some(source) = environment.rollout.promotes_from else {
            continue;
        };
        let mut report = |summary: &str, label: String, hint: String| {
            diagnostics.push(Diagnostic::error(summary, environment.file, source.span, label).hint(hint));
        };
        if !names.contains(&source.value) {
            let label = "no such file in environments/".to_owned();
            report(
                "unknown environment",
                label,
                near(source.value, &names, "there is no other"),
            );
            continue;
        }
        let mut way = vec![environment.name];
        let mut at = source.value;
        while let Some(next) = from.get(at).filter(|_| !way.contains(&at)) {
            way.push(at);
            at = next;
        }
        if at == environment.name {
            way.push(at);
            let label = format!("it goes round: {}", way.join(" from "));
            report(
                "promotion in a circle",
                label,
                "leave `promotesFrom` out where changes begin".to_owned(),
            );
        }
    }
}
