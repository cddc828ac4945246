//! Rules for Azure Firewall: a Bicep file, or commands of the Azure CLI.
//!
//! What goes into either is a name of the facts with a region in it, a name of a rule, or an address: each is quoted all the same.

use super::{Egress, closing};
use crate::egress::{AddressRange, ApplicationRule};
use crate::view::text::plain;
use std::fmt::Write as _;

/// The language that rules are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// A Bicep file.
    Bicep,
    /// Commands of the Azure CLI, for a POSIX shell.
    Az,
}

/// The api-version that the Bicep file asks for.
const VERSION: &str = "2024-05-01";

/// Returns the rules; `sources` are the addresses that traffic comes from, none for what the reader has to fill in.
pub fn script(egress: &Egress<'_>, language: Language, sources: &[AddressRange]) -> String {
    let sign = match language {
        Language::Bicep => "//",
        Language::Az => "#",
    };
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{sign} What has to get through for the clusters of environment {} ({})",
        plain(&egress.environment),
        plain(&egress.scope)
    );
    let _ = writeln!(out, "{sign} {}", plain(&closing(egress)));
    if egress.rules.is_empty() {
        let _ = writeln!(out, "{sign} There is no rule to add.");
        return out;
    }
    let name = format!("aksgate-{}", egress.environment);
    match language {
        Language::Bicep => bicep(&mut out, &name, egress.rules, sources),
        Language::Az => az(&mut out, &name, egress.rules, sources),
    }
    out
}

/// A string of Bicep.
pub(super) fn bicep_text(text: &str) -> String {
    let mut out = String::from("'");
    for c in plain(text).chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '$' => out.push_str("\\$"),
            c => out.push(c),
        }
    }
    out + "'"
}

/// A word of a shell.
pub(super) fn shell_text(text: &str) -> String {
    format!("'{}'", plain(text).replace('\'', "'\\''"))
}

fn bicep(out: &mut String, name: &str, rules: &[ApplicationRule], sources: &[AddressRange]) {
    let default = match sources {
        [] => String::new(),
        some => {
            let some: Vec<String> = some.iter().map(|range| bicep_text(range.as_str())).collect();
            format!(" = [{}]", some.join(", "))
        }
    };
    let _ = write!(
        out,
        "
@description('The firewall policy that gets the rules.')
param policyName string

@description('The addresses of the subnets that the clusters\\' nodes are in.')
param sourceAddresses array{default}

@description('Lower numbers come first; a group that denies has to come later.')
param priority int = 300

resource policy 'Microsoft.Network/firewallPolicies@{VERSION}' existing = {{
  name: policyName
}}

resource egress 'Microsoft.Network/firewallPolicies/ruleCollectionGroups@{VERSION}' = {{
  parent: policy
  name: {name}
  properties: {{
    priority: priority
    ruleCollections: [
      {{
        ruleCollectionType: 'FirewallPolicyFilterRuleCollection'
        name: {name}
        priority: 100
        action: {{
          type: 'Allow'
        }}
        rules: [
",
        name = bicep_text(name)
    );
    for rule in rules {
        let names: Vec<String> = rule
            .names
            .iter()
            .map(|name| format!("              {}\n", bicep_text(name)))
            .collect();
        let _ = write!(
            out,
            "          {{
            ruleType: 'ApplicationRule'
            name: {}
            protocols: [
              {{
                protocolType: '{}'
                port: {}
              }}
            ]
            targetFqdns: [
{}            ]
            sourceAddresses: sourceAddresses
          }}
",
            bicep_text(&rule.name),
            rule.protocol.name(),
            rule.port,
            names.concat()
        );
    }
    out.push_str("        ]\n      }\n    ]\n  }\n}\n");
}

fn az(out: &mut String, name: &str, rules: &[ApplicationRule], sources: &[AddressRange]) {
    let sources: Vec<String> = sources.iter().map(|range| shell_text(range.as_str())).collect();
    let _ = writeln!(out, "set -eu");
    let _ = writeln!(
        out,
        ": \"${{POLICY:?the name of the firewall policy}}\" \"${{GROUP:?its resource group}}\""
    );
    if sources.is_empty() {
        let _ = writeln!(
            out,
            ": \"${{SOURCES:?the addresses of the subnets that the nodes are in, separated by blanks}}\""
        );
    }
    let name = shell_text(name);
    let _ = writeln!(
        out,
        "\naz network firewall policy rule-collection-group create --resource-group \"$GROUP\" --policy-name \"$POLICY\" \\
  --name {name} --priority \"${{PRIORITY:-300}}\""
    );
    for (index, rule) in rules.iter().enumerate() {
        let (command, collection) = match index {
            0 => (
                "collection add-filter-collection",
                format!(
                    "--name {name} --collection-priority 100 --action Allow --rule-name {}",
                    shell_text(&rule.name)
                ),
            ),
            _ => (
                "collection rule add",
                format!("--collection-name {name} --name {}", shell_text(&rule.name)),
            ),
        };
        let names: Vec<String> = rule.names.iter().map(|name| shell_text(name)).collect();
        let from = match sources.as_slice() {
            [] => "$SOURCES".to_owned(),
            some => some.join(" "),
        };
        let _ = writeln!(
            out,
            "\naz network firewall policy rule-collection-group {command} --resource-group \"$GROUP\" --policy-name \"$POLICY\" \\
  --rule-collection-group-name {name} {collection} \\
  --rule-type ApplicationRule --protocols {}={} --source-addresses {from} \\
  --target-fqdns {}",
            rule.protocol.name(),
            rule.port,
            names.join(" ")
        );
    }
}
