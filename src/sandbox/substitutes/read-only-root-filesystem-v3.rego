package sandbox.readonly

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  not container.securityContext.readOnlyRootFilesystem
  msg := sprintf("container %v can write to its own file system", [container.name])
}
