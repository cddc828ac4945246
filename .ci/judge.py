"""Has recorded traffic judged against Azure's OpenAPI files."""

import json
import re
import subprocess

from sandbox import fail

# Exchanges that no recording can have judged: pattern of the path, method or None for all, and why.
BUILT_INS = (
    r"^/providers/Microsoft\.Authorization/policy(Set)?Definitions",
    "GET",
    "Azure's own built-in definitions have `portalReview` as a boolean, which its specification does not allow",
)
OPERATIONS = (r"/operations/[^/]+$|/asyncOperationResults/[^/]+$", None, "operations are opaque to clients")


def judge(record, specs, tool, least, unjudged):
    """Ends the step unless all exchanges conform, none is skipped, and at least so many are judged.

    `unjudged` names the exchanges that are left out: a pattern of the path, a method or None, and the reason.
    """
    kept, left_out = [], {}
    for line in record.read_text().splitlines():
        request = json.loads(line)["request"]
        path = re.sub(r"^https://[^/]+", "", request["url"]).split("?")[0]
        reasons = (
            why
            for pattern, method, why in unjudged
            if method in (None, request["method"]) and re.search(pattern, path, re.IGNORECASE)
        )
        reason = next(reasons, None)
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            kept.append(line)
    judged_file = record.with_name("judged.jsonl")
    judged_file.write_text("\n".join(kept) + "\n")
    command = ["node", tool / "check.mjs", "--specs", specs, judged_file]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout.replace(f"{record.parent}/", "").strip())
    for reason, count in left_out.items():
        print(f"left out {count}: {reason}")
    verdict = re.search(r"conformance: (\d+) passed, (\d+) failed, (\d+) skipped", done.stdout)
    if not verdict:
        fail(f"the judge gave no verdict (exit {done.returncode})\n{done.stderr[-2000:]}")
    passed, failed, skipped = map(int, verdict.groups())
    if failed or skipped or done.returncode:
        fail("an exchange does not conform, or was skipped without a reason written here")
    if passed < least:
        fail(f"only {passed} exchanges were judged; there should be {least}")
