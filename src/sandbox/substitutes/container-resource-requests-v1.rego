package sandbox.requests

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  what := {"cpu", "memory"}[_]
  not container.resources.requests[what]
  msg := sprintf("container %v requests no %v", [container.name, what])
}
