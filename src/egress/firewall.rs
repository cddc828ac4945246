//! The rules of an Azure Firewall policy, in the order in which Azure Firewall looks at them.
//!
//! Network rules come before application rules, those of a parent policy before its child's, then groups and collections by priority;
//! the first that matches decides, and what no rule matches is stopped (learn.microsoft.com/azure/firewall/rule-processing).

use super::check::{Answer, Judge, Verdict};
use super::facts::Endpoint;
use super::name::NamePattern;
use super::range::AddressRange;
use serde_json::Value;
use thiserror::Error;

/// The rules of a firewall policy and of those that it inherits from, and where the clusters' traffic comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Firewall {
    network: Vec<Rule>,
    application: Vec<Rule>,
    sources: Vec<AddressRange>,
}

/// A rule group that is not of the form that is known.
#[derive(Debug, Error)]
#[error("the rule collection group `{group}` is not of the form that is known: {why}")]
pub struct FirewallError {
    /// Its name.
    pub group: String,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    /// `GROUP/COLLECTION/RULE`.
    name: String,
    allows: bool,
    names: Vec<NamePattern>,
    /// FQDN tags.
    tags: Vec<String>,
    /// Whether it is about every destination.
    everywhere: bool,
    /// Whether it names destinations that cannot be compared with host names: addresses, service tags, categories, URLs.
    elsewhere: bool,
    /// First and last port.
    ports: Vec<(u16, u16)>,
    /// Names of protocols in lower case; none for network rules, which were checked for TCP.
    protocol: Vec<(String, u16)>,
    sources: Vec<AddressRange>,
    /// Whether it names sources by IP groups, or in a form that is not known.
    other_sources: bool,
}

/// Whether a rule is about the clusters' traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    All,
    Some,
    None,
}

impl Firewall {
    /// Reads the rule collection groups of policies, the outermost parent first; `sources` are the addresses of the clusters, none
    /// for any.
    ///
    /// # Errors
    /// A group without what its form asks for: a rule that is not seen could deny.
    pub fn parse(policies: &[Vec<Value>], sources: Vec<AddressRange>) -> Result<Firewall, FirewallError> {
        let mut firewall = Firewall {
            sources,
            ..Firewall::default()
        };
        for groups in policies {
            let mut groups: Vec<&Value> = groups.iter().collect();
            groups.sort_by_key(|group| priority(group.get("properties")));
            for group in groups {
                firewall.read_group(group)?;
            }
        }
        Ok(firewall)
    }

    fn read_group(&mut self, group: &Value) -> Result<(), FirewallError> {
        let group_name = text(group, "name");
        let wrong = |why: &str| FirewallError {
            group: group_name.clone(),
            why: why.to_owned(),
        };
        let properties = group.get("properties").ok_or_else(|| wrong("it has no properties"))?;
        let mut collections = list(properties, "ruleCollections").map_err(wrong)?;
        collections.sort_by_key(|collection| priority(Some(collection)));
        for collection in collections {
            match text(collection, "ruleCollectionType").as_str() {
                "FirewallPolicyFilterRuleCollection" => {}
                // It is about traffic that comes in.
                "FirewallPolicyNatRuleCollection" => continue,
                _ => return Err(wrong("a rule collection has an unknown type")),
            }
            let allows = match collection.pointer("/action/type").and_then(Value::as_str) {
                Some(word) if word.eq_ignore_ascii_case("Allow") => true,
                Some(word) if word.eq_ignore_ascii_case("Deny") => false,
                _ => return Err(wrong("a rule collection neither allows nor denies")),
            };
            for rule in list(collection, "rules").map_err(wrong)? {
                let name = format!("{group_name}/{}/{}", text(collection, "name"), text(rule, "name"));
                match text(rule, "ruleType").as_str() {
                    "ApplicationRule" => self
                        .application
                        .push(application_rule(name, allows, rule).map_err(wrong)?),
                    "NetworkRule" => self.network.extend(network_rule(name, allows, rule).map_err(wrong)?),
                    _ => return Err(wrong("a rule has an unknown type")),
                }
            }
        }
        Ok(())
    }

    /// Returns how many rules there are of traffic that leaves.
    pub fn rules(&self) -> usize {
        self.network.len() + self.application.len()
    }

    /// Returns how many rules name destinations that cannot be compared with host names: these neither allow nor deny here.
    pub fn unjudged(&self) -> usize {
        let all = self.network.iter().chain(&self.application);
        all.filter(|rule| rule.elsewhere).count()
    }

    fn origin(&self, rule: &Rule) -> From {
        let has = |wanted: &AddressRange| rule.sources.iter().any(|range| range.covers(wanted));
        let touches = |wanted: &AddressRange| rule.sources.iter().any(|range| range.meets(wanted));
        match () {
            () if rule.sources.iter().any(AddressRange::is_all) => From::All,
            () if self.sources.is_empty() => From::All,
            () if self.sources.iter().all(has) => From::All,
            () if rule.other_sources || self.sources.iter().any(touches) => From::Some,
            () => From::None,
        }
    }
}

impl Judge for Firewall {
    fn judge(&self, endpoint: &Endpoint, wanted: &NamePattern) -> Answer {
        let answer = |verdict, because: String| Answer { verdict, because };
        let mut narrower = Vec::new();
        let mut unsure = None;
        for rule in self.network.iter().chain(&self.application) {
            let at_port =
                rule.ports
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&endpoint.port))
                    || rule.protocol.iter().any(|(name, port)| {
                        *port == endpoint.port && name.eq_ignore_ascii_case(endpoint.protocol.name())
                    });
            let from = self.origin(rule);
            if !at_port || from == From::None {
                continue;
            }
            let tagged = endpoint
                .in_tag
                .as_ref()
                .is_some_and(|tag| rule.tags.iter().any(|known| known.eq_ignore_ascii_case(tag)));
            let covers = rule.everywhere || tagged || rule.names.iter().any(|name| name.covers(wanted));
            let meets = covers || rule.names.iter().any(|name| name.meets(wanted));
            match (rule.allows, covers, from) {
                // Whoever stops a part of it stops what may be needed.
                (false, ..) if meets => return answer(Verdict::Denied, rule.name.clone()),
                (true, true, From::All) => {
                    // Something before it may have limited it to some of the clusters; those are let through by then.
                    return answer(Verdict::Allowed, rule.name.clone());
                }
                (true, true, _) => {
                    let why = format!("`{}` does not surely hold for the clusters' addresses", rule.name);
                    unsure.get_or_insert(why);
                }
                (true, false, _) => {
                    let within = rule.names.iter().filter(|name| wanted.covers(name));
                    narrower.extend(within.map(NamePattern::to_string));
                }
                _ => {}
            }
        }
        match unsure {
            Some(why) => answer(Verdict::Unknown, why),
            None => Answer::narrower_or_missing(&narrower),
        }
    }
}

fn application_rule(name: String, allows: bool, rule: &Value) -> Result<Rule, &'static str> {
    let mut protocol = Vec::new();
    for entry in list(rule, "protocols")? {
        let port = entry.get("port").and_then(Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok());
        protocol.push((text(entry, "protocolType"), port.ok_or("a protocol has no port")?));
    }
    let (names, unread) = patterns(&texts(rule, "targetFqdns")?);
    let categories = texts(rule, "webCategories")?;
    let urls = texts(rule, "targetUrls")?;
    let (sources, other_sources) = sources(rule)?;
    Ok(Rule {
        name,
        allows,
        everywhere: false,
        elsewhere: unread || !categories.is_empty() || !urls.is_empty(),
        tags: texts(rule, "fqdnTags")?,
        names,
        ports: Vec::new(),
        protocol,
        sources,
        other_sources,
    })
}

/// Reads a network rule; none if it is not about TCP.
fn network_rule(name: String, allows: bool, rule: &Value) -> Result<Option<Rule>, &'static str> {
    let protocols = texts(rule, "ipProtocols")?;
    let is_tcp = |word: &String| word.eq_ignore_ascii_case("TCP") || word.eq_ignore_ascii_case("Any");
    if !protocols.iter().any(is_tcp) {
        return Ok(None);
    }
    let mut ports = Vec::new();
    for range in texts(rule, "destinationPorts")? {
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (0, u16::MAX),
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(&range)?, port(&range)?),
        };
        ports.push((first, last));
    }
    let addresses = texts(rule, "destinationAddresses")?;
    let everything = |text: &String| AddressRange::parse(text).is_some_and(|range| range.is_all());
    let everywhere = addresses.iter().any(everything);
    let (names, unread) = patterns(&texts(rule, "destinationFqdns")?);
    let groups = texts(rule, "destinationIpGroups")?;
    let (sources, other_sources) = sources(rule)?;
    Ok(Some(Rule {
        name,
        allows,
        everywhere,
        elsewhere: unread || !everywhere && !addresses.is_empty() || !groups.is_empty(),
        tags: Vec::new(),
        names,
        ports,
        protocol: Vec::new(),
        sources,
        other_sources,
    }))
}

/// The ranges that a rule takes traffic from, and whether there are others that cannot be compared.
fn sources(rule: &Value) -> Result<(Vec<AddressRange>, bool), &'static str> {
    let written = texts(rule, "sourceAddresses")?;
    let ranges: Vec<AddressRange> = written.iter().filter_map(|text| AddressRange::parse(text)).collect();
    let others = ranges.len() < written.len() || !texts(rule, "sourceIpGroups")?.is_empty();
    Ok((ranges, others))
}

/// The patterns among texts, and whether there are others.
fn patterns(texts: &[String]) -> (Vec<NamePattern>, bool) {
    let read: Vec<NamePattern> = texts.iter().filter_map(|text| NamePattern::parse(text)).collect();
    let unread = read.len() < texts.len();
    (read, unread)
}

fn port(text: &str) -> Result<u16, &'static str> {
    text.trim().parse().map_err(|_| "a port is no number")
}

/// The priority of a group or collection: lower numbers come first.
fn priority(of: Option<&Value>) -> u64 {
    let number = of.and_then(|of| of.get("priority")).and_then(Value::as_u64);
    number.unwrap_or(u64::MAX)
}

fn text(of: &Value, key: &str) -> String {
    of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'a>(of: &'a Value, key: &str) -> Result<Vec<&'a Value>, &'static str> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.iter().collect()),
        Some(_) => Err("a list is none"),
    }
}

fn texts(of: &Value, key: &str) -> Result<Vec<String>, &'static str> {
    let read = |item: &Value| item.as_str().map(str::to_owned).ok_or("a list has more than texts");
    list(of, key)?.into_iter().map(read).collect()
}
