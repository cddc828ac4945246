//! `aksgate egress`

use super::context::{Connection, Context, arm_error};
use super::error::{CommandError, Exit};
use crate::diagnostic::did_you_mean;
use crate::egress::{AddressRange, Allowed, Cluster, Firewall, Judge, Path, check, needs, rules};
use crate::model::ResourceId;
use crate::observe::{egress_clusters, firewall_rules};
use crate::store;
use crate::view::egress::{self as view, Checked, Egress, Language};
use crate::view::printer::{Format, Verbosity};
use crate::view::text::json;
use std::path::{Path as FilePath, PathBuf};

/// Show what has to leave the clusters so that gates and sensor work, and whether a firewall lets it
///
/// Names and ports that each cluster needs for what the environment turns on (Azure Policy add-on, Defender sensor), next to how its
/// traffic leaves. Clusters whose traffic may be filtered are counted: those with user-defined routing, an HTTP proxy, no way out, or
/// one that Azure does not tell. --check compares with an Azure Firewall policy, --check-file with a list of names; the exit code is
/// 2 if something does not surely get through. Nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate egress prod --sandbox
  aksgate egress prod --as bicep --source 10.20.0.0/16 > egress.bicep
  aksgate egress prod --check /subscriptions/.../providers/Microsoft.Network/firewallPolicies/hub
  aksgate egress prod --check-file proxy-names.txt --format json")]
pub(super) struct Args {
    /// The environment
    env: String,
    /// Look at this cluster only, by name or id; can be given more than once
    #[arg(long, value_name = "CLUSTER")]
    cluster: Vec<String>,
    /// Count every cluster, also those whose traffic leaves as it is
    #[arg(long)]
    all: bool,
    /// Compare with the rules of this Azure Firewall policy, and of those that it inherits from
    #[arg(long, value_name = "POLICY_ID", conflicts_with = "check_file")]
    check: Option<String>,
    /// Compare with the names in this file, one NAME or NAME:PORT a line
    #[arg(long, value_name = "FILE")]
    check_file: Option<PathBuf>,
    /// Take the clusters' traffic as coming from these addresses, such as 10.20.0.0/16; can be given more than once
    #[arg(long, value_name = "CIDR", value_parser = |text: &str| AddressRange::parse(text).ok_or("write it like `10.20.0.0/16`"))]
    source: Vec<AddressRange>,
    /// Print rules for Azure Firewall instead that let all of it through
    #[arg(long = "as", value_name = "LANGUAGE", value_enum)]
    language: Option<LanguageChoice>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum LanguageChoice {
    /// A Bicep file
    Bicep,
    /// Commands of the Azure CLI
    Az,
}

/// Something to compare with: what it is, how many entries it has, and how many of them were not judged.
struct Against {
    name: String,
    judge: Box<dyn Judge + Send + Sync>,
    entries: usize,
    unjudged: usize,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    if args.language.is_some() && context.printer.format != Format::Human {
        return Err(CommandError::usage("`--as` prints rules, which have one form only")
            .hint("leave out `--format`; in JSON the rules stand under `rules`"));
    }
    let loaded = context.estate()?;
    let environment = loaded.environment(&args.env)?;
    // What cannot be read here is told before the first call.
    let listed = args.check_file.as_deref().map(allowed).transpose()?;
    let policy = args.check.as_deref().map(policy_id).transpose()?;
    let connection = context.connect(&loaded.dir, environment)?;
    let found = egress_clusters(&connection.client, &loaded.estate, environment)
        .await
        .map_err(|error| arm_error(&error))?;
    let clusters = chosen(found, &args.cluster)?;
    let against = match policy {
        Some(policy) => Some(firewall(&connection, &policy, args.source.clone()).await?),
        None => listed,
    };
    let counted: Vec<&Cluster> = clusters
        .iter()
        .filter(|cluster| args.all || cluster.outbound.path() != Path::Open)
        .collect();
    let needs = needs(environment.cloud, counted.iter().copied());
    let checked = against.map(|against| Checked {
        check: check(environment.cloud, &counted, &*against.judge),
        against: against.name,
        entries: against.entries,
        unjudged: against.unjudged,
        sources: !args.source.is_empty(),
    });
    // All of them, whatever gets through already: deployed again under the same name, they take nothing away.
    let rules = rules(needs.iter());
    let (exit, outcome) = match &checked {
        Some(checked) if !checked.check.is_well() => (Exit::Pending, "missing"),
        _ => (Exit::Done, Exit::Done.outcome()),
    };
    let egress = Egress {
        environment: environment.name.clone(),
        scope: environment.scope.to_string(),
        endpoint: connection.endpoint.clone(),
        cloud: environment.cloud.name(),
        clusters: &clusters,
        counted: &counted,
        needs: &needs,
        rules: &rules,
        checked,
    };
    print(context, args, &egress, (outcome, exit));
    Ok(exit)
}

fn print(context: &Context, args: &Args, egress: &Egress<'_>, (outcome, exit): (&str, Exit)) {
    let printer = &context.printer;
    if let Some(choice) = args.language {
        let language = match choice {
            LanguageChoice::Bicep => Language::Bicep,
            LanguageChoice::Az => Language::Az,
        };
        return printer.data(&view::script(egress, language, &args.source));
    }
    match printer.format {
        Format::Human => {
            printer.data(&view::human(
                egress,
                printer.layout(),
                printer.verbosity == Verbosity::Verbose,
            ));
        }
        Format::Markdown => printer.data(&view::to_markdown(egress)),
        Format::Json => printer.data(&json(&view::to_json(egress, outcome, exit.code()))),
    }
}

/// Returns the clusters of these names or ids; all if none is named.
fn chosen(found: Vec<Cluster>, asked: &[String]) -> Result<Vec<Cluster>, CommandError> {
    let is = |cluster: &Cluster, asked: &String| {
        cluster.id.name().eq_ignore_ascii_case(asked) || cluster.id.as_str().eq_ignore_ascii_case(asked)
    };
    if let Some(unknown) = asked
        .iter()
        .find(|asked| !found.iter().any(|cluster| is(cluster, asked)))
    {
        let error = CommandError::failed(format!("there is no cluster `{unknown}` in the environment's scope"));
        let names = found.iter().map(|cluster| cluster.id.name());
        return Err(match did_you_mean(unknown, names) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`aksgate egress` without `--cluster` shows all of them"),
        });
    }
    let is_asked = |cluster: &Cluster| asked.is_empty() || asked.iter().any(|asked| is(cluster, asked));
    Ok(found.into_iter().filter(is_asked).collect())
}

fn policy_id(text: &str) -> Result<ResourceId, CommandError> {
    let id = ResourceId::parse(text).filter(|id| {
        id.key().contains("/providers/microsoft.network/firewallpolicies/")
            && id.value_of("firewallPolicies") == Some(id.name())
    });
    id.ok_or_else(|| {
        CommandError::usage(format!("`{text}` is not the id of an Azure Firewall policy")).hint(
            "write it like `/subscriptions/<guid>/resourceGroups/<group>/providers/Microsoft.Network/firewallPolicies/<name>`",
        )
    })
}

async fn firewall(
    connection: &Connection,
    policy: &ResourceId,
    sources: Vec<AddressRange>,
) -> Result<Against, CommandError> {
    let groups = firewall_rules(&connection.client, policy)
        .await
        .map_err(|error| arm_error(&error))?;
    let firewall = Firewall::parse(&groups, sources)
        .map_err(|error| CommandError::failed("the firewall policy cannot be judged").caused_by(&error))?;
    Ok(Against {
        name: policy.as_str().to_owned(),
        entries: firewall.rules(),
        unjudged: firewall.unjudged(),
        judge: Box::new(firewall),
    })
}

fn allowed(path: &FilePath) -> Result<Against, CommandError> {
    let unreadable = || CommandError::failed(format!("cannot read `{}`", path.display()));
    let bytes = store::read(path).map_err(|error| unreadable().caused_by(&error))?;
    let bytes = bytes.ok_or_else(|| unreadable().hint("there is no such file"))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable().hint("it is not text in UTF-8"))?;
    let allowed = Allowed::parse(&text).map_err(|wrong| {
        let error = CommandError::failed(format!("`{}` is no list of names", path.display()));
        let lines = wrong.into_iter().take(10);
        let error = lines.fold(error, |error, (line, text)| {
            error.detail(format!("line {line}: `{text}`"))
        });
        error.hint(
            "write `NAME` or `NAME:PORT` a line, such as `*.ods.opinsights.azure.com:443`; a remark starts with `#`",
        )
    })?;
    Ok(Against {
        name: path.display().to_string(),
        entries: allowed.len(),
        unjudged: 0,
        judge: Box::new(allowed),
    })
}
