"""Compares what `aksgate plan` takes with the same reads made with the Azure SDK for Python, against one served sandbox.

    pip install -r .ci/sdk-requirements.txt
    python benches/azure_sdk.py target/release/aksgate --clusters 1000 --subscriptions 50

All ask the same server, with latency and Azure's limits, in turns. "same calls" sends the very requests that a plan was recorded to send,
through the SDK's pipeline; "by subscription" makes the reads as its typed clients offer them: clusters by Resource Graph, then the assignments
and the Defender plan of each subscription. Both use `--threads` threads, as many as aksgate has calls under way. Each run is a process of its own
that signs in first; the SDK's modules are loaded before its clock starts. What a plan takes besides its reads counts against aksgate.
Not part of CI.
"""

import argparse
import concurrent.futures
import importlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci"))

from sandbox import TENANT, sign_in  # noqa: E402

GROUP = "contoso"
SUBSCRIPTION = "0a000000-0000-4000-8000-000000000001"
FLEET = f"""scope: managementGroups/{GROUP}
gates:
  pod-security: {{initiative: pod-security-baseline, target: audit}}
defender: {{containers: {{mode: require, tier: Standard}}}}
clusters: {{policyAddon: {{mode: policy}}}}
"""
CLUSTERS = (
    "resources | where type =~ 'microsoft.containerservice/managedclusters' "
    "| project id, name, location, tags, addonProfiles = properties.addonProfiles, "
    "provisioningState = tostring(properties.provisioningState) | order by id asc"
)


class Token:
    """A credential that gives one token."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *_, **__):
        """Returns the token in the SDK's own form."""
        from azure.core.credentials import AccessToken

        return AccessToken(self.token, 4102444800)


class Estate:
    """An estate in a folder of its own, and the server of its sandbox."""

    def __init__(self, binary, folder, arguments):
        self.binary, self.folder, self.latency = str(binary.resolve()), folder, str(arguments.latency)
        for name in ("aksgate.yaml", "initiatives", "templates"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / name)
        (folder / "environments").mkdir()
        (folder / "environments" / "fleet.yaml").write_text(FLEET)
        fleet = ["--clusters", str(arguments.clusters), "--subscriptions", str(arguments.subscriptions)]
        subprocess.run([self.binary, "sandbox", "reset", "--quiet", *fleet], cwd=folder, check=True)

    def serve(self, *options):
        """Serves the sandbox, with limits and latency."""
        limits = ["--quotas", "--latency", self.latency]
        command = [self.binary, "sandbox", "serve", "--format", "json", *limits, *options]
        self.server = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True)
        ready = json.loads(self.server.stdout.readline())
        self.url, self.authority = ready["resourceManager"], str(self.folder / ready["caFile"])
        cloud = {"resourceManager": self.url, "authority": self.url}
        (self.folder / "cloud.json").write_text(json.dumps(cloud))

    def end(self):
        """Stops the server."""
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(timeout=60)

    def recorded(self):
        """Returns the reads of one plan: method, path with query, and body."""
        self.serve("--record", "record.jsonl")
        try:
            os.waitpid(self.plan(), 0)
        finally:
            self.end()
        reads = []
        for line in (self.folder / "record.jsonl").read_text().splitlines():
            request = json.loads(line)["request"]
            target = urllib.parse.urlsplit(request["url"])
            reads.append((request["method"], f"{target.path}?{target.query}", request.get("body")))
        return reads

    def plan(self):
        """Starts a plan of aksgate and returns its process id."""
        signs_in = ["--auth", "client-secret", "--cloud-file", "cloud.json", "--ca-file", self.authority]
        environment = dict(os.environ, AZURE_CLIENT_ID=TENANT, AZURE_CLIENT_SECRET="anything")
        command = [self.binary, "plan", "fleet", "--quiet", *signs_in]
        return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL).pid

    def child(self, work):
        """Starts a process that does `work` with the SDK and returns its id."""
        sys.stdout.flush()
        process = os.fork()
        if process:
            return process
        try:
            work()
        except BaseException as error:  # noqa: BLE001
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)


def client(estate, module, name, *arguments):
    """Returns a client of the SDK that talks to the sandbox."""
    kind = getattr(importlib.import_module(module), name)
    credential = Token(sign_in(estate.url, estate.authority))
    scopes = [f"{estate.url}/.default"]
    return kind(credential, *arguments, base_url=estate.url, credential_scopes=scopes, connection_verify=estate.authority)


def in_pool(threads, work, items):
    """Does the work on each item, so many at once."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, items))


def same_calls(estate, reads, threads):
    """Sends the reads of a plan through the SDK's pipeline."""
    from azure.core.rest import HttpRequest

    sender = client(estate, "azure.mgmt.resource.policy", "PolicyClient", SUBSCRIPTION)

    def send(read):
        method, target, body = read
        answer = sender.send_request(HttpRequest(method, f"{estate.url}{target}", json=body))
        # A built-in that Azure does not have is a 404 for both.
        if answer.status_code not in (200, 404):
            answer.raise_for_status()
        answer.json()

    in_pool(threads, send, reads)


def by_subscription(estate, subscriptions, threads):
    """Makes the reads of a plan as the SDK's typed clients offer them."""
    from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

    graph = client(estate, "azure.mgmt.resourcegraph", "ResourceGraphClient")
    token = None
    while True:
        options = QueryRequestOptions(top=1000, skip_token=token, result_format="objectArray")
        answer = graph.resources(QueryRequest(query=CLUSTERS, management_groups=[GROUP], options=options))
        token = answer.skip_token
        if not token:
            break

    security = client(estate, "azure.mgmt.security", "SecurityCenter", SUBSCRIPTION)

    def of(subscription):
        policy = client(estate, "azure.mgmt.resource.policy", "PolicyClient", subscription)
        list(policy.policy_assignments.list())
        security.pricings.get(f"subscriptions/{subscription}", "Containers")

    in_pool(threads, of, subscriptions)
    policy = client(estate, "azure.mgmt.resource.policy", "PolicyClient", SUBSCRIPTION)
    list(policy.policy_assignments.list_for_management_group(GROUP, filter="atScope()"))


def measured(start):
    """Returns wall time, CPU time in seconds and peak memory in MiB of the process that `start` starts."""
    begun = time.monotonic()
    _, status, usage = os.wait4(start(), 0)
    wall = time.monotonic() - begun
    if status != 0:
        sys.exit(f"error: a run failed with status {status}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--clusters", type=int, default=1000)
    parser.add_argument("--subscriptions", type=int, default=50)
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument("--threads", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    for module in ("azure.mgmt.resource.policy", "azure.mgmt.resourcegraph", "azure.mgmt.security", "azure.core.rest"):
        importlib.import_module(module)
    subscriptions = [f"0a000000-0000-4000-8000-{number + 1:012}" for number in range(arguments.subscriptions)]
    with tempfile.TemporaryDirectory() as folder:
        estate = Estate(arguments.binary, pathlib.Path(folder), arguments)
        reads = estate.recorded()
        threads = arguments.threads
        ways = {
            "aksgate plan": estate.plan,
            "SDK, same calls": lambda: estate.child(lambda: same_calls(estate, reads, threads)),
            "SDK, by subscription": lambda: estate.child(lambda: by_subscription(estate, subscriptions, threads)),
        }
        runs = {name: [] for name in ways}
        estate.serve()
        try:
            for _ in range(arguments.runs):
                for name, start in ways.items():
                    # Azure's limits fill anew in ten seconds.
                    time.sleep(10)
                    runs[name].append(measured(start))
        finally:
            estate.end()
    median = {name: [statistics.median(run[what] for run in of) for what in range(3)] for name, of in runs.items()}
    first = median["aksgate plan"]
    print(
        f"{arguments.clusters} clusters in {arguments.subscriptions} subscriptions, {len(reads)} calls of a plan, "
        f"{arguments.latency} ms, {threads} threads\n"
    )
    print("| | wall | CPU | peak memory | wall to aksgate's | CPU | memory |\n|---|---|---|---|---|---|---|")
    for name, (wall, cpu, peak) in median.items():
        ratios = " | ".join(f"{of / ours:.1f}" for of, ours in zip((wall, cpu, peak), first))
        print(f"| {name} | {wall:.2f} s | {cpu:.2f} s | {peak:.0f} MiB | {ratios} |")


if __name__ == "__main__":
    main()
