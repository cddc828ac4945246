package sandbox.probes

import data.lib.pod

# Containers that prepare a pod have no probes.
violation[{"msg": msg}] {
  container := input.review.object.spec.containers[_]
  not pod.left_out(container)
  probe := input.parameters.enforceProbes[_]
  not has(container, probe)
  msg := sprintf("container %v has no %v", [container.name, probe])
}

has(container, probe) {
  handlers := {"exec", "grpc", "httpGet", "tcpSocket"}
  container[probe][handlers[_]]
}
