//! What a judgement of manifests found: verdicts with their places, counts, and what could not be judged.
//!
//! Owns the record from which every form of output is made. Must not know how it is shown, nor where files come from.

use crate::diagnostic::{Diagnostic, Span};
use crate::model::{Effect, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// How many findings are kept with their words; those after them are counted. Code scanning takes as many of one run.
pub const MOST_FINDINGS: usize = 25_000;
/// How many skipped documents are kept with their places; those after them are counted.
pub const MOST_SKIPPED: usize = 1_000;

/// The position of the gates that is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// Where they stand in Azure.
    Now,
    /// Where their next step leads.
    Next,
    /// Where they are to go.
    #[default]
    Target,
}

impl Position {
    /// All positions, from the first that is reached.
    pub const ALL: [Position; 3] = [Position::Now, Position::Next, Position::Target];

    /// Returns the word for the position.
    pub fn name(self) -> &'static str {
        match self {
            Position::Now => "now",
            Position::Next => "next",
            Position::Target => "target",
        }
    }
}

/// What is known of each position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<T> {
    /// Where the gate stands; none if nobody asked.
    pub now: Option<T>,
    /// Where its next step leads; none if nobody asked.
    pub next: Option<T>,
    /// Where it is to go.
    pub target: Option<T>,
}

impl<T> Default for At<T> {
    fn default() -> At<T> {
        At {
            now: None,
            next: None,
            target: None,
        }
    }
}

impl<T: Copy> At<T> {
    /// Returns what is known of one position.
    pub fn get(&self, position: Position) -> Option<T> {
        match position {
            Position::Now => self.now,
            Position::Next => self.next,
            Position::Target => self.target,
        }
    }

    /// Returns the same of something else about each position.
    pub fn map<U>(self, make: impl Fn(T) -> U) -> At<U> {
        At {
            now: self.now.map(&make),
            next: self.next.map(&make),
            target: self.target.map(&make),
        }
    }
}

/// A gate that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Its name.
    pub name: String,
    /// Its stage at each position.
    pub stages: At<Stage>,
    /// How many objects came out which way; an object counts once for each of the gate's members.
    pub counts: Counts,
}

/// A member of a gate that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The gate.
    pub gate: String,
    /// The member's reference id in its initiative.
    pub reference_id: String,
    /// The definition: a GUID of Azure's, or a rule of our own.
    pub definition: String,
    /// The definition's version; none for a rule of our own.
    pub version: Option<String>,
    /// What people call it.
    pub title: String,
    /// Its effect at each position.
    pub effects: At<Effect>,
    /// Whether people are warned where it only audits.
    pub warn: bool,
    /// Why it could not be asked at all; none if it could.
    pub silent: Option<Silence>,
    /// How many objects it was about.
    pub concerned: usize,
}

impl Member {
    /// Returns the name that nothing else in the report has.
    pub fn id(&self) -> String {
        format!("{}/{}", self.gate, self.reference_id)
    }

    /// Returns what a violation of it comes to, judged at a position; none if it is off there and denies nowhere later.
    pub fn verdict(&self, judged: Position) -> Option<Verdict> {
        let denies = |position| self.effects.get(position) == Some(Effect::Deny);
        let at = self.effects.get(judged);
        if denies(judged) {
            Some(Verdict::Denied)
        } else if judged < Position::Next && denies(Position::Next) {
            Some(Verdict::DeniedNext)
        } else if denies(Position::Target) {
            Some(Verdict::DeniedAtTarget)
        } else if at.is_none_or(|effect| effect == Effect::Disabled) {
            None
        } else if self.warn {
            Some(Verdict::Warned)
        } else {
            Some(Verdict::Audited)
        }
    }
}

/// Why a member could not be asked at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// A sentence without a full stop.
    pub reason: String,
    /// What is known of the objects that it would have been asked of.
    pub about: About,
}

/// What is known of the objects that a member would have been asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Which they are: they are counted.
    Counted,
    /// Nothing: any object may be one of them.
    Any,
    /// That manifests are not among them, or that it refuses none.
    None,
}

/// What a violation comes to, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is refused at the position that is judged.
    Denied,
    /// It will be refused once the gate has taken its next step.
    DeniedNext,
    /// It will be refused once the gate is at its target.
    DeniedAtTarget,
    /// Whoever applies it is warned, and it is recorded.
    Warned,
    /// It is recorded.
    Audited,
}

impl Verdict {
    /// All verdicts, the gravest first.
    pub const ALL: [Verdict; 5] = [
        Verdict::Denied,
        Verdict::DeniedNext,
        Verdict::DeniedAtTarget,
        Verdict::Warned,
        Verdict::Audited,
    ];

    /// Returns the word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Denied => "denied",
            Verdict::DeniedNext => "deniedNext",
            Verdict::DeniedAtTarget => "deniedAtTarget",
            Verdict::Warned => "warned",
            Verdict::Audited => "audited",
        }
    }
}

/// What is refused, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The object itself, when it is applied.
    Object,
    /// The Pods that are made of it later: the object is let in, and its rollout stalls.
    Pods,
}

/// Where something stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The field, such as `spec.containers[0].image`; empty for the object as a whole.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The column behind the last character, if that is in the same line.
    pub end_column: Option<usize>,
}

/// A violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The member: an index into [`Report::members`].
    pub member: usize,
    /// What it comes to.
    pub verdict: Verdict,
    /// What is refused.
    pub subject: Subject,
    /// What the rule says.
    pub message: String,
    /// Whether the rule failed, which counts as a violation.
    pub failed: bool,
    /// Where the value that is meant stands, as far as that is sure; else the container, else the object.
    pub place: Place,
}

/// An object, and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Its file, as it was named; `-` for standard input.
    pub file: String,
    /// The line that it starts in, from 1.
    pub line: usize,
    /// The column that it starts in, from 1.
    pub column: usize,
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// Its namespace; none for an object of the cluster.
    pub namespace: Option<String>,
    /// Its name, or the start of one.
    pub name: String,
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = if self.name.is_empty() { "(no name)" } else { &self.name };
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{name}", self.kind),
            None => write!(f, "{} {name}", self.kind),
        }
    }
}

/// An object with what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The object.
    pub object: Object,
    /// What was found, by gate and member.
    pub findings: Vec<Finding>,
}

/// A document that is no Kubernetes object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its file.
    pub file: String,
    /// The line that it starts in.
    pub line: usize,
    /// Why it was skipped.
    pub reason: String,
}

/// How often something came out which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Asked, and nothing found.
    pub allowed: usize,
    /// By [`Verdict::ALL`].
    pub verdicts: [usize; 5],
    /// To be asked, and could not be.
    pub not_evaluated: usize,
}

impl Counts {
    /// Returns how many came out so.
    pub fn of(&self, verdict: Verdict) -> usize {
        let at = Verdict::ALL.iter().position(|one| *one == verdict);
        at.and_then(|at| self.verdicts.get(at)).copied().unwrap_or_default()
    }

    fn add(&mut self, verdict: Verdict) {
        let at = Verdict::ALL.iter().position(|one| *one == verdict);
        if let Some(count) = at.and_then(|at| self.verdicts.get_mut(at)) {
            *count += 1;
        }
    }
}

/// Where the rules came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The estate, its lock and its bundle.
    Estate,
    /// What a cluster had, by the file that says so.
    Cluster(String),
}

/// What one object came to, on its way into the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Members that it was asked of, by how it came out: the gravest verdict, or none if it is allowed.
    pub asked: Vec<(usize, Option<Verdict>)>,
    /// Members that were to be asked and could not be, and why.
    pub not_evaluated: Vec<(usize, String)>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The defaults of an API server that were filled in.
    pub defaults: BTreeSet<&'static str>,
}

/// Everything that a run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The environment.
    pub environment: String,
    /// The position that was judged.
    pub position: Position,
    /// Where the rules came from.
    pub origin: Origin,
    /// The gates, by name.
    pub gates: Vec<Gate>,
    /// Their members, by gate, in the order of the initiative.
    pub members: Vec<Member>,
    /// The objects of which something was found, in the order of files and places.
    pub objects: Vec<Judged>,
    /// How many objects were judged.
    pub judged: usize,
    /// How many files were read.
    pub files: usize,
    /// Documents that are no Kubernetes objects, as far as they are kept.
    pub skipped: Vec<Skipped>,
    /// How many documents were skipped.
    pub skipped_count: usize,
    /// What could not be read.
    pub unread: Vec<Diagnostic>,
    /// Findings that are counted, and not kept with their words.
    pub omitted: usize,
    /// Defaults of an API server that are in force, with how many objects each of them changed.
    pub defaults: BTreeMap<&'static str, usize>,
    /// Defaults of an API server that were switched off.
    pub without: Vec<&'static str>,
    /// What was taken for granted, in sentences without a full stop.
    pub assumptions: Vec<String>,
    /// Gates of which it is accepted that they are not fully evaluated.
    pub allowed_gaps: BTreeSet<String>,
    /// By member, why it could not be asked of some objects, and of how many.
    pub gaps: BTreeMap<(usize, String), usize>,
    kept: usize,
}

/// How a run came out, as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Something could not be read, or no object was found.
    Unread,
    /// A gate that denies could not be fully evaluated.
    Incomplete,
    /// Something is refused at the position that is judged.
    Denied,
    /// Nothing is.
    Clean,
}

impl Conclusion {
    /// Returns the word for programs.
    pub fn name(self) -> &'static str {
        match self {
            Conclusion::Unread => "unread",
            Conclusion::Incomplete => "incomplete",
            Conclusion::Denied => "denied",
            Conclusion::Clean => "nothing-denied",
        }
    }
}

impl Report {
    /// Returns a report in which nothing was found yet.
    pub fn new(
        environment: &str,
        position: Position,
        origin: Origin,
        gates: Vec<Gate>,
        members: Vec<Member>,
    ) -> Report {
        Report {
            environment: environment.to_owned(),
            position,
            origin,
            gates,
            members,
            objects: Vec::new(),
            judged: 0,
            files: 0,
            skipped: Vec::new(),
            skipped_count: 0,
            unread: Vec::new(),
            omitted: 0,
            defaults: BTreeMap::new(),
            without: Vec::new(),
            assumptions: Vec::new(),
            allowed_gaps: BTreeSet::new(),
            gaps: BTreeMap::new(),
            kept: 0,
        }
    }

    /// Takes in what an object came to.
    pub fn add(&mut self, object: Object, outcome: Outcome) {
        self.judged += 1;
        for name in outcome.defaults {
            *self.defaults.entry(name).or_default() += 1;
        }
        for (member, verdict) in outcome.asked {
            self.concern(member);
            if let Some(gate) = self.gate_of(member) {
                match verdict {
                    Some(verdict) => gate.counts.add(verdict),
                    None => gate.counts.allowed += 1,
                }
            }
        }
        for (member, reason) in outcome.not_evaluated {
            self.concern(member);
            if let Some(gate) = self.gate_of(member) {
                gate.counts.not_evaluated += 1;
            }
            *self.gaps.entry((member, reason)).or_default() += 1;
        }
        let room = MOST_FINDINGS.saturating_sub(self.kept);
        let mut findings = outcome.findings;
        self.omitted += findings.len().saturating_sub(room);
        findings.truncate(room);
        self.kept += findings.len();
        if !findings.is_empty() {
            self.objects.push(Judged { object, findings });
        }
    }

    fn concern(&mut self, member: usize) {
        if let Some(member) = self.members.get_mut(member) {
            member.concerned += 1;
        }
    }

    fn gate_of(&mut self, member: usize) -> Option<&mut Gate> {
        let name = &self.members.get(member)?.gate;
        self.gates.iter_mut().find(|gate| gate.name == *name)
    }

    /// Takes in a document that is no Kubernetes object.
    pub fn skip(&mut self, file: &str, span: Span, reason: String) {
        self.skipped_count += 1;
        if self.skipped.len() < MOST_SKIPPED {
            self.skipped.push(Skipped {
                file: file.to_owned(),
                line: span.line,
                reason,
            });
        }
    }

    /// Returns the findings that are kept, with their objects.
    pub fn findings(&self) -> impl Iterator<Item = (&Object, &Finding)> {
        self.objects
            .iter()
            .flat_map(|judged| judged.findings.iter().map(move |finding| (&judged.object, finding)))
    }

    /// Returns what a verdict came to over all gates.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.gates.iter().map(|gate| gate.counts.of(verdict)).sum()
    }

    /// Returns the members that could not be asked, or not of every object that they are about.
    pub fn not_evaluated(&self) -> Vec<Gap<'_>> {
        let mut gaps = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            let denies = member.effects.get(self.position) == Some(Effect::Deny);
            let mut put = |reason: &str, objects, denies| {
                gaps.push(Gap {
                    member,
                    reason: reason.to_owned(),
                    objects,
                    denies,
                    allowed: self.allowed_gaps.contains(&member.gate),
                });
            };
            if let Some(silence) = &member.silent {
                let (objects, concerns) = match silence.about {
                    About::Counted => (Some(member.concerned), member.concerned > 0),
                    About::Any => (None, true),
                    About::None => (None, false),
                };
                put(&silence.reason, objects, denies && concerns);
            }
            let start = (index, String::new());
            let in_part = self.gaps.range(start..).take_while(|((member, _), _)| *member == index);
            for ((_, reason), objects) in in_part {
                if member.silent.is_none() {
                    put(reason, Some(*objects), denies);
                }
            }
        }
        gaps
    }

    /// Returns how the run came out.
    pub fn conclusion(&self) -> Conclusion {
        if !self.unread.is_empty() || self.judged == 0 {
            Conclusion::Unread
        } else if self.not_evaluated().iter().any(Gap::is_open) {
            Conclusion::Incomplete
        } else if self.count(Verdict::Denied) > 0 {
            Conclusion::Denied
        } else {
            Conclusion::Clean
        }
    }
}

/// A member that was not, or not always, evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap<'a> {
    /// The member.
    pub member: &'a Member,
    /// Why.
    pub reason: String,
    /// Of how many objects; none if that cannot be told.
    pub objects: Option<usize>,
    /// Whether it might have refused objects at the position that is judged.
    pub denies: bool,
    /// Whether its gate is one of which a gap is accepted.
    pub allowed: bool,
}

impl Gap<'_> {
    /// Returns whether the run cannot be called complete because of it.
    pub fn is_open(&self) -> bool {
        self.denies && !self.allowed
    }
}
