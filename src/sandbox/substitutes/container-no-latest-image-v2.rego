package sandbox.latest

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  moving(container.image)
  msg := sprintf("container %v runs %v: `latest` is another image tomorrow", [container.name, container.image])
}

moving(image) {
  not contains(image, "@")
  endswith(image, ":latest")
}

# Without a tag and a digest it is `latest` as well; a colon before the last slash belongs to a port.
moving(image) {
  not contains(image, "@")
  parts := split(image, "/")
  not contains(parts[count(parts) - 1], ":")
}
