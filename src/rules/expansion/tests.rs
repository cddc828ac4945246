//! Tests of what is made of objects.

use super::*;
use serde_json::json;

fn expansion(name: &str, from: [&str; 3], made: [&str; 3]) -> Value {
    json!({
        "apiVersion": "expansion.gatekeeper.sh/v1beta1", "kind": "ExpansionTemplate", "metadata": {"name": name},
        "spec": {
            "applyTo": [{"groups": [from[0]], "versions": [from[1]], "kinds": [from[2]]}],
            "templateSource": "spec.template",
            "generatedGVK": {"group": made[0], "version": made[1], "kind": made[2]},
        },
    })
}

const DEPLOYMENT: [&str; 3] = ["apps", "v1", "Deployment"];
const POD: [&str; 3] = ["", "v1", "Pod"];

#[test]
fn what_gatekeeper_refuses_is_refused() {
    let with = |path: &str, value: Value| {
        let mut document = expansion("e", DEPLOYMENT, POD);
        *document.pointer_mut(path).unwrap() = value;
        document
    };
    let mutator = json!({"apiVersion": "mutations.gatekeeper.sh/v1", "kind": "Assign"});
    let pod = json!({"apiVersion": "v1", "kind": "Pod"});
    let good = expansion("e", DEPLOYMENT, POD);
    let there = expansion("there", DEPLOYMENT, POD);
    let back = expansion("back", POD, DEPLOYMENT);
    let cases = [
        (vec![&pod], "not an ExpansionTemplate: it is `v1, Pod`"),
        (
            vec![&good, &mutator],
            "`mutations.gatekeeper.sh/v1, Assign` is a mutator",
        ),
        (vec![&good, &good], "two ExpansionTemplates `e`"),
        (vec![&there, &back], "`there` makes something of what is made"),
    ];
    for (documents, expected) in cases {
        let error = Expander::new(&documents).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let cases = [
        (with("/metadata/name", json!("")), "1 to 63 characters"),
        (with("/metadata/name", json!("a".repeat(64))), "1 to 63 characters"),
        (
            with("/spec/templateSource", json!("")),
            "`spec.templateSource` is missing",
        ),
        (with("/spec/generatedGVK", json!({})), "`spec.generatedGVK` is missing"),
        (with("/spec/applyTo", json!([])), "`spec.applyTo` is missing"),
        (with("/spec/applyTo", json!([{"kinds": ["a"]}])), "must have lists"),
        (expansion("e", POD, POD), "it makes what it is applied to"),
    ];
    for (document, expected) in cases {
        let error = Expander::new(&[&document]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_pod_looks_as_its_controller_will_send_it() {
    let pod_template = json!({
        "metadata": {"labels": {"app": "w"}, "annotations": {"a": "b"}, "namespace": "elsewhere", "name": "x"},
        "spec": {"containers": [{"name": "c"}]},
    });
    let nested = json!({"jobTemplate": {"spec": {"template": pod_template}}});
    let direct = json!({"template": pod_template});
    let cases = [
        (
            "apps/v1",
            "Deployment",
            &direct,
            "web-pod",
            "ReplicaSet",
            "replicaset-controller",
        ),
        (
            "apps/v1beta2",
            "Deployment",
            &direct,
            "web-pod",
            "ReplicaSet",
            "replicaset-controller",
        ),
        (
            "apps/v1",
            "ReplicaSet",
            &direct,
            "web-pod",
            "ReplicaSet",
            "replicaset-controller",
        ),
        (
            "apps/v1",
            "StatefulSet",
            &direct,
            "web-pod",
            "StatefulSet",
            "statefulset-controller",
        ),
        (
            "apps/v1",
            "DaemonSet",
            &direct,
            "web-pod",
            "DaemonSet",
            "daemon-set-controller",
        ),
        ("batch/v1", "Job", &direct, "web-pod", "Job", "job-controller"),
        ("batch/v1", "CronJob", &nested, "web-job-pod", "Job", "job-controller"),
        (
            "v1",
            "ReplicationController",
            &direct,
            "web-pod",
            "ReplicationController",
            "replication-controller",
        ),
    ];
    for (api_version, kind, spec, name, owner, controller) in cases {
        let object = json!({
            "apiVersion": api_version, "kind": kind, "spec": spec,
            "metadata": {"name": "web", "namespace": "shop", "labels": {"parent": "l"}},
        });
        let derived = pods_of(&object).unwrap();
        let metadata = &derived.object["metadata"];
        assert_eq!(metadata["name"], name, "{kind}");
        assert_eq!(metadata["namespace"], "shop");
        assert_eq!(metadata["labels"], json!({"app": "w"}));
        assert_eq!(metadata["annotations"], json!({"a": "b"}));
        assert_eq!(metadata["ownerReferences"][0]["kind"], owner);
        assert_eq!(metadata["ownerReferences"][0]["name"], name.trim_end_matches("-pod"));
        assert_eq!(derived.object["spec"], pod_template["spec"]);
        let mut place = &object;
        for step in derived.template_path {
            place = &place[step];
        }
        assert_eq!(*place, pod_template);
        let review = derived.review();
        let user = format!("system:serviceaccount:kube-system:{controller}");
        assert_eq!(review.request()["userInfo"]["username"], user);
        assert_eq!(review.request()["operation"], "CREATE");
        assert_eq!(
            review.request()["kind"],
            json!({"group": "", "version": "v1", "kind": "Pod"})
        );
        assert_eq!(review.request()["namespace"], "shop");
    }
}

#[test]
fn what_makes_no_pods_has_none() {
    let none = [
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"template": {}}}),
        json!({"apiVersion": "example.io/v1", "kind": "Deployment", "spec": {"template": {}}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": null}}),
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"template": {}}}),
    ];
    for object in none {
        assert_eq!(pods_of(&object), None, "{object}");
    }
    let nameless = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generateName": "web-"}, "spec": {"template": {"metadata": null}}});
    let derived = pods_of(&nameless).unwrap();
    assert_eq!(derived.object["metadata"]["name"], "web-pod");
    assert_eq!(derived.object["metadata"].get("namespace"), None);
}
