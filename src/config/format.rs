//! The forms of texts: names, GUIDs, scopes, periods and the like.
//!
//! Each form is told twice, as a check and as a pattern for the JSON Schema; a test holds the two together.

use crate::catalog::VersionPin;
use crate::model::{
    DEFENDER_EXTENSIONS, Percent, Period, ResourceId, Scope, Timestamp, is_day, is_guid, is_hours, is_time_zone,
};

/// The form of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// The name of an owner, environment, initiative or gate.
    Name,
    /// A GUID.
    Guid,
    /// A scope.
    Scope,
    /// A scope that definitions can stand at.
    DefinitionScope,
    /// A period such as `7d`.
    Period,
    /// A whole percentage.
    Percent,
    /// The name of a Kubernetes namespace.
    Namespace,
    /// A version pin such as `1.*.*`.
    Pin,
    /// A text for people of so many characters at most.
    Title(usize),
    /// A policyDefinitionReferenceId.
    ReferenceId,
    /// The name of a policy parameter.
    ParameterName,
    /// The name of a Defender extension.
    ExtensionName,
    /// The name of a tag.
    TagName,
    /// The value of a tag.
    TagValue,
    /// The value of a property of a Defender extension.
    PropertyValue,
    /// An api-version.
    ApiVersion,
    /// A day, or a point in time.
    Moment,
    /// The id of a resource, a resource group, a subscription or a management group.
    ResourceId,
    /// The name of an Azure location.
    Location,
    /// The resource id of a user-assigned identity.
    IdentityId,
    /// A subscription or a resource group.
    GroupScope,
    /// The resource id of a cluster.
    Cluster,
    /// The resource id of a Log Analytics workspace.
    Workspace,
    /// A built-in policy definition: name or id.
    Definition,
    /// A built-in policy set definition: name or id.
    SetDefinition,
    /// A kind of Kubernetes objects.
    KubernetesKind,
    /// An API group of Kubernetes; the core group is the empty text.
    ApiGroup,
    /// A day.
    Day,
    /// Hours of a day.
    Hours,
    /// A time zone.
    TimeZone,
}

/// The longest name of an owner, environment, initiative or gate: the longest name Azure takes for a definition.
const LONGEST_NAME: usize = 64;
/// The longest name of a Kubernetes namespace (RFC 1123 label).
const LONGEST_NAMESPACE: usize = 63;
/// Where clusters and workspaces stand.
const GROUP: &str = "/subscriptions/GUID/resourceGroups/NAME";
const CLUSTERS: &str = "providers/Microsoft.ContainerService/managedClusters";
const CONNECTED: &str = "providers/Microsoft.Kubernetes/connectedClusters";
const WORKSPACES: &str = "providers/Microsoft.OperationalInsights/workspaces";
/// The longest name of an API group (RFC 1123 subdomain).
const LONGEST_API_GROUP: usize = 253;
const DEFINITIONS: &str = "/providers/Microsoft.Authorization/policyDefinitions/";
const SET_DEFINITIONS: &str = "/providers/Microsoft.Authorization/policySetDefinitions/";

impl Format {
    /// Returns what is expected, with its article.
    pub fn expected(self) -> String {
        match self {
            Format::Name => "a name of lower-case letters, digits and dashes that starts with a letter".to_owned(),
            Format::Guid => "a GUID such as `11111111-1111-4111-8111-111111111111`".to_owned(),
            Format::Scope => {
                "`managementGroups/NAME`, `subscriptions/GUID` or `subscriptions/GUID/resourceGroups/NAME`".to_owned()
            }
            Format::DefinitionScope => "`managementGroups/NAME` or `subscriptions/GUID`".to_owned(),
            Format::Period => "a period such as `7d`, `12h` or `1d12h`".to_owned(),
            Format::Percent => "a whole percentage from `0%` to `100%`".to_owned(),
            Format::Namespace => {
                "the name of a Kubernetes namespace: lower-case letters, digits and dashes, no dash at either end"
                    .to_owned()
            }
            Format::Pin => "a version pin `x.*.*` or `x.y.*`".to_owned(),
            Format::Title(longest) => format!("a text of 1 to {longest} characters, not only blanks"),
            Format::ReferenceId => "letters, digits, `-` and `_`".to_owned(),
            Format::ParameterName | Format::ExtensionName | Format::TagName => "a name".to_owned(),
            Format::TagValue | Format::PropertyValue => "a text".to_owned(),
            Format::GroupScope => "`subscriptions/GUID` or `subscriptions/GUID/resourceGroups/NAME`".to_owned(),
            Format::Cluster => format!("the resource id of a cluster, `{GROUP}/{CLUSTERS}/NAME`"),
            Format::Workspace => format!("the resource id of a Log Analytics workspace, `{GROUP}/{WORKSPACES}/NAME`"),
            Format::ApiVersion => "an api-version such as `2026-05-01` or `2026-05-01-preview`".to_owned(),
            Format::Moment => "a day such as `2027-01-31`, or a time such as `2027-01-31T18:00:00Z`".to_owned(),
            Format::ResourceId => "a resource id such as `/subscriptions/GUID/resourceGroups/NAME/providers/Microsoft.ContainerService/managedClusters/NAME`, or the id of something that holds resources".to_owned(),
            Format::Location => "the name of an Azure location such as `westeurope`".to_owned(),
            Format::IdentityId => "the resource id of a user-assigned identity, `/subscriptions/GUID/resourceGroups/NAME/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME`".to_owned(),
            Format::Definition => "the GUID of a built-in policy definition".to_owned(),
            Format::SetDefinition => "the GUID of a built-in policy set definition".to_owned(),
            Format::KubernetesKind => "a kind of Kubernetes objects such as `Pod`".to_owned(),
            Format::Day => "a day such as `2027-01-31`".to_owned(),
            Format::Hours => "hours of a day such as `09:00-16:30`, the end after the beginning".to_owned(),
            Format::TimeZone => "a time zone of the IANA database such as `Europe/Berlin`".to_owned(),
            Format::ApiGroup => {
                "an API group such as `networking.k8s.io`, or the empty text for the core group".to_owned()
            }
        }
    }

    /// Returns the longest text in characters, if there is a limit: Azure's where the text goes there.
    pub fn longest(self) -> Option<usize> {
        match self {
            Format::Name | Format::ReferenceId => Some(LONGEST_NAME),
            Format::Namespace | Format::KubernetesKind => Some(LONGEST_NAMESPACE),
            Format::ApiGroup => Some(LONGEST_API_GROUP),
            Format::Title(longest) => Some(longest),
            // https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources
            Format::TagName => Some(512),
            Format::TagValue => Some(256),
            Format::ParameterName | Format::ExtensionName => Some(128),
            _ => None,
        }
    }

    /// Returns the pattern (ECMA-262) that a text of this form has.
    pub fn pattern(self) -> Option<&'static str> {
        match self {
            Format::Name => Some("^[a-z][a-z0-9-]*$"),
            Format::Guid => Some("^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"),
            Format::Scope => Some(
                "^(/?([Pp]roviders/[Mm]icrosoft\\.[Mm]anagement/)?[Mm]anagementGroups/[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]|/?[Ss]ubscriptions/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(/[Rr]esourceGroups/[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-])?)$",
            ),
            Format::DefinitionScope => Some(
                "^(/?([Pp]roviders/[Mm]icrosoft\\.[Mm]anagement/)?[Mm]anagementGroups/[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]|/?[Ss]ubscriptions/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$",
            ),
            Format::Period => {
                Some("^([0-9]+d([0-9]+h)?([0-9]+m)?([0-9]+s)?|[0-9]+h([0-9]+m)?([0-9]+s)?|[0-9]+m([0-9]+s)?|[0-9]+s)$")
            }
            Format::Percent => Some("^(0|[1-9][0-9]?|100)%$"),
            Format::Namespace => Some("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
            Format::Pin => {
                Some("^(0|[1-9][0-9]{0,8})\\.(\\*|0|[1-9][0-9]{0,8})\\.\\*(-[Pp][Rr][Ee][Vv][Ii][Ee][Ww])?$")
            }
            Format::ReferenceId => Some("^[A-Za-z0-9_-]+$"),
            Format::ParameterName | Format::ExtensionName => Some("^[A-Za-z_][A-Za-z0-9_.-]*$"),
            Format::TagName => Some("^[^<>%&\\\\?/]+$"),
            Format::ApiVersion => Some("^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(-preview)?$"),
            Format::Moment => Some(
                "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?$",
            ),
            Format::ResourceId => Some(
                "^/([Pp]roviders/[Mm]icrosoft\\.[Mm]anagement/[Mm]anagementGroups/[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]|[Ss]ubscriptions/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(/[^/?#%\\\\]+)*)$",
            ),
            Format::Location => Some("^[a-z][a-z0-9]*$"),
            Format::IdentityId => Some(
                "^/[Ss]ubscriptions/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/[Rr]esource[Gg]roups/[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]/[Pp]roviders/[Mm]icrosoft\\.[Mm]anaged[Ii]dentity/[Uu]ser[Aa]ssigned[Ii]dentities/[A-Za-z0-9][A-Za-z0-9_-]*$",
            ),
            Format::Definition => Some(
                "^(/providers/Microsoft\\.Authorization/policyDefinitions/)?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
            ),
            Format::SetDefinition => Some(
                "^(/providers/Microsoft\\.Authorization/policySetDefinitions/)?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
            ),
            Format::GroupScope => Some(
                "^/?[Ss]ubscriptions/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(/[Rr]esource[Gg]roups/[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-])?$",
            ),
            Format::Cluster => Some(
                "^/[Ss]ubscriptions/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/[Rr]esource[Gg]roups/[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]/providers/[Mm]icrosoft\\.([Cc]ontainer[Ss]ervice/[Mm]anaged|[Kk]ubernetes/[Cc]onnected)[Cc]lusters/[A-Za-z0-9_-]+$",
            ),
            Format::Workspace => Some(
                "^/[Ss]ubscriptions/[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/[Rr]esource[Gg]roups/[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]/providers/[Mm]icrosoft\\.[Oo]perational[Ii]nsights/[Ww]orkspaces/[A-Za-z0-9_-]+$",
            ),
            Format::KubernetesKind => Some("^[A-Z][A-Za-z0-9]*$"),
            Format::ApiGroup => Some("^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*)?$"),

            Format::Day => Some("^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"),
            Format::Hours => Some("^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"),
            Format::TimeZone => Some("^[A-Za-z][A-Za-z0-9_+/-]*$"),
            Format::Title(_) => Some("\\S"),
            Format::TagValue | Format::PropertyValue => None,
        }
    }

    /// Returns what is wrong with a text, and what to do about it; none if it has the form.
    pub fn mistake(self, text: &str) -> Option<Mistake> {
        let count = text.chars().count();
        if let Some(longest) = self.longest()
            && count > longest
        {
            return Some(Mistake {
                summary: "too long",
                label: format!("{count} characters, at most {longest} are allowed"),
                hint: None,
            });
        }
        if self == Format::ExtensionName
            && let Some(known) = DEFENDER_EXTENSIONS
                .iter()
                .find(|known| known.eq_ignore_ascii_case(text))
            && *known != text
        {
            return Some(Mistake {
                summary: "invalid value",
                label: "Azure spells it with other capitals".to_owned(),
                hint: Some(format!("did you mean `{known}`?")),
            });
        }
        (!self.fits(text)).then(|| Mistake {
            summary: if self == Format::Pin {
                "invalid version pin"
            } else {
                "invalid value"
            },
            label: format!("expected {}", self.expected()),
            hint: self.hint(text),
        })
    }

    /// Returns whether a text has the form, its length aside.
    fn fits(self, text: &str) -> bool {
        let named = |first: fn(u8) -> bool, rest: fn(u8) -> bool| {
            text.bytes().next().is_some_and(first) && text.bytes().all(rest)
        };
        match self {
            Format::Name => named(
                |byte| byte.is_ascii_lowercase(),
                |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
            ),
            Format::Guid => is_guid(text),
            Format::Scope => Scope::parse(text).is_some(),
            Format::DefinitionScope => {
                matches!(
                    Scope::parse(text),
                    Some(Scope::ManagementGroup(_) | Scope::Subscription(_))
                )
            }
            Format::Period => Period::parse(text).is_some(),
            Format::Percent => Percent::parse(text).is_some(),
            Format::Namespace => is_label(text),
            Format::KubernetesKind => named(|byte| byte.is_ascii_uppercase(), |byte| byte.is_ascii_alphanumeric()),
            Format::ApiGroup => text.is_empty() || text.split('.').all(is_label),
            Format::Pin => VersionPin::parse(text).is_some(),
            Format::Day => is_day(text),
            Format::Hours => is_hours(text),
            Format::TimeZone => is_time_zone(text),
            Format::Title(_) => !text.trim().is_empty(),
            Format::ReferenceId => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                named(plain, plain)
            }
            Format::ParameterName | Format::ExtensionName => named(
                |byte| byte.is_ascii_alphabetic() || byte == b'_',
                |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
            ),
            Format::TagName => !text.is_empty() && !text.contains(['<', '>', '%', '&', '\\', '?', '/']),
            Format::TagValue | Format::PropertyValue => true,
            Format::ApiVersion => is_api_version(text),
            Format::Moment => moment(text).is_some(),
            Format::ResourceId => {
                let is_group = matches!(Scope::parse(text), Some(Scope::ManagementGroup(_)));
                let id = ResourceId::parse(text);
                let subscription = id.as_ref().and_then(|id| id.value_of("subscriptions"));
                text.starts_with("/providers/") && is_group || subscription.is_some_and(is_guid)
            }
            Format::Location => {
                text.starts_with(|c: char| c.is_ascii_lowercase())
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            }
            Format::IdentityId => is_identity(text),
            Format::GroupScope => {
                matches!(
                    Scope::parse(text),
                    Some(Scope::Subscription(_) | Scope::ResourceGroup(..))
                )
            }
            Format::Cluster => is_in_group(text, CLUSTERS) || is_in_group(text, CONNECTED),
            Format::Workspace => is_in_group(text, WORKSPACES),
            Format::Definition => built_in(text, DEFINITIONS).is_some(),
            Format::SetDefinition => built_in(text, SET_DEFINITIONS).is_some(),
        }
    }

    fn hint(self, text: &str) -> Option<String> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
        match self {
            Format::Pin => match text.split('.').collect::<Vec<_>>().as_slice() {
                [major, minor, patch] if digits(major) && digits(minor) && digits(patch) => Some(format!(
                    "Azure cannot pin a patch: write `{major}.{minor}.*` to stay at that minor version, or `{major}.*.*` to follow them"
                )),
                [major, minor] if digits(major) && digits(minor) => {
                    Some(format!("write `{major}.{minor}.*` or `{major}.*.*`"))
                }
                [major] if digits(major) => Some(format!("write `{major}.*.*`")),
                _ => None,
            },
            Format::Period if digits(text) => Some(format!("name the unit: `{text}d` for days, `{text}h` for hours")),
            Format::Percent if digits(text) => Some(format!("write `{text}%`")),
            Format::DefinitionScope if matches!(Scope::parse(text), Some(Scope::ResourceGroup(..))) => {
                Some("policy definitions cannot stand in a resource group: name its subscription".to_owned())
            }
            Format::GroupScope if matches!(Scope::parse(text), Some(Scope::ManagementGroup(_))) => {
                Some("which subscriptions lie in a management group is known to Azure alone: name them".to_owned())
            }
            Format::Name => near_name(text).map(|name| format!("write `{name}`")),
            Format::Location => {
                let plain = text.to_lowercase().replace(' ', "");
                (plain != text && Format::Location.fits(&plain)).then(|| format!("write `{plain}`"))
            }
            Format::KubernetesKind | Format::ApiGroup if text == "*" => {
                Some("Azure takes no `*` here: name each one".to_owned())
            }
            _ => None,
        }
    }
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub summary: &'static str,
    pub label: String,
    pub hint: Option<String>,
}

/// Whether a text is a label as RFC 1123 has it, its length aside.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}

/// Whether a text is a day of this century, and perhaps `-preview`.
fn is_api_version(text: &str) -> bool {
    let day = text.strip_suffix("-preview").unwrap_or(text);
    let number = |part: &str, digits: usize| {
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u32>().ok().filter(|_| plain)
    };
    match day.split('-').collect::<Vec<_>>().as_slice() {
        [year, month, day] => {
            number(year, 4).is_some_and(|year| (2000..2100).contains(&year))
                && number(month, 2).is_some_and(|month| (1..=12).contains(&month))
                && number(day, 2).is_some_and(|day| (1..=31).contains(&day))
        }
        _ => false,
    }
}

/// Reads a point in time; a day stands for its beginning in UTC, so that nothing lasts longer than it was said.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let (day, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let plain = time.len() == 9 && time.ends_with('Z');
    Timestamp::parse(&format!("{day}T{time}")).filter(|_| plain && is_api_version(day) && !day.contains("preview"))
}

/// Whether a text is the id of a user-assigned identity.
fn is_identity(text: &str) -> bool {
    let name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let segments: Vec<&str> = text.split('/').collect();
    let [start, scope @ .., providers, namespace, kind, last] = segments.as_slice() else {
        return false;
    };
    let is = |text: &str, word: &str| text.eq_ignore_ascii_case(word);
    start.is_empty()
        && matches!(Scope::parse(&scope.join("/")), Some(Scope::ResourceGroup(..)))
        && is(providers, "providers")
        && is(namespace, "Microsoft.ManagedIdentity")
        && is(kind, "userAssignedIdentities")
        && name(last)
}

/// Whether a text is the id of a resource of that provider and type in a resource group.
fn is_in_group(text: &str, kind: &str) -> bool {
    let segments: Vec<&str> = text.split('/').collect();
    let ["", subscriptions, id, groups, group, providers, provider, ty, name] = segments.as_slice() else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let scope = format!("{subscriptions}/{id}/{groups}/{group}");
    *providers == "providers"
        && Scope::parse(&scope).is_some()
        && format!("{providers}/{provider}/{ty}").eq_ignore_ascii_case(kind)
        && !name.is_empty()
        && name.bytes().all(plain)
}

/// Returns the name that a text is nearly.
pub(super) fn near_name(text: &str) -> Option<String> {
    let name = text.to_lowercase().replace([' ', '_', '.'], "-");
    (name != text && name.len() <= LONGEST_NAME && Format::Name.fits(&name)).then_some(name)
}

/// Returns the GUID in lower case of a built-in definition given by name or by full id.
pub(super) fn definition_name(text: &str) -> Option<String> {
    built_in(text, DEFINITIONS)
}

/// Returns the GUID in lower case of a built-in set definition given by name or by full id.
pub(super) fn set_definition_name(text: &str) -> Option<String> {
    built_in(text, SET_DEFINITIONS)
}

fn built_in(text: &str, prefix: &str) -> Option<String> {
    let same = text
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let name = if same { text.get(prefix.len()..)? } else { text };
    is_guid(name).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "0a000000-0000-4000-8000-00000000000F";

    /// Asserts that check and pattern take some texts and refuse others.
    fn check(format: Format, right: &[&str], wrong: &[&str]) {
        let pattern = format.pattern().map(|pattern| regex_lite::Regex::new(pattern).unwrap());
        let cases = right
            .iter()
            .map(|text| (text, true))
            .chain(wrong.iter().map(|text| (text, false)));
        for (text, expected) in cases {
            let text = text.replace("GUID", GUID);
            assert_eq!(format.mistake(&text).is_none(), expected, "{format:?} {text:?}");
            let short = format.longest().is_none_or(|longest| text.chars().count() <= longest);
            let fits = pattern.as_ref().is_none_or(|pattern| pattern.is_match(&text));
            assert_eq!(short && fits, expected, "the pattern of {format:?} for {text:?}");
        }
    }

    #[test]
    fn checks_and_patterns_agree() {
        let long = "x".repeat(64);
        let longer = "x".repeat(65);
        check(
            Format::Name,
            &["a", "dev-1", &long],
            &["", "1a", "-a", "A", "a_b", "a.b", "é", "a\n", &longer],
        );
        check(Format::Guid, &["GUID"], &["", "x", "GUIDa", "{GUID}"]);
        check(
            Format::Scope,
            &[
                "managementGroups/a.b_(c)",
                "subscriptions/GUID",
                "/subscriptions/GUID/resourceGroups/x",
                "/providers/Microsoft.Management/managementGroups/a",
            ],
            &[
                "",
                "managementGroups/",
                "managementGroups/a.",
                "managementGroups/a/b",
                "subscriptions/x",
                "subscriptions/GUID/",
                "subscriptions/GUID/resourceGroups/",
                "GUID",
            ],
        );
        check(
            Format::DefinitionScope,
            &["managementGroups/a", "/subscriptions/GUID"],
            &["", "subscriptions/GUID/resourceGroups/x"],
        );
        check(
            Format::Period,
            &["7d", "1d12h", "90m", "1d1h1m1s", "0s"],
            &["", "7", "d", "1h1d", "1d1d", "7w", "-1d", "7d "],
        );
        check(
            Format::Percent,
            &["0%", "7%", "30%", "100%"],
            &["", "%", "30", "030%", "101%", "1.5%", "-1%", "30 %"],
        );
        check(
            Format::Namespace,
            &["a", "kube-system", "0"],
            &["", "-a", "a-", "A", "a_b", "a.b", &longer],
        );
        check(
            Format::Pin,
            &["1.*.*", "0.12.*", "1.*.*-preview", "1.2.*-PREVIEW"],
            &[
                "",
                "1",
                "1.2",
                "1.2.3",
                "*.*.*",
                "01.*.*",
                "1.*.3",
                "1.*.*-beta",
                "v1.*.*",
            ],
        );
        check(
            Format::ReferenceId,
            &["a", "No_latest-1", &long],
            &["", "a b", "a.b", &longer],
        );
        check(
            Format::ParameterName,
            &["a", "effect-1_b.c", "_x"],
            &["", "1a", "a b", "a/b"],
        );
        check(Format::TagName, &["team", "cost center", "é"], &["", "a/b", "a?", "<"]);
        check(
            Format::ApiVersion,
            &["2026-05-01", "2022-07-01-preview"],
            &[
                "",
                "2026",
                "2026-13-01",
                "2026-00-01",
                "2026-1-01",
                "2026-01-32",
                "1999-01-01",
                "2026-05-01-beta",
                "2026-05-01 ",
                "+026-05-01",
            ],
        );
        check(
            Format::Moment,
            &["2027-01-31", "2027-01-31T18:00:00Z"],
            &[
                "",
                "2027-1-31",
                "31.01.2027",
                "2027-01-31T18:00Z",
                "2027-01-31T18:00:00+01:00",
                "2027-01-31 18:00:00Z",
            ],
        );
        check(
            Format::ResourceId,
            &[
                "/subscriptions/GUID",
                "/subscriptions/GUID/resourceGroups/a/providers/Microsoft.ContainerService/managedClusters/c",
                "/providers/Microsoft.Management/managementGroups/a",
            ],
            &[
                "",
                "c",
                "subscriptions/GUID",
                "/subscriptions/x",
                "/subscriptions/GUID/",
                "/subscriptions/GUID/a?b",
            ],
        );
        check(
            Format::Location,
            &["westeurope", "eastus2"],
            &["", "West Europe", "2us", "west-europe"],
        );
        let identity =
            "/subscriptions/GUID/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-1";
        check(
            Format::IdentityId,
            &[identity],
            &[
                "",
                "id-1",
                "GUID",
                &identity[1..],
                &identity.replace("rg", "rg."),
                &format!("{identity}/x"),
            ],
        );
        check(
            Format::GroupScope,
            &["subscriptions/GUID", "/subscriptions/GUID/resourceGroups/x"],
            &["", "managementGroups/a", "subscriptions/GUID/resourceGroups/", "GUID"],
        );
        let group = "/subscriptions/GUID/resourcegroups/x/providers";
        let [cluster, workspace] = [
            "Microsoft.ContainerService/managedClusters/c_1",
            "microsoft.operationalinsights/workspaces/w-1",
        ]
        .map(|rest| format!("{group}/{rest}"));
        check(
            Format::Cluster,
            &[
                &cluster,
                &cluster.replace("ContainerService/managed", "Kubernetes/connected"),
            ],
            &["", &workspace, &format!("{cluster}/"), &cluster[1..]],
        );
        check(
            Format::Workspace,
            &[&workspace],
            &["", &cluster, &format!("{workspace}/tables/t")],
        );
        check(
            Format::KubernetesKind,
            &["Pod", "NetworkPolicy", "X509"],
            &["", "*", "pod", "Network-Policy", "Pod "],
        );
        check(
            Format::ApiGroup,
            &["", "apps", "networking.k8s.io"],
            &["*", "Apps", ".io", "apps.", "a..b", "-a", "a b"],
        );
        check(Format::Day, &["2027-01-31"], &["", "2027-1-31", "2027-01-31T18:00:00Z"]);
        check(
            Format::Hours,
            &["09:00-16:30", "00:00-24:00"],
            &["", "9:00-16:30", "09:00", "25:00-26:00"],
        );
        check(
            Format::TimeZone,
            &["Europe/Berlin", "UTC", "Etc/GMT+1"],
            &["", "1", "Europe Berlin"],
        );
        check(
            Format::Definition,
            &["GUID", "/providers/Microsoft.Authorization/policyDefinitions/GUID"],
            &["", "x", "/providers/Microsoft.Authorization/policySetDefinitions/GUID"],
        );
        check(
            Format::SetDefinition,
            &["GUID", "/providers/Microsoft.Authorization/policySetDefinitions/GUID"],
            &["", "x", "/providers/Microsoft.Authorization/policyDefinitions/GUID"],
        );
    }

    #[test]
    fn built_ins_are_named_by_guid_or_id() {
        let id = format!("/providers/microsoft.authorization/POLICYDEFINITIONS/{GUID}");
        assert_eq!(definition_name(&id), Some(GUID.to_lowercase()));
        assert_eq!(set_definition_name(&id), None);
    }
}
