package sandbox.storage

violation[{"msg": msg}] {
  class := input.review.object
  startswith(class.provisioner, "kubernetes.io/azure-")
  msg := sprintf("storage class %v uses the old driver %v", [class.metadata.name, class.provisioner])
}
