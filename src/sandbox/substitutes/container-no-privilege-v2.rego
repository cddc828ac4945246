package sandbox.privileged

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  container.securityContext.privileged == true
  msg := sprintf("container %v runs privileged, with the powers of its node", [container.name])
}
