package sandbox.capabilities

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  capability := plain(container.securityContext.capabilities.add[_])
  not allowed(capability)
  msg := sprintf("container %v adds the capability %v, which is not allowed", [container.name, capability])
}

violation[{"msg": msg}] {
  container := pod.judged[_]
  capability := plain(input.parameters.requiredDropCapabilities[_])
  not dropped(container, capability)
  msg := sprintf("container %v keeps the capability %v, which it has to drop", [container.name, capability])
}

plain(capability) = name {
  name := trim_prefix(upper(capability), "CAP_")
}

allowed(capability) {
  plain(input.parameters.allowedCapabilities[_]) == capability
}

allowed(capability) {
  input.parameters.allowedCapabilities[_] == "*"
}

dropped(container, capability) {
  plain(container.securityContext.capabilities.drop[_]) == capability
}

dropped(container, capability) {
  plain(container.securityContext.capabilities.drop[_]) == "ALL"
}
