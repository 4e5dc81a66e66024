#!/usr/bin/env python3
"""Commands that are killed at their Nth system call, or whose Nth system call fails, for every N. Root is needed.

What must hold at each point: the command ends; what it could not finish is undone, or `delete --force` removes it
without a trace; a container that was made in spite of a failing call is confined exactly like any other; a
container next to it does not notice.

fault_test.py --only CASE [--point N]. CORTEN_NTH_FAULT names the injector (nth_fault.cc), CORTEN_FAULT_STRIDE how
many points apart the sweep looks (1: all of them).
"""

import argparse
import difflib
import errno
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from bundle import ROOT, ROOTFS, RUNTIME, WORK, Container, contains, equal  # noqa: E402
from harness import make_rootfs, wait_until  # noqa: E402

INJECTOR = os.environ["CORTEN_NTH_FAULT"]
STRIDE = int(os.environ.get("CORTEN_FAULT_STRIDE", "11"))
ERRORS = (errno.EPERM, errno.ENOENT, errno.ENOMEM, errno.ENOSYS, errno.EINVAL, errno.EAGAIN, errno.EINTR,
          errno.EMFILE, errno.ENOSPC, errno.EIO, errno.EBUSY, errno.EROFS)

# Everything that confines the program, as the program sees it. Mount ids and times differ from run to run.
POSTURE = """
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|Umask)' /proc/self/status
cut -d' ' -f4- /proc/self/mountinfo
cat /proc/self/limits /proc/self/oom_score_adj /proc/self/uid_map /proc/self/gid_map
hostname; umask; pwd; env | sort; stat -c '%A %u:%g %t:%T %n %N' /dev/* /dev; ls /proc/self/fd | wc -l
wc -c </proc/keys; (echo 1 >/proc/sys/kernel/printk) 2>&1; cat /sys/fs/cgroup/devices/devices.list 2>/dev/null
chroot / true 2>&1; true
"""


def confined(config):
    process = config["process"]
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 256, "hard": 256}]
    process["user"] = {"uid": 0, "gid": 0, "additionalGids": [10, 11], "umask": 0o027}
    process["oomScoreAdj"] = 100
    process["noNewPrivileges"] = True
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["chroot"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EXDEV}]}
    config["linux"]["resources"] = {"memory": {"limit": 64 << 20}, "pids": {"limit": 64}, "devices": [{"allow": False, "access": "rwm"}]}


def in_user_namespace(config):
    confined(config)
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = mapping
    config["linux"]["namespaces"].append({"type": "user"})


def with_hooks(config):
    confined(config)
    hook = [{"path": "/bin/sh", "args": ["sh", "-c", "cat >/dev/null"]}]
    config["hooks"] = {name: hook for name in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")}
    config["hooks"]["createContainer"] = config["hooks"]["startContainer"] = [{"path": "/bin/true"}]


class Fault:
    """What nth_fault is told, and what it saw."""

    def __init__(self, at=0, error=0):
        self.at = at
        self.error = error

    def run(self, arguments, folder):
        report = os.path.join(folder, "report")
        mode = [] if self.at == 0 else ["--at", str(self.at), *(["--errno", str(self.error)] if self.error else ["--kill"])]
        with open(os.path.join(folder, "out"), "wb") as out, open(os.path.join(folder, "err"), "wb") as err:
            self.status = subprocess.run([INJECTOR, "--program", RUNTIME, "--report", report, *mode, "--", RUNTIME, "--root", ROOT, *arguments],
                                         stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=30, check=False).returncode
        self.errors = open(os.path.join(folder, "err"), encoding="utf-8", errors="replace").read()
        seen = json.load(open(report, encoding="utf-8"))
        self.count, self.main, self.hit = seen["count"], seen["main"], seen["call"] >= 0
        self.call = seen["call"]

    def __str__(self):
        how = f"fails with {errno.errorcode[self.error]}" if self.error else "is the last before SIGKILL"
        return f"--point {self.at} (call {self.call} of {'the command' if self.main else 'a child'} {how}): exit status {self.status}, {self.errors!r}"


def no_process_of(one):
    def none():
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and one.id.encode() in open(f"/proc/{name}/cmdline", "rb").read():
                    return False
            except OSError:
                continue
        return True
    wait_until("no process of it is left", none)


def status_or_nothing(one):
    """A state that can be asked for, or no container."""
    done = one.call("state")
    if done.returncode == 0:
        return json.loads(done.stdout)["status"]
    contains(done.stderr, "does not exist")
    return None


def posture_of(one):
    """The output of the created container's program."""
    one.ok("start")
    wait_until("it is stopped", lambda: one.status() == "stopped")
    text = one.output()
    # A hierarchy that was bound instead of mounted shows the host's name for its source.
    return text.replace(one.id, "ID").replace(" cgroup2 cgroup2 ", " cgroup2 cgroup ")


def same(expected, seen, equivalent):
    """Compares two postures line by line, less the lines that match `equivalent`."""
    expected, seen = ([line for line in text.splitlines() if not re.search(equivalent, line)] for text in (expected, seen))
    if expected != seen:
        raise AssertionError("\n".join(difflib.unified_diff(expected, seen, "expected", "seen", n=0, lineterm="")))


class Sweep:
    """One command on one configuration, at every point."""

    # A /dev that is read-only goes without the links that nobody asked for; a node that init may not make comes from the parent,
    # as a mount of the same device; HOME is / when /etc/passwd cannot be read.
    LESSER = (r" -> (/proc/self/fd|/proc/kcore|pts/ptmx)|^HOME=/(root)?$"
              r"|^/node /dev/(null|zero|full|random|urandom|tty) rw,nosuid,noexec,relatime - tmpfs ")

    def __init__(self, change=confined, equivalent=LESSER):
        self.change = change
        self.equivalent = equivalent

    def container(self):
        return Container(script=POSTURE, change=self.change)

    def prepare(self, one):
        """Brings the container to where the command starts."""

    def arguments(self, one):
        raise NotImplementedError

    def check(self, one, fault):
        """After a fault; delete --force and the search for leftovers follow."""

    def one_point(self, fault):
        with self.container() as one:
            self.prepare(one)
            fault.run(self.arguments(one), one.bundle)
            if fault.at == 0:
                equal((fault.status, fault.errors), (0, ""))
            else:
                self.check(one, fault)
        no_process_of(one)

    def run(self, errors, point):
        unharmed = Fault()
        self.one_point(unharmed)
        points = [point] if point else range(1, unharmed.count + 1, STRIDE)
        failures = []
        for at in points:
            fault = Fault(at, ERRORS[at % len(ERRORS)] if errors else 0)
            try:
                self.one_point(fault)
            except Exception as problem:  # noqa: BLE001 - every point is looked at, whatever the one before did
                failures.append(f"{fault if hasattr(fault, 'call') else at}\n    {type(problem).__name__}: {problem}")
        print(f"{len(points)} of {unharmed.count} points, {len(failures)} failed")
        for failure in failures:
            print("not ok -", failure)
        return not failures


class Create(Sweep):
    baseline = None

    def arguments(self, one):
        return ["create", "--bundle", one.bundle, "--pid-file", os.path.join(one.bundle, "pid"), one.id]

    def run(self, errors, point):
        with self.container() as one:
            self.baseline = posture_of(one.created())
        return super().run(errors, point)

    def check(self, one, fault):
        status = status_or_nothing(one)
        if fault.status == 0:
            # Init may end when all is said and done: then there is a container, and it is stopped.
            if status == "created":
                # What could not be found out is dropped with a warning, never granted.
                if "warning" not in fault.errors:
                    same(self.baseline, posture_of(one), self.equivalent)
            else:
                equal((status, fault.main), ("stopped", False))
        elif fault.error or not fault.main:
            equal(status, None)
            equal(os.path.exists(os.path.join(one.bundle, "pid")), False)
            contains(fault.errors, "\n")
            one.gone()
        else:
            equal(fault.status, 128 + 9)
            one.ok("delete", "--force")
            one.created()


class Start(Sweep):
    def prepare(self, one):
        one.created()

    def arguments(self, one):
        return ["start", one.id]

    def check(self, one, fault):
        status = status_or_nothing(one)
        # What cannot be started is destroyed; what was killed is somewhere on its way.
        known = ("created", "running", "stopped") if fault.status in (0, 128 + 9) else ("created", "stopped", None)
        contains(known, status)
        if fault.error and fault.status != 0:
            contains(fault.errors, "\n")


class Run(Sweep):
    def arguments(self, one):
        return ["run", "--bundle", one.bundle, one.id]

    def check(self, one, fault):
        status = status_or_nothing(one)
        if fault.status == 0 or (fault.main and not fault.error):
            return
        # Stopped, or a directory without a record: it ran, and what failed was to delete it.
        contains((None, "stopped"), status)
        folder = os.path.join(ROOT, one.id)
        if status is None and not (os.path.isdir(folder) and os.listdir(folder) == []):
            one.gone()


class Beside(Sweep):
    """Commands on a running container, which must go on running."""

    def container(self):
        return Container("sleep", "1000", change=self.change)

    def prepare(self, one):
        one.created()
        one.ok("start")
        self.pid = one.state()["pid"]

    def check(self, one, fault):
        equal((one.state()["status"], one.state()["pid"]), ("running", self.pid))


class Exec(Beside):
    def arguments(self, one):
        return ["exec", one.id, "/bin/true"]

    def check(self, one, fault):
        super().check(one, fault)
        wait_until("its process is gone", lambda: json.loads(one.ok("ps", "--format", "json")) == [self.pid])
        if fault.error and fault.status != 0:
            equal((fault.status, fault.errors != ""), (255, True))


class Update(Beside):
    def arguments(self, one):
        return ["update", "--memory", str(48 << 20), "--pids-limit", "32", one.id]


class Kill(Beside):
    def arguments(self, one):
        return ["kill", one.id, "WINCH"]


class Pause(Beside):
    def arguments(self, one):
        return ["pause", one.id]

    def check(self, one, fault):
        if one.state()["status"] == "paused":
            one.ok("resume")
        super().check(one, fault)


class Delete(Sweep):
    def prepare(self, one):
        one.created()

    def arguments(self, one):
        return ["delete", "--force", one.id]

    def check(self, one, fault):
        status_or_nothing(one)
        if fault.status == 0:
            one.gone()


SWEEPS = {
    "create": Create(),
    # What a user namespace may not make is bound from the host: the same devices, and a read-only sysfs with what is mounted
    # on it, under the container's own cgroups.
    "create-userns": Create(change=in_user_namespace, equivalent=Sweep.LESSER + r"|/dev/(null|zero|full|random|urandom|tty) | (null|zero|full|random|urandom|tty)$"
                                                                 r"|^/(\.\.)* /sys/[a-z/,]+ ro,nosuid,nodev,noexec"),
    "create-hooks": Create(change=with_hooks),
    "start": Start(change=with_hooks),
    "run": Run(),
    "exec": Exec(),
    "update": Update(),
    "kill": Kill(),
    "pause": Pause(),
    "delete": Delete(),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", required=True, metavar="COMMAND.killed|failing")
    parser.add_argument("--point", type=int, default=0)
    options = parser.parse_args()
    name, mode = options.only.rsplit(".", 1)
    make_rootfs(ROOTFS)
    try:
        with Container("sleep", "1000") as neighbour:
            neighbour.created()
            neighbour.ok("start")
            good = SWEEPS[name].run(mode == "failing", options.point)
            equal(neighbour.status(), "running")
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", WORK], check=False)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
