package sandbox.automount

import data.lib.pod

violation[{"msg": msg}] {
  not input.review.object.spec.automountServiceAccountToken == false
  count(pod.judged) > 0
  msg := sprintf("pod %v gets API credentials without asking: automountServiceAccountToken is not false", [input.review.object.metadata.name])
}
