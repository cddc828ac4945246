package sandbox.limits

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  what := {"cpu", "memory"}[_]
  not limited(container, what)
  msg := sprintf("container %v has no limit of %v", [container.name, what])
}

violation[{"msg": msg}] {
  container := pod.judged[_]
  most := bounds[what]
  limit := container.resources.limits[what]
  not amount(what, limit) <= amount(what, most)
  msg := sprintf("container %v may take %v of %v; the most is %v", [container.name, limit, what, most])
}

bounds := {"cpu": input.parameters.cpuLimit, "memory": input.parameters.memoryLimit}

limited(container, what) {
  limit := container.resources.limits[what]
  limit != null
}

# A quantity can be written as a number, too.
amount(what, quantity) = size {
  what == "cpu"
  size := units.parse(sprintf("%v", [quantity]))
}

amount(what, quantity) = size {
  what == "memory"
  size := units.parse_bytes(sprintf("%v", [quantity]))
}
