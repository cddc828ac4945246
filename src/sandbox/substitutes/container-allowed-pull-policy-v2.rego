package sandbox.pullpolicy

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  policy := object.get(container, "imagePullPolicy", "none")
  not allowed(policy)
  msg := sprintf("container %v has the pull policy %v, which is not allowed", [container.name, policy])
}

allowed(policy) {
  input.parameters.allowedPullPolicy[_] == policy
}
