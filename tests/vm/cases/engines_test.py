#!/usr/bin/env python3
"""Podman and containerd on corten where cgroups are v2 and systemd runs: as root and as an ordinary user, with both
cgroup drivers.

    engines_test.py                 as the calling user
    CORTEN_TEST_MANAGERS=systemd    with this cgroup driver only
"""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "engines"))
import harness  # noqa: E402
from harness import RUNTIME, Skip, case, contains, daemon, equal, make_rootfs, run, wait_until  # noqa: E402

ROOT = os.geteuid() == 0
WORK = tempfile.mkdtemp(prefix="corten-vm-engines-")
MANAGERS = os.environ.get("CORTEN_TEST_MANAGERS", "systemd cgroupfs").split()
MIB = 1 << 20


def image_tar():
    path = os.path.join(WORK, "image.tar")
    if not os.path.exists(path):
        rootfs = make_rootfs(os.path.join(WORK, "rootfs"))
        run("tar", "-C", rootfs, "-cf", path, ".")
    return path


class Podman:
    """Podman with one cgroup manager; its storage is the machine's, which is thrown away."""

    imported = False

    def __init__(self, manager):
        self.manager = manager
        if not Podman.imported:
            self("import", image_tar(), "bb:1")
            Podman.imported = True

    def command(self, *arguments):
        return ["podman", "--runtime", RUNTIME, "--storage-driver", "vfs", "--root", f"{WORK}/s", "--runroot",
                f"{WORK}/r", "--tmpdir", f"{WORK}/t", "--cgroup-manager", self.manager,
                "--events-backend", "file", *arguments]

    def __call__(self, *arguments, **options):
        return run(*self.command(*arguments), timeout=120, **options)

    def start(self, *arguments):
        """A detached container; its id."""
        return self("run", "--detach", "--network", "none", *arguments).strip()

    def inspect(self, container, template):
        return self("inspect", "--format", template, container).strip()

    def cgroup(self, container):
        pid = self.inspect(container, "{{.State.Pid}}")
        return open(f"/proc/{pid}/cgroup").read().strip().removeprefix("0::")

    def remove(self, container):
        self("rm", "--force", "--time", "0", container)


def with_limits(podman):
    """Whether limits can be had: not as an ordinary user without systemd."""
    return ROOT or podman.manager == "systemd"


def each_manager(function):
    """One case a cgroup manager."""
    def make(manager):
        def one():
            function(Podman(manager))
        one.__name__ = f"{function.__name__}_{manager}_{'root' if ROOT else 'rootless'}"
        return one
    for manager in MANAGERS:
        case(make(manager))
    return function


@each_manager
def podman_runs(podman):
    equal(podman("run", "--rm", "--network", "none", "bb:1", "sh", "-c", "id -u; cat /proc/1/comm; true"), "0\nsh\n")
    equal(podman("run", "--rm", "--network", "none", "bb:1", "sh", "-c", "exit 7", check=False).returncode, 7)
    equal(podman("run", "--rm", "--network", "none", "--user", "1000:1000", "bb:1", "id", "-u"), "1000\n")
    info = json.loads(podman("info", "--format", "json"))
    equal(info["host"]["ociRuntime"]["path"], RUNTIME)


@each_manager
def podman_lifecycle(podman):
    one = podman.start("bb:1", "sleep", "1000")
    try:
        contains(podman.cgroup(one), one)
        if podman.manager == "systemd":
            contains(podman.cgroup(one), f"libpod-{one}.scope")
        equal(podman("exec", one, "echo", "inside"), "inside\n")
        podman("pause", one)
        equal(podman.inspect(one, "{{.State.Status}}"), "paused")
        podman("unpause", one)
        contains(podman("top", one), "sleep")
        podman("restart", "--time", "0", one)
        podman("stop", "--time", "0", one)
        equal(podman.inspect(one, "{{.State.Status}}"), "exited")
    finally:
        podman.remove(one)


@each_manager
def podman_limits(podman):
    if not with_limits(podman):
        raise Skip("an ordinary user gets limits from systemd only")
    script = "cd /sys/fs/cgroup; cat memory.max pids.max cpu.max; sleep 1000"
    one = podman.start("--memory", "64m", "--pids-limit", "42", "--cpus", "0.5", "bb:1", "sh", "-c", script)
    try:
        wait_until("it has written", lambda: podman("logs", one).count("\n") == 3)
        equal(podman("logs", one), f"{64 * MIB}\n42\n50000 100000\n")
        podman("update", "--memory", "96m", one)
        equal(open(f"/sys/fs/cgroup{podman.cgroup(one)}/memory.max").read(), f"{96 * MIB}\n")
        seen = json.loads(podman("stats", "--no-stream", "--format", "json", one))[0]
        equal(seen["pids"], "1")
    finally:
        podman.remove(one)


@each_manager
def podman_pods(podman):
    podman("pod", "create", "--name", "pod", "--infra=false")
    try:
        equal(podman("run", "--rm", "--pod", "pod", "--network", "none", "bb:1", "echo", "inside"), "inside\n")
    finally:
        podman("pod", "rm", "--force", "pod")


class Containerd:
    """A daemon with data of its own."""

    def __init__(self):
        self.socket = f"{WORK}/containerd.sock"
        config = f"{WORK}/containerd.toml"
        with open(config, "w", encoding="utf-8") as text:
            text.write(f'version = 2\nroot = "{WORK}/root"\nstate = "{WORK}/state"\n[grpc]\naddress = "{self.socket}"\n'
                       'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        self.process = daemon(["containerd", "--config", config], f"{WORK}/containerd.log")
        wait_until("containerd answers", lambda: self("version", check=False).returncode == 0)
        layout = f"{WORK}/oci.tar"
        Podman("cgroupfs")("save", "--format", "oci-archive", "--output", layout, "bb:1")
        self("image", "import", layout)
        self.image = self("image", "ls", "-q").split()[0]

    def __call__(self, *arguments, **options):
        return run("ctr", "--address", self.socket, *arguments, timeout=120, **options)


def cgroup_option(option):
    """The same place for the container "two"."""
    return option.replace("ctr:one", "ctr:two")


def containerd_case(*options, cgroup):
    daemon_ = Containerd()
    try:
        daemon_("run", "--detach", "--snapshotter", "native", "--runc-binary", RUNTIME, *options, daemon_.image, "one", "sleep", "1000")
        pid = next(line.split()[1] for line in daemon_("task", "ls").splitlines() if line.startswith("one"))
        equal(open(f"/proc/{pid}/cgroup").read().strip(), f"0::{cgroup}")
        equal(daemon_("task", "exec", "--exec-id", "e", "one", "echo", "inside"), "inside\n")
        contains(daemon_("task", "metrics", "one"), "pids.current")
        daemon_("task", "kill", "--signal", "KILL", "one")
        wait_until("it has ended", lambda: "STOPPED" in daemon_("task", "ls"))
        daemon_("task", "delete", "one", check=False)
        daemon_("container", "delete", "one")
        equal(os.path.exists(f"/sys/fs/cgroup{cgroup}"), False)
        # The shim watches memory.events, where it finds the cgroup by what corten says of it.
        events = daemon(["ctr", "--address", daemon_.socket, "events"], f"{WORK}/events")
        placed = [cgroup_option(option) for option in options]
        daemon_("run", "--snapshotter", "native", "--runc-binary", RUNTIME, *placed, "--memory-limit", str(16 * MIB), daemon_.image,
                "two", "sh", "-c", "tail -c 100000000 /dev/zero; sleep 2", check=False)
        wait_until("the kill is reported", lambda: "/tasks/oom" in open(f"{WORK}/events").read())
        events.kill()
        events.wait()
        daemon_("container", "delete", "two", check=False)
    finally:
        daemon_.process.terminate()
        daemon_.process.wait()


if ROOT and "cgroupfs" in MANAGERS:
    @case
    def containerd_with_cgroupfs():
        containerd_case(cgroup="/default/one")


if ROOT and "systemd" in MANAGERS:
    @case
    def containerd_with_systemd():
        containerd_case("--runc-systemd-cgroup", "--cgroup", "system.slice:ctr:one", cgroup="/system.slice/ctr-one.scope")


if __name__ == "__main__":
    try:
        harness.main()
    finally:
        subprocess.run(["rm", "-rf", WORK], check=False)
