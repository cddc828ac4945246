package sandbox.loadbalancer

violation[{"msg": msg}] {
  service := input.review.object
  service.spec.type == "LoadBalancer"
  annotations := object.get(service.metadata, "annotations", {})
  lower(object.get(annotations, "service.beta.kubernetes.io/azure-load-balancer-internal", "")) != "true"
  msg := sprintf("service %v gets a public address: its load balancer is not internal", [service.metadata.name])
}
