//! The texts of published constraint templates: where the estate keeps them, and whether they are those that were accepted.
//!
//! Azure's definitions name a template by its address. A copy of each lies in the estate, and the lock holds a hash of what in it acts,
//! so that the same judgement can be made offline, by everybody, and for as long as nobody accepts another text.

use crate::diff::digest;
use crate::lock::LockedTemplate;
use crate::manifest;
use crate::rules::{Rule, Template};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The estate's folder with copies of templates.
pub const FOLDER: &str = "bundle";
/// The longest text of a template that is taken, in bytes.
pub const LONGEST: usize = 1 << 20;
/// What the add-on writes on a constraint template that it installs: the address that it got it from.
const ADDRESS: &str = "constraint-template";

/// A template's document, read and reduced to what acts.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The kind of its constraints.
    pub kind: String,
    /// The hash of what acts: of its name and its `spec`, whatever their spelling and order.
    pub sha256: String,
    /// The template.
    pub template: Template,
}

impl Published {
    /// Reads the text of one template.
    ///
    /// # Errors
    /// It is no constraint template, or one that cannot be evaluated; the text says why.
    pub fn read(text: &[u8]) -> Result<Published, String> {
        if text.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} bytes"));
        }
        let documents = manifest::read("template", text).map_err(|errors| {
            let first = errors.first();
            first.map_or(String::new(), |error| format!("{}: {}", error.summary, error.label))
        })?;
        let [document] = documents.as_slice() else {
            return Err(format!("it holds {} documents, and a template is one", documents.len()));
        };
        Published::of_document(&document.value)
    }

    /// Takes a document as a template.
    ///
    /// # Errors
    /// As [`Published::read`].
    pub fn of_document(document: &Value) -> Result<Published, String> {
        let template = Template::from_document(document).map_err(|error| error.to_string())?;
        Ok(Published {
            kind: template.kind().to_owned(),
            sha256: digest(&acting(document)),
            template,
        })
    }

    /// Returns why the template cannot be evaluated; none if it can.
    pub fn refused(&self) -> Option<String> {
        Rule::new(&self.template).err().map(|error| error.to_string())
    }
}

/// What of a template acts; the rest is the server's, or for readers.
fn acting(document: &Value) -> Value {
    let part = |pointer: &str| document.pointer(pointer).cloned().unwrap_or_default();
    json!({"name": part("/metadata/name"), "crd": part("/spec/crd/spec/names/kind"),
        "schema": part("/spec/crd/spec/validation/openAPIV3Schema"), "targets": targets(&part("/spec/targets"))})
}

/// The targets without what an API server adds: Rego of the first form is given once more as code.
fn targets(targets: &Value) -> Value {
    let mut targets = targets.clone();
    for target in targets
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        let rego = target
            .get("rego")
            .and_then(Value::as_str)
            .is_some_and(|rego| !rego.trim().is_empty());
        let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if rego {
            target.remove("code");
        }
        target.retain(|_, value| !empty(value));
    }
    targets
}

/// Returns where the copy of a published template lies, relative to the estate and with `/` between its parts; none for an address that no
/// template of Azure has.
pub fn path_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    let parts: Vec<&str> = rest.split('/').collect();
    let fits = |part: &&str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && part.chars().all(allowed)
    };
    (parts.len() > 1 && parts.iter().all(fits)).then(|| format!("{FOLDER}/{}", parts.join("/")))
}

/// Returns the templates that a cluster's add-on has installed, by their addresses, out of what `kubectl get constrainttemplates -o json`
/// writes, object by object.
pub fn installed<'a>(objects: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, &'a Value> {
    let mut found = BTreeMap::new();
    for object in objects {
        let is_template = object.get("kind").and_then(Value::as_str) == Some("ConstraintTemplate");
        let annotation = object.get("metadata").and_then(|metadata| metadata.get("annotations"));
        let address = annotation.and_then(|all| all.get(ADDRESS)).and_then(Value::as_str);
        if let Some(address) = address.filter(|_| is_template) {
            found.insert(address.to_owned(), object);
        }
    }
    found
}

/// The texts that are to be had, by address, each with why it cannot be used if it cannot.
#[derive(Clone, Debug, Default)]
pub struct Templates(BTreeMap<String, Result<Template, String>>);

impl Templates {
    /// Takes those that are locked. `read` returns the content of a file of the estate by its path.
    pub fn load(locked: &BTreeMap<String, LockedTemplate>, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Templates {
        let one = |url: &str, locked: &LockedTemplate| {
            let path = path_of(url).ok_or_else(|| "its address is none of a template".to_owned())?;
            let Some(text) = read(&path) else {
                return Err(format!("`{path}` is not there; `aksgate bundle` fetches it"));
            };
            let found = Published::read(&text).map_err(|why| format!("`{path}`: {why}"))?;
            if found.sha256 != locked.sha256 {
                return Err(format!(
                    "`{path}` is not what is locked; `aksgate bundle` says what differs"
                ));
            }
            Ok(found.template)
        };
        let all = locked.iter().map(|(url, locked)| (url.clone(), one(url, locked)));
        Templates(all.collect())
    }

    /// Takes templates as they are, by their addresses: nobody has locked these.
    pub fn of_documents<'a>(documents: impl IntoIterator<Item = (String, &'a Value)>) -> Templates {
        let one = |document: &Value| Published::of_document(document).map(|found| found.template);
        let all = documents.into_iter().map(|(url, document)| (url, one(document)));
        Templates(all.collect())
    }

    /// Returns the template at an address.
    ///
    /// # Errors
    /// Why there is none that can be used.
    pub fn get(&self, url: &str) -> Result<&Template, String> {
        match self.0.get(url) {
            Some(Ok(template)) => Ok(template),
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!(
                "the template at {url} is not in the bundle; `aksgate bundle` fetches it"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://store.policy.core.windows.net/kubernetes/a-b/v2/template.yaml";

    fn template(rego: &str) -> Value {
        json!({
            "apiVersion": "templates.gatekeeper.sh/v1beta1", "kind": "ConstraintTemplate", "metadata": {"name": "a"},
            "spec": {"crd": {"spec": {"names": {"kind": "A"}, "validation": {"openAPIV3Schema": {"type": "object"}}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}]},
        })
    }

    const REGO: &str = "package a\nviolation[{\"msg\": \"no\"}] { true }";

    #[test]
    fn a_copy_lies_where_its_address_says_and_nowhere_else() {
        assert_eq!(
            path_of(URL).as_deref(),
            Some("bundle/store.policy.core.windows.net/kubernetes/a-b/v2/template.yaml")
        );
        for url in [
            "http://store/a",
            "https://store",
            "https://store/../a",
            "https://store/a/..",
            "https://store//a",
            "https://store/a b",
            "https://store/a?b",
            "https://store/.a",
            "https://store/a\\b",
            "",
        ] {
            assert_eq!(path_of(url), None, "{url}");
        }
    }

    #[test]
    fn the_hash_is_of_what_acts() {
        let hash = |document: &Value| Published::of_document(document).unwrap().sha256;
        let plain = template(REGO);
        let mut served = plain.clone();
        served["apiVersion"] = "templates.gatekeeper.sh/v1".into();
        served["metadata"] = json!({"name": "a", "uid": "1", "annotations": {"x": "y"}});
        served["status"] = json!({"created": true});
        served["spec"]["targets"][0]["code"] = json!([{"engine": "Rego", "source": {"rego": REGO}}]);
        served["spec"]["targets"][0]["libs"] = json!([]);
        assert_eq!(hash(&served), hash(&plain));
        assert_ne!(hash(&template(&format!("{REGO}\n"))), hash(&plain));
        let mut other = plain.clone();
        other["spec"]["crd"]["spec"]["validation"]["openAPIV3Schema"]["required"] = json!(["x"]);
        assert_ne!(hash(&other), hash(&plain), "the schema fills in defaults and refuses");
        let mut other = plain.clone();
        other["spec"]["targets"][0]["libs"] = json!(["package lib.x"]);
        assert_ne!(hash(&other), hash(&plain));
    }

    fn loaded(locked: &str, text: Option<&str>) -> Result<String, String> {
        let locked = LockedTemplate {
            kind: "A".to_owned(),
            sha256: locked.to_owned(),
        };
        let locked = BTreeMap::from([(URL.to_owned(), locked)]);
        let read = |path: &str| {
            assert_eq!(path, path_of(URL).unwrap());
            text.map(|text| text.as_bytes().to_vec())
        };
        let templates = Templates::load(&locked, &read);
        templates.get(URL).map(|template| template.kind().to_owned())
    }

    #[test]
    fn a_text_that_is_not_the_locked_one_is_not_used() {
        let text = template(REGO).to_string();
        let hash = Published::read(text.as_bytes()).unwrap().sha256;
        assert_eq!(loaded(&hash, Some(&text)), Ok("A".to_owned()));
        let other = template("package a\nviolation[{\"msg\": \"yes\"}] { true }").to_string();
        assert!(
            loaded(&hash, Some(&other))
                .unwrap_err()
                .contains("is not what is locked")
        );
        assert!(loaded(&hash, None).unwrap_err().contains("is not there"));
        assert!(loaded(&hash, Some("a: [")).unwrap_err().contains(": "));
        assert!(
            loaded(&hash, Some("a: 1\n---\nb: 1\n"))
                .unwrap_err()
                .contains("2 documents")
        );
        let nothing = Templates::default().get(URL).unwrap_err();
        assert!(nothing.contains("is not in the bundle"), "{nothing}");
    }

    #[test]
    fn a_cluster_says_where_its_templates_come_from() {
        let mut one = template(REGO);
        one["metadata"]["annotations"] =
            json!({"constraint-template": URL, "constraint-template-installed-by": "azure-policy-addon"});
        let foreign = template(REGO);
        let constraint = json!({"kind": "A", "metadata": {"annotations": {"constraint-template": "https://other/x"}}});
        let objects = [one, foreign, constraint];
        let found = installed(&objects);
        assert_eq!(found.keys().collect::<Vec<_>>(), [URL]);
        let templates = Templates::of_documents(found);
        assert_eq!(templates.get(URL).unwrap().kind(), "A");
    }
}
