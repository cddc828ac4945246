package sandbox.volumes

import data.lib.pod

violation[{"msg": msg}] {
  volume := input.review.object.spec.volumes[_]
  volume[type]
  type != "name"
  not allowed(type)
  count(pod.judged) > 0
  msg := sprintf("volume %v is of the type %v, which is not allowed", [volume.name, type])
}

allowed(type) {
  input.parameters.volumes[_] == type
}

allowed(type) {
  input.parameters.volumes[_] == "*"
}
