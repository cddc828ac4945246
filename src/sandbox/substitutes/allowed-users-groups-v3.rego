package sandbox.users

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  asked := input.parameters.runAsUser
  not user_fits(asked, container)
  msg := sprintf("container %v may run as a user that is not approved (%v)", [container.name, asked.rule])
}

violation[{"msg": msg}] {
  container := pod.judged[_]
  asked := input.parameters.runAsGroup
  not fits(asked, identities(container, "runAsGroup"))
  msg := sprintf("container %v may run as a group that is not approved (%v)", [container.name, asked.rule])
}

violation[{"msg": msg}] {
  count(pod.judged) > 0
  asked := input.parameters.fsGroup
  groups := {group | group := input.review.object.spec.securityContext.fsGroup}
  not fits(asked, groups)
  msg := sprintf("the pod owns its files as a group that is not approved (%v)", [asked.rule])
}

violation[{"msg": msg}] {
  count(pod.judged) > 0
  asked := input.parameters.supplementalGroups
  groups := {group | group := input.review.object.spec.securityContext.supplementalGroups[_]}
  not fits(asked, groups)
  msg := sprintf("the pod has supplemental groups that are not approved (%v)", [asked.rule])
}

user_fits(asked, container) {
  asked.rule == "MustRunAsNonRoot"
  users := identities(container, "runAsUser")
  count(users) > 0
  not users[0]
}

user_fits(asked, container) {
  asked.rule == "MustRunAsNonRoot"
  count(identities(container, "runAsUser")) == 0
  identities(container, "runAsNonRoot")[true]
}

user_fits(asked, container) {
  asked.rule != "MustRunAsNonRoot"
  fits(asked, identities(container, "runAsUser"))
}

# What a container says goes before what its pod says.
identities(container, field) = found {
  not says(container, field)
  found := {value | value := input.review.object.spec.securityContext[field]}
}

identities(container, field) = found {
  says(container, field)
  found := {value | value := container.securityContext[field]}
}

says(container, field) {
  value := container.securityContext[field]
  value != null
}

fits(asked, ids) {
  asked.rule == "RunAsAny"
}

fits(asked, ids) {
  asked.rule == "MayRunAs"
  count(outside(asked, ids)) == 0
}

fits(asked, ids) {
  asked.rule == "MustRunAs"
  count(ids) > 0
  count(outside(asked, ids)) == 0
}

outside(asked, ids) = wrong {
  wrong := {id | id := ids[_]; not within(asked, id)}
}

within(asked, id) {
  range := asked.ranges[_]
  id >= range.min
  below(range, id)
}

below(range, id) {
  range.max == -1
}

below(range, id) {
  id <= range.max
}
