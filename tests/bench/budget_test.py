#!/usr/bin/env python3
"""System calls per command, which do not vary as times do: no more than the budget. Root is needed.

Without cgroups, whose hierarchies differ from host to host. A change that makes a command cheaper lowers its budget,
one that makes it dearer says why in its commit. CORTEN_NTH_FAULT names the counter (tests/fault/nth_fault.cc).
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from bundle import ROOT, ROOTFS, RUNTIME, WORK, Container  # noqa: E402
from harness import make_rootfs  # noqa: E402

INJECTOR = os.environ["CORTEN_NTH_FAULT"]
SLACK = 8  # kernels and waits differ by a few

BUDGET = {"run": 615, "create": 410, "start": 44, "state": 35, "exec": 327, "kill": 41, "delete": 56}


def without_cgroups(config):
    config["mounts"] = [mount for mount in config["mounts"] if mount["type"] != "cgroup"]
    config["linux"].pop("cgroupsPath", None)
    config["linux"].pop("resources", None)


def count(folder, *arguments):
    report = os.path.join(folder, "report")
    subprocess.run([INJECTOR, "--program", RUNTIME, "--report", report, "--", RUNTIME, "--root", ROOT, "--cgroup-manager", "disabled", *arguments],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=30, check=True)
    return json.load(open(report, encoding="utf-8"))["count"]


def main():
    make_rootfs(ROOTFS)
    seen = {}
    with Container("true", change=without_cgroups) as one:
        seen["run"] = count(one.bundle, "run", "--bundle", one.bundle, one.id)
    with Container("sleep", "1000", change=without_cgroups) as one:
        seen["create"] = count(one.bundle, "create", "--bundle", one.bundle, one.id)
        seen["start"] = count(one.bundle, "start", one.id)
        seen["state"] = count(one.bundle, "state", one.id)
        seen["exec"] = count(one.bundle, "exec", one.id, "/bin/true")
        seen["kill"] = count(one.bundle, "kill", one.id, "WINCH")
        seen["delete"] = count(one.bundle, "delete", "--force", one.id)
    subprocess.run(["rm", "-rf", "--one-file-system", WORK], check=False)
    failed = 0
    for command, calls in seen.items():
        good = calls <= BUDGET[command] + SLACK
        failed += not good
        print(f"{'ok' if good else 'not ok'} - {command}: {calls} system calls (budget {BUDGET[command]})")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
