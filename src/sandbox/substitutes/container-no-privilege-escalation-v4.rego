package sandbox.escalation

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  not container.securityContext.allowPrivilegeEscalation == false
  not harmless(container)
  msg := sprintf("container %v can gain privileges: allowPrivilegeEscalation is not false", [container.name])
}

# Unless it is forced, silence is good enough where the container is another user than root.
harmless(container) {
  not input.parameters.forcePrivilegeEscalationToBeFalse
  not container.securityContext.allowPrivilegeEscalation
  container.securityContext.runAsUser > 0
}
