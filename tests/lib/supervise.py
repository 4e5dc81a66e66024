#!/usr/bin/env python3
"""Runs test groups through ctest, counts their cases and checks that they leave nothing behind.

Everything is started below this process, in a mount namespace of its own, so what is left afterwards can be
told from what a person's own programs did meanwhile: an orphan becomes a child of this process (it is a
child subreaper), and a mount that is left is a mount of this namespace. The last line of the output is
"N passed, N failed, N skipped".
"""

import argparse
import collections
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x00020000
MS_REC, MS_PRIVATE, MS_SHARED = 0x4000, 1 << 18, 1 << 20

GRACE_SECONDS = 15  # what is on its way out may take this long
END_SECONDS, FORCE_SECONDS = 20, 5  # after SIGTERM, and after SIGKILL
CASE = re.compile(r"^(ok|not ok|skip) - ([^#\n]*?)(?: # (.*))?$", re.MULTILINE)
GTEST_SKIP = re.compile(r": Skipped\n(.*)")
# The row of the conformance suite: runtime, passed, MUST failed, SHOULD failed, skipped, rows failed, seconds.
CONFORMANCE = re.compile(r"^\S+ +(\d+) +(\d+) +(\d+) +(\d+) +\d+ +[0-9.]+ s  ", re.MULTILINE)
CONFORMANCE_SKIP = re.compile(r"^skipped \(\S+ (\d+)\): (.*)$", re.MULTILINE)

# Groups of one lane run one after the other, lanes side by side: engines mostly wait for their daemons.
LANES = [["lint", "unit", "fuzz", "kernel", "e2e", "fault", "spec", "asan"], ["engines"], ["vm"]]
ASAN_LABELS = "unit|kernel|e2e|fuzz"


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as text:
            return text.read()
    except OSError:
        return ""


# --- what is there, before and after ---------------------------------------------------------------------


def cgroup_mounts():
    found = []
    for line in read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if fields[fields.index("-") + 1] in ("cgroup", "cgroup2"):
            found.append(fields[4])
    return found


def cgroups():
    return {path for top in cgroup_mounts() for path, _, _ in os.walk(top)}


def is_populated(cgroup):
    """Whether anybody is in it or below. Asked when no process of the tests is left, so it is somebody else."""
    return any(read(os.path.join(path, "cgroup.procs")).strip() for path, _, _ in os.walk(cgroup))


def mounts():
    # `ip netns` makes /run/netns a mount point for good; what is mounted below it counts.
    points = collections.Counter(line.split()[4] for line in read("/proc/self/mountinfo").splitlines())
    del points["/run/netns"]
    return {(point, number) for point, count in points.items() for number in range(count)}


def entries(directory, prefix=""):
    try:
        return {os.path.join(directory, name) for name in os.listdir(directory) if name.startswith(prefix)}
    except OSError:
        return set()


class Snapshot:
    """What tests can leave on the host, apart from processes."""

    def __init__(self):
        self.cgroups = cgroups()
        self.mounts = mounts()
        self.links = entries("/sys/class/net")
        self.files = (entries("/run/corten") | entries("/run/netns") | entries("/tmp", "corten-") |
                      entries("/run", "corten") | entries("/dev/shm"))

    def new_since(self, before):
        found = [f"cgroup {path}" for path in sorted(self.cgroups - before.cgroups) if not is_populated(path)]
        found += [f"mount {path}" for path, _ in sorted(self.mounts - before.mounts)]
        found += [f"network link {os.path.basename(path)}" for path in sorted(self.links - before.links)]
        found += [f"file {path}" for path in sorted(self.files - before.files)]
        return found


def children():
    """(pid, state, command line) of the processes whose parent is this one."""
    found = []
    for thread in os.listdir("/proc/self/task"):
        for pid in read(f"/proc/self/task/{thread}/children").split():
            state = (read(f"/proc/{pid}/stat").rpartition(")")[2].split() + ["?"])[0]
            command = read(f"/proc/{pid}/cmdline").replace("\0", " ").strip() or read(f"/proc/{pid}/comm").strip()
            found.append((int(pid), state, command))
    return found


def wait_for_children(seconds):
    """Reaps until nobody is left or the time is over; returns who is left."""
    deadline = time.monotonic() + seconds
    while True:
        left = []
        for pid, _, command in children():
            try:
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    left.append((pid, command))
            except ChildProcessError:
                pass
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


class Reaper(threading.Thread):
    """Takes the exit status of orphans at once, as a host's first process does.

    A PID namespace ends only when every process of it was waited for: with an orphan that stays a zombie here
    a container could not be deleted.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.own = set()  # waited for by somebody else
        self.lock = threading.Lock()
        self.stopped = threading.Event()

    def start_program(self, command, **options):
        with self.lock:  # it may end before anybody knows that it is not an orphan
            process = subprocess.Popen(command, **options)
            self.own.add(process.pid)
        return process

    def run(self):
        while not self.stopped.wait(0.02):
            with self.lock:
                self._reap()

    def _reap(self):
        for pid, state, _ in children():
            if state == "Z" and pid not in self.own:
                os.waitpid(pid, os.WNOHANG)


def end_children():
    """Asks each process once, so that scripts can clean up, then forces.

    Whatever a process leaves becomes a child of this one, so newcomers are looked for until nobody is left.
    """
    began, asked = time.monotonic(), set()
    while time.monotonic() < began + END_SECONDS + FORCE_SECONDS:
        force = time.monotonic() > began + END_SECONDS
        for pid, _, _ in children():
            if pid in asked and not force:
                continue
            asked.add(pid)
            try:
                os.kill(pid, signal.SIGKILL if force else signal.SIGTERM)
            except ProcessLookupError:
                pass
        if not wait_for_children(0.05):
            return


# --- groups --------------------------------------------------------------------------------------------------


class Group:
    """One ctest run and its counts."""

    def __init__(self, name, options):
        self.name = name
        self.report = os.path.join(options.logs, f"{name}.xml")
        self.directory = options.asan if name == "asan" else options.build
        jobs = 4 if name == "engines" else os.cpu_count()
        labels = ASAN_LABELS if name == "asan" else name
        self.command = ["ctest", "--test-dir", self.directory, "-L", f"^({labels})$", "-j", str(jobs), "--no-tests=ignore",
                        "--output-junit", self.report, "--test-output-size-passed", "4000000",
                        "--test-output-size-failed", "4000000"]
        if options.test:
            self.command += ["-R", options.test]
        self.passed, self.failed, self.skipped, self.seconds = 0, 0, 0, 0.0
        self.failures, self.skips = [], []  # (name, output), (name, reason)

    def run(self, reaper):
        began = time.monotonic()
        process = reaper.start_program(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True, errors="replace")
        output, _ = process.communicate()
        self.seconds = time.monotonic() - began
        self._count(output)
        print(f"{self.name:<8} {self.passed:5} passed, {self.failed} failed, {self.skipped} skipped  "
              f"({self.seconds:.0f} s)", flush=True)

    def _count(self, output):
        try:
            tests = xml.etree.ElementTree.parse(self.report).getroot().iter("testcase")
        except (OSError, xml.etree.ElementTree.ParseError):
            self._fail(f"ctest {self.name}", output)
            return
        for test in tests:
            self._count_test(test.get("name"), test.get("status"), test.findtext("system-out") or "",
                             test.find("failure"))

    def _count_test(self, name, status, text, failure):
        if status in ("notrun", "disabled") and not CASE.search(text):
            reason = GTEST_SKIP.search(text)
            lines = text.strip().splitlines()
            missing = test_is_missing(text, failure)
            if missing:
                self._fail(name, missing)
            else:
                self._skip(name, reason[1] if reason else (lines[-1] if lines else "no reason given"))
            return
        cases = CASE.findall(text)
        table = CONFORMANCE.search(text)
        for verdict, case, reason in cases:
            if verdict == "ok":
                self.passed += 1
            elif verdict == "skip":
                self._skip(f"{name} {case}", reason or "no reason given")
            else:
                self._fail(f"{name} {case}", "")
        if table:
            self.passed += int(table[1])
            for count, reason in CONFORMANCE_SKIP.findall(text):
                for _ in range(int(count)):
                    self._skip(name, reason)
            self.failed += int(table[2]) + int(table[3])
        own_failures = any(verdict == "not ok" for verdict, _, _ in cases) or (table and int(table[2]) + int(table[3]))
        if status == "fail":
            if own_failures:
                self.failures.append((name, text))
            else:
                self._fail(name, text)
        elif not cases and not table:
            self.passed += 1

    def _fail(self, name, text):
        self.failed += 1
        self.failures.append((name, text))

    def _skip(self, name, reason):
        self.skipped += 1
        self.skips.append((name, reason))


def test_is_missing(text, failure):
    """The reason when a test could not be run at all, which is a failure of the build."""
    message = (failure.get("message") if failure is not None else "") or ""
    return message or text if "Unable to find executable" in text + message else ""


def print_details(groups):
    for group in groups:
        for name, text in group.failures:
            print(f"\n--- failed: {group.name}: {name}")
            if text:
                lines = [line for line in text.splitlines() if not line.startswith("ok - ")]
                print("\n".join(lines[-80:]))
    reasons = collections.defaultdict(list)
    for group in groups:
        for name, reason in group.skips:
            reasons[reason.strip()].append(f"{group.name}: {name}")
    if reasons:
        print("\nskipped:")
    for reason, names in sorted(reasons.items()):
        shown = sorted(set(names))
        more = "" if len(shown) <= 3 else f" and {len(shown) - 3} more"
        print(f"  {len(names):3}  {reason}  ({', '.join(shown[:3])}{more})")


def run_lane(groups, stopped, reaper):
    for group in groups:
        if not stopped.is_set():
            group.run(reaper)


def own_mounts():
    """A mount namespace with the host's kind of propagation, but none to or from the host."""
    libc = ctypes.CDLL(None, use_errno=True)
    shared = any(line.split()[4] == "/" and " shared:" in line for line in read("/proc/self/mountinfo").splitlines())
    steps = [lambda: libc.unshare(CLONE_NEWNS), lambda: libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None)]
    if shared:
        steps.append(lambda: libc.mount(b"none", b"/", None, MS_REC | MS_SHARED, None))
    for step in steps:
        if step() != 0:
            raise OSError(ctypes.get_errno(), "making a mount namespace")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, help="build directory with the tests")
    parser.add_argument("--asan", required=True, help="build directory with sanitizers")
    parser.add_argument("--groups", required=True, help="names, separated by commas")
    parser.add_argument("--test", default="", help="regular expression of the names of the tests to run")
    parser.add_argument("--logs", required=True, help="directory for reports")
    options = parser.parse_args()
    wanted = options.groups.split(",")

    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if os.geteuid() == 0:
        own_mounts()
    before = Snapshot()
    # Short: Podman takes no run root of more than 50 characters, and a socket no path of more than 107.
    scratch = tempfile.mkdtemp(prefix="ct-", dir="/tmp")
    os.chmod(scratch, 0o755)  # a user namespace's root has to walk through
    os.environ["TMPDIR"] = scratch

    def interrupted(number, _):
        raise KeyboardInterrupt(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    stopped = threading.Event()
    lanes = [[Group(name, options) for name in lane if name in wanted] for lane in LANES]
    reaper = Reaper()
    reaper.start()
    threads = [threading.Thread(target=run_lane, args=(lane, stopped, reaper), daemon=True) for lane in lanes if lane]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stopped.set()
        print("interrupted", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reaper.stopped.set()
    reaper.join()
    groups = [group for lane in lanes for group in lane]
    print_details(groups)
    leaks = [] if stopped.is_set() else [f"process {pid}: {command}" for pid, command in wait_for_children(GRACE_SECONDS)]
    end_children()
    leaks += find_leaks(before, scratch)
    if leaks:
        print("\nleft behind:")
        for leak in leaks:
            print(f"  {leak}")
    passed, failed, skipped = (sum(getattr(group, what) for group in groups) for what in ("passed", "failed", "skipped"))
    failed += bool(leaks) + stopped.is_set()
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


def find_leaks(before, scratch):
    """What stays. A person's own containers come and go meanwhile, so only what every look finds counts."""
    deadline = time.monotonic() + GRACE_SECONDS
    found = None
    while True:
        seen = [leak for leak in Snapshot().new_since(before) if leak != f"file {scratch}"]
        seen += [f"file {path}" for path in sorted(entries(scratch))]
        found = seen if found is None else [leak for leak in found if leak in seen]
        if not found or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    shutil.rmtree(scratch, ignore_errors=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
