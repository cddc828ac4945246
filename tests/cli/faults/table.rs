//! The table: which fault strikes where, and how `plan` and `apply` end.

use super::served::Start;
use serde_json::{Value, json};

/// What stands above the tables in the documentation.
pub const HEAD: &str = "# What happens when Azure, or the way to it, fails

Made from the table that the tests run (`tests/cli/faults/table.rs`): each fault is served by `aksgate sandbox serve --faults` to
`aksgate plan --detailed-exitcode` and to `aksgate apply --yes`, as processes of their own. A cell is the exit code and what happens;
`aksgate --help` lists the codes.

Whatever strikes, the tests hold that

- `plan` writes nothing;
- an `apply` that ends with 0 has reached what was wanted, and one that ends otherwise says on standard error what was not done and why;
- no write takes effect twice. Where the answer to a write was lost, the same write may be sent again, byte for byte;
- what is not in the plan, and what of an object is not aksgate's, stays as it is;
- the next run without faults ends with 0, in the state that a run without any fault ends in, and the plan after it is empty.

So the advice is nearly always: remove the cause, and run the same command again.
";

/// What stands below them.
pub const FOOT: &str = "
## Crashes, signals, two at once

| What happens | What comes of it |
|---|---|
| `apply` is killed at any request | the next `apply` finds what was written, writes the rest, and writes nothing twice |
| SIGTERM or Ctrl-C during `apply` | writes under way are finished, no more are started; 4 if something was written, else 130, or the signal itself ends the process |
| two `apply` of one environment at once | both end; what the other one wrote is already done, or told as stale or failed; policy objects, which have no ETag, may get the same write from both, a cluster does not; the next plan is empty |
";

/// How a command ends.
pub struct Ends {
    pub code: i32,
    /// What happens, in the documentation's words.
    pub does: &'static str,
    /// What standard error holds.
    pub says: Vec<&'static str>,
}

/// A fault, and how both commands end when it strikes.
pub struct Case {
    pub group: &'static str,
    pub fault: &'static str,
    pub rules: Value,
    pub start: Start,
    /// Further words of both command lines.
    pub options: &'static str,
    pub plan: Ends,
    pub apply: Ends,
    /// What a person should do.
    pub advice: &'static str,
    /// Whether the answers to writes that took effect are lost.
    pub loses_answers: bool,
    /// Whether the fault strikes a clean apply's successor in the same server.
    pub after_apply: bool,
    /// Whether reads are struck, so that `plan` meets the fault.
    pub strikes_reads: bool,
    /// Whether sign-in is struck, which is not recorded.
    pub signs_in: bool,
    /// Whether it waits for many seconds.
    pub long: bool,
}

fn ends(code: i32, does: &'static str, says: &[&'static str]) -> Ends {
    Ends {
        code,
        does,
        says: says.to_vec(),
    }
}

/// What a command that met no fault, or got over it, comes to.
fn fine(does: &'static str, says: &[&'static str]) -> (Ends, Ends) {
    (ends(2, does, says), ends(0, does, says))
}

fn fails(does: &'static str, says: &[&'static str]) -> (Ends, Ends) {
    (ends(1, does, says), ends(1, does, says))
}

/// `plan` does not meet the fault; `apply` ends so.
fn only_apply(apply: Ends) -> (Ends, Ends) {
    (ends(2, "not met", &[]), apply)
}

const LIST: &str = "*/policyAssignments";
const ASSIGNMENT: &str = "*/policyAssignments/exposure-*";
const DEFENDER: &str = "*/pricings/Containers";
const CLUSTER: &str = "*/managedClusters/aks-dev-weu-01";
const OPERATION: &str = "*/operations/*";

fn strikes(method: &str, path: &str, action: Value) -> Value {
    json!({"method": method, "path": path, "action": action})
}

/// Strikes the first read of a list, and the first write of an assignment.
fn once(action: Value) -> Value {
    json!([strikes("GET", LIST, action.clone()), strikes("PUT", ASSIGNMENT, action)])
}

fn write(path: &str, action: Value) -> Value {
    json!([strikes("PUT", path, action)])
}

fn always(mut rules: Value) -> Value {
    for rule in rules.as_array_mut().unwrap() {
        rule["count"] = json!("all");
    }
    rules
}

fn named(name: &str, mut rules: Value) -> Value {
    for rule in rules.as_array_mut().unwrap() {
        rule["name"] = json!(name);
    }
    rules
}

fn status(status: u16) -> Value {
    json!({"kind": "error", "status": status})
}

fn case(
    group: &'static str,
    fault: &'static str,
    rules: Value,
    (plan, apply): (Ends, Ends),
    advice: &'static str,
) -> Case {
    let text = rules.to_string();
    Case {
        group,
        fault,
        start: Start::Policy,
        options: "",
        strikes_reads: plan.does != "not met",
        signs_in: text.contains("signIn"),
        rules,
        plan,
        apply,
        advice,
        loses_answers: false,
        after_apply: false,
        long: false,
    }
}

impl Case {
    fn with(mut self, options: &'static str) -> Case {
        self.options = options;
        self
    }
    fn losing_answers(mut self) -> Case {
        self.loses_answers = true;
        self
    }
    fn cluster(mut self) -> Case {
        self.start = Start::Cluster;
        self.long = true;
        self
    }
    fn after_apply(mut self) -> Case {
        self.after_apply = true;
        self
    }
    fn long(mut self) -> Case {
        self.long = true;
        self
    }
}

/// All cases, in the order of the documentation.
pub fn table() -> Vec<Case> {
    let mut all = passing();
    all.extend(lost());
    all.extend(old());
    all.extend(refused());
    all.extend(clusters());
    all.extend(strange());
    all.extend(sign_in());
    all
}

const NOTHING: &str = "nothing";

fn passing() -> Vec<Case> {
    const GROUP: &str = "Throttling and passing trouble";
    let waits = "waits, says so, and asks again";
    let passing = |fault, action, says: &[&'static str]| case(GROUP, fault, once(action), fine(waits, says), NOTHING);
    vec![
        passing(
            "429 with `Retry-After`",
            json!({"kind": "throttle", "retryAfter": 1}),
            &["waiting 1 s before GET", "azure throttles the requests (HTTP 429)"],
        ),
        passing(
            "429 without `Retry-After`",
            json!({"kind": "throttle"}),
            &["(HTTP 429)"],
        ),
        case(
            GROUP,
            "429 that asks to wait longer than `--max-wait`",
            always(once(json!({"kind": "throttle", "retryAfter": 600}))),
            fails(
                "ends before it waits",
                &["azure throttles the requests", "more than the 5 s allowed"],
            ),
            "run again later, or with a longer `--max-wait`",
        )
        .with("--max-wait 5s"),
        passing("408", status(408), &["(HTTP 408)"]),
        passing("500", status(500), &["(HTTP 500)"]),
        passing("502", status(502), &["(HTTP 502)"]),
        passing("503", status(503), &["(HTTP 503)"]),
        passing("504", status(504), &["(HTTP 504)"]),
        case(
            GROUP,
            "503 without end, on reads",
            always(json!([strikes("GET", LIST, status(503))])),
            fails("asks a few times, then ends", &["azure failed to answer"]),
            "run again later",
        )
        .with("--max-wait 1s"),
        case(
            GROUP,
            "503 without end, on one write",
            always(write(ASSIGNMENT, status(503))),
            only_apply(ends(
                4,
                "all else is written; says which write failed",
                &["failed  create policy assignment", "(HTTP 503)"],
            )),
            "run again later",
        )
        .with("--max-wait 1s"),
        passing(
            "an answer that takes a second and a half",
            json!({"kind": "slow", "milliseconds": 1500}),
            &[],
        )
        .doing("waits"),
    ]
}

fn lost() -> Vec<Case> {
    const GROUP: &str = "Lost connections";
    let again = "asks again";
    vec![
        case(
            GROUP,
            "the connection breaks before the request took effect",
            once(json!({"kind": "reset"})),
            fine(again, &["the connection broke"]),
            NOTHING,
        ),
        case(
            GROUP,
            "the connection breaks after the request took effect",
            named("taken", once(json!({"kind": "reset", "after": true}))),
            fine("asks again; a write is sent again as it was", &["the connection broke"]),
            NOTHING,
        )
        .losing_answers(),
        case(
            GROUP,
            "503 although the write took effect",
            named(
                "taken",
                write(ASSIGNMENT, json!({"kind": "error", "status": 503, "after": true})),
            ),
            only_apply(ends(0, "sends the same write again", &["(HTTP 503)"])),
            NOTHING,
        )
        .losing_answers(),
        case(
            GROUP,
            "503 without end although the write took effect",
            named(
                "taken",
                always(write(
                    ASSIGNMENT,
                    json!({"kind": "error", "status": 503, "after": true, "retryAfter": 60}),
                )),
            ),
            only_apply(ends(0, "reads the object, and finds it written", &[])),
            NOTHING,
        )
        .with("--max-wait 1s")
        .losing_answers(),
        case(
            GROUP,
            "the answer breaks off in its body",
            named("taken", once(json!({"kind": "cut"}))),
            fine(again, &["the connection broke"]),
            NOTHING,
        )
        .losing_answers(),
        case(
            GROUP,
            "the connection always breaks, on reads",
            always(json!([strikes("GET", LIST, json!({"kind": "reset"}))])),
            fails("asks a few times, then ends", &["the connection broke"]),
            "check the network, then run again",
        )
        .with("--max-wait 1s"),
    ]
}

fn old() -> Vec<Case> {
    const GROUP: &str = "Answers behind their time";
    vec![
        case(
            GROUP,
            "404 for a cluster just written",
            json!([{"method": "GET", "path": CLUSTER, "nth": 3, "count": 2, "action": {"kind": "not-found"}}]),
            only_apply(ends(0, "reads again", &[])),
            NOTHING,
        )
        .cluster(),
        case(
            GROUP,
            "a definition just written is not known yet",
            write(ASSIGNMENT, json!({"kind": "error", "status": 404, "code": "PolicySetDefinitionNotFound"})),
            only_apply(ends(0, "waits for it, says so, and writes again", &["waiting 8 s before PUT", "not found in azure"])),
            NOTHING,
        )
        .long(),
        case(
            GROUP,
            "lists that do not show the last writes",
            json!([{"path": "*/policyAssignments", "nth": 2, "count": "all", "action": {"kind": "stale", "seconds": 3600}},
                   {"path": "*/policySetDefinitions", "nth": 2, "count": "all", "action": {"kind": "stale", "seconds": 3600}}]),
            (
                ends(2, "shows what is there already as still to be created", &[]),
                ends(0, "reads each object before it writes, and finds all done", &["already-done"]),
            ),
            NOTHING,
        )
        .after_apply(),
        case(
            GROUP,
            "Resource Graph that does not show the last writes",
            json!([{"method": "POST", "path": "*Microsoft.ResourceGraph/resources", "nth": 2, "count": "all", "action": {"kind": "stale", "seconds": 3600}}]),
            (
                ends(0, "reads the clusters themselves before it says that they lack something", &[]),
                ends(0, "finds nothing to do", &[]),
            ),
            NOTHING,
        )
        .cluster()
        .after_apply(),
    ]
}

fn refused() -> Vec<Case> {
    const GROUP: &str = "Refusals";
    let refusal = |fault, path, kind, says: &[&'static str], advice| {
        let mut text = vec!["failed  "];
        text.extend(says);
        case(
            GROUP,
            fault,
            always(write(path, json!({"kind": kind}))),
            only_apply(ends(
                4,
                "all else is written; says which write was refused, and why",
                &text,
            )),
            advice,
        )
    };
    vec![
        refusal(
            "403 AuthorizationFailed on one write of many",
            DEFENDER,
            "authorization-failed",
            &["`AuthorizationFailed` (HTTP 403)", "hint: ask for a role"],
            "ask for the role at that scope, run again",
        ),
        case(
            GROUP,
            "403 AuthorizationFailed on a read",
            always(json!([strikes(
                "GET",
                "*/pricings",
                json!({"kind": "authorization-failed"})
            )])),
            fails(
                "ends; nothing is planned on half of what is there",
                &["azure denied access", "AuthorizationFailed", "hint: ask for a role"],
            ),
            "ask for the role at that scope, run again",
        ),
        refusal(
            "ScopeLocked",
            ASSIGNMENT,
            "scope-locked",
            &["ScopeLocked"],
            "have the lock removed, run again",
        ),
        refusal(
            "RequestDisallowedByPolicy on our own write",
            ASSIGNMENT,
            "disallowed-by-policy",
            &[
                "`RequestDisallowedByPolicy` (HTTP 403)",
                "frozen",
                "hint: a policy in Azure forbids",
            ],
            "ask the policy's owner for an exemption, run again",
        ),
        refusal(
            "PrincipalNotFound",
            ASSIGNMENT,
            "principal-not-found",
            &["PrincipalNotFound"],
            "a new identity takes minutes to be known; run again",
        ),
        case(
            GROUP,
            "a Defender plan is taken, but one of its extensions is not",
            json!([{"name": "taken in part", "path": DEFENDER, "action": {"kind": "pricing-partial"}}]),
            only_apply(ends(
                4,
                "all else is written; says which extension failed",
                &["failed  update Defender plan", "extension `"],
            )),
            "read the reason, run again",
        ),
    ]
}

fn clusters() -> Vec<Case> {
    const GROUP: &str = "Clusters: conflicts and long operations";
    let operation = |kind: &str| json!([strikes("GET", OPERATION, json!({"kind": kind}))]);
    // The third read is the first one after the write.
    let cluster_hangs =
        || json!({"method": "GET", "path": CLUSTER, "nth": 3, "count": "all", "action": {"kind": "operation-hangs"}});
    vec![
        case(
            GROUP,
            "412: somebody wrote the cluster meanwhile",
            write(CLUSTER, json!({"kind": "precondition-failed"})),
            only_apply(ends(0, "reads again, decides again, writes once more", &[])),
            NOTHING,
        )
        .cluster(),
        case(
            GROUP,
            "412, each time",
            always(write(CLUSTER, json!({"kind": "precondition-failed"}))),
            only_apply(ends(
                1,
                "writes once more, then says that it moved",
                &["failed  ", "`PreconditionFailed` (HTTP 412)", "hint: somebody changed"],
            )),
            "find out who keeps writing it, run again",
        )
        .cluster(),
        case(
            GROUP,
            "409 EtagMismatch",
            write(CLUSTER, json!({"kind": "etag-mismatch"})),
            only_apply(ends(0, "reads again, decides again, writes once more", &[])),
            NOTHING,
        )
        .cluster(),
        case(
            GROUP,
            "409 OperationNotAllowed for minutes",
            json!([{"method": "PUT", "path": CLUSTER, "forSeconds": 120, "action": {"kind": "operation-not-allowed"}}]),
            only_apply(ends(
                0,
                "waits, says so, reads and decides again, writes",
                &["waiting 15 s before PUT", "the object is in conflict (HTTP 409)"],
            )),
            NOTHING,
        )
        .cluster(),
        case(
            GROUP,
            "409 OperationNotAllowed for longer than `--max-wait`",
            always(write(CLUSTER, json!({"kind": "operation-not-allowed"}))),
            only_apply(ends(
                1,
                "says what is in the way",
                &[
                    "failed  ",
                    "`OperationNotAllowed` (HTTP 409)",
                    "hint: another operation runs",
                ],
            )),
            "wait until the other operation has ended, run again",
        )
        .cluster()
        .with("--max-wait 5s"),
        case(
            GROUP,
            "the operation fails",
            always(operation("operation-fails")),
            only_apply(ends(
                4,
                "says that it failed after it was accepted, and with what",
                &["failed  ", "`InternalOperationError`"],
            )),
            "look at the cluster, run again",
        )
        .cluster(),
        case(
            GROUP,
            "the operation never ends",
            json!([always(operation("operation-hangs"))[0], cluster_hangs()]),
            only_apply(ends(
                4,
                "gives up at `--timeout`, and says so",
                &["failed  ", "and no longer is waited", "hint: look at the object"],
            )),
            "look at the cluster; run again when the operation has ended",
        )
        .cluster()
        .with("--timeout 3s"),
        case(
            GROUP,
            "the operation never says that it ended, though the cluster is done",
            always(operation("operation-hangs")),
            only_apply(ends(0, "gives up at `--timeout`, and reads the cluster", &[])),
            NOTHING,
        )
        .cluster()
        .with("--timeout 3s"),
        case(
            GROUP,
            "the write is taken, and nothing says where to poll",
            named("taken", write(CLUSTER, json!({"kind": "operation-lost"}))),
            only_apply(ends(0, "polls the cluster itself", &[])),
            NOTHING,
        )
        .cluster(),
        case(
            GROUP,
            "the connection breaks while an operation is polled",
            operation("reset"),
            only_apply(ends(0, "polls on", &["the connection broke"])),
            NOTHING,
        )
        .cluster(),
        case(
            GROUP,
            "the connection breaks after a cluster's write took effect",
            named("taken", write(CLUSTER, json!({"kind": "reset", "after": true}))),
            only_apply(ends(
                0,
                "the cluster's ETag keeps the write from taking effect again; it is read and found written",
                &[],
            )),
            NOTHING,
        )
        .cluster(),
        case(
            GROUP,
            "where to poll is on another host",
            json!([
                named("taken", write(CLUSTER, json!({"kind": "foreign-link"})))[0],
                cluster_hangs()
            ]),
            only_apply(ends(
                4,
                "sends nothing there; says so",
                &["failed  ", "elsewhere.invalid", "nothing was sent there"],
            )),
            "look at the cluster; report it to Azure if it repeats",
        )
        .cluster(),
    ]
}

fn strange() -> Vec<Case> {
    const GROUP: &str = "Answers that are none";
    let read = |fault, action, says: &[&'static str], advice| {
        case(
            GROUP,
            fault,
            always(json!([strikes("GET", LIST, action)])),
            fails("ends, with what it got instead", says),
            advice,
        )
    };
    vec![
        read(
            "a next page on another host",
            json!({"kind": "foreign-link"}),
            &["the answer points to another host", "elsewhere.invalid"],
            "nothing was sent there; report it to Azure if it repeats",
        ),
        read(
            "a redirect to another host",
            json!({"kind": "redirect"}),
            &["azure answered with a redirect"],
            "check that no proxy answers in Azure's place",
        ),
        read(
            "an answer of 100 MB",
            json!({"kind": "huge"}),
            &["the answer cannot be used"],
            "check that no proxy answers in Azure's place",
        )
        .long(),
        read(
            "a page for people instead of JSON",
            json!({"kind": "html"}),
            &["the answer cannot be used"],
            "check that no proxy answers in Azure's place",
        ),
        case(
            GROUP,
            "a page for people with 503",
            once(json!({"kind": "html", "status": 503})),
            fine("waits, says so, and asks again", &["(HTTP 503)"]),
            NOTHING,
        ),
        case(
            GROUP,
            "a page for people in answer to a write",
            write(ASSIGNMENT, json!({"kind": "html"})),
            only_apply(ends(
                4,
                "all else is written; says that it is not known whether this was",
                &[
                    "failed  ",
                    "a web page and not JSON",
                    "not known whether it took effect",
                ],
            )),
            "check that no proxy answers in Azure's place, run again",
        ),
        case(
            GROUP,
            "a redirect in answer to a write",
            always(write(ASSIGNMENT, json!({"kind": "redirect"}))),
            only_apply(ends(
                4,
                "all else is written; does not follow, and says so",
                &["failed  ", "HTTP 307", "redirects are not followed"],
            )),
            "check that no proxy answers in Azure's place, run again",
        ),
    ]
}

fn sign_in() -> Vec<Case> {
    const GROUP: &str = "Tokens and sign-in";
    let at_sign_in = |action: Value| json!([{"path": "*/token", "signIn": true, "action": action}]);
    vec![
        case(
            GROUP,
            "the token expires in mid-run",
            once(json!({"kind": "expired-token"})),
            fine("gets another one, and asks again", &[]),
            NOTHING,
        ),
        case(
            GROUP,
            "no token is accepted",
            always(json!([strikes("GET", LIST, json!({"kind": "expired-token"}))])),
            fails("gets another one once, then ends", &["azure did not accept the token"]),
            "sign in again, to the environment's tenant",
        ),
        case(
            GROUP,
            "the authority fails once",
            at_sign_in(status(503)),
            fine("waits, says so, and asks again", &["waiting"]),
            NOTHING,
        ),
        case(
            GROUP,
            "the authority throttles",
            at_sign_in(json!({"kind": "throttle", "retryAfter": 1})),
            fine("waits, says so, and asks again", &["waiting 1 s"]),
            NOTHING,
        ),
        case(
            GROUP,
            "the authority refuses",
            always(at_sign_in(status(401))),
            fails("ends", &["cannot sign in to azure"]),
            "do what the hint says for the way to sign in",
        ),
        case(
            GROUP,
            "the authority answers with a page for people",
            always(at_sign_in(json!({"kind": "html"}))),
            fails("ends", &["cannot sign in to azure"]),
            "check that no proxy answers in the authority's place",
        ),
    ]
}

impl Case {
    fn doing(mut self, does: &'static str) -> Case {
        self.plan.does = does;
        self.apply.does = does;
        self
    }
}
