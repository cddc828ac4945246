package sandbox.admins

violation[{"msg": msg}] {
  binding := input.review.object
  binding.roleRef.name == "cluster-admin"
  msg := sprintf("%v %v hands out cluster-admin", [binding.kind, binding.metadata.name])
}
