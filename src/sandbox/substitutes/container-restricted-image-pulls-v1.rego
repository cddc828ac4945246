package sandbox.pullsecrets

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  not input.review.object.spec.imagePullSecrets[0].name
  msg := sprintf("container %v pulls %v without a pull secret", [container.name, container.image])
}
