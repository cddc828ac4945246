# A node port is open on every node of the cluster, whatever stands before it.
package aksgate.nonodeport

violation[{"msg": msg}] {
	not exempt
	why := reasons[_]
	msg := sprintf("Service <%v> opens ports on every node: %v", [service_name, why])
}

service_name := object.get(object.get(input.review.object, "metadata", {}), "name", "?")

service_type := object.get(object.get(input.review.object, "spec", {}), "type", "ClusterIP")

reasons["its type is NodePort"] {
	service_type == "NodePort"
}

reasons["it does not say `allocateLoadBalancerNodePorts: false`"] {
	balancers_checked
	object.get(input.review.object.spec, "allocateLoadBalancerNodePorts", true) != false
}

# A port that is asked for is opened all the same.
reasons[why] {
	balancers_checked
	input.review.object.spec.allocateLoadBalancerNodePorts == false
	port := input.review.object.spec.ports[_].nodePort
	port > 0
	why := sprintf("it asks for the node port %v", [port])
}

balancers_checked {
	service_type == "LoadBalancer"
	input.parameters.checkLoadBalancers == true
}

exempt {
	input.parameters.exemptNames[_] == service_name
}

exempt {
	full := sprintf("%v/%v", [input.review.object.metadata.namespace, service_name])
	input.parameters.exemptNames[_] == full
}
