//! What an API server adds to Services.

use super::{Filling, ServerDefault, entries, is_absent};
use serde_json::{Value, json};

impl Filling<'_> {
    pub(super) fn service(&mut self, service: &mut Value) {
        let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else {
            return;
        };
        let default = ServerDefault::ServiceFields;
        let given = spec.get("type").filter(|given| !is_absent(Some(given)));
        let kind = given.and_then(Value::as_str).unwrap_or("ClusterIP").to_owned();
        self.put(default, spec, "type", || kind.clone().into());
        self.put(default, spec, "sessionAffinity", || "None".into());
        for port in entries(spec, "ports") {
            self.put(ServerDefault::PortProtocol, port, "protocol", || "TCP".into());
            if let Some(number) = port.get("port").cloned() {
                if port.get("targetPort") == Some(&json!(0)) && self.defaults.has(default) {
                    port.remove("targetPort");
                }
                self.put(default, port, "targetPort", || number);
            }
        }
        let is = |names: &[&str]| names.contains(&kind.as_str());
        let reached = spec
            .get("externalIPs")
            .and_then(Value::as_array)
            .is_some_and(|ips| !ips.is_empty());
        if is(&["NodePort", "LoadBalancer"]) || (is(&["ClusterIP"]) && reached) {
            self.put(default, spec, "externalTrafficPolicy", || "Cluster".into());
        }
        if is(&["NodePort", "LoadBalancer", "ClusterIP"]) {
            self.put(default, spec, "internalTrafficPolicy", || "Cluster".into());
        }
        if is(&["LoadBalancer"]) {
            self.put(default, spec, "allocateLoadBalancerNodePorts", || true.into());
        }
    }
}
