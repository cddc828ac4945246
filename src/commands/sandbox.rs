//! `aksgate sandbox`

mod admit;
mod inside;

use super::context::{Context, interrupted, sandbox_dir};
use super::error::{CommandError, Exit};
use crate::clock::TokioSleeper;
use crate::model::{Period, Timestamp};
use crate::sandbox::faults::Rules;
use crate::sandbox::operator::OperatorError;
use crate::sandbox::serve::{self, ServeOptions, SocketAddr, Told};
use crate::sandbox::{self, SeedOptions, Summary};
use crate::store;
use crate::view::printer::Format;
use clap::builder::PossibleValuesParser;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Look at, reset or serve the embedded sandbox
///
/// The sandbox is a small Azure inside this program. `--sandbox` on any command talks to it; its state lies in
/// .aksgate/sandbox/ of the estate.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aksgate sandbox show
  aksgate sandbox reset --seed 7 --clusters 40
  aksgate sandbox reset --clusters 1000 --subscriptions 50
  aksgate sandbox reset --role Reader
  aksgate sandbox advance 3d
  aksgate sandbox admit aks-prod-weu-01 deployment.yaml
  aksgate sandbox workload add aks-dev-neu-01 agent --flaw privileged
  aksgate sandbox cluster aks-prod-weu-01 --stop-reporting
  aksgate sandbox serve --listen 127.0.0.1:8443
  aksgate sandbox serve --faults faults.json --record traffic.jsonl")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what is in it
    Show,
    /// Start over
    Reset {
        /// Makes another estate for each number
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Make this many clusters instead of the seven that show every condition
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
        clusters: Option<u32>,
        /// Spread the clusters of --clusters over this many subscriptions
        #[arg(long, value_name = "SUBSCRIPTIONS", requires = "clusters", default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=1_000))]
        subscriptions: u32,
        /// Make this many Arc-connected clusters besides
        #[arg(long, value_name = "ARC", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20_000))]
        arc: u32,
        /// Give whoever signs in this role and no other; can be given more than once [default: Owner]
        #[arg(long, value_name = "ROLE", value_parser = PossibleValuesParser::new(sandbox::role_names()), ignore_case = true)]
        role: Vec<String>,
        /// Leave this resource provider unregistered in each subscription; can be given more than once
        #[arg(long, value_name = "NAMESPACE", value_parser = PossibleValuesParser::new(sandbox::namespaces()), ignore_case = true)]
        unregistered: Vec<String>,
    },
    /// Move its clock forward
    Advance {
        /// How far, such as 3d or 20m
        #[arg(value_parser = |text: &str| Period::parse(text).ok_or("write it like `3d` or `1h30m`"))]
        time: Period,
    },
    /// Bring Kubernetes objects to a cluster and see what its admission says; nothing is changed
    ///
    /// The exit code is 0 if all are allowed, 2 if one is denied or the Pods are that a workload makes later.
    Admit {
        /// The name or the id of the cluster
        cluster: String,
        /// Files with objects or AdmissionReviews, in YAML or JSON; `-` is the standard input
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Deploy, mend or remove workloads in its clusters
    Workload {
        #[command(subcommand)]
        command: inside::WorkloadCommand,
    },
    /// Stop or start a cluster, or the reports of its add-on
    Cluster {
        /// The name or the id of the cluster
        cluster: String,
        #[command(flatten)]
        switch: inside::SwitchArgs,
    },
    /// Raise or close alerts of Defender about its clusters
    Alert {
        #[command(subcommand)]
        command: inside::AlertCommand,
    },
    /// Bring a constraint template of somebody else into a cluster, so that Azure's of that name is in conflict
    Conflict {
        /// The name or the id of the cluster
        cluster: String,
        /// The kind of the template's constraints, such as K8sAzureV2ContainerNoPrivilege
        #[arg(long, value_name = "KIND")]
        template: String,
        /// Take it away again
        #[arg(long)]
        end: bool,
    },
    /// Print the constraint templates and constraints of a cluster, as `kubectl get -o json` does
    Dump {
        /// The name or the id of the cluster
        cluster: String,
    },
    /// Serve it over TLS to any client, in a process of its own
    Serve {
        /// Listen here; port 0 takes a free one
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Add each exchange to this file as a line of JSON, without tokens
        #[arg(long, value_name = "FILE")]
        record: Option<PathBuf>,
        /// Let each answer take this many milliseconds more
        #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3_600_000))]
        latency: u64,
        /// Keep to the limits of Azure Resource Manager and Resource Graph, and answer 429 beyond them
        #[arg(long)]
        quotas: bool,
        /// Answer wrongly on purpose, by the rules of this JSON file (docs/sandbox.md)
        #[arg(long, value_name = "FILE")]
        faults: Option<PathBuf>,
    },
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<Exit, CommandError> {
    let folder = sandbox_dir(&context.estate_dir()?);
    match &args.command {
        Command::Show => {
            let summary = sandbox::summary(&folder).map_err(|error| failed(&error))?;
            print(context, "show", &summary);
        }
        Command::Reset {
            seed,
            clusters,
            subscriptions,
            arc,
            role,
            unregistered,
        } => {
            let clusters = clusters.and_then(|count| usize::try_from(count).ok());
            let options = SeedOptions {
                seed: *seed,
                clusters,
                subscriptions: usize::try_from(*subscriptions).unwrap_or_default(),
                arc: usize::try_from(*arc).unwrap_or_default(),
                entropy: 0,
                roles: role.clone(),
                unregistered: unregistered.clone(),
            };
            let summary = sandbox::reset(&folder, &options).map_err(|error| failed(&error))?;
            print(context, "reset", &summary);
        }
        Command::Advance { time } => {
            let now = sandbox::advance(&folder, time.seconds()).map_err(|error| failed(&error))?;
            advanced(context, Timestamp::from_seconds(now));
        }
        Command::Admit { cluster, files } => return admit::run(context, &folder, cluster, files),
        Command::Workload { command } => return inside::workload(context, &folder, command),
        Command::Cluster { cluster, switch } => return inside::switch(context, &folder, cluster, switch),
        Command::Alert { command } => return inside::alert(context, &folder, command),
        Command::Conflict { cluster, template, end } => {
            return inside::conflict(context, &folder, cluster, template, *end);
        }
        Command::Dump { cluster } => return inside::dump(context, &folder, cluster),
        Command::Serve {
            listen,
            record,
            latency,
            quotas,
            faults,
        } => {
            let options = ServeOptions {
                directory: folder,
                listen: *listen,
                record: record.clone(),
                latency: Duration::from_millis(*latency),
                quotas: *quotas,
                faults: faults.as_deref().map(read_faults).transpose()?.unwrap_or_default(),
            };
            serve(context, options).await?;
        }
    }
    Ok(Exit::Done)
}

fn failed(error: &dyn std::error::Error) -> CommandError {
    CommandError::failed("the sandbox failed").caused_by(error)
}

fn operator_error(error: &OperatorError) -> CommandError {
    match error {
        OperatorError::NoCluster { known, .. } => {
            let mut names: Vec<&str> = known.iter().take(10).map(String::as_str).collect();
            if names.len() < known.len() {
                names.push("…");
            }
            CommandError::failed(error.to_string()).hint(format!("there are {}", names.join(", ")))
        }
        OperatorError::Refused(_) => CommandError::failed(error.to_string()),
        OperatorError::Door(_) => failed(error),
    }
}

fn advanced(context: &Context, now: Timestamp) {
    let text = match context.printer.format {
        Format::Json => {
            let document =
                json!({"formatVersion": 1, "command": "sandbox advance", "outcome": "done", "now": now.to_string()});
            format!("{document:#}")
        }
        _ => format!("The sandbox's clock stands at {now}."),
    };
    context.printer.data(&text);
}

/// Reads the file of `--faults`.
fn read_faults(path: &Path) -> Result<Rules, CommandError> {
    let unreadable = || CommandError::failed(format!("cannot read `{}`", path.display()));
    let bytes = store::read(path).map_err(|error| unreadable().caused_by(&error))?;
    let bytes = bytes.ok_or_else(|| unreadable().hint("there is no such file"))?;
    Rules::parse(&bytes).map_err(|problems| {
        let error = CommandError::failed(format!("`{}` is no file of faults", path.display()));
        let error = problems.into_iter().fold(error, CommandError::detail);
        error.hint("docs/sandbox.md lists rules and actions; schema/sandbox-faults.schema.json is for editors")
    })
}

async fn serve(context: &Context, options: ServeOptions) -> Result<(), CommandError> {
    let tell = |told: Told<'_>| {
        let listening = match told {
            Told::Listening(listening) => listening,
            Told::Held(request) => return held(context, request),
        };
        let file = listening.authority_file.display();
        let text = match context.printer.format {
            Format::Json => {
                let document = json!({"formatVersion": 1, "command": "sandbox serve", "outcome": "listening",
                                      "resourceManager": listening.url, "caFile": file.to_string()});
                document.to_string()
            }
            _ => format!(
                "Serving the sandbox at {}
Its certificate authority is {file}",
                listening.url
            ),
        };
        context.printer.data(&text);
    };
    let stop = async {
        if !interrupted().await {
            std::future::pending::<()>().await;
        }
    };
    serve::serve(options, Arc::new(TokioSleeper), tell, stop)
        .await
        .map_err(|error| failed(&error))
}

fn held(context: &Context, request: &str) {
    let text = match context.printer.format {
        Format::Json => {
            json!({"formatVersion": 1, "command": "sandbox serve", "outcome": "held", "request": request}).to_string()
        }
        _ => format!("Held {request}"),
    };
    context.printer.data(&text);
}

fn print(context: &Context, command: &str, summary: &Summary) {
    let printer = &context.printer;
    let now = Timestamp::from_seconds(summary.now);
    if printer.format == Format::Json {
        let clusters: Vec<Value> = summary
            .clusters
            .iter()
            .map(|cluster| {
                json!({"id": cluster.id, "location": cluster.location, "powerState": cluster.power,
                       "provisioningState": cluster.provisioning, "policyAddon": cluster.addon})
            })
            .collect();
        let document = json!({
            "formatVersion": 1,
            "command": format!("sandbox {command}"),
            "outcome": "done",
            "instance": summary.instance,
            "seed": summary.seed,
            "now": now.to_string(),
            "tenant": summary.tenant,
            "subscriptions": summary.subscriptions.iter().map(|(id, name, group)| json!({"id": id, "name": name, "managementGroup": group})).collect::<Vec<_>>(),
            "clusters": clusters,
            "assignments": summary.assignments,
            "customDefinitions": summary.definitions,
            "defender": summary.defender.iter().map(|(id, tier)| json!({"subscription": id, "tier": tier})).collect::<Vec<_>>(),
        });
        printer.data(&crate::view::text::json(&document));
        return;
    }
    let mut text = format!("Sandbox {} at {now}, seed {}\n\n", summary.instance, summary.seed);
    for (name, above) in &summary.management_groups {
        let above = above.as_deref().map(|above| format!(" in {above}")).unwrap_or_default();
        text.push_str(&format!("  management group {name}{above}\n"));
    }
    for (id, name, group) in summary.subscriptions.iter().take(50) {
        text.push_str(&format!("  subscription {name} ({id}) in {group}\n"));
    }
    if summary.subscriptions.len() > 50 {
        text.push_str(&format!(
            "  and {} subscriptions more\n",
            summary.subscriptions.len() - 50
        ));
    }
    text.push('\n');
    for cluster in summary.clusters.iter().take(50) {
        let name = cluster.id.rsplit('/').next().unwrap_or_default();
        let addon = if cluster.addon { "add-on on" } else { "add-on off" };
        text.push_str(&format!(
            "  cluster {name}: {}, {}, {}, {addon}\n",
            cluster.location, cluster.power, cluster.provisioning
        ));
    }
    if summary.clusters.len() > 50 {
        text.push_str(&format!("  and {} clusters more\n", summary.clusters.len() - 50));
    }
    text.push_str(&format!(
        "\n{} clusters, {} policy assignments, {} custom definitions.",
        summary.clusters.len(),
        summary.assignments.len(),
        summary.definitions
    ));
    printer.data(&text);
}
