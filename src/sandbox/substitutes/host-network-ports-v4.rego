package sandbox.hostnetwork

import data.lib.pod

violation[{"msg": msg}] {
  input.review.object.spec.hostNetwork == true
  not input.parameters.allowHostNetwork
  count(pod.judged) > 0
  msg := sprintf("pod %v uses the network of its node", [input.review.object.metadata.name])
}

violation[{"msg": msg}] {
  container := pod.judged[_]
  port := container.ports[_].hostPort
  not listed(port)
  msg := sprintf("container %v takes port %v of its node, which is no allowed host port", [container.name, port])
}

listed(port) {
  port > 0
  ends := split(input.parameters.allowedHostPorts[_], "-")
  port >= to_number(trim_space(ends[0]))
  port <= to_number(trim_space(ends[count(ends) - 1]))
}
