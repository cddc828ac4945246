//! Tests of what an API server adds.

use super::*;
use proptest::prelude::*;
use serde_json::json;

/// Returns an object with one default filled in, and whether it did something.
fn filled(mut object: Value, default: ServerDefault) -> (Value, bool) {
    let mut defaults = Defaults::none();
    defaults.off.remove(&default);
    let acted = fill(&mut object, &defaults, Some("shop"));
    assert!(acted.iter().all(|one| *one == default), "{acted:?}");
    (object, !acted.is_empty())
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec})
}

fn deployment(spec: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"},
        "spec": {"replicas": 2, "template": {"spec": spec}},
    })
}

fn container(container: Value) -> Value {
    json!({"containers": [container]})
}

/// Checks what becomes of the spec of a Pod, and of the same in the template of a Deployment.
fn check_pod(default: ServerDefault, given: Value, in_pod: Value, in_template: Value) {
    let (object, acted) = filled(pod(given.clone()), default);
    assert_eq!(object["spec"], in_pod, "in a Pod");
    assert_eq!(acted, given != in_pod);
    let (object, acted) = filled(deployment(given.clone()), default);
    assert_eq!(object["spec"]["template"]["spec"], in_template, "in a template");
    assert_eq!(acted, given != in_template);
}

#[test]
fn every_default_has_a_name_of_its_own_and_can_be_switched_off() {
    let names: BTreeSet<_> = ServerDefault::ALL.iter().map(|default| default.name()).collect();
    assert_eq!(names.len(), ServerDefault::ALL.len());
    let documented = include_str!("../../../docs/rules.md");
    for default in ServerDefault::ALL {
        assert_eq!(ServerDefault::from_name(default.name()), Some(default));
        assert!(Defaults::default().has(default) && !Defaults::default().without(default).has(default));
        let row = format!("| `{}` | {} |", default.name(), default.about());
        assert!(documented.contains(&row), "{row}");
    }
    assert_eq!(ServerDefault::from_name("nonsense"), None);
}

#[test]
fn an_image_without_tag_and_digest_is_pulled_always() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let cases = [
        ("nginx".to_owned(), "Always"),
        ("nginx:latest".to_owned(), "Always"),
        ("nginx:1.27".to_owned(), "IfNotPresent"),
        ("registry.example:5000/team/app".to_owned(), "Always"),
        ("registry.example:5000/team/app:latest".to_owned(), "Always"),
        ("localhost:5000/app:v1".to_owned(), "IfNotPresent"),
        (format!("nginx@{digest}"), "IfNotPresent"),
        (format!("nginx:1.27@{digest}"), "IfNotPresent"),
        (format!("nginx:latest@{digest}"), "Always"),
        ("Nginx".to_owned(), "IfNotPresent"),
        ("not an image".to_owned(), "IfNotPresent"),
        (String::new(), "IfNotPresent"),
    ];
    for (image, policy) in cases {
        let given = container(json!({"image": image}));
        let expected = container(json!({"image": image, "imagePullPolicy": policy}));
        check_pod(ServerDefault::ImagePullPolicy, given, expected.clone(), expected);
    }
    let given = json!({
        "initContainers": [{"image": "a"}], "containers": [{"image": "a", "imagePullPolicy": "Never"}],
    });
    let expected = json!({
        "initContainers": [{"image": "a", "imagePullPolicy": "Always"}],
        "containers": [{"image": "a", "imagePullPolicy": "Never"}],
    });
    check_pod(ServerDefault::ImagePullPolicy, given, expected.clone(), expected);
}

#[test]
fn pods_and_templates_have_fields_that_nobody_wrote() {
    let template = json!({
        "restartPolicy": "Never", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30, "securityContext": {}, "containers": [{"resources": {}}],
    });
    let mut in_pod = template.clone();
    in_pod["enableServiceLinks"] = json!(true);
    let given = json!({"restartPolicy": "Never", "containers": [{}]});
    check_pod(ServerDefault::PodFields, given, in_pod, template);
}

#[test]
fn ports_speak_tcp() {
    let given = container(json!({"ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]}));
    let expected = container(json!({
        "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}],
    }));
    check_pod(ServerDefault::PortProtocol, given, expected.clone(), expected);
}

#[test]
fn a_pod_in_the_network_of_its_node_takes_the_nodes_ports() {
    let ports =
        json!([{"containerPort": 80}, {"containerPort": 81, "hostPort": 0}, {"containerPort": 82, "hostPort": 9}]);
    let given = json!({"hostNetwork": true, "containers": [{"ports": ports}], "initContainers": [{"ports": ports}]});
    let taken = json!([
        {"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 81}, {"containerPort": 82, "hostPort": 9},
    ]);
    let expected = json!({"hostNetwork": true, "containers": [{"ports": taken}], "initContainers": [{"ports": taken}]});
    check_pod(ServerDefault::HostPort, given.clone(), expected, given);
    let given = json!({"hostNetwork": false, "containers": [{"ports": ports}]});
    check_pod(ServerDefault::HostPort, given.clone(), given.clone(), given);
}

#[test]
fn what_a_container_may_have_it_asks_for() {
    let given = container(json!({"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}}}));
    let expected = container(json!({
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}},
    }));
    check_pod(ServerDefault::Requests, given.clone(), expected, given);
    let given = container(json!({"resources": {"limits": {}}}));
    check_pod(ServerDefault::Requests, given.clone(), given.clone(), given);
}

#[test]
fn a_pod_has_an_account() {
    let default = json!({"serviceAccountName": "default", "serviceAccount": "default"});
    check_pod(ServerDefault::ServiceAccount, json!({}), default, json!({}));
    for name in ["serviceAccountName", "serviceAccount"] {
        let both = json!({"serviceAccountName": "mine", "serviceAccount": "mine"});
        check_pod(ServerDefault::ServiceAccount, json!({name: "mine"}), both.clone(), both);
    }
}

#[test]
fn the_token_is_mounted_unless_that_is_switched_off() {
    let default = ServerDefault::TokenVolume;
    let path = "/var/run/secrets/kubernetes.io/serviceaccount";
    let given = json!({"initContainers": [{}], "containers": [{"volumeMounts": [{"name": "x", "mountPath": "/x"}]}]});
    let (object, acted) = filled(pod(given.clone()), default);
    assert!(acted);
    let mount = json!({"name": "kube-api-access-xxxxx", "readOnly": true, "mountPath": path});
    assert_eq!(object["spec"]["initContainers"][0]["volumeMounts"], json!([mount]));
    assert_eq!(object["spec"]["containers"][0]["volumeMounts"][1], mount);
    assert_eq!(object["spec"]["volumes"][0]["name"], "kube-api-access-xxxxx");
    assert_eq!(
        object["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["path"],
        "token"
    );
    let (object, acted) = filled(deployment(given), default);
    assert!(!acted && object["spec"]["template"]["spec"].get("volumes").is_none());
    for unchanged in [
        json!({"automountServiceAccountToken": false, "containers": [{}]}),
        json!({"containers": [{"volumeMounts": [{"name": "mine", "mountPath": path}]}]}),
    ] {
        check_pod(default, unchanged.clone(), unchanged.clone(), unchanged);
    }
    // A volume that is there is used.
    let given = json!({"containers": [{}], "volumes": [{"name": "kube-api-access-abcde"}]});
    let (object, _) = filled(pod(given), default);
    assert_eq!(
        object["spec"]["containers"][0]["volumeMounts"][0]["name"],
        "kube-api-access-abcde"
    );
    assert_eq!(object["spec"]["volumes"].as_array().unwrap().len(), 1);
    let mut mirror = pod(json!({"containers": [{}]}));
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    assert!(!filled(mirror.clone(), default).1);
    assert!(!filled(mirror, ServerDefault::ServiceAccount).1);
}

#[test]
fn a_pod_stays_a_while_on_a_node_that_is_lost() {
    let toleration = |name: &str| {
        let key = format!("node.kubernetes.io/{name}");
        json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    };
    let both = json!({"tolerations": [toleration("not-ready"), toleration("unreachable")]});
    check_pod(ServerDefault::Tolerations, json!({}), both, json!({}));
    let own = json!({"key": "node.kubernetes.io/unreachable", "operator": "Exists"});
    let expected = json!({"tolerations": [own, toleration("not-ready")]});
    check_pod(
        ServerDefault::Tolerations,
        json!({"tolerations": [own]}),
        expected,
        json!({"tolerations": [own]}),
    );
    let all = json!({"tolerations": [{"operator": "Exists"}]});
    check_pod(ServerDefault::Tolerations, all.clone(), all.clone(), all);
}

#[test]
fn services_have_fields_that_nobody_wrote() {
    let service =
        |spec: Value| json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "n"}, "spec": spec});
    let cases = [
        (
            json!({"ports": [{"port": 80}, {"port": 81, "targetPort": "web"}, {"port": 82, "targetPort": 0}]}),
            json!({
                "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                "ports": [{"port": 80, "targetPort": 80}, {"port": 81, "targetPort": "web"}, {"port": 82, "targetPort": 82}],
            }),
        ),
        (
            json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"}),
            json!({
                "type": "LoadBalancer", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                "externalTrafficPolicy": "Local", "allocateLoadBalancerNodePorts": true,
            }),
        ),
        (
            json!({"type": "NodePort"}),
            json!({
                "type": "NodePort", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
                "externalTrafficPolicy": "Cluster",
            }),
        ),
        (
            json!({"type": "ExternalName"}),
            json!({"type": "ExternalName", "sessionAffinity": "None"}),
        ),
        (
            json!({"externalIPs": ["10.0.0.1"]}),
            json!({
                "externalIPs": ["10.0.0.1"], "type": "ClusterIP", "sessionAffinity": "None",
                "internalTrafficPolicy": "Cluster", "externalTrafficPolicy": "Cluster",
            }),
        ),
    ];
    for (given, expected) in cases {
        assert_eq!(filled(service(given), ServerDefault::ServiceFields).0["spec"], expected);
    }
    let (object, _) = filled(service(json!({"ports": [{"port": 53}]})), ServerDefault::PortProtocol);
    assert_eq!(object["spec"]["ports"][0]["protocol"], "TCP");
}

#[test]
fn an_object_without_a_namespace_is_where_it_is_applied() {
    let object = |api_version: &str, kind: &str, metadata: Value| json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    let cases = [
        ("v1", "ConfigMap", json!({}), Some("shop")),
        ("v1", "ConfigMap", json!({"namespace": ""}), Some("shop")),
        ("v1", "ConfigMap", json!({"namespace": "own"}), Some("own")),
        ("v1", "Namespace", json!({}), None),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", json!({}), None),
        // Only a cluster that has the kind could say.
        ("example.io/v1", "Thing", json!({}), None),
    ];
    for (api_version, kind, metadata, expected) in cases {
        let (object, _) = filled(object(api_version, kind, metadata), ServerDefault::Namespace);
        assert_eq!(
            object["metadata"].get("namespace").and_then(Value::as_str),
            expected,
            "{kind}"
        );
    }
    let mut object = object("v1", "ConfigMap", json!({}));
    fill(&mut object, &Defaults::default(), None);
    assert_eq!(object["metadata"]["namespace"], "default");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    let (namespace, _) = filled(namespace, ServerDefault::NamespaceLabel);
    assert_eq!(
        namespace["metadata"]["labels"],
        json!({"kubernetes.io/metadata.name": "n"})
    );
}

#[test]
fn a_workload_has_one_replica() {
    for (api_version, kind, field) in [
        ("apps/v1", "Deployment", "replicas"),
        ("apps/v1", "StatefulSet", "replicas"),
        ("apps/v1", "ReplicaSet", "replicas"),
        ("v1", "ReplicationController", "replicas"),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "minReplicas"),
    ] {
        let object = |spec: Value| json!({"apiVersion": api_version, "kind": kind, "metadata": {}, "spec": spec});
        let (filled_in, _) = filled(object(json!({})), ServerDefault::Replicas);
        assert_eq!(filled_in["spec"][field], 1, "{kind}");
        assert!(!filled(object(json!({field: 0})), ServerDefault::Replicas).1);
    }
}

#[test]
fn templates_are_filled_wherever_they_stand() {
    let given = json!({"spec": {"containers": [{"image": "a"}]}});
    let cases = [
        ("v1", "PodTemplate", json!({"template": given}), "/template"),
        (
            "apps/v1",
            "DaemonSet",
            json!({"spec": {"template": given}}),
            "/spec/template",
        ),
        (
            "batch/v1",
            "Job",
            json!({"spec": {"template": given}}),
            "/spec/template",
        ),
        (
            "batch/v1",
            "CronJob",
            json!({"spec": {"jobTemplate": {"spec": {"template": given}}}}),
            "/spec/jobTemplate/spec/template",
        ),
    ];
    for (api_version, kind, mut object, path) in cases {
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind);
        let (object, _) = filled(object, ServerDefault::ImagePullPolicy);
        let policy = object.pointer(&format!("{path}/spec/containers/0/imagePullPolicy"));
        assert_eq!(policy, Some(&json!("Always")), "{kind}");
    }
}

/// Anything that might stand in an object, with the names that matter more often than others.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        prop_oneof![Just(""), Just("nginx"), Just("LoadBalancer")].prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "spec",
        "metadata",
        "template",
        "jobTemplate",
        "containers",
        "initContainers",
        "ports",
        "volumes",
        "volumeMounts",
        "image",
        "type",
        "resources",
        "limits",
        "requests",
        "hostNetwork",
        "tolerations",
        "containerPort",
        "labels",
        "name",
        "annotations",
    ]);
    leaf.prop_recursive(6, 64, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn filling_twice_is_filling_once(
        kind in prop::sample::select(vec![("v1", "Pod"), ("v1", "Service"), ("apps/v1", "Deployment"), ("batch/v1", "CronJob"), ("v1", "Namespace")]),
        metadata in anything(), spec in anything(),
    ) {
        let mut object = json!({"apiVersion": kind.0, "kind": kind.1, "metadata": metadata, "spec": spec});
        let mut nothing = object.clone();
        prop_assert!(fill(&mut nothing, &Defaults::none(), None).is_empty());
        prop_assert_eq!(&nothing, &object);
        fill(&mut object, &Defaults::default(), None);
        let once = object.clone();
        let acted = fill(&mut object, &Defaults::default(), None);
        prop_assert!(acted.is_empty(), "{:?}", acted);
        prop_assert_eq!(object, once);
    }
}
