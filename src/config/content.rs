//! Initiatives against the catalogue: do their definitions and versions exist, and what may a gate set?

use super::draft::{ContentDraft, Exposed, InitiativeDraft, MemberDraft};
use super::estate::{Initiative, InitiativeKind, Member, MemberDefinition};
use super::rule_file::{self, Rules};
use super::walk::{Spanned, list};
use super::{near, parameters};
use crate::catalog::{
    Catalog, Mapping, Parameter, ParameterType, PinResolution, PolicySet, SetFacts, VersionFacts, VersionPin,
};
use crate::diagnostic::{Diagnostic, Span};
use crate::model::Stage;
use std::collections::BTreeMap;

/// The set parameter that the ladder sets.
pub(super) const EFFECT: &str = "effect";
/// The set parameter that excluded namespaces go to.
pub(super) const EXCLUDED_NAMESPACES: &str = "excludedNamespaces";

/// The parameter that limits what is judged to namespaces.
pub(super) const NAMESPACES: &str = "namespaces";

/// What a gate gets with an initiative.
pub(super) struct Content<'c> {
    /// The initiative; none if something in it is wrong.
    pub initiative: Option<Initiative>,
    /// Whether all that it offers is known: if not, a parameter that seems unknown may be right.
    pub known: bool,
    /// Whether a member's facts are not known.
    pub unsure: bool,
    /// The parameters that a gate may set.
    pub offered: BTreeMap<String, Offered<'c>>,
    /// The highest stage that one of its members can be put at; none if that is not known.
    pub ceiling: Option<Stage>,
    /// Whether it has the parameter that excluded namespaces go to; so too if that is not known.
    pub excludes_namespaces: bool,
    /// The members that cannot be limited to namespaces by an assignment, as far as that is known.
    pub undivided: Vec<String>,
    /// What its members are for.
    pub kind: InitiativeKind,
    /// Whether a member judges objects inside a cluster, as far as that is known.
    pub kubernetes: bool,
    /// The references of its members.
    pub references: Vec<String>,
    /// Whether an assignment of it needs an identity, as far as that is known.
    pub needs_identity: bool,
    /// Whether it is a gate of Defender, which has no policy behind it.
    pub is_defender: bool,
}

/// A parameter that a gate may set.
#[derive(Default)]
pub(super) struct Offered<'c> {
    /// The parameters of definitions (or of the built-in set) that get the value: each must take it.
    pub behind: Vec<&'c Parameter>,
    /// Whether a gate must set it.
    pub required: bool,
    /// Whether a gate gives it as a list of images, which becomes a regular expression.
    pub images: bool,
}

impl Content<'_> {
    fn unknown() -> Self {
        Content {
            initiative: None,
            known: false,
            unsure: true,
            offered: BTreeMap::new(),
            ceiling: None,
            excludes_namespaces: true,
            undivided: Vec::new(),
            kind: InitiativeKind::Admission,
            kubernetes: false,
            references: Vec::new(),
            needs_identity: false,
            is_defender: false,
        }
    }

    /// A gate of Defender: nothing in it can be set, and what it refuses is decided elsewhere.
    fn defender(display_name: Option<&str>, description: &str) -> Self {
        Content {
            initiative: display_name.map(|display_name| Initiative::Defender {
                display_name: display_name.to_owned(),
                description: description.to_owned(),
            }),
            known: true,
            excludes_namespaces: false,
            is_defender: true,
            ..Content::unknown()
        }
    }
}

/// Checks an initiative; without a catalogue, all but what only a catalogue can tell.
pub(super) fn check<'c>(
    draft: &InitiativeDraft<'_>,
    catalog: Option<&'c Catalog>,
    rules: &'c Rules,
    asked: bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Content<'c> {
    let mut check = Check {
        file: draft.file,
        name: draft.name,
        catalog,
        rules,
        asked,
        diagnostics,
    };
    match &draft.content {
        ContentDraft::BuiltIn { id, version } => check.built_in(id.as_ref(), *version),
        ContentDraft::Own {
            display_name,
            description,
            kind,
            members,
            span,
        } => check.own(display_name.as_deref(), description, *kind, members, *span),
        ContentDraft::Defender {
            display_name,
            description,
        } => Content::defender(display_name.as_deref(), description),
        ContentDraft::Unknown => Content::unknown(),
    }
}

/// The reference of a member of a set of ours that its assignment cannot limit to namespaces.
fn undivided(member: &MemberDraft<'_>, facts: &VersionFacts) -> Option<String> {
    let exposed = member
        .expose
        .iter()
        .any(|exposed| exposed.name.value == NAMESPACES || exposed.set_name.value == NAMESPACES);
    let stated = member.parameters.iter().any(|(name, _)| name.value == NAMESPACES);
    let divided = facts.parameters.contains_key(NAMESPACES) && !exposed && !stated;
    (!divided).then(|| member.reference_id.map(|reference| reference.value.to_owned()))?
}

struct Check<'c, 'd> {
    file: &'d str,
    name: &'d str,
    catalog: Option<&'c Catalog>,
    rules: &'c Rules,
    /// Whether a gate asks for it.
    asked: bool,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'c> Check<'c, '_> {
    fn error(&self, summary: &str, span: Span, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error(summary, self.file, span, label)
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    fn built_in(&mut self, id: Option<&Spanned<String>>, version: Option<Spanned<VersionPin>>) -> Content<'c> {
        let Some(id) = id else { return Content::unknown() };
        let Some(catalog) = self.catalog else {
            let built_in = |version: Spanned<VersionPin>| Initiative::BuiltIn {
                id: id.value.to_ascii_lowercase(),
                version: version.value.to_string(),
            };
            let initiative = version.map(built_in);
            return Content {
                initiative,
                ..Content::unknown()
            };
        };
        let Some(set) = catalog.initiative(&id.value) else {
            let error = self.error(
                "unknown policy set definition",
                id.span,
                "no built-in initiative for AKS has this name",
            );
            self.report(match catalog.definition(&id.value) {
                Some(definition) => error.hint(format!(
                    "it is the policy definition `{}`: make it a member of a set of our own (`members`)",
                    definition.display_name
                )),
                None => {
                    let names: Vec<&str> = catalog.initiatives().map(|set| set.name.as_str()).collect();
                    or_search(error, near_only(&id.value, &names))
                }
            });
            return Content::unknown();
        };
        let state = State {
            kind: "initiative",
            name: &set.display_name,
            deprecated: set.deprecated,
            preview: set.preview,
        };
        self.state(id.span, &state);
        let Some(version) = version else {
            return Content::unknown();
        };
        let initiative = Some(Initiative::BuiltIn {
            id: set.name.clone(),
            version: version.value.to_string(),
        });
        match self.resolve(version, set.at(&version.value), set.versions(), set.current_pin()) {
            Some(facts) => self.built_in_facts(catalog, (set, facts), id.span, initiative),
            None => Content {
                initiative,
                ..Content::unknown()
            },
        }
    }

    fn built_in_facts(
        &mut self,
        catalog: &'c Catalog,
        (set, facts): (&PolicySet, &'c SetFacts),
        span: Span,
        initiative: Option<Initiative>,
    ) -> Content<'c> {
        if !facts.parameters.contains_key(EFFECT) {
            let label = format!(
                "`{}` has no parameter `{EFFECT}`: its stage cannot be set",
                set.display_name
            );
            let error = self.error("initiative without effect", span, label);
            self.report(error.hint("make a set of our own (`members`) of the definitions that are to be a gate"));
        }
        let on_ladder = facts.members.iter().filter(|member| {
            let effect = catalog
                .facts_of_member(member)
                .map_or(Some(EFFECT), |facts| facts.effect_parameter.as_deref());
            effect.is_some_and(|name| member.mapping(name) == Mapping::SetParameter(EFFECT))
        });
        let ceilings = on_ladder.map(|member| catalog.ceiling_of_member(member));
        let offered = facts.parameters.iter().map(|(name, parameter)| {
            let required = parameter.default.is_none();
            let behind = vec![parameter];
            (
                name.clone(),
                Offered {
                    behind,
                    required,
                    images: false,
                },
            )
        });
        Content {
            initiative,
            known: true,
            unsure: false,
            offered: offered
                .filter(|(name, _)| name != EFFECT && name != EXCLUDED_NAMESPACES)
                .collect(),
            ceiling: highest(ceilings),
            excludes_namespaces: facts.parameters.contains_key(EXCLUDED_NAMESPACES),
            undivided: {
                let members = facts.members.iter();
                let fixed = members.filter(|member| member.mapping(NAMESPACES) != Mapping::SetParameter(NAMESPACES));
                fixed.map(|member| member.reference_id.clone()).collect()
            },
            kind: InitiativeKind::Admission,
            kubernetes: facts
                .members
                .iter()
                .filter_map(|member| catalog.facts_of_member(member))
                .any(VersionFacts::is_kubernetes),
            references: facts.members.iter().map(|member| member.reference_id.clone()).collect(),
            needs_identity: facts
                .members
                .iter()
                .filter_map(|member| catalog.facts_of_member(member))
                .any(VersionFacts::needs_identity),
            is_defender: false,
        }
    }

    fn own(
        &mut self,
        display_name: Option<&str>,
        description: &str,
        kind: InitiativeKind,
        members: &[MemberDraft<'_>],
        span: Span,
    ) -> Content<'c> {
        let mut content = Content::unknown();
        content.known = true;
        content.unsure = false;
        content.kind = kind;
        content.excludes_namespaces = false;
        // Whether no member can be moved from stage to stage; none if that is not known.
        let mut stuck = Some(true);
        let mut finished = Some(Vec::new());
        let mut references: BTreeMap<String, usize> = BTreeMap::new();
        let mut climbing: Vec<(bool, Span)> = Vec::new();
        for member in members {
            if let Some(reference) = member.reference_id {
                match references.get(&reference.value.to_ascii_lowercase()) {
                    Some(line) => {
                        let label = format!(
                            "`{}` is the reference of the member on line {line} too",
                            reference.value
                        );
                        let error = self.error("duplicate reference", reference.span, label);
                        self.report(error.hint("references are unique within a set; their case does not count"));
                    }
                    None => {
                        references.insert(reference.value.to_ascii_lowercase(), reference.span.line);
                    }
                }
            }
            let facts = self.definition(member);
            let enforced = self.is_enforced(member);
            let moves = |facts: &VersionFacts| match kind {
                InitiativeKind::Admission => on_ladder(facts),
                InitiativeKind::Enablement => facts.acting_effect().is_some(),
            };
            stuck = stuck
                .zip(facts)
                .map(|(stuck, facts)| stuck && !(enforced && moves(facts)));
            if enforced {
                content
                    .references
                    .extend(member.reference_id.map(|reference| reference.value.to_owned()));
                content.kubernetes |= facts.is_some_and(VersionFacts::is_kubernetes);
                content.needs_identity |= facts.is_some_and(VersionFacts::needs_identity);
            }
            if let (InitiativeKind::Enablement, Some(facts)) = (kind, facts) {
                self.enables(member, facts);
            }
            match facts {
                Some(facts) if !enforced => {
                    // It is checked as any other, but nothing of it reaches a gate.
                    self.member(member, facts, &mut Content::unknown());
                    let in_vain = rule_file::exposed_in_vain(self.file, &member.expose);
                    self.diagnostics.extend(in_vain);
                }
                Some(facts) => {
                    content.undivided.extend(undivided(member, facts));
                    climbing.extend(on_ladder(facts).then(|| (facts.is_kubernetes(), member.place())));
                    self.member(member, facts, &mut content);
                }
                None => {
                    content.unsure = true;
                    // What such a member exposes is known to be there, though not what it takes.
                    for exposed in &member.expose {
                        let offered = content.offered.entry(exposed.set_name.value.to_owned()).or_default();
                        offered.images |= exposed.images;
                    }
                    content.excludes_namespaces = true;
                }
            }
            finished = finished.zip(self.finish(member)).map(|(mut all, member)| {
                all.push(member);
                all
            });
        }
        self.one_ladder(&climbing);
        if stuck == Some(true) && !members.is_empty() && kind == InitiativeKind::Enablement {
            let label = "none of these definitions deploys or modifies anything: there is nothing to enforce";
            let error = self.error("initiative without effect", span, label);
            self.report(
                error.hint("a set of kind enablement may hold definitions that only audit, but needs one that acts"),
            );
        } else if stuck == Some(true) && !members.is_empty() {
            let label = "none of these definitions can audit, deny and be disabled: there is no stage to set";
            let error = self.error("initiative without effect", span, label);
            self.report(error.hint("a set may hold definitions that only audit, but needs one that can deny as well"));
        }
        content.initiative = display_name
            .zip(finished)
            .map(|(display_name, members)| Initiative::Own {
                display_name: display_name.to_owned(),
                description: description.to_owned(),
                kind,
                members,
            });
        content
    }

    /// Refuses a member that judges admissions in a set that is to deploy settings: whether such a set acts is said for the
    /// whole assignment, which would open what denies.
    fn enables(&mut self, member: &MemberDraft<'_>, facts: &VersionFacts) {
        let why = if facts.is_kubernetes() {
            "this definition judges objects inside the cluster"
        } else if facts.can_deny() {
            "this definition can deny"
        } else {
            return;
        };
        let error = self.error("member is not for enablement", member.place(), why);
        self.report(error.hint("put it into a set of kind admission, with a gate of its own"));
    }

    /// Refuses members that climb on different evidence: one effect moves them all.
    fn one_ladder(&mut self, climbing: &[(bool, Span)]) {
        let Some((first, before)) = climbing.first() else {
            return;
        };
        let Some((_, span)) = climbing.iter().find(|(kubernetes, _)| kubernetes != first) else {
            return;
        };
        let what = |kubernetes: bool| match kubernetes {
            true => "the objects in a cluster",
            false => "Azure resources",
        };
        let label = format!(
            "this judges {}, and the member on line {} {}",
            what(!first),
            before.line,
            what(*first)
        );
        let error = self.error("set of two modes", *span, label);
        self.report(error.hint(
            "a set has one effect for all: clusters report within the hour, Azure Resource Manager once a day, and its \
             deny blocks updates of clusters; make two initiatives of it",
        ));
    }

    /// Returns whether a member goes to Azure: a rule may say that admission cannot decide it.
    fn is_enforced(&self, member: &MemberDraft<'_>) -> bool {
        let rule = member.rule.and_then(|rule| self.rules.get(self.name, rule.value));
        let rule = rule.and_then(|checked| checked.rule.as_ref());
        rule.is_none_or(|rule| rule.not_enforceable.is_none())
    }

    /// Returns what is known of a member's definition at its pin.
    fn definition(&mut self, member: &MemberDraft<'_>) -> Option<&'c VersionFacts> {
        if let Some(rule) = member.rule {
            let (file, set) = (self.file, self.name);
            return rule_file::of_member(file, set, rule, self.rules, self.diagnostics)?
                .facts
                .as_ref();
        }
        let id = member.definition.as_ref()?;
        let catalog = self.catalog?;
        let Some(definition) = catalog.definition(&id.value) else {
            let error = self.error(
                "unknown policy definition",
                id.span,
                "no built-in definition for AKS has this name",
            );
            self.report(match catalog.initiative(&id.value) {
                Some(set) => error.hint(format!(
                    "it is the initiative `{}`: a set cannot be a member of a set, give it a file of its own (`builtin`)",
                    set.display_name
                )),
                None => {
                    let names: Vec<&str> = catalog.definitions().map(|definition| definition.name.as_str()).collect();
                    or_search(error, near_only(&id.value, &names))
                }
            });
            return None;
        };
        let state = State {
            kind: "definition",
            name: &definition.display_name,
            deprecated: definition.deprecated,
            preview: definition.preview,
        };
        self.state(id.span, &state);
        let pin = member.version?;
        self.resolve(
            pin,
            definition.at(&pin.value),
            definition.versions(),
            definition.current_pin(),
        )
    }

    /// Warns of what should not be used, or not yet.
    fn state(&mut self, span: Span, state: &State<'_>) {
        let State { kind, name, .. } = state;
        if state.deprecated {
            let warning = self.error(
                &format!("deprecated {kind}"),
                span,
                format!("Azure has deprecated `{name}`"),
            );
            self.report(
                warning
                    .warning()
                    .hint("Azure may remove it; look for its successor with `aksgate catalog`"),
            );
        } else if state.preview && self.asked {
            let warning = self.error(&format!("preview {kind}"), span, format!("`{name}` is a preview"));
            self.report(warning.warning().hint("a preview may change without notice"));
        }
    }

    /// Returns the facts that a pin leads to, and says why there are none.
    fn resolve<T>(
        &mut self,
        pin: Spanned<VersionPin>,
        resolution: PinResolution<'c, T>,
        versions: &[String],
        current: Option<VersionPin>,
    ) -> Option<&'c T> {
        match resolution {
            PinResolution::Facts(facts) => Some(facts),
            PinResolution::ListedWithoutFacts(version) => {
                let label = format!("version {version} exists, but its parameters and effects are not known");
                let warning = self.error("version without facts", pin.span, label).warning();
                let hint = "parameters are not checked for this version until `aksgate lock` has fetched its facts";
                self.report(match current {
                    Some(current) => warning.hint(format!("{hint}; pin `{current}` to have them checked")),
                    None => warning.hint(hint),
                });
                None
            }
            PinResolution::NoSuchVersion => {
                let label = format!("no version fits `{}`", pin.value);
                let error = self.error("unknown version", pin.span, label);
                let error = error.hint(format!(
                    "listed versions: {}",
                    list(versions.iter().map(String::as_str))
                ));
                let error = match current {
                    Some(current) => error.hint(format!("write `{current}`")),
                    None => error,
                };
                self.report(error.hint("if Azure has a newer one, `aksgate lock` fetches its facts"));
                None
            }
        }
    }

    /// Checks a member's parameters, and adds what it offers.
    fn member(&mut self, member: &MemberDraft<'_>, facts: &'c VersionFacts, content: &mut Content<'c>) {
        let names: Vec<&str> = facts.parameters.keys().map(String::as_str).collect();
        let effect = facts
            .effect_parameter
            .as_deref()
            .filter(|_| facts.ceiling() > Stage::Off);
        let unknown = |name: &Spanned<&str>| {
            let label = format!("the definition has no parameter `{}`", name.value);
            let error = Diagnostic::error("unknown parameter", self.file, name.span, label);
            error.hint(near(name.value, &names, "it has none"))
        };
        for (name, node) in &member.parameters {
            let Some(parameter) = facts.parameters.get(name.value) else {
                let unknown = unknown(name);
                self.report(unknown);
                continue;
            };
            if let Some(error) = self.reserved(name, effect) {
                self.report(error);
                continue;
            }
            parameters::check(self.file, name.value, parameter, node, self.diagnostics);
        }
        for Exposed { name, set_name, images } in &member.expose {
            let Some(parameter) = facts.parameters.get(name.value) else {
                let unknown = unknown(name);
                self.report(unknown);
                content.known = false;
                continue;
            };
            if let Some(error) = self.reserved(name, effect) {
                self.report(error);
                content.known = false;
                continue;
            }
            if let Some((fixed, _)) = member.parameters.iter().find(|(fixed, _)| fixed.value == name.value) {
                let label = format!("`{}` has a fixed value on line {}", name.value, fixed.span.line);
                let error = self.error("parameter both fixed and exposed", name.span, label);
                self.report(error.hint("keep one of the two"));
                content.known = false;
                continue;
            }
            if matches!(set_name.value, EFFECT | EXCLUDED_NAMESPACES) {
                let label = format!("every set has a parameter `{}` of its own", set_name.value);
                let error = self.error("reserved parameter", set_name.span, label);
                self.report(error.hint("expose it under another name"));
                content.known = false;
                continue;
            }
            if *images && parameter.ty != ParameterType::String {
                let label = format!("`{}` is {}, not a text", name.value, parameter.ty);
                let error = self.error("no place for images", name.span, label);
                self.report(error.hint("`exposeImages` is for parameters that take a regular expression of images"));
                content.known = false;
                continue;
            }
            let offered = content.offered.entry(set_name.value.to_owned()).or_default();
            if !offered.behind.is_empty() && offered.images != *images {
                let label = format!(
                    "`{}` is a list of images here or in a member before, not in both",
                    set_name.value
                );
                let error = self.error("one name for two types", set_name.span, label);
                self.report(error.hint("expose them under two names"));
                continue;
            }
            offered.images = *images;
            if let Some(first) = offered.behind.first() {
                if first.ty != parameter.ty {
                    let label = format!(
                        "`{}` is {} here and {} in a member before",
                        set_name.value, parameter.ty, first.ty
                    );
                    let error = self.error("one name for two types", set_name.span, label);
                    self.report(error.hint("expose them under two names"));
                    continue;
                }
                // A default that holds for one member only is no default of the set.
                offered.required |= first.default != parameter.default;
            }
            offered.required |= parameter.default.is_none();
            offered.behind.push(parameter);
        }
        let told = |name: &str| {
            member.parameters.iter().any(|(given, _)| given.value == name)
                || member.expose.iter().any(|exposed| exposed.name.value == name)
        };
        for (name, parameter) in &facts.parameters {
            let ours = effect == Some(name.as_str()) || name == EXCLUDED_NAMESPACES;
            if parameter.default.is_none() && !ours && !told(name) {
                let span = member.place();
                let error = self.error(
                    "missing parameter",
                    span,
                    format!("`{name}` of this definition has no default"),
                );
                self.report(error.hint(format!(
                    "give it a value under `parameters`, or let each gate do so: `expose: {{{name}: {name}}}`"
                )));
            }
        }
        content.excludes_namespaces |= facts.parameters.contains_key(EXCLUDED_NAMESPACES);
    }

    /// Returns the member; none if something in it is wrong.
    fn finish(&self, member: &MemberDraft<'_>) -> Option<Member> {
        let expose = member
            .expose
            .iter()
            .map(|exposed| (exposed.name.value.to_owned(), exposed.set_name.value.to_owned()));
        let images = member.expose.iter().filter(|exposed| exposed.images);
        let definition = match (&member.rule, &member.definition) {
            (Some(rule), None) => {
                let rule = self.rules.get(self.name, rule.value)?.rule.clone()?;
                MemberDefinition::Rule(Box::new(rule))
            }
            (None, Some(definition)) => MemberDefinition::BuiltIn {
                name: definition.value.clone(),
                version: member.version?.value.to_string(),
            },
            _ => return None,
        };
        Some(Member {
            images: images.map(|exposed| exposed.set_name.value.to_owned()).collect(),
            reference_id: member.reference_id?.value.to_owned(),
            definition,
            parameters: parameters::values(&member.parameters)?,
            expose: expose.collect(),
        })
    }

    /// Returns what is wrong with naming a parameter that the gate sets.
    fn reserved(&self, name: &Spanned<&str>, effect: Option<&str>) -> Option<Diagnostic> {
        if effect == Some(name.value) {
            let error = self.error("effect set by hand", name.span, "the stage of the gate sets the effect");
            return Some(error.hint("remove it; a gate's `target` says how far it closes"));
        }
        (name.value == EXCLUDED_NAMESPACES).then(|| {
            let error = self.error(
                "excluded namespaces set by hand",
                name.span,
                "the gate sets the excluded namespaces",
            );
            error.hint("use `excludeNamespaces` of the gate or of the estate: they join those that Azure manages")
        })
    }
}

impl MemberDraft<'_> {
    /// Returns where its definition is named.
    fn place(&self) -> Span {
        let definition = self.definition.as_ref().map(|definition| definition.span);
        definition.or(self.rule.map(|rule| rule.span)).unwrap_or(self.span)
    }
}

struct State<'a> {
    kind: &'a str,
    name: &'a str,
    deprecated: bool,
    preview: bool,
}

/// Returns whether a definition can be put at every stage; a set of our own has one effect for all such members.
fn on_ladder(facts: &VersionFacts) -> bool {
    let knows = |stage: Stage| facts.effects.iter().any(|text| *text == stage.effect().to_string());
    facts.effect_parameter.is_some() && [Stage::Off, Stage::Audit, Stage::Deny].into_iter().all(knows)
}

/// Returns the highest of the ceilings; none if one that is not known could be higher.
fn highest(ceilings: impl IntoIterator<Item = Option<Stage>>) -> Option<Stage> {
    let ceilings: Vec<Option<Stage>> = ceilings.into_iter().collect();
    let highest = ceilings.iter().flatten().max().copied();
    let unsure = ceilings.iter().any(Option::is_none) || ceilings.is_empty();
    highest.filter(|highest| !unsure || *highest == Stage::Deny)
}

/// What to do where a built-in is newer than the catalogue.
const FETCH: &str = "if Azure has it, `aksgate lock` fetches its facts";

fn near_only(name: &str, names: &[&str]) -> Option<String> {
    crate::diagnostic::did_you_mean(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"))
}

fn or_search(error: Diagnostic, near: Option<String>) -> Diagnostic {
    match near {
        Some(near) => error.hint(near),
        None => error.hint("`aksgate catalog` lists those that are known").hint(FETCH),
    }
}
