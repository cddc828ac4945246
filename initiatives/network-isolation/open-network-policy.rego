# A NetworkPolicy that allows everything looks like protection and is none.
package aksgate.opennetworkpolicy

violation[{"msg": msg}] {
	direction := directions[name]
	checked(direction)
	in_force(direction)
	not exempt
	why := opening[name][_]
	msg := sprintf("NetworkPolicy <%v> opens %v to everybody: %v", [policy_name, name, why])
}

directions := {
	"ingress": {"type": "Ingress", "peers": "from", "parameter": "checkIngress"},
	"egress": {"type": "Egress", "peers": "to", "parameter": "checkEgress"},
}

policy_name := object.get(object.get(input.review.object, "metadata", {}), "name", "?")

# Whether a direction is to be judged: yes, unless the parameter says no.
checked(direction) {
	object.get(parameters, direction.parameter, true) != false
}

parameters = given {
	given := input.parameters
	is_object(given)
} else = {} {
	true
}

# Rules of a direction that is not among the policy's types have no effect.
in_force(direction) {
	count(policy_types) == 0
}

in_force(direction) {
	policy_types[_] == direction.type
}

policy_types = types {
	types := input.review.object.spec.policyTypes
	is_array(types)
} else = [] {
	true
}

exempt {
	exempt_names[_] == policy_name
}

exempt {
	full := sprintf("%v/%v", [input.review.object.metadata.namespace, policy_name])
	exempt_names[_] == full
}

exempt_names = names {
	names := parameters.exemptNames
	is_array(names)
} else = [] {
	true
}

# By direction, what makes it open.
opening[name] = reasons {
	direction := directions[name]
	by_rule := {why |
		rule := rules(name)[index]
		why := open_rule(rule, direction.peers, index)
	}
	reasons := by_rule | open_blocks(name, direction.peers)
}

rules(name) = list {
	list := input.review.object.spec[name]
	is_array(list)
} else = [] {
	true
}

peers(rule, key) = list {
	list := rule[key]
	is_array(list)
} else = [] {
	true
}

open_rule(rule, key, index) = why {
	count(peers(rule, key)) == 0
	why := sprintf("rule %v names no peers", [index + 1])
}

open_rule(rule, key, index) = why {
	count([peer | peer := peers(rule, key)[_]; everybody(peer)]) > 0
	why := sprintf("rule %v has a peer that is every pod of every namespace", [index + 1])
}

everybody(peer) {
	not is_object(peer)
}

everybody(peer) {
	is_object(peer)
	not says(peer, "ipBlock")
	not says(peer, "namespaceSelector")
	not says(peer, "podSelector")
}

everybody(peer) {
	says(peer, "namespaceSelector")
	not says(peer, "ipBlock")
	every_namespace(peer.namespaceSelector)
	every_pod(object.get(peer, "podSelector", {}))
}

says(peer, key) {
	is_object(peer[key])
}

every_namespace(selector) {
	count(labels(selector)) == 0
	narrowing := [term | term := expressions(selector)[_]; not on_every_namespace(term)]
	count(narrowing) == 0
}

every_pod(selector) {
	count(labels(selector)) == 0
	count(expressions(selector)) == 0
}

# The API server puts this label on every namespace.
on_every_namespace(term) {
	object.get(term, "key", "") == "kubernetes.io/metadata.name"
	object.get(term, "operator", "") == "Exists"
}

labels(selector) = found {
	found := selector.matchLabels
	is_object(found)
} else = {} {
	true
}

expressions(selector) = found {
	found := selector.matchExpressions
	is_array(found)
} else = [] {
	true
}

# Address blocks, also when the world is cut in pieces. `except` does not help: it may be a single address.
open_blocks(name, key) = reasons {
	cidrs := {cidr |
		rule := rules(name)[_]
		peer := peers(rule, key)[_]
		cidr := peer.ipBlock.cidr
		is_string(cidr)
	}
	reasons := {why | why := open_family(cidrs, families[_])}
}

# What tells the two families apart: how the first digits of an address are read, up to which length of prefix a block is
# looked at, and which first digits are in use on the internet.
families := [
	{"name": "IPv4", "sign": ".", "bits": 8, "used": v4_used},
	{"name": "IPv6", "sign": ":", "bits": 4, "used": {2, 3}},
]

# 0 and 127 never leave a host, and what begins at 224 is no address of a host.
v4_used := {octet | octet := numbers.range(1, 223)[_]; octet != 127}

open_family(cidrs, family) = why {
	wide := {cidr: digits |
		cidr := cidrs[_]
		contains(cidr, family.sign)
		digits := first_digits(cidr, family)
	}
	covered := {digit | digit := wide[_][_]}
	count(family.used - covered) == 0
	why := sprintf("its address blocks hold every %v address in use: %v", [family.name, concat(", ", {cidr | wide[cidr]})])
}

# The values that the first digits of the addresses in a block take.
first_digits(cidr, family) = digits {
	parts := split(cidr, "/")
	count(parts) == 2
	prefix := number(parts[1])
	prefix <= family.bits
	size := sizes[family.bits - prefix]
	first := leading(parts[0], family.name)
	start := first - (first % size)
	digits := {digit | digit := numbers.range(start, (start + size) - 1)[_]}
}

sizes := [1, 2, 4, 8, 16, 32, 64, 128, 256]

leading(address, family) = value {
	family == "IPv4"
	value := number(split(address, ".")[0])
}

leading(address, family) = value {
	family == "IPv6"
	group := split(address, ":")[0]
	count(group) == 4
	value := indexof("0123456789abcdef", lower(substring(group, 0, 1)))
	value >= 0
}

# A group of fewer than four digits begins with zero.
leading(address, family) = 0 {
	family == "IPv6"
	count(split(address, ":")[0]) < 4
}

# Zeros before a number are read as they are in an address.
number(text) = 0 {
	regex.match("^0+$", text)
}

number(text) = value {
	regex.match("^0*[1-9][0-9]*$", text)
	value := to_number(trim_left(text, "0"))
}
