package sandbox.spread

violation[{"msg": msg}] {
  workload := input.review.object
  workload.spec.replicas > 1
  not spread(workload.spec.template.spec)
  msg := sprintf("the replicas of %v %v may all run on one node", [workload.kind, workload.metadata.name])
}

spread(spec) {
  spec.affinity.podAntiAffinity
}

spread(spec) {
  spec.topologySpreadConstraints[0]
}
