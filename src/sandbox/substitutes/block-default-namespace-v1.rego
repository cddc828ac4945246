package sandbox.defaultnamespace

violation[{"msg": msg}] {
  found := input.review.object
  found.metadata.namespace == "default"
  msg := sprintf("%v %v is in the namespace default", [found.kind, found.metadata.name])
}
