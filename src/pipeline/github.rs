//! Workflows for GitHub Actions.
//!
//! Actions are pinned to commits: a tag can be moved by whoever owns it. No job has more rights than it uses, and no value that a person
//! types stands in a script: it comes in by a variable.

use super::{MADE_BY, PipelineFile, Wanted, fill, in_order, is_approved, sources, tenant_suffix};
use crate::config::Environment;

/// Returns the workflows.
pub(super) fn files(wanted: Wanted<'_>) -> Vec<PipelineFile> {
    vec![
        PipelineFile {
            path: ".github/workflows/aksgate-plan.yml",
            text: plan(wanted),
        },
        PipelineFile {
            path: ".github/workflows/aksgate-apply.yml",
            text: apply(wanted),
        },
        PipelineFile {
            path: ".github/workflows/aksgate-watch.yml",
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
            ("defaults", &defaults(wanted.folder)),
            ("setup", &setup(wanted)),
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
            ("defaults", &defaults(wanted.folder)),
        ],
    );
    for environment in environments {
        text.push_str(&of_environment(
            wanted,
            environment,
            &apply_jobs(is_approved(environment)),
        ));
    }
    text
}

fn watch(wanted: Wanted<'_>) -> String {
    let head = [("made-by", MADE_BY), ("defaults", &defaults(wanted.folder))];
    let mut text = fill(WATCH_HEAD, &head);
    // Reports name the files of the estate; code scanning looks for them from the repository's root.
    let place = match wanted.folder {
        "" => "",
        _ => "sed --in-place 's#\"uri\": \"environments/#\"uri\": \"@folder@/environments/#' watch/*.sarif",
    };
    let jobs = fill(WATCH_JOBS, &[("place", place)]);
    for environment in in_order(wanted.estate) {
        text.push_str(&of_environment(wanted, environment, &jobs));
    }
    text
}

/// The jobs that apply: where somebody has to approve, a job that saves the plan goes before.
fn apply_jobs(is_approved: bool) -> String {
    let of = |job: &str, when: &str, plan: &str| fill(job, &[("when", when), ("plan", plan)]);
    match is_approved {
        true => of(SAVED_PLAN_JOB, "", MAKE_PLAN) + &of(APPLY_JOB, AFTER_PLAN, FETCH_PLAN),
        false => of(APPLY_JOB, AFTER_SOURCE, MAKE_PLAN),
    }
}

/// The jobs of one environment. They come after those of the environment that its gates come from, also where nothing was to be done
/// there.
fn of_environment(wanted: Wanted<'_>, environment: &Environment, jobs: &str) -> String {
    let source = environment.rollout.promotes_from.as_deref();
    let after = source.map_or_else(String::new, |source| format!("needs: apply-{source}\n"));
    fill(
        jobs,
        &[
            ("env", &environment.name),
            ("after", &after),
            ("tenant", &tenant_suffix(wanted.estate, environment)),
            ("folder", if wanted.folder.is_empty() { "." } else { wanted.folder }),
            ("setup", &setup(wanted)),
        ],
    )
}

fn setup(wanted: Wanted<'_>) -> String {
    fill(SETUP, &[("version", wanted.version)])
}

fn paths(folder: &str) -> String {
    sources(folder).map(|path| format!("- {path}\n")).collect()
}

fn defaults(folder: &str) -> String {
    match folder {
        "" => String::new(),
        folder => format!("defaults:\n  run:\n    working-directory: {folder}\n"),
    }
}

const PLAN_HEAD: &str = r"@made-by@
#
# Shows in every pull request what its change would do: the summary of each job holds the plan.
# The variable AKSGATE_PLAN_CLIENT_ID names an application with the role Reader that trusts this repository's pull requests
# and its branch; nothing secret is stored.
name: aksgate plan
on:
  pull_request:
    branches: [@branch@]
    paths:
      @paths@
permissions: {}
concurrency:
  group: aksgate-plan-${{ github.ref }}
  cancel-in-progress: true
@defaults@
jobs:
  validate:
    runs-on: ubuntu-24.04
    timeout-minutes: 20
    permissions:
      contents: read
    steps:
      @setup@
      - name: Validate
        run: aksgate validate
";

const PLAN_JOB: &str = r#"
  plan-@env@:
    needs: validate
    # A fork gets no token to sign in with.
    if: github.event.pull_request.head.repo.full_name == github.repository
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    permissions:
      contents: read
      id-token: write
    env:
      AKSGATE_AUTH: github-oidc
      AZURE_CLIENT_ID: ${{ vars.AKSGATE_PLAN_CLIENT_ID@tenant@ }}
    steps:
      @setup@
      - name: Plan
        run: aksgate plan @env@ --no-input
"#;

const APPLY_HEAD: &str = r"@made-by@
#
# Carries out what the branch says, environment after environment, and moves the gates on: a scheduled run takes the steps that
# are due. Where an environment says `advance: approve`, the plan is made first, and the job that carries out exactly that plan
# waits for the reviewers of the GitHub environment of the same name; it does not start when nothing is pending.
# AKSGATE_PLAN_CLIENT_ID (repository) may read; AKSGATE_APPLY_CLIENT_ID (of each GitHub environment) may write, and trusts that
# environment only.
name: aksgate apply
on:
  push:
    branches: [@branch@]
    paths:
      @paths@
  schedule:
    - cron: '17 6 * * 1-5'
  workflow_dispatch:
    inputs:
      weaken-environment:
        description: Allow a weakening in this environment
        type: choice
        default: none
        options:
          - none
          @environments@
      weaken-gate:
        description: The gate or object that may be weakened
        type: string
      reason:
        description: Why; it is recorded
        type: string
permissions: {}
@defaults@
jobs:";

/// Also where nothing was to be done before.
const AFTER_SOURCE: &str = "@after@
if: ${{ !failure() && !cancelled() }}
";

const AFTER_PLAN: &str = "needs: plan-@env@
if: ${{ !failure() && !cancelled() && needs.plan-@env@.outputs.pending == 'true' }}
";

const SAVED_PLAN_JOB: &str = r#"
  plan-@env@:
    @after@
    if: ${{ !failure() && !cancelled() }}
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    permissions:
      contents: read
      id-token: write
    env:
      AKSGATE_AUTH: github-oidc
      AZURE_CLIENT_ID: ${{ vars.AKSGATE_PLAN_CLIENT_ID@tenant@ }}
    outputs:
      pending: ${{ steps.plan.outputs.pending }}
    steps:
      @setup@
      @plan@
"#;

/// The job that writes: `@when@` says after which job and whether it runs at all, `@plan@` makes a plan or fetches it.
const APPLY_JOB: &str = r#"
  apply-@env@:
    @when@
    runs-on: ubuntu-24.04
    timeout-minutes: 180
    environment: @env@
    concurrency:
      group: aksgate-@env@
    permissions:
      contents: read
      id-token: write
    env:
      AKSGATE_AUTH: github-oidc
      AZURE_CLIENT_ID: ${{ vars.AKSGATE_APPLY_CLIENT_ID }}
    steps:
      @setup@
      @plan@
      - name: Apply
        env:
          WEAKEN: ${{ inputs.weaken-environment == '@env@' && inputs.weaken-gate || '' }}
          REASON: ${{ inputs.reason }}
        run: |
          if [ -n "$WEAKEN" ]; then set -- --allow-weakening "$WEAKEN" --reason "$REASON"; fi
          aksgate apply @env@ --plan @env@.plan.json --yes --no-input --journal journal "$@"
      - name: Keep the journal
        if: always()
        uses: actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2
        with:
          name: journal-@env@
          path: @folder@/journal
          if-no-files-found: ignore
"#;

/// Makes a plan, says whether something is pending, and keeps the plan if so.
const MAKE_PLAN: &str = r#"- name: Plan
  id: plan
  run: |
    code=0
    aksgate plan @env@ --out @env@.plan.json --detailed-exitcode --no-input || code=$?
    case "$code" in
      0) echo pending=false >>"$GITHUB_OUTPUT" ;;
      2) echo pending=true >>"$GITHUB_OUTPUT" ;;
      *) exit "$code" ;;
    esac
- name: Keep the plan
  if: steps.plan.outputs.pending == 'true'
  uses: actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2
  with:
    name: plan-@env@
    path: @folder@/@env@.plan.json
"#;

const FETCH_PLAN: &str = "- name: Fetch the plan
  uses: actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093 # v4.3.0
  with:
    name: plan-@env@
    path: @folder@
";

const WATCH_HEAD: &str = r"@made-by@
#
# Looks every day at what is live, each environment in a job of its own: drift, coverage, compliance, and a page
# of all that. Nothing is written to Azure.
# Where something drifted, or a gate is open that was closed, the job ends with exit code 2, after its reports are kept.
# The variable AKSGATE_PLAN_CLIENT_ID names an application with the role Reader that trusts this repository's branch. A repository
# without code scanning sets the variable AKSGATE_CODE_SCANNING to `off`.
name: aksgate watch
on:
  schedule:
    - cron: '43 5 * * *'
  workflow_dispatch:
permissions: {}
concurrency:
  group: aksgate-watch
@defaults@
jobs:";

/// What looks at an environment and keeps what it found, and what shows that. What a step before `Keep the reports` writes into `watch`
/// is kept. A last report that is refused, since the environment has another scope now, is no reason to fail: then there is none.
/// What may write to code scanning signs in to nothing.
const WATCH_JOBS: &str = r#"
  watch-@env@:
    runs-on: ubuntu-24.04
    timeout-minutes: 60
    permissions:
      actions: read # the last report
      contents: read
      id-token: write
    env:
      AKSGATE_AUTH: github-oidc
      AZURE_CLIENT_ID: ${{ vars.AKSGATE_PLAN_CLIENT_ID@tenant@ }}
    outputs:
      kept: ${{ steps.keep.outcome }}
    steps:
      @setup@
      - name: Look for the last report
        id: last
        continue-on-error: true
        env:
          GH_TOKEN: ${{ github.token }}
        run: |
          newest='[.artifacts[] | select((.expired | not) and .workflow_run.head_branch == env.GITHUB_REF_NAME
            and .workflow_run.head_repository_id == .workflow_run.repository_id)]
            | "run=" + (max_by(.created_at).workflow_run.id // "" | tostring)'
          gh api "repos/$GITHUB_REPOSITORY/actions/artifacts?name=compliance-@env@&per_page=100" --jq "$newest" >>"$GITHUB_OUTPUT"
      - name: Fetch the last report
        if: steps.last.outputs.run != ''
        continue-on-error: true
        uses: actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093 # v4.3.0
        with:
          name: compliance-@env@
          path: @folder@/last
          run-id: ${{ steps.last.outputs.run }}
          github-token: ${{ github.token }}
      - name: Drift
        id: drift
        run: |
          mkdir -p watch
          aksgate drift @env@ --no-input --report json=watch/drift.json --report sarif=watch/drift.sarif
      - name: Coverage
        if: ${{ !cancelled() && steps.drift.outcome != 'skipped' }}
        run: aksgate coverage @env@ --no-input --report json=watch/coverage.json --report sarif=watch/coverage.sarif
      - name: Compliance
        id: compliance
        if: ${{ !cancelled() && steps.drift.outcome != 'skipped' }}
        run: |
          look() { aksgate compliance @env@ --no-input --report json=watch/compliance.json --report sarif=watch/compliance.sarif "$@"; }
          code=0
          if [ -e last/compliance.json ]; then look --baseline last/compliance.json || code=$?; fi
          if [ ! -e watch/compliance.json ]; then code=0; look || code=$?; fi
          exit "$code"
      - name: Report
        if: ${{ !cancelled() && steps.drift.outcome != 'skipped' }}
        run: aksgate report @env@ --no-input --out watch/report.html
      - name: Keep the reports
        id: keep
        if: ${{ !cancelled() && steps.drift.outcome != 'skipped' }}
        uses: actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2
        with:
          name: watch-@env@
          path: @folder@/watch
          if-no-files-found: error
      - name: Keep the report that the next run compares with
        if: ${{ !cancelled() && steps.compliance.outcome == 'success' }}
        uses: actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2
        with:
          name: compliance-@env@
          path: @folder@/watch/compliance.json

  code-scanning-@env@:
    needs: watch-@env@
    if: ${{ !cancelled() && needs.watch-@env@.outputs.kept == 'success' && vars.AKSGATE_CODE_SCANNING != 'off' }}
    runs-on: ubuntu-24.04
    timeout-minutes: 15
    permissions:
      actions: read # private repositories ask for it
      contents: read
      security-events: write
    steps:
      - name: Fetch the reports
        uses: actions/download-artifact@d3f86a106a0bac45b974a628896c90dbdf5c8093 # v4.3.0
        with:
          name: watch-@env@
          path: watch
      - name: Leave out what could not be read
        # Code scanning closes what is no longer found.
        working-directory: .
        run: |
          grep --files-with-matches '"executionSuccessful": false' watch/*.sarif | xargs --no-run-if-empty rm --verbose
          @place@
      - name: Show them under code scanning
        uses: github/codeql-action/upload-sarif@5d4e8d1aca955e8d8589aabd499c5cae939e33c7 # v4.31.9
        with:
          sarif_file: watch
"#;

/// Fetches the estate, and aksgate itself: built once for each version.
const SETUP: &str = r"- name: Fetch the estate
  uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0
  with:
    persist-credentials: false
- name: Look for aksgate
  id: aksgate
  uses: actions/cache@0057852bfaa89a56745cba8c7296529d2fc39830 # v4.3.0
  with:
    path: ~/.cargo/bin/aksgate
    key: aksgate-@version@-${{ runner.os }}-${{ runner.arch }}
- name: Install aksgate
  if: steps.aksgate.outputs.cache-hit != 'true'
  working-directory: .
  run: cargo install --locked --version @version@ aksgate
";
