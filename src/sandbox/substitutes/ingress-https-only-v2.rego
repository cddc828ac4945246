package sandbox.ingress

violation[{"msg": msg}] {
  ingress := input.review.object
  not ingress.spec.tls[0]
  msg := sprintf("ingress %v has no certificate: it is reached without HTTPS", [ingress.metadata.name])
}
