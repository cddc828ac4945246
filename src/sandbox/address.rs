//! Takes the path of a request apart into scope, resource provider, types and names.

use super::http::percent_decode;

/// What a path speaks of. Names and types keep the casing that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// All segments, decoded.
    pub segments: Vec<String>,
    /// What stands before the last `/providers/`, with a leading slash; empty for the tenant.
    pub scope: String,
    /// The resource provider's namespace; empty when the path has no `providers` segment.
    pub namespace: String,
    /// The types behind the namespace, each with its name; only the last may lack a name.
    pub parts: Vec<(String, Option<String>)>,
}

/// Returns the segment of an id that follows one, in any casing, such as `subscriptions`.
#[must_use]
pub fn part<'a>(id: &'a str, word: &str) -> Option<&'a str> {
    let mut segments = id.split('/').skip_while(|segment| !segment.eq_ignore_ascii_case(word));
    segments.nth(1)
}

impl Address {
    /// Returns what `path` speaks of; `%2F` counts as a slash.
    #[must_use]
    pub fn parse(path: &str) -> Self {
        let decoded = percent_decode(path);
        let segments: Vec<String> = decoded
            .split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        let Some(providers) = segments
            .iter()
            .rposition(|segment| segment.eq_ignore_ascii_case("providers"))
        else {
            let scope = join(&segments);
            return Self {
                segments,
                scope,
                ..Self::default()
            };
        };
        let scope = join(segments.get(..providers).unwrap_or_default());
        let namespace = segments.get(providers + 1).cloned().unwrap_or_default();
        let parts = segments
            .get(providers + 2..)
            .unwrap_or_default()
            .chunks(2)
            .filter_map(|pair| {
                pair.split_first()
                    .map(|(kind, name)| (kind.clone(), name.first().cloned()))
            })
            .collect();
        Self {
            segments,
            scope,
            namespace,
            parts,
        }
    }

    /// Returns the lower-case full type, such as `microsoft.authorization/policydefinitions/versions`.
    #[must_use]
    pub fn kind(&self) -> String {
        self.kind_as_given().to_ascii_lowercase()
    }

    /// Returns the full type in the casing that was asked.
    #[must_use]
    pub fn kind_as_given(&self) -> String {
        let types: Vec<&str> = self.parts.iter().map(|(kind, _)| kind.as_str()).collect();
        if types.is_empty() {
            self.namespace.clone()
        } else {
            format!("{}/{}", self.namespace, types.join("/"))
        }
    }

    /// Returns the name of the last part, if it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.parts.last().and_then(|(_, name)| name.as_deref())
    }

    /// Returns the name of the first part, if it has one.
    #[must_use]
    pub fn first_name(&self) -> Option<&str> {
        self.parts.first().and_then(|(_, name)| name.as_deref())
    }
}

fn join(segments: &[String]) -> String {
    segments.iter().map(|segment| format!("/{segment}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_at_the_last_provider() {
        let address = Address::parse(
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c%2Fproviders%2FMicrosoft.Authorization/policyAssignments/a",
        );
        assert_eq!(
            address.scope,
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"
        );
        assert_eq!(address.kind(), "microsoft.authorization/policyassignments");
        assert_eq!(address.name(), Some("a"));
        let versions = Address::parse("/providers/Microsoft.Authorization/policyDefinitions/x/versions");
        assert_eq!(
            (versions.scope.as_str(), versions.name(), versions.first_name()),
            ("", None, Some("x"))
        );
        assert_eq!(versions.kind(), "microsoft.authorization/policydefinitions/versions");
        let bare = Address::parse("/subscriptions/s/resourcegroups");
        assert_eq!(
            (bare.scope.as_str(), bare.namespace.as_str()),
            ("/subscriptions/s/resourcegroups", "")
        );
        assert_eq!(Address::parse("").segments.len(), 0);
        assert_eq!(Address::parse("/providers").namespace, "");
    }
}
