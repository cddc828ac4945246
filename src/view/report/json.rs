//! A report for a program. What other commands print of an environment stands here in the same form.

use super::{Days, Environment, Read, Report, Way};
use crate::model::Timestamp;
use crate::report::{LetOff, Sort, Tally, Weakening};
use crate::view::{compliance, coverage, drift, runtime, status};
use serde_json::{Value, json};

/// Returns the sums over all environments for a program.
pub fn summary(report: &Report) -> Value {
    let sums = report.sums();
    let out = sums.left_out;
    json!({
        "gatesAtClusters": tally(&sums.tally),
        "violations": sums.violations,
        "openWeakenings": sums.weakenings,
        "letOff": sums.let_off,
        "letOffEnding": sums.ending,
        "drift": sums.drift,
        "driftWeaker": sums.weaker,
        "openAlerts": sums.alerts,
        "blindSpots": sums.blind,
        "environmentsLeftOut": {
            "coverage": out.coverage, "violations": out.violations, "drift": out.drift, "runtime": out.runtime, "others": out.others,
        },
    })
}

fn tally(tally: &Tally) -> Value {
    let counts = Sort::ALL.map(|sort| (sort.key().to_owned(), Value::from(tally.get(sort))));
    Value::Object(counts.into_iter().collect())
}

/// Returns the environments for a program, without what every answer of a command carries.
pub fn to_json(report: &Report) -> Value {
    report.environments.iter().map(environment).collect()
}

fn environment(environment: &Environment) -> Value {
    let name = environment.name.clone();
    let scope = environment.scope.clone();
    let status = status::to_json(&[status::Environment {
        name: name.clone(),
        scope: scope.clone(),
        read: environment
            .read
            .as_ref()
            .map(|read| read.gates.clone())
            .map_err(Clone::clone),
    }]);
    let mut document = status.get(0).cloned().unwrap_or_default();
    let read = environment.read.as_ref().ok();
    let gates = document.get_mut("gates").and_then(Value::as_array_mut);
    for (gate, way) in gates.into_iter().flatten().zip(read.iter().flat_map(|read| &read.ways)) {
        put(gate, "rings", read.map(|read| rings(read, gate, way)).into());
        put(gate, "beside", json!(way.beside));
    }
    let part = |make: &dyn Fn(&Read) -> Value| read.map_or(Value::Null, make);
    let more = [
        ("coverage", part(&|read| coverage_of(&name, &scope, read))),
        ("compliance", part(&|read| compliance_of(&name, &scope, read))),
        ("trend", part(&|read| trend(read))),
        (
            "weakenings",
            part(&|read| read.weakenings.iter().map(weakening).collect()),
        ),
        ("letOff", part(&|read| read.let_off.iter().map(let_off).collect())),
        ("drift", part(&|read| drift_of(&name, &scope, read))),
        ("runtime", part(&|read| runtime_of(&name, &scope, read))),
    ];
    for (key, value) in more {
        put(&mut document, key, value);
    }
    document
}

fn put(document: &mut Value, key: &str, value: Value) {
    if let Some(document) = document.as_object_mut() {
        document.insert(key.to_owned(), value);
    }
}

fn rings(read: &Read, gate: &Value, way: &Way) -> Value {
    let name = gate.get("gate").and_then(Value::as_str).unwrap_or_default();
    let of = read.gates.gates.iter().find(|gate| gate.name == name);
    let one = |ring: &crate::report::Ring| {
        let stage = of.map_or_else(|| ring.stage.to_string(), |gate| gate.word(ring.stage));
        json!({
            "ring": ring.name,
            "stage": stage,
            "clusters": read.tally_of(name, ring).as_ref().map(tally),
        })
    };
    way.rings.iter().map(one).collect()
}

/// Returns what another command prints of the environment, or that it was not read.
fn first(list: &Value) -> Value {
    list.get(0).cloned().unwrap_or_default()
}

fn coverage_of(name: &str, scope: &str, read: &Read) -> Value {
    let of = coverage::Environment {
        name: name.to_owned(),
        scope: scope.to_owned(),
        read: result(read.coverage.read(), read.coverage.why_not()),
    };
    let mut document = first(&coverage::to_json(&[of]));
    put(
        &mut document,
        "clustersByState",
        read.tally().as_ref().map_or(Value::Null, tally),
    );
    document
}

fn compliance_of(name: &str, scope: &str, read: &Read) -> Value {
    let found = read.compliance.read().map(|report| compliance::Read {
        endpoint: read.gates.endpoint.clone(),
        report: report.clone(),
        trends: None,
    });
    first(&compliance::to_json(&[compliance::Environment {
        name: name.to_owned(),
        scope: scope.to_owned(),
        read: result(found.as_ref(), read.compliance.why_not()),
    }]))
}

fn drift_of(name: &str, scope: &str, read: &Read) -> Value {
    first(&drift::to_json(&[drift::Environment {
        name: name.to_owned(),
        scope: scope.to_owned(),
        read: result(read.drift.read(), read.drift.why_not()),
    }]))
}

fn runtime_of(name: &str, scope: &str, read: &Read) -> Value {
    let found = read.runtime.read().map(|runtime| runtime::Read {
        endpoint: read.gates.endpoint.clone(),
        time: read.gates.time,
        runtime: runtime.clone(),
    });
    let of = runtime::Environment {
        name: name.to_owned(),
        scope: scope.to_owned(),
        read: result(found.as_ref(), read.runtime.why_not()),
    };
    runtime::to_json(&[of], None).into_iter().next().unwrap_or_default()
}

fn result<T: Clone>(read: Option<&T>, why_not: Option<&str>) -> Result<T, String> {
    read.cloned().ok_or_else(|| why_not.unwrap_or_default().to_owned())
}

fn trend(read: &Read) -> Value {
    let series = |days: &Days| -> Value {
        let of = |series: &crate::report::Series| {
            let points = series.points.iter().map(|point| {
                json!({"end": point.end.to_string(), "brokenRules": point.broken, "clustersHeard": point.heard})
            });
            json!({"gate": series.gate, "days": points.collect::<Vec<_>>()})
        };
        days.series.iter().map(of).collect()
    };
    let days = read.trend.read();
    json!({
        "error": read.trend.why_not(),
        "clusters": days.map(|days| days.clusters),
        "ofClusters": days.map(|days| days.of),
        "gates": days.map(series),
    })
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn weakening(one: &Weakening) -> Value {
    json!({
        "gate": one.gate, "what": one.sort.name(), "open": one.sort.is_open(), "until": text(one.until), "reason": one.reason,
    })
}

fn let_off(one: &LetOff) -> Value {
    json!({
        "what": one.sort.name(), "gate": one.gate, "resource": one.resource, "members": one.members, "expires": text(one.ends),
        "state": one.state.name(), "category": one.category, "reason": one.reason,
    })
}
