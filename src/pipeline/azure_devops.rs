//! Pipelines for Azure Pipelines.
//!
//! Each job signs in by a service connection with workload identity federation, and no value that a person types stands in a script: it
//! comes in by a variable.

use super::{MADE_BY, PipelineFile, Wanted, fill, in_order, is_approved, sources, tenant_suffix};
use crate::config::Environment;

/// Returns the pipelines.
pub(super) fn files(wanted: Wanted<'_>) -> Vec<PipelineFile> {
    vec![
        PipelineFile {
            path: ".azure-pipelines/aksgate-plan.yml",
            text: plan(wanted),
        },
        PipelineFile {
            path: ".azure-pipelines/aksgate-apply.yml",
            text: apply(wanted),
        },
        PipelineFile {
            path: ".azure-pipelines/aksgate-watch.yml",
            text: watch(wanted),
        },
    ]
}

fn plan(wanted: Wanted<'_>) -> String {
    let mut text = fill(
        PLAN_HEAD,
        &[
            ("made-by", MADE_BY),
            ("branch", wanted.branch),
            ("paths", &paths(wanted.folder)),
            ("setup", &setup(wanted)),
            ("folder", folder(wanted)),
        ],
    );
    for environment in in_order(wanted.estate) {
        text.push_str(&of_environment(wanted, environment, PLAN_JOB));
    }
    text
}

fn apply(wanted: Wanted<'_>) -> String {
    let environments = in_order(wanted.estate);
    let names: String = environments
        .iter()
        .map(|environment| format!("- {}\n", environment.name))
        .collect();
    let mut text = fill(
        APPLY_HEAD,
        &[
            ("made-by", MADE_BY),
            ("branch", wanted.branch),
            ("paths", &paths(wanted.folder)),
            ("environments", &names),
        ],
    );
    for environment in environments {
        let stages = apply_stages(is_approved(environment));
        text.push_str(&of_environment(wanted, environment, &stages));
    }
    text
}

fn watch(wanted: Wanted<'_>) -> String {
    let mut text = fill(WATCH_HEAD, &[("made-by", MADE_BY), ("branch", wanted.branch)]);
    let command = |title: &str, condition: &str, script: &str| {
        fill(
            WATCH_STEP,
            &[("title", title), ("condition", condition), ("script", script)],
        )
    };
    let steps = [
        command("Drift", "succeeded()", DRIFT),
        command("Coverage", WATCHING, COVERAGE),
        command("Compliance", WATCHING, COMPLIANCE),
        command("Report", WATCHING, REPORT),
    ];
    let job = fill(WATCH_JOB, &[("steps", &steps.concat()), ("watching", WATCHING)]);
    for environment in in_order(wanted.estate) {
        text.push_str(&of_environment(wanted, environment, &job));
    }
    text
}

/// The stages that apply: where somebody has to approve, one that saves the plan goes before.
fn apply_stages(is_approved: bool) -> String {
    let plan = |connection, artifact| fill(MAKE_PLAN, &[("connection", connection), ("artifact", artifact)]);
    let apply = |when, plan, file| fill(APPLY_STAGE, &[("when", when), ("plan", plan), ("file", file)]);
    match is_approved {
        true => {
            let saved = fill(
                SAVED_PLAN_STAGE,
                &[("plan", &plan("aksgate-plan@tenant@", "plan-@env@"))],
            );
            let fetched = "$PIPELINE_WORKSPACE/plan-@env@/@env@.plan.json";
            saved + &apply(AFTER_PLAN, FETCH_PLAN, fetched)
        }
        false => {
            let made = plan("aksgate-apply-@env@", "plan-@env@-$(System.StageAttempt)");
            apply(AFTER_SOURCE, &made, "@env@.plan.json")
        }
    }
}

/// The jobs of one environment.
fn of_environment(wanted: Wanted<'_>, environment: &Environment, jobs: &str) -> String {
    let source = environment.rollout.promotes_from.as_deref();
    let after = source.map_or_else(|| "[]".to_owned(), |source| format!("apply_{}", word(source)));
    let tenant = tenant_suffix(wanted.estate, environment)
        .to_lowercase()
        .replace('_', "-");
    fill(
        jobs,
        &[
            ("env", &environment.name),
            ("word", &word(&environment.name)),
            ("after", &after),
            ("tenant", &tenant),
            ("setup", &setup(wanted)),
            ("folder", folder(wanted)),
        ],
    )
}

/// Names of stages and jobs hold no hyphens. A name of an environment holds no underscore, so no two become one.
fn word(name: &str) -> String {
    name.replace('-', "_")
}

fn folder<'a>(wanted: Wanted<'a>) -> &'a str {
    match wanted.folder {
        "" => ".",
        folder => folder,
    }
}

fn setup(wanted: Wanted<'_>) -> String {
    fill(SETUP, &[("version", wanted.version)])
}

/// Azure Pipelines takes a folder for all that lies in it.
fn paths(folder: &str) -> String {
    sources(folder)
        .map(|path| format!("- {}\n", path.trim_end_matches("/**")))
        .collect()
}

const PLAN_HEAD: &str = r"@made-by@
#
# Shows in every pull request what its change would do: the summary of the run holds the plans.
# On Azure Repos, a build validation policy of the branch starts it; `pr` below is for GitHub.
# The service connection aksgate-plan, with workload identity federation, has the role Reader; nothing secret is stored.
name: aksgate plan
trigger: none
pr:
  branches:
    include:
      - @branch@
  paths:
    include:
      @paths@
pool:
  vmImage: ubuntu-24.04
jobs:
  - job: validate
    timeoutInMinutes: '20'
    steps:
      @setup@
      - bash: aksgate validate
        displayName: Validate
        workingDirectory: @folder@
";

const PLAN_JOB: &str = r#"
  - job: plan_@word@
    dependsOn: validate
    timeoutInMinutes: '30'
    steps:
      @setup@
      - task: AzureCLI@2
        displayName: Plan
        inputs:
          azureSubscription: aksgate-plan@tenant@
          scriptType: bash
          scriptLocation: inlineScript
          workingDirectory: @folder@
          inlineScript: |
            export AZURE_CLIENT_ID="$AZURESUBSCRIPTION_CLIENT_ID"
            aksgate plan @env@ --no-input
        env:
          AKSGATE_AUTH: azure-pipelines
          SYSTEM_ACCESSTOKEN: $(System.AccessToken)
"#;

const APPLY_HEAD: &str = r"@made-by@
#
# Carries out what the branch says, environment after environment, and moves the gates on: a scheduled run takes the steps that
# are due. Where an environment says `advance: approve`, the plan is made first, and the stage that carries out exactly that plan
# waits for the approvals of the environment of the same name; it does not start when nothing is pending.
# The service connection aksgate-plan may read; aksgate-apply-ENVIRONMENT may write, and only this pipeline may use it.
name: aksgate apply
trigger:
  branches:
    include:
      - @branch@
  paths:
    include:
      @paths@
pr: none
schedules:
  - cron: '17 6 * * 1-5'
    displayName: Take the steps that are due
    branches:
      include:
        - @branch@
    always: 'true'
parameters:
  - name: weakenEnvironment
    displayName: Allow a weakening in this environment
    type: string
    default: none
    values:
      - none
      @environments@
  - name: weakenGate
    displayName: The gate or object that may be weakened
    type: string
    default: none
  - name: reason
    displayName: Why; it is recorded
    type: string
    default: none
pool:
  vmImage: ubuntu-24.04
stages:";

const SAVED_PLAN_STAGE: &str = r#"
  - stage: plan_@word@
    displayName: Plan @env@
    dependsOn: @after@
    condition: not(or(failed(), canceled()))
    jobs:
      - job: plan
        timeoutInMinutes: '30'
        steps:
          @setup@
          @plan@
"#;

/// The stage that writes: `@when@` says after which stage and whether it runs at all, `@plan@` makes a plan or fetches it.
const APPLY_STAGE: &str = r#"
  - stage: apply_@word@
    displayName: Apply @env@
    @when@
    jobs:
      - deployment: apply
        environment: @env@
        timeoutInMinutes: '180'
        strategy:
          runOnce:
            deploy:
              steps:
                @setup@
                @plan@
                - task: AzureCLI@2
                  displayName: Apply
                  inputs:
                    azureSubscription: aksgate-apply-@env@
                    scriptType: bash
                    scriptLocation: inlineScript
                    workingDirectory: @folder@
                    inlineScript: |
                      mkdir -p journal
                      export AZURE_CLIENT_ID="$AZURESUBSCRIPTION_CLIENT_ID"
                      if [ -n "$WEAKEN" ]; then set -- --allow-weakening "$WEAKEN" --reason "$REASON"; fi
                      aksgate apply @env@ --plan "@file@" --yes --no-input --journal journal "$@"
                  env:
                    AKSGATE_AUTH: azure-pipelines
                    SYSTEM_ACCESSTOKEN: $(System.AccessToken)
                    ${{ if eq(parameters.weakenEnvironment, '@env@') }}:
                      WEAKEN: ${{ parameters.weakenGate }}
                      REASON: ${{ parameters.reason }}
                - publish: @folder@/journal
                  displayName: Keep the journal
                  artifact: journal-@env@-$(System.StageAttempt)
                  condition: always()
"#;

/// Also where nothing was to be done before.
const AFTER_SOURCE: &str = "dependsOn: @after@
condition: not(or(failed(), canceled()))
";

const AFTER_PLAN: &str = "dependsOn: plan_@word@
condition: and(not(or(failed(), canceled())), eq(dependencies.plan_@word@.outputs['plan.plan.pending'], 'true'))
";

/// Makes a plan, says whether something is pending, and keeps the plan if so.
const MAKE_PLAN: &str = r###"- task: AzureCLI@2
  name: plan
  displayName: Plan
  inputs:
    azureSubscription: @connection@
    scriptType: bash
    scriptLocation: inlineScript
    workingDirectory: @folder@
    inlineScript: |
      export AZURE_CLIENT_ID="$AZURESUBSCRIPTION_CLIENT_ID"
      code=0
      aksgate plan @env@ --out @env@.plan.json --detailed-exitcode --no-input || code=$?
      case "$code" in
        0) pending=false ;;
        2) pending=true ;;
        *) exit "$code" ;;
      esac
      echo "##vso[task.setvariable variable=pending;isOutput=true]$pending"
  env:
    AKSGATE_AUTH: azure-pipelines
    SYSTEM_ACCESSTOKEN: $(System.AccessToken)
- publish: @folder@/@env@.plan.json
  displayName: Keep the plan
  artifact: @artifact@
  condition: and(succeeded(), eq(variables['plan.pending'], 'true'))
"###;

const FETCH_PLAN: &str = "- download: current
  displayName: Fetch the plan
  artifact: plan-@env@
";

const WATCH_HEAD: &str = r"@made-by@
#
# Looks every day at what is live, each environment in a job of its own: drift, coverage, compliance, and a page
# of all that. Nothing is written to Azure.
# Where something drifted, or a gate is open that was closed, the job fails with exit code 2, after its reports are kept.
# The service connection aksgate-plan, with workload identity federation, has the role Reader; nothing secret is stored.
name: aksgate watch
trigger: none
pr: none
schedules:
  - cron: '43 5 * * *'
    displayName: Look every day
    branches:
      include:
        - @branch@
    always: 'true'
pool:
  vmImage: ubuntu-24.04
jobs:";

/// What looks at an environment and keeps what it found. There is no last report before the first run, nor after one that could not look;
/// then nothing is compared.
const WATCH_JOB: &str = r#"
  - job: watch_@word@
    displayName: Watch @env@
    timeoutInMinutes: '60'
    steps:
      @setup@
      - task: DownloadPipelineArtifact@2
        displayName: Fetch the last report
        continueOnError: true
        inputs:
          buildType: specific
          project: $(System.TeamProjectId)
          definition: $(System.DefinitionId)
          buildVersionToDownload: latestFromBranch
          branchName: $(Build.SourceBranch)
          allowPartiallySucceededBuilds: true
          allowFailedBuilds: true
          artifactName: compliance-@env@
          targetPath: $(Pipeline.Workspace)/last
      @steps@
      - publish: @folder@/watch
        displayName: Keep the reports
        artifact: watch-@env@-$(System.JobAttempt)
        condition: @watching@
      - publish: @folder@/watch/compliance.json
        displayName: Keep the report that the next run compares with
        artifact: compliance-@env@
        # A second attempt finds that of the first one here.
        continueOnError: 'true'
        condition: and(not(canceled()), eq(variables['compared'], 'true'))
      - task: PublishBuildArtifacts@1
        displayName: Keep the results of code analysis
        inputs:
          PathtoPublish: @folder@/watch-sarif
          ArtifactName: CodeAnalysisLogs
        condition: @watching@
      - task: PublishTestResults@2
        displayName: Show compliance among the tests
        inputs:
          testResultsFormat: JUnit
          testResultsFiles: compliance.xml
          searchFolder: $(System.DefaultWorkingDirectory)/@folder@/watch
          testRunTitle: Compliance of @env@
        condition: @watching@
"#;

/// One command. Those after the first run too where it found something, but not where it could not start.
const WATCH_STEP: &str = r#"- task: AzureCLI@2
  displayName: @title@
  inputs:
    azureSubscription: aksgate-plan@tenant@
    scriptType: bash
    scriptLocation: inlineScript
    workingDirectory: @folder@
    inlineScript: |
      export AZURE_CLIENT_ID="$AZURESUBSCRIPTION_CLIENT_ID"
      @script@
  condition: @condition@
  env:
    AKSGATE_AUTH: azure-pipelines
    SYSTEM_ACCESSTOKEN: $(System.AccessToken)
"#;

const WATCHING: &str = "and(not(canceled()), eq(variables['watching'], 'true'))";

const DRIFT: &str = r###"echo "##vso[task.setvariable variable=watching]true"
mkdir -p watch watch-sarif
aksgate drift @env@ --no-input --report json=watch/drift.json --report sarif=watch-sarif/drift-@env@.sarif
"###;

const COVERAGE: &str = r"aksgate coverage @env@ --no-input --report json=watch/coverage.json --report sarif=watch-sarif/coverage-@env@.sarif
";

/// A last report that is refused, since the environment has another scope now, is no reason to fail: then there is none.
const COMPLIANCE: &str = r###"look() {
  aksgate compliance @env@ --no-input --report json=watch/compliance.json --report junit=watch/compliance.xml \
    --report sarif=watch-sarif/compliance-@env@.sarif "$@"
}
last=$PIPELINE_WORKSPACE/last/compliance.json
code=0
if [ -e "$last" ]; then look --baseline "$last" || code=$?; fi
if [ ! -e watch/compliance.json ]; then code=0; look || code=$?; fi
if [ "$code" -ne 0 ]; then exit "$code"; fi
echo "##vso[task.setvariable variable=compared]true"
"###;

const REPORT: &str = "aksgate report @env@ --no-input --out watch/report.html
";

/// Fetches the estate, and aksgate itself: built once for each version.
const SETUP: &str = r###"- checkout: self
  displayName: Fetch the estate
  persistCredentials: 'false'
- task: Cache@2
  displayName: Look for aksgate
  inputs:
    key: '"aksgate" | "@version@" | "$(Agent.OS)" | "$(Agent.OSArchitecture)"'
    path: $(Pipeline.Workspace)/aksgate
    cacheHitVar: AKSGATE_IS_THERE
- bash: cargo install --locked --version @version@ --root "$PIPELINE_WORKSPACE/aksgate" aksgate
  displayName: Install aksgate
  condition: and(succeeded(), ne(variables.AKSGATE_IS_THERE, 'true'))
- bash: echo "##vso[task.prependpath]$PIPELINE_WORKSPACE/aksgate/bin"
  displayName: Find aksgate
"###;
