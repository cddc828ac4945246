package sandbox.wildcards

violation[{"msg": msg}] {
  role := input.review.object
  field := {"apiGroups", "resources", "verbs"}[_]
  role.rules[_][field][_] == "*"
  msg := sprintf("%v %v grants all %v", [role.kind, role.metadata.name, field])
}
