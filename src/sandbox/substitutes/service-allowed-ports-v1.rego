package sandbox.serviceports

violation[{"msg": msg}] {
  service := input.review.object
  port := service.spec.ports[_].port
  not allowed(port)
  msg := sprintf("service %v listens on port %v, which is not allowed", [service.metadata.name, port])
}

allowed(port) {
  input.parameters.allowedServicePorts[_] == sprintf("%v", [port])
}
