"""A served sandbox with an estate beside it, for the steps of CI that drive the built binary."""

import contextlib
import json
import os
import pathlib
import re
import signal
import ssl
import stat
import subprocess
import sys
import threading
import urllib.parse
import urllib.request

TENANT = "11111111-1111-4111-8111-111111111111"


def fail(message):
    """Ends the step."""
    sys.exit(f"error: {message}")


def sign_in(url, authority):
    """Returns a token of the sandbox at `url`, whose certificates `authority` vouches for."""
    form = {"grant_type": "client_credentials", "client_id": "ci", "client_secret": "ci", "scope": f"{url}/.default"}
    trust = ssl.create_default_context(cafile=authority)
    target = f"{url}/{TENANT}/oauth2/v2.0/token"
    with urllib.request.urlopen(target, urllib.parse.urlencode(form).encode(), context=trust) as answer:
        return json.load(answer)["access_token"]


def answer_as_cli(url, authority):
    """Prints what `az account get-access-token` prints."""
    token = sign_in(url, authority)
    print(json.dumps({"accessToken": token, "expires_on": 4102444800, "tenant": TENANT, "tokenType": "Bearer"}))


class Sandbox:
    """`aksgate sandbox serve` in a folder of its own, with the starter estate that `aksgate init` writes."""

    def __init__(self, binary, folder, *options):
        self.binary = str(binary.resolve())
        self.folder = folder
        self.estate = folder / "estate"
        self.record = folder / "traffic.jsonl"
        self.options = options
        self.estate.mkdir()
        home = folder / "home"
        home.mkdir()
        # Nothing of the machine's own settings may leak in.
        self.environment = {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(home), "NO_COLOR": "1"}

    def __enter__(self):
        self.run("init", ".")
        command = [self.binary, "sandbox", "serve", "--format", "json", "--record", str(self.record), *self.options]
        self.server = subprocess.Popen(
            command, cwd=self.estate, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        ready = self.server.stdout.readline()
        if not ready:
            fail(f"the sandbox did not start (exit {self.server.wait()})")
        ready = json.loads(ready)
        self.url = ready["resourceManager"]
        self.authority = str(self.estate / ready["caFile"])
        (self.folder / "cloud.json").write_text(json.dumps({"resourceManager": self.url}))
        self.fake_cli()
        return self

    def __exit__(self, *_):
        self.server.send_signal(signal.SIGTERM)
        try:
            code = self.server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.server.kill()
            fail("the sandbox did not end on SIGTERM")
        if code != 0:
            fail(f"the sandbox ended with {code}")

    def token(self):
        """Signs in at the sandbox's own authority."""
        return sign_in(self.url, self.authority)

    def fake_cli(self):
        """Puts an `az` on the path that knows one command: sign in at the sandbox's authority and give a new token."""
        path = self.folder / "bin" / "az"
        path.parent.mkdir()
        here = pathlib.Path(__file__).parent.resolve()
        path.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(here)!r})\nfrom sandbox import answer_as_cli\n"
            f"answer_as_cli({self.url!r}, {self.authority!r})\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, *arguments, expected=(0,)):
        """Runs the binary as it is; returns what it wrote to standard output."""
        command = [self.binary, *arguments]
        done = subprocess.run(
            command, cwd=self.estate, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode not in expected:
            fail(f"`aksgate {' '.join(arguments)}` ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def aksgate(self, *arguments, expected=(0,)):
        """Runs the binary against the served sandbox."""
        cloud = ["--cloud-file", str(self.folder / "cloud.json"), "--ca-file", self.authority]
        with self.hurried():
            return self.run(*arguments, *cloud, expected=expected)

    @contextlib.contextmanager
    def hurried(self):
        """Lets the sandbox's clock run a minute each half second, so that nobody waits for clusters that change slowly."""
        done = threading.Event()

        def hurry():
            while not done.wait(0.5):
                self.advance("1m")

        thread = threading.Thread(target=hurry)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def advance(self, time):
        """Lets the sandbox's clock run."""
        self.run("sandbox", "advance", time)

    def edit(self, name, pattern, replacement):
        """Edits a file of the estate."""
        path = self.estate / name
        text, count = re.subn(pattern, replacement, path.read_text())
        if count == 0:
            fail(f"`{name}` has no `{pattern}`")
        path.write_text(text)
