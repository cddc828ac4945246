package sandbox.escalation

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  not container.securityContext.allowPrivilegeEscalation == false
  msg := sprintf("container %v can gain privileges: allowPrivilegeEscalation is not false", [container.name])
}
