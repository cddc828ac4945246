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
  port > 0
  not within(port)
  msg := sprintf("container %v takes port %v of its node, outside of %v to %v", [container.name, port, input.parameters.minPort, input.parameters.maxPort])
}

within(port) {
  port >= input.parameters.minPort
  port <= input.parameters.maxPort
}
