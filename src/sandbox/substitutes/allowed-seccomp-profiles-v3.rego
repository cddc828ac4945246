package sandbox.seccomp

import data.lib.pod

violation[{"msg": msg}] {
  container := pod.judged[_]
  count(names(container) & allowed) == 0
  not anything
  not by_pattern(container)
  msg := sprintf("container %v runs without an allowed seccomp profile", [container.name])
}

allowed := {name | name := lower(input.parameters.allowedProfiles[_])}

anything {
  allowed["*"]
}

by_pattern(container) {
  pattern := allowed[_]
  endswith(pattern, "*")
  startswith(names(container)[_], trim_suffix(pattern, "*"))
}

# All spellings of the profile that counts: the container's, else the pod's.
names(container) = found {
  profile := container.securityContext.seccompProfile
  found := spellings(profile)
}

names(container) = found {
  not container.securityContext.seccompProfile
  profile := object.get(object.get(input.review.object.spec, "securityContext", {}), "seccompProfile", {})
  found := spellings(profile)
}

spellings(profile) = {"runtimedefault", "runtime/default", "docker/default"} {
  profile.type == "RuntimeDefault"
}

spellings(profile) = {"unconfined"} {
  profile.type == "Unconfined"
}

spellings(profile) = found {
  profile.type == "Localhost"
  found := {"localhost", lower(sprintf("localhost/%v", [profile.localhostProfile]))}
}

spellings(profile) = set() {
  not profile.type
}
