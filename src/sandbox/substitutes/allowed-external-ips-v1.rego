package sandbox.externalips

violation[{"msg": msg}] {
  service := input.review.object
  address := service.spec.externalIPs[_]
  not allowed(address)
  msg := sprintf("service %v takes the address %v, which is not allowed", [service.metadata.name, address])
}

allowed(address) {
  input.parameters.allowedExternalIPs[_] == address
}
