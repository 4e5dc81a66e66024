#!/usr/bin/env python3
"""Runs groups of tests inside the test machine; what they print comes back as it is.

    vm_test.py GROUP

Without CORTEN_VM_FULL the longest groups run a chosen subset, which keeps a run under software emulation short.
The programs are built outside and handed in on a disk, with the libraries that they need.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

import machine

TOP = machine.TOP
DEV = os.environ.get("CORTEN_VM_BUILD", os.path.join(TOP, "build", "dev"))
RUNTIME = os.environ.get("CORTEN_RUNTIME", os.path.join(TOP, "build", "release", "corten"))
SKIPPED = 77
FULL = os.environ.get("CORTEN_VM_FULL", "") not in ("", "0")

# What differs most between cgroup v1 and v2 and between kernels; the rest runs outside on every change.
SPEC_SUBSET = "Cgroup*:Device*:IdMapped*:Resources*:UserNamespace*:Rlimits*"
UNSUPPORTED = "*-NetDevices.*"  # as in spec-tests/CMakeLists.txt
E2E_SUBSET = ("create_start_state_kill_delete pause_and_resume exec_in_a_container run_returns_the_status "
              "attached_run_forwards_signals").split()
CHECKPOINT_SUBSET = ("a_restored_container_goes_on_where_it_was a_pre_dump_is_the_parent_of_the_dump "
                     "pipes_of_the_standard_streams_are_replaced a_terminal_goes_to_the_new_console_socket "
                     "the_message_quotes_the_log").split()

ENVIRONMENT = "export CORTEN_RUNTIME=/data/build/release/corten TMPDIR=/tmp; cd /data/tests"


def programs():
    """The programs of the groups below, and where they are put inside."""
    return {os.path.join(DEV, "tests/kernel/kernel_tests"): "kernel_tests",
            os.path.join(DEV, "spec-tests/spec_tests"): "spec/spec_tests",
            os.path.join(DEV, "spec-tests/spec_checker"): "spec/spec_checker"}


def libraries(program):
    """(name, path) of every shared library of a program, the dynamic linker included."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return re.findall(r"^\s*(?:(\S+) => )?(/\S+) \(0x", listed, re.MULTILINE)


def install(program, target):
    """Copies a program. One with shared libraries is started by a script that brings its own along, so that the
    machine's Debian need not be this host's."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    found = libraries(program)
    if not found:
        shutil.copy(program, target)
        return
    directory = os.path.join(os.path.dirname(target), "lib")
    os.makedirs(directory, exist_ok=True)
    for _, path in found:
        shutil.copy(path, directory)
    linker = next(os.path.basename(path) for name, path in found if "ld-linux" in path)
    shutil.copy(program, target + ".real")
    with open(target, "w", encoding="utf-8") as script:
        script.write('#!/bin/sh\nhere=${0%/*}\n'
                     f'exec "$here/lib/{linker}" --library-path "$here/lib" "$0.real" "$@"\n')
    os.chmod(target, 0o755)


def make_data(directory):
    os.chmod(directory, 0o755)
    for name in ("tests", "spec-tests"):
        shutil.copytree(os.path.join(TOP, name), os.path.join(directory, name), ignore=shutil.ignore_patterns(
            "build", "__pycache__", "corpus", "unit", "bench", "*.cc"))
    install(RUNTIME, os.path.join(directory, "build/release/corten"))
    for program, name in programs().items():
        if os.path.exists(program):
            install(program, os.path.join(directory, "build", name))


def python_cases(script, *cases, environment=""):
    """A file of cases of tests/e2e: all of them, or those named."""
    if not cases:
        return f"{environment} python3 {script}"
    return " && ".join(f"{environment} python3 {script} --only {name}" for name in cases)


def group_kernel(one):
    status, text = one.run(f"{ENVIRONMENT}; /data/build/kernel_tests --gtest_color=no 2>&1", seconds=900)
    for verdict, name in re.findall(r"^\[\s*(OK|FAILED|SKIPPED)\s*\] (\S+) \(\d+ ms\)", text, re.MULTILINE):
        print({"OK": f"ok - {name}", "FAILED": f"not ok - {name}",
               "SKIPPED": f"skip - {name} # skipped in the machine"}[verdict])
    if status:
        print("\n".join(line for line in text.splitlines() if not re.match(r"\[\s*(OK|RUN|-+|=+)", line)))
    return status


def group_e2e(one):
    return run(one, python_cases("e2e/e2e_test.py", *([] if FULL else E2E_SUBSET)))


def group_spec(one):
    subset = f" --filter '{UNSUPPORTED if FULL else SPEC_SUBSET}'"
    return run(one, "python3 /data/spec-tests/run --no-build --build-dir /data/build/spec --jobs 2 --timeout-ms 60000 "
                    f"--runtime $CORTEN_RUNTIME{subset}")


def group_cgroups(one):
    return run(one, python_cases("vm/cases/cgroups_test.py"))


def group_systemd(one):
    driver = "CORTEN_TEST_OPTIONS=--systemd-cgroup"
    properties = python_cases("vm/cases/cgroups_test.py" + ("" if FULL else " every_property"), environment=driver)
    e2e = python_cases("e2e/e2e_test.py", environment=driver) if FULL else "true"
    return run(one, f"{python_cases('vm/cases/systemd_test.py')}; a=$?; {properties}; b=$?; {e2e}; exit $((a | b | $?))")


def group_checkpoint(one):
    # Debian's criu works with the kernel in there; it is often too old for the one outside.
    cases = python_cases("e2e/checkpoint_test.py", *([] if FULL else CHECKPOINT_SUBSET))
    return run(one, f"{cases}; a=$?; python3 vm/cases/checkpoint_engines_test.py; exit $((a | $?))")


def group_rootless(one):
    cases = "python3 vm/cases/rootless_test.py"
    user = "setpriv --reuid 1001 --regid 1001 --init-groups env HOME=/home/rootless"
    return run(one, f"cd /data/tests; as-rootless {cases}; a=$?; CORTEN_TEST_CGROUPS=none {user} {cases}; exit $((a | $?))")


def group_v1(one):
    """systemd on a host that has cgroup v1 alone."""
    driver = "CORTEN_TEST_OPTIONS=--systemd-cgroup"
    e2e = python_cases("e2e/e2e_test.py", environment=driver) if FULL else "true"
    return run(one, f"{python_cases('vm/cases/systemd_v1_test.py', environment=driver)}; a=$?; {e2e}; exit $((a | $?))")


def group_engines(one):
    managers = "" if FULL else "CORTEN_TEST_MANAGERS=systemd"
    cases = f"env {managers} python3 vm/cases/engines_test.py"
    return run(one, f"{cases}; a=$?; as-rootless {cases}; exit $((a | $?))")


GROUPS = {name[len("group_"):]: function for name, function in globals().items() if name.startswith("group_")}


def run(one, script):
    status, _ = one.run(f"{ENVIRONMENT}; {script}", output=sys.stdout.buffer, seconds=3000 if FULL else 600)
    return status


def main():
    group = GROUPS[sys.argv[1]]
    if not os.access(RUNTIME, os.X_OK):
        print(f"not ok - there is no runtime at {RUNTIME}")
        return 1
    try:
        image = machine.Image("v1" if sys.argv[1] == "v1" else "v2")
    except machine.Unavailable as reason:
        print(f"skip - all cases # {reason}")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="corten-vm-data-") as data:
        make_data(data)
        with machine.Machine(image, data=data) as one:
            status = group(one)
            if status not in (0, SKIPPED):
                print(one.console())
            return status


if __name__ == "__main__":
    sys.exit(main())
