package sandbox.images

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  not regex.match(input.parameters.imageRegex, container.image)
  msg := sprintf("container %v runs the image %v, which is not among the allowed ones", [container.name, container.image])
}
