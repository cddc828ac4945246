//! Finding built-ins by name or words.

use super::{Catalog, Definition, PolicySet, SetMember};

/// What a search finds.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'a> {
    /// The initiatives, ordered by title.
    pub initiatives: Vec<&'a PolicySet>,
    /// The definitions, ordered by title.
    pub definitions: Vec<&'a Definition>,
}

impl Found<'_> {
    /// Returns how many built-ins were found.
    pub fn count(&self) -> usize {
        self.initiatives.len() + self.definitions.len()
    }
}

impl Catalog {
    /// Returns the built-ins that `search` means: the one with this name, resource id or whole title, else those whose
    /// name, title, category or Kubernetes kinds hold every word of it, in any casing. An empty search finds all.
    pub fn search(&self, search: &str) -> Found<'_> {
        let search = search.trim().to_lowercase();
        let last = search.rsplit('/').next().unwrap_or_default();
        let is_meant = |name: &str, title: &str| name == last || title.to_lowercase() == search;
        let mut found = Found {
            initiatives: self
                .initiatives()
                .filter(|it| is_meant(&it.name, &it.display_name))
                .collect(),
            definitions: self
                .definitions()
                .filter(|it| is_meant(&it.name, &it.display_name))
                .collect(),
        };
        if found.count() == 0 {
            let holds = |parts: &[&str]| {
                let text = parts.join("\n").to_lowercase();
                search.split_whitespace().all(|word| text.contains(word))
            };
            let initiatives = self.initiatives();
            found.initiatives = initiatives
                .filter(|it| holds(&[&it.name, &it.display_name, &it.category]))
                .collect();
            let definitions = self.definitions();
            found.definitions = definitions
                .filter(|it| holds(&[&it.name, &it.display_name, &it.category, &it.kinds().join("\n")]))
                .collect();
        }
        found.initiatives.sort_by_key(|it| (title(&it.display_name), &it.name));
        found.definitions.sort_by_key(|it| (title(&it.display_name), &it.name));
        found
    }

    /// Returns the initiatives that have a definition as a member, each with that member, ordered by the initiative's
    /// name; a definition that is a member twice is named twice.
    pub fn users_of(&self, definition: &str) -> impl Iterator<Item = (&PolicySet, &SetMember)> {
        let members = self
            .initiatives()
            .flat_map(|set| set.current().members.iter().map(move |member| (set, member)));
        members.filter(move |(_, member)| member.definition.eq_ignore_ascii_case(definition))
    }
}

/// Returns a title as it is sorted: without marks such as `[Preview]:` and without case.
fn title(display_name: &str) -> String {
    let mut rest = display_name.trim_start();
    while let Some((_, tail)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        rest = tail.trim_start_matches([':', ' ']);
    }
    rest.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(search: &str) -> Vec<String> {
        let found = Catalog::embedded().search(search);
        let initiatives = found.initiatives.iter().map(|it| format!("set {}", it.display_name));
        initiatives
            .chain(found.definitions.iter().map(|it| it.display_name.clone()))
            .collect()
    }

    #[test]
    fn a_name_an_id_or_a_title_finds_one() {
        let one = ["Kubernetes cluster should not allow privileged containers"];
        assert_eq!(names("95edb821-ddaf-4404-9732-666045e056b4"), one);
        assert_eq!(names("95EDB821-DDAF-4404-9732-666045E056B4 "), one);
        let id = "/providers/Microsoft.Authorization/policyDefinitions/95edb821-ddaf-4404-9732-666045e056b4";
        assert_eq!(names(id), one);
        assert_eq!(names("kubernetes cluster should not allow PRIVILEGED containers"), one);
    }

    #[test]
    fn words_narrow_the_search() {
        assert_eq!(
            names("pod security standards"),
            [
                "set Kubernetes cluster pod security baseline standards for Linux-based workloads",
                "set Kubernetes cluster pod security restricted standards for Linux-based workloads",
                "Kubernetes cluster pods and containers should follow SELinux security standards"
            ]
        );
        assert_eq!(names("no such thing"), [""; 0]);
        assert_eq!(Catalog::embedded().search("").count(), 153);
    }

    #[test]
    fn marks_do_not_sort() {
        assert_eq!(
            title("[Preview]: [Image Integrity] Kubernetes clusters"),
            "kubernetes clusters"
        );
        assert_eq!(title("Azure [x]"), "azure [x]");
    }

    #[test]
    fn the_sets_of_a_definition_are_known() {
        let catalog = Catalog::embedded();
        let mut users: Vec<&str> = catalog
            .users_of("95EDB821-ddaf-4404-9732-666045e056b4")
            .map(|(_, member)| member.reference_id.as_str())
            .collect();
        users.sort_unstable();
        assert_eq!(
            users,
            [
                "CIS5.2.2-NoPrivilegedContainers",
                "NoPrivilegedContainers",
                "NoPrivilegedContainers",
                "NoPrivilegedContainers",
                "privilegedContainers"
            ]
        );
    }
}
