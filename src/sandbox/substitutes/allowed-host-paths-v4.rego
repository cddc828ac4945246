package sandbox.hostpaths

import data.lib.pod

violation[{"msg": msg}] {
  volume := input.review.object.spec.volumes[_]
  path := volume.hostPath.path
  not spared(volume.name)
  not permitted(volume.name, path)
  msg := sprintf("volume %v takes %v from the node, which is no allowed host path", [volume.name, path])
}

# Only containers that are not judged mount it.
spared(volume) {
  pod.containers[_].volumeMounts[_].name == volume
  not mounted(volume)
}

mounted(volume) {
  pod.judged[_].volumeMounts[_].name == volume
}

permitted(volume, path) {
  entry := entries[_]
  below(path, entry.pathPrefix)
  not written(volume, entry)
}

entries[entry] {
  not windows
  entry := input.parameters.allowedHostPaths[_]
}

entries[entry] {
  windows
  entry := input.parameters.windowsAllowedHostPaths[_]
}

windows {
  input.review.object.spec.os.name == "windows"
}

below(path, prefix) {
  path == prefix
}

below(path, prefix) {
  startswith(path, concat("", [trim_suffix(prefix, "/"), "/"]))
}

below(path, prefix) {
  endswith(prefix, "\\")
  startswith(path, prefix)
}

# It may be read only, and a container can write to it.
written(volume, entry) {
  entry.readOnly == true
  mount := pod.judged[_].volumeMounts[_]
  mount.name == volume
  not mount.readOnly
}
