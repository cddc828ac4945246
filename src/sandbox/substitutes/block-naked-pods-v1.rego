package sandbox.nakedpods

violation[{"msg": msg}] {
  not input.review.object.metadata.ownerReferences[0]
  msg := sprintf("nothing brings pod %v back: it has no owner", [input.review.object.metadata.name])
}
