# A pod that no NetworkPolicy selects may speak with everybody; one policy that selects every pod ends that.
package aksgate.namespacenetworkpolicy

violation[{"msg": msg}] {
	namespace := input.review.object.metadata.name
	not exempt(namespace)
	direction := needed[_]
	covering := [name | policy := policies(namespace)[name]; covers(policy, direction)]
	count(covering) == 0
	msg := sprintf("namespace <%v> has no NetworkPolicy that selects every pod for %v", [namespace, direction])
}

needed = {"Ingress", "Egress"} {
	parameters.requireEgress == true
} else = {"Ingress"} {
	true
}

parameters = given {
	given := input.parameters
	is_object(given)
} else = {} {
	true
}

exempt(namespace) {
	names := parameters.exemptNamespaces
	names[_] == namespace
}

# By name; of each, the version that the cluster holds.
policies(namespace) = found {
	found := data.inventory.namespace[namespace]["networking.k8s.io/v1"].NetworkPolicy
} else = {} {
	true
}

covers(policy, direction) {
	every_pod(policy)
	types(policy)[_] == direction
}

every_pod(policy) {
	selector := object.get(policy.spec, "podSelector", {})
	terms := [term | key := ["matchLabels", "matchExpressions"][_]; term := selector[key][_]]
	count(terms) == 0
}

# Without types a policy is for incoming traffic, and for outgoing if it has rules for it.
types(policy) = found {
	found := policy.spec.policyTypes
	is_array(found)
	count(found) > 0
} else = ["Ingress", "Egress"] {
	is_array(policy.spec.egress)
} else = ["Ingress"] {
	true
}
