package sandbox.ingress

violation[{"msg": msg}] {
  ingress := input.review.object
  not ingress.spec.tls[0]
  msg := sprintf("ingress %v has no certificate: it is reached without HTTPS", [ingress.metadata.name])
}

violation[{"msg": msg}] {
  ingress := input.review.object
  annotations := object.get(ingress.metadata, "annotations", {})
  object.get(annotations, "kubernetes.io/ingress.allow-http", "true") != "false"
  msg := sprintf("ingress %v also answers HTTP: kubernetes.io/ingress.allow-http is not false", [ingress.metadata.name])
}
