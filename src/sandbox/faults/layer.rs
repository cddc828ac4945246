//! Carries the rules out: counts calls, decides which fault strikes, and asks the core or not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::super::http::{Request, Response, percent_decode};
use super::super::random::{Random, hash};
use super::super::{Sandbox, authority};
use super::answers;
use super::pattern::fits;
use super::rules::{Action, Rule, Rules};

/// How many earlier states are kept for stale reads.
const HISTORY: usize = 128;

/// What the layer stands before.
pub trait Core {
    /// Answers a request rightly.
    fn call(&self, request: Request) -> Response;
    /// Returns the sandbox as it is now, `None` when it cannot be read.
    fn sandbox(&self) -> Option<Sandbox>;
}

/// What reaches the client.
#[derive(Debug, Clone)]
pub enum Reply {
    /// This answer.
    Answer(Response),
    /// Nothing: the connection is lost.
    Reset,
    /// Nothing, for as long as the client waits.
    Held,
    /// This answer, of whose body only a half comes before the connection is lost.
    Cut(Response),
    /// This answer with so many bytes more in its JSON body.
    Padded(Response, u64),
}

/// What a call comes to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How long the client waits for it, in milliseconds.
    pub delay: u64,
    /// What reaches the client.
    pub reply: Reply,
    /// The name of the rule that struck.
    pub fault: Option<String>,
}

/// The fault layer of one serving process.
#[derive(Debug, Default)]
pub struct Layer {
    rules: Rules,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Per rule: how many calls matched, how many it struck, and when it struck first.
    counts: Vec<Count>,
    /// Hashes of the tokens that have expired.
    expired: BTreeSet<u64>,
    /// New resources that are not found yet: by their lower-case path, with the rule's name.
    hidden: BTreeMap<String, Hidden>,
    /// States that were replaced, oldest first, with the time of their end.
    past: VecDeque<(i64, Sandbox)>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    calls: u64,
    strikes: u64,
    first: Option<i64>,
}

#[derive(Debug)]
struct Hidden {
    reads: u64,
    before: Sandbox,
    fault: String,
}

impl Layer {
    /// Returns the layer that follows `rules`.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let counts = vec![Count::default(); rules.rules.len()];
        Self {
            rules,
            memory: Mutex::new(Memory {
                counts,
                ..Memory::default()
            }),
        }
    }

    /// Answers a request: rightly, or as the first rule says that is due.
    pub fn call(&self, request: Request, core: &dyn Core) -> Outcome {
        if self.rules.rules.is_empty() {
            return right(core.call(request));
        }
        let now = core.sandbox().map_or(0, |sandbox| sandbox.state.now);
        let key = percent_decode(&request.path).to_ascii_lowercase();
        let token = request.header("authorization").map(hash);
        let rule = {
            let mut memory = self.memory();
            if token.is_some_and(|token| memory.expired.contains(&token)) {
                return struck("expired-token", Reply::Answer(answers::expired()));
            }
            let rule = self.due(&mut memory, &request, now);
            if rule.is_none()
                && request.method == "GET"
                && let Some(hidden) = memory.hidden.get_mut(&key)
                && hidden.reads > 0
            {
                hidden.reads -= 1;
                return struck(
                    &hidden.fault.clone(),
                    Reply::Answer(hidden.before.clone().handle(request)),
                );
            }
            rule
        };
        let Some(rule) = rule else {
            return right(self.ask(request, core));
        };
        let mut delay = 0;
        let reply = match &rule.action {
            Action::Refuse {
                refusal,
                retry_after,
                after,
            } => {
                if *after {
                    self.ask(request.clone(), core);
                }
                Reply::Answer(refusal.answer(&request, *retry_after))
            }
            Action::Reset { after } => {
                if *after {
                    self.ask(request, core);
                }
                Reply::Reset
            }
            Action::Hold { after } => {
                if *after {
                    self.ask(request, core);
                }
                Reply::Held
            }
            Action::Cut => Reply::Cut(self.ask(request, core)),
            Action::Slow { milliseconds } => {
                delay = *milliseconds;
                Reply::Answer(self.ask(request, core))
            }
            Action::NotFoundAfterPut { reads } => {
                let before = core.sandbox().filter(|sandbox| sandbox.state.resource(&key).is_none());
                let put = request.method == "PUT";
                let response = self.ask(request, core);
                if let Some(before) = before.filter(|_| put && response.status < 300) {
                    let hidden = Hidden {
                        reads: *reads,
                        before,
                        fault: rule.name.clone(),
                    };
                    self.memory().hidden.insert(key, hidden);
                }
                // The PUT itself is answered rightly; the reads after it are struck.
                return right(response);
            }
            Action::Stale { seconds } => Reply::Answer(match self.past(now, *seconds) {
                Some(mut past) => past.handle(request),
                None => self.ask(request, core),
            }),
            Action::OperationFails | Action::OperationHangs => {
                let mut response = self.ask(request, core);
                answers::operation(&mut response, rule.action == Action::OperationFails);
                Reply::Answer(response)
            }
            Action::OperationLost => {
                let mut response = self.ask(request, core);
                answers::lose_operation(&mut response);
                Reply::Answer(response)
            }
            Action::PricingPartial { extension } => {
                let mut request = request;
                let off = answers::leave_extension_off(&mut request, extension.as_deref());
                let mut response = self.ask(request, core);
                if let Some(off) = off {
                    answers::extension_failed(&mut response, &off);
                }
                Reply::Answer(response)
            }
            Action::ForeignLink { host } => {
                let origin = request.origin.clone();
                let mut response = self.ask(request, core);
                answers::foreign_links(&mut response, &origin, host);
                Reply::Answer(response)
            }
            Action::Redirect { host } => Reply::Answer(answers::redirect(&request, host)),
            Action::Huge { bytes } => Reply::Padded(self.ask(request, core), *bytes),
            Action::Html { status } => Reply::Answer(answers::page_for_people(*status)),
            Action::Answer { body } => Reply::Answer(Response::json(200, body)),
            Action::ExpiredToken => {
                self.memory().expired.extend(token);
                Reply::Answer(answers::expired())
            }
        };
        Outcome {
            delay,
            ..struck(&rule.name, reply)
        }
    }

    /// Returns the first rule that is due; every rule counts every call that it matches.
    fn due(&self, memory: &mut Memory, request: &Request, now: i64) -> Option<&Rule> {
        let mut found = None;
        for (index, (rule, count)) in self.rules.rules.iter().zip(&mut memory.counts).enumerate() {
            if !matches(rule, request) {
                continue;
            }
            count.calls += 1;
            let Some(since) = count.calls.checked_sub(rule.nth) else {
                continue;
            };
            let open = rule
                .for_seconds
                .zip(count.first)
                .is_none_or(|(seconds, first)| now.saturating_sub(first) < i64::try_from(seconds).unwrap_or(i64::MAX));
            let place = format!("{index} {}", count.calls);
            let strikes = found.is_none()
                && since.checked_rem(rule.every) == Some(0)
                && rule.count.is_none_or(|most| count.strikes < most)
                && open
                && Random::named(self.rules.seed, &place).below(100) < rule.percent;
            if strikes {
                count.strikes += 1;
                count.first.get_or_insert(now);
                found = Some(rule);
            }
        }
        found
    }

    /// Asks the core; keeps the state before a change when a rule may want to show it.
    fn ask(&self, request: Request, core: &dyn Core) -> Response {
        let changes = !matches!(request.method.as_str(), "GET" | "HEAD" | "POST");
        let keeps = self
            .rules
            .rules
            .iter()
            .any(|rule| matches!(rule.action, Action::Stale { .. }));
        let before = if changes && keeps { core.sandbox() } else { None };
        let response = core.call(request);
        if let Some(before) = before.filter(|_| response.status < 300) {
            let mut memory = self.memory();
            memory.past.push_back((before.state.now, before));
            if memory.past.len() > HISTORY {
                memory.past.pop_front();
            }
        }
        response
    }

    /// Returns the sandbox as it stood `seconds` ago but with today's clock, `None` when nothing changed since.
    fn past(&self, now: i64, seconds: u64) -> Option<Sandbox> {
        let then = now.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX));
        let memory = self.memory();
        let (_, past) = memory.past.iter().find(|(end, _)| *end >= then)?;
        let mut past = past.clone();
        past.state.now = now;
        Some(past)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        // Counters are whole at any time.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn matches(rule: &Rule, request: &Request) -> bool {
    // What a PUT was answered cannot be old, and what a GET was answered cannot be half done.
    let method_fits = match rule.action {
        Action::NotFoundAfterPut { .. } | Action::PricingPartial { .. } => request.method == "PUT",
        Action::Stale { .. } => matches!(request.method.as_str(), "GET" | "HEAD" | "POST"),
        _ => true,
    };
    method_fits
        && rule.sign_in == authority::is_authority(request)
        && rule.method.as_ref().is_none_or(|method| *method == request.method)
        && fits(&rule.path, &percent_decode(&request.path))
        && rule
            .query
            .as_ref()
            .is_none_or(|query| fits(query, &percent_decode(&request.query.replace('+', " "))))
}

fn right(response: Response) -> Outcome {
    Outcome {
        delay: 0,
        reply: Reply::Answer(response),
        fault: None,
    }
}

fn struck(name: &str, reply: Reply) -> Outcome {
    Outcome {
        delay: 0,
        reply,
        fault: Some(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{BASELINE, DEV, TEST};
    use super::super::super::{SeedOptions, token};
    use super::*;
    use serde_json::{Value, json};
    use std::cell::RefCell;

    struct Here(RefCell<Sandbox>);

    impl Core for Here {
        fn call(&self, request: Request) -> Response {
            self.0.borrow_mut().handle(request)
        }
        fn sandbox(&self) -> Option<Sandbox> {
            Some(self.0.borrow().clone())
        }
    }

    struct Bed {
        layer: Layer,
        here: Here,
        token: String,
    }

    impl Bed {
        fn new(rules: &Value) -> Self {
            let file = json!({"formatVersion": 1, "seed": 5, "rules": rules});
            let rules = Rules::parse(file.to_string().as_bytes()).unwrap();
            let sandbox = Sandbox::seed(&SeedOptions::default());
            let token = token::issue(&sandbox.state, "", 0);
            Self {
                layer: Layer::new(rules),
                here: Here(RefCell::new(sandbox)),
                token,
            }
        }

        fn one(rule: &Value) -> Self {
            Self::new(&json!([rule]))
        }

        fn outcome(&self, method: &str, target: &str, body: &Value) -> Outcome {
            let mut request = Request::new(method, target);
            request
                .headers
                .push(("authorization".to_owned(), format!("Bearer {}", self.token)));
            if !body.is_null() {
                request.body = body.to_string().into();
            }
            self.layer.call(request, &self.here)
        }

        fn answer(&self, method: &str, target: &str, body: &Value) -> (u16, Value) {
            match self.outcome(method, target, body).reply {
                Reply::Answer(response) => (response.status, response.value()),
                other => panic!("{other:?}"),
            }
        }

        fn get(&self, target: &str) -> (u16, Value) {
            self.answer("GET", target, &Value::Null)
        }

        fn statuses(&self, target: &str, calls: usize) -> Vec<u16> {
            (0..calls).map(|_| self.get(target).0).collect()
        }

        fn pass(&self, seconds: u64) {
            self.here.0.borrow_mut().advance(seconds);
        }
    }

    const SUBSCRIPTIONS: &str = "/subscriptions?api-version=2022-12-01";

    fn assignments(scope: &str) -> String {
        format!(
            "{scope}/providers/Microsoft.Authorization/policyAssignments?api-version=2026-07-01&$filter=atExactScope()"
        )
    }

    fn assignment(name: &str) -> String {
        format!("{DEV}/providers/Microsoft.Authorization/policyAssignments/{name}?api-version=2026-07-01")
    }

    fn put(bed: &Bed, name: &str) -> Outcome {
        bed.outcome(
            "PUT",
            &assignment(name),
            &json!({"properties": {"policyDefinitionId": BASELINE}}),
        )
    }

    fn count(bed: &Bed) -> usize {
        let (_, list) = bed.get(&assignments(DEV));
        list["value"].as_array().unwrap().len()
    }

    #[test]
    fn rules_strike_the_calls_that_they_name() {
        let error = json!({"kind": "error", "status": 503});
        let of = |more: Value| {
            let mut rule = json!({"path": "/subscriptions", "action": error});
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            Bed::one(&rule).statuses(SUBSCRIPTIONS, 6)
        };
        assert_eq!(of(json!({})), [503, 200, 200, 200, 200, 200]);
        assert_eq!(of(json!({"nth": 3, "count": 2})), [200, 200, 503, 503, 200, 200]);
        assert_eq!(of(json!({"nth": 2, "every": 2})), [200, 503, 200, 503, 200, 503]);
        assert_eq!(of(json!({"count": "all"})), [503; 6]);
        assert_eq!(of(json!({"count": "all", "method": "put"})), [200; 6]);
        assert_eq!(of(json!({"count": "all", "query": "*2022-12*"})), [503; 6]);
        assert_eq!(of(json!({"count": "all", "query": "*2019*"})), [200; 6]);
        assert_eq!(of(json!({"count": "all", "signIn": true})), [200; 6]);
        let drawn = of(json!({"percent": 50}));
        assert!(drawn.contains(&503) && drawn.contains(&200), "{drawn:?}");
        assert_eq!(of(json!({"percent": 50})), drawn, "the same seed draws the same");
    }

    #[test]
    fn the_first_due_rule_strikes_and_all_count() {
        let bed = Bed::new(&json!([
            {"path": "*", "nth": 2, "action": {"kind": "error", "status": 500}},
            {"path": "*", "nth": 2, "count": 2, "action": {"kind": "error", "status": 502}},
        ]));
        assert_eq!(bed.statuses(SUBSCRIPTIONS, 4), [200, 500, 502, 502]);
    }

    #[test]
    fn a_fault_can_last_for_a_time_of_the_sandboxes_clock() {
        let bed = Bed::one(&json!({"path": "*", "forSeconds": 300, "action": {"kind": "operation-not-allowed"}}));
        assert_eq!(bed.get(SUBSCRIPTIONS).1["error"]["code"], "OperationNotAllowed");
        bed.pass(299);
        assert_eq!(bed.get(SUBSCRIPTIONS).0, 409);
        bed.pass(1);
        assert_eq!(bed.get(SUBSCRIPTIONS).0, 200);
    }

    #[test]
    fn errors_carry_arms_codes_and_change_nothing_unless_told() {
        for (action, status, code) in [
            ("throttle", 429, "TooManyRequests"),
            ("not-found", 404, "ResourceNotFound"),
            ("precondition-failed", 412, "PreconditionFailed"),
            ("etag-mismatch", 409, "EtagMismatch"),
            ("operation-not-allowed", 409, "OperationNotAllowed"),
            ("authorization-failed", 403, "AuthorizationFailed"),
            ("scope-locked", 409, "ScopeLocked"),
            ("disallowed-by-policy", 403, "RequestDisallowedByPolicy"),
            ("principal-not-found", 400, "PrincipalNotFound"),
        ] {
            for after in [false, true] {
                let bed = Bed::one(&json!({"path": "*", "method": "PUT", "action": {"kind": action, "after": after}}));
                let outcome = put(&bed, "a");
                assert_eq!(outcome.fault.as_deref(), Some(action));
                let Reply::Answer(response) = outcome.reply else {
                    panic!("{action}")
                };
                assert_eq!(
                    (response.status, &response.value()["error"]["code"]),
                    (status, &json!(code))
                );
                assert_eq!(count(&bed), usize::from(after), "{action}");
            }
        }
        let bed = Bed::one(&json!({"path": "*", "action": {"kind": "throttle", "retryAfter": 17}}));
        let Reply::Answer(response) = bed.outcome("GET", SUBSCRIPTIONS, &Value::Null).reply else {
            panic!()
        };
        assert_eq!(response.header("retry-after"), Some("17"));
        let bed = Bed::one(&json!({"path": "*", "method": "PUT", "action": {"kind": "disallowed-by-policy"}}));
        let (_, body) = bed.answer("PUT", &assignment("a"), &json!({}));
        assert_eq!(
            body["error"]["additionalInfo"][0]["info"]["policyAssignmentName"],
            "frozen"
        );
    }

    #[test]
    fn a_lost_connection_can_hide_a_write_that_took_effect() {
        for after in [false, true] {
            let bed = Bed::one(&json!({"path": "*", "method": "PUT", "action": {"kind": "reset", "after": after}}));
            assert!(matches!(put(&bed, "a").reply, Reply::Reset));
            assert_eq!(count(&bed), usize::from(after));
        }
        let bed = Bed::one(&json!({"path": "*", "method": "PUT", "action": {"kind": "cut"}}));
        assert!(matches!(put(&bed, "a").reply, Reply::Cut(_)));
        assert_eq!(count(&bed), 1);
        let bed = Bed::one(&json!({"path": "*", "method": "PUT", "action": {"kind": "slow", "milliseconds": 90_000}}));
        assert_eq!(put(&bed, "a").delay, 90_000);
        assert_eq!(count(&bed), 1);
    }

    #[test]
    fn what_was_just_made_is_not_found_for_some_reads() {
        let bed =
            Bed::one(&json!({"path": "*/policyAssignments/*", "action": {"kind": "not-found-after-put", "reads": 2}}));
        put(&bed, "a");
        let target = assignment("A");
        let (status, body) = bed.get(&target);
        assert_eq!(
            (status, &body["error"]["code"]),
            (404, &json!("PolicyAssignmentNotFound"))
        );
        assert_eq!(bed.statuses(&target, 2), [404, 200]);
        put(&bed, "a");
        assert_eq!(bed.get(&target).0, 200, "a change of what exists is seen at once");
    }

    #[test]
    fn lists_and_resource_graph_can_lag_behind() {
        let bed = Bed::new(&json!([
            {"path": "*/policyAssignments", "count": "all", "action": {"kind": "stale", "seconds": 60}},
            {"path": "*/resources", "count": "all", "action": {"kind": "stale", "seconds": 60}},
        ]));
        bed.pass(100);
        put(&bed, "a");
        bed.pass(30);
        put(&bed, "b");
        assert_eq!(count(&bed), 0);
        assert_eq!(bed.get(&assignment("a")).0, 200);
        bed.pass(31);
        assert_eq!(count(&bed), 1);
        let query = json!({"query": "policyresources | where type =~ 'microsoft.authorization/policyassignments' and name in ('a', 'b') | project id", "options": {"resultFormat": "objectArray"}});
        let rows = |bed: &Bed| {
            let (status, body) = bed.answer(
                "POST",
                "/providers/Microsoft.ResourceGraph/resources?api-version=2024-04-01",
                &query,
            );
            assert_eq!(status, 200, "{body}");
            body["data"].as_array().unwrap().len()
        };
        assert_eq!(rows(&bed), 1);
        bed.pass(31);
        assert_eq!((count(&bed), rows(&bed)), (2, 2));
    }

    #[test]
    fn operations_fail_hang_and_lose_their_url() {
        let cluster = |bed: &Bed| {
            let id = bed
                .here
                .0
                .borrow()
                .state
                .of_type("microsoft.containerservice/managedclusters")
                .find(|(_, document)| {
                    document["properties"]["powerState"]["code"] == "Running"
                        && document["properties"]["provisioningState"] == "Succeeded"
                })
                .map(|(id, _)| id.clone())
                .unwrap();
            format!("{id}?api-version=2026-05-01")
        };
        let change = |bed: &Bed| {
            let target = cluster(bed);
            let (_, body) = bed.get(&target);
            match bed.outcome("PUT", &target, &body).reply {
                Reply::Answer(response) => response,
                other => panic!("{other:?}"),
            }
        };
        for (kind, status, state) in [
            ("operation-fails", "Failed", "Failed"),
            ("operation-hangs", "InProgress", "Updating"),
        ] {
            let bed = Bed::new(&json!([
                {"path": "*/operations/*", "count": "all", "action": {"kind": kind}},
                {"path": "*/managedClusters/*", "method": "GET", "nth": 2, "count": "all", "action": {"kind": kind}},
            ]));
            let response = change(&bed);
            let poll = response.header("azure-asyncoperation").unwrap().to_owned();
            let poll = super::super::super::testing::target(&poll);
            bed.pass(1000);
            assert_eq!(bed.get(&poll).1["status"], status);
            assert_eq!(bed.get(&cluster(&bed)).1["properties"]["provisioningState"], state);
        }
        let bed = Bed::one(&json!({"path": "*", "method": "PUT", "action": {"kind": "operation-lost"}}));
        let response = change(&bed);
        assert!(response.status < 300 && response.header("azure-asyncoperation").is_none());
        let bed = Bed::one(&json!({"path": "*", "method": "PUT", "action": {"kind": "foreign-link"}}));
        let response = change(&bed);
        assert!(
            response
                .header("azure-asyncoperation")
                .unwrap()
                .starts_with("https://elsewhere.invalid/")
        );
    }

    #[test]
    fn a_defender_plan_can_be_half_on() {
        let bed = Bed::one(
            &json!({"path": "*/pricings/*", "method": "PUT", "action": {"kind": "pricing-partial", "extension": "containersensor"}}),
        );
        let target = format!("{TEST}/providers/Microsoft.Security/pricings/Containers?api-version=2024-01-01");
        let extensions = json!([{"name": "AgentlessDiscoveryForKubernetes", "isEnabled": "True"}, {"name": "ContainerSensor", "isEnabled": "True"}]);
        let body = json!({"properties": {"pricingTier": "Standard", "extensions": extensions}});
        let (status, answer) = bed.answer("PUT", &target, &body);
        let of = |answer: &Value, name: &str| {
            answer["properties"]["extensions"]
                .as_array()
                .unwrap()
                .iter()
                .find(|one| one["name"] == name)
                .cloned()
                .unwrap()
        };
        assert_eq!(status, 200);
        assert_eq!(of(&answer, "ContainerSensor")["operationStatus"]["code"], "Failed");
        let (_, answer) = bed.get(&target);
        assert_eq!(of(&answer, "ContainerSensor")["isEnabled"], "False");
        assert_eq!(of(&answer, "AgentlessDiscoveryForKubernetes")["isEnabled"], "True");
    }

    #[test]
    fn answers_that_lead_astray() {
        let bed = Bed::new(&json!([
            {"path": "/subscriptions", "action": {"kind": "foreign-link", "host": "evil.invalid:8443"}},
            {"path": "/subscriptions", "nth": 2, "action": {"kind": "html"}},
            {"path": "/subscriptions", "nth": 3, "action": {"kind": "huge", "bytes": 1000}},
            {"path": "/subscriptions", "nth": 4, "action": {"kind": "redirect"}},
        ]));
        let (_, body) = bed.get(SUBSCRIPTIONS);
        assert!(
            body["nextLink"]
                .as_str()
                .unwrap()
                .starts_with("https://evil.invalid:8443/")
        );
        let Reply::Answer(page) = bed.outcome("GET", SUBSCRIPTIONS, &Value::Null).reply else {
            panic!()
        };
        assert!(page.status == 200 && page.body.starts_with(b"<!DOCTYPE"));
        let Reply::Padded(response, 1000) = bed.outcome("GET", SUBSCRIPTIONS, &Value::Null).reply else {
            panic!()
        };
        let (start, end) = answers::around_padding(&response);
        let whole: Value = serde_json::from_slice(&[start, end].concat()).unwrap();
        assert_eq!(whole["value"].as_array().unwrap().len(), 3);
        let Reply::Answer(response) = bed.outcome("GET", SUBSCRIPTIONS, &Value::Null).reply else {
            panic!()
        };
        assert_eq!(
            response.header("location"),
            Some("https://elsewhere.invalid/subscriptions?api-version=2022-12-01")
        );
    }

    #[test]
    fn an_expired_token_stays_expired_and_a_new_one_is_accepted() {
        let mut bed = Bed::one(&json!({"path": "*", "nth": 2, "action": {"kind": "expired-token"}}));
        assert_eq!(bed.statuses(SUBSCRIPTIONS, 4), [200, 401, 401, 401]);
        bed.token = token::issue(&bed.here.0.borrow().state, "", 1);
        assert_eq!(bed.get(SUBSCRIPTIONS).0, 200);
    }
}
