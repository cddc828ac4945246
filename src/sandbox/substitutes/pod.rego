package lib.pod

# The containers of the pod, with those that prepare and those that debug it.
containers[container] {
  field := {"containers", "initContainers", "ephemeralContainers"}[_]
  container := input.review.object.spec[field][_]
}

# Those that a rule looks at.
judged[container] {
  container := containers[_]
  not left_out(container)
}

left_out(container) {
  input.parameters.excludedContainers[_] == container.name
}

left_out(container) {
  input.parameters.excludedImages[_] == container.image
}

left_out(container) {
  pattern := input.parameters.excludedImages[_]
  endswith(pattern, "*")
  startswith(container.image, trim_suffix(pattern, "*"))
}
