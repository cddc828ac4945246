# What a reference names today should be what it names tomorrow.
package aksgate.approvedimagereferences

violation[{"msg": msg}] {
	use := uses[_]
	not exempt(use.image)
	why := complaint(use.image)
	msg := sprintf("%v <%v> names the image <%v>, which %v", [use.what, use.name, use.image, why])
}

# Everything in a pod that names an image.
uses[use] {
	some key
	what := holders[key]
	container := list(key)[_]
	use := {
		"what": what,
		"name": object.get(container, "name", "?"),
		"image": text(object.get(container, "image", "")),
	}
}

uses[use] {
	volume := list("volumes")[_]
	is_object(volume.image)
	use := {
		"what": "volume",
		"name": object.get(volume, "name", "?"),
		"image": text(object.get(volume.image, "reference", "")),
	}
}

holders := {
	"containers": "container",
	"initContainers": "init container",
	"ephemeralContainers": "ephemeral container",
}

list(key) = found {
	found := input.review.object.spec[key]
	is_array(found)
} else = [] {
	true
}

text(value) = value {
	is_string(value)
} else = "" {
	true
}

parameter(name) = values {
	values := input.parameters[name]
	is_array(values)
} else = [] {
	true
}

exempt(image) {
	start := parameter("exemptImages")[_]
	start != ""
	startswith(image, start)
	begins_whole(substring(image, count(start), -1), start)
}

begins_whole(rest, start) {
	rest == ""
}

begins_whole(rest, start) {
	endswith(start, "/")
}

begins_whole(rest, start) {
	regex.match("^[/:@]", rest)
}

# Why a reference will not do.
complaint(image) = "is no reference" {
	image == ""
}

complaint(image) = "has a digest that is none" {
	contains(image, "@")
	not by_digest(image)
}

complaint(image) = "has no digest" {
	image != ""
	not contains(image, "@")
	digest_required
}

complaint(image) = "has no tag: that is `latest`" {
	image != ""
	not contains(image, "@")
	not digest_required
	tag(image) == ""
}

complaint(image) = why {
	not contains(image, "@")
	not digest_required
	found := tag(image)
	found != ""
	not approved(found)
	why := sprintf("has the tag `%v`, and that is not approved", [found])
}

digest_required {
	input.parameters.requireDigest == true
}

by_digest(image) {
	regex.match("^[^@]+@(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$", image)
}

# What follows the colon in the last part of the name: before that it is the port of a registry.
tag(image) = found {
	parts := split(image, "/")
	last := split(parts[count(parts) - 1], ":")
	count(last) > 1
	found := last[count(last) - 1]
} else = "" {
	true
}

approved(found) {
	parameter("allowedTags")[_] == found
}

approved(found) {
	patterns := allowed_patterns
	pattern := patterns[_]
	regex.match(sprintf("^(?:%v)$", [pattern]), found)
}

allowed_patterns := parameter("allowedTagPatterns")
