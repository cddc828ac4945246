package sandbox.hostnamespaces

import data.lib.pod

shared := {"hostPID": "processes", "hostIPC": "inter-process communication"}

violation[{"msg": msg}] {
  what := shared[field]
  input.review.object.spec[field] == true
  count(pod.judged) > 0
  msg := sprintf("pod %v shares the %v of its node", [input.review.object.metadata.name, what])
}
