"""Compares what `aksgate plan` takes with the same reads made with the Azure SDK for Python, against one served sandbox.

    pip install -r .ci/sdk-requirements.txt
    python benches/azure_sdk.py target/release/aksgate --clusters 1000 --subscriptions 50

Both ask the same server, with latency and Azure's limits, in turns. The SDK makes the reads one after another, as its pages and clients do
for whoever writes no scheduling of his own; `--threads N` gives it a pool. What aksgate does besides, sign-in and the plan itself,
counts against it. Not part of CI.
"""

import argparse
import concurrent.futures
import importlib
import json
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".ci"))

from sandbox import TENANT, sign_in  # noqa: E402

GROUP = "contoso"
SCOPE = f"/providers/Microsoft.Management/managementGroups/{GROUP}"
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
        self.binary, self.folder = str(binary.resolve()), folder
        for name in ("aksgate.yaml", "initiatives", "templates"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, folder / name)
        (folder / "environments").mkdir()
        (folder / "environments" / "fleet.yaml").write_text(FLEET)
        fleet = ["--clusters", str(arguments.clusters), "--subscriptions", str(arguments.subscriptions)]
        self.call("sandbox", "reset", "--quiet", *fleet)
        command = [self.binary, "sandbox", "serve", "--format", "json", "--quotas", "--latency", str(arguments.latency)]
        self.server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        ready = json.loads(self.server.stdout.readline())
        self.url, self.authority = ready["resourceManager"], str(folder / ready["caFile"])
        (folder / "cloud.json").write_text(json.dumps({"resourceManager": self.url, "authority": self.url}))

    def call(self, *words):
        """Runs aksgate here."""
        environment = dict(os.environ, AZURE_CLIENT_ID=TENANT, AZURE_CLIENT_SECRET="anything")
        subprocess.run([self.binary, *words], cwd=self.folder, env=environment, check=True, stdout=subprocess.DEVNULL)

    def end(self):
        """Stops the server."""
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(timeout=30)


def ours(estate):
    """Plans with aksgate."""
    estate.call("plan", "fleet", "--auth", "client-secret", "--cloud-file", "cloud.json", "--ca-file", estate.authority)


def client(estate, module, name, *arguments):
    """Returns a client of the SDK that talks to the sandbox."""
    kind = getattr(importlib.import_module(module), name)
    credential = Token(sign_in(estate.url, estate.authority))
    scopes = [f"{estate.url}/.default"]
    return kind(credential, *arguments, base_url=estate.url, credential_scopes=scopes, connection_verify=estate.authority)


def theirs(estate, subscriptions, threads):
    """Makes the reads of a plan with the SDK."""
    from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

    graph = client(estate, "azure.mgmt.resourcegraph", "ResourceGraphClient")
    token, rows = None, 0
    while True:
        options = QueryRequestOptions(top=1000, skip_token=token, result_format="objectArray")
        answer = graph.resources(QueryRequest(query=CLUSTERS, management_groups=[GROUP], options=options))
        rows, token = rows + len(answer.data), answer.skip_token
        if not token:
            break

    def of(subscription):
        policy = client(estate, "azure.mgmt.resource.policy", "PolicyClient", subscription)
        security = client(estate, "azure.mgmt.security", "SecurityCenter", subscription)
        assignments = list(policy.policy_assignments.list())
        security.pricings.get(f"subscriptions/{subscription}", "Containers")
        return len(assignments)

    if threads > 1:
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            list(pool.map(of, subscriptions))
    else:
        for subscription in subscriptions:
            of(subscription)
    policy = client(estate, "azure.mgmt.resource.policy", "PolicyClient", subscriptions[0])
    list(policy.policy_assignments.list_for_management_group(GROUP, filter="atScope()"))
    return rows


def timed(work):
    """Returns the wall time of `work`."""
    start = time.monotonic()
    work()
    return time.monotonic() - start


def main():
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--clusters", type=int, default=1000)
    parser.add_argument("--subscriptions", type=int, default=50)
    parser.add_argument("--latency", type=int, default=50, help="milliseconds")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    subscriptions = [f"0a000000-0000-4000-8000-{number + 1:012}" for number in range(arguments.subscriptions)]
    with tempfile.TemporaryDirectory() as folder:
        estate = Estate(arguments.binary, pathlib.Path(folder), arguments)
        try:
            walls = {"aksgate": [], "the SDK": []}
            for _ in range(arguments.runs):
                for name, work in (("aksgate", lambda: ours(estate)), ("the SDK", lambda: theirs(estate, subscriptions, arguments.threads))):
                    # Azure's limits fill anew in ten seconds.
                    time.sleep(10)
                    walls[name].append(timed(work))
        finally:
            estate.end()
    ours_wall, theirs_wall = (statistics.median(walls[name]) for name in ("aksgate", "the SDK"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"{arguments.clusters} clusters in {arguments.subscriptions} subscriptions, {arguments.latency} ms, {arguments.threads} threads")
    print(f"aksgate {ours_wall:.2f} s, the SDK {theirs_wall:.2f} s: {theirs_wall / ours_wall:.1f} times as long")
    print(f"peak memory: the SDK's process {peak} MiB, the largest of aksgate's {child} MiB (its server among them)")


if __name__ == "__main__":
    main()
