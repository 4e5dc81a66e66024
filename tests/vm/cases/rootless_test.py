#!/usr/bin/env python3
"""An ordinary user's containers: id maps, mounts that need fallbacks, and every amount of rights over cgroups.

    rootless_test.py            in a delegated cgroup of the user's systemd session
    CORTEN_TEST_CGROUPS=none    where the user may make no cgroup at all
"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e"))
from bundle import ROOT, RUNTIME, Container, case, run_cases  # noqa: E402
from harness import contains, equal, run, wait_until  # noqa: E402

NONE = os.environ.get("CORTEN_TEST_CGROUPS") == "none"
UID = os.getuid()
FIRST_SUBORDINATE = 200000
MIB = 1 << 20


def range_of_ids(config):
    """What newuidmap and newgidmap grant: the user and 65535 subordinate ids."""
    for name, own in (("uidMappings", UID), ("gidMappings", os.getgid())):
        config["linux"][name] = [{"containerID": 0, "hostID": own, "size": 1},
                                 {"containerID": 1, "hostID": FIRST_SUBORDINATE, "size": 65535}]


class WithSystemd:
    """A container of the systemd driver."""

    def __init__(self, *args, **options):
        self.container = Container(*args, **options)

    def create(self):
        one = self.container
        with open(one.bundle + "/out", "wb") as out, open(one.bundle + "/err", "wb") as err:
            code = subprocess.run([RUNTIME, "--root", ROOT, "--systemd-cgroup", "create", "--bundle", one.bundle, one.id],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=60).returncode
        if code:
            raise AssertionError(one.errors())
        return one


def cgroup_of(container):
    return open(f"/proc/{container.state()['pid']}/cgroup").read().strip().removeprefix("0::")


@case
def the_template_runs():
    with Container(script="id -u; id -g; cat /proc/self/uid_map /proc/self/setgroups; touch /tmp/x 2>/dev/null || echo ro") as one:
        done = one.run()
        equal((done.returncode, done.stderr), (0, ""))
        equal(done.stdout.split(), ["0", "0", "0", str(UID), "1", "deny", "ro"])


@case
def a_range_of_ids_needs_the_helpers():
    with Container(script="cat /proc/self/uid_map; cat /proc/self/setgroups; id -u; id -G", change=lambda c: (
            range_of_ids(c), c["process"].update(user={"uid": 1000, "gid": 1000, "additionalGids": [5, 7]}))) as one:
        done = one.run()
        equal((done.returncode, done.stderr), (0, ""))
        equal(done.stdout.split(), ["0", str(UID), "1", "1", "200000", "65535", "allow", "1000", "1000", "5", "7"])


@case
def ids_that_nobody_granted_are_refused():
    def change(config):
        range_of_ids(config)
        config["linux"]["uidMappings"][1]["hostID"] = 500000
    with Container("true", change=change) as one:
        one.fails("/etc/subuid")


@case
def groups_cannot_be_set_with_one_mapping():
    with Container("true", change=lambda c: c["process"]["user"].update(additionalGids=[5])) as one:
        done = one.run()
        equal(done.returncode, 1)
        contains(done.stderr, "additionalGids")


@case
def filesystems_that_a_user_may_not_mount_are_bound():
    def change(config):
        config["mounts"] = [m for m in config["mounts"] if m["destination"] not in ("/sys", "/sys/fs/cgroup")]
        config["mounts"].append({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro", "nosuid"]})
        config["mounts"].append({"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"})
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] not in ("network", "ipc")]
    with Container(script="ls -d /sys/class/net/lo; touch /sys/x 2>/dev/null || echo ro; ls -d /dev/mqueue", change=change) as one:
        done = one.run()
        equal((done.returncode, done.stderr), (0, ""))
        equal(done.stdout.split(), ["/sys/class/net/lo", "ro", "/dev/mqueue"])


@case
def devices_are_the_host_s():
    with Container(script="head -c 3 /dev/zero | wc -c; echo x >/dev/null && echo ok; ls -l /dev/null | cut -c1; tty; ls /dev/pts/ptmx",
                   change=range_of_ids) as one:
        done = one.run()
        equal(done.stdout.split(), ["3", "ok", "c", "not", "a", "tty", "/dev/pts/ptmx"])


@case
def a_lifecycle():
    with Container("sleep", "1000") as one:
        one.created()
        equal(one.state()["owner"], str(UID))
        one.ok("start")
        equal(one.ok("exec", after=["id", "-u"]), "0\n")
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        one.ok("delete")


@case
def a_user_namespace_inside_a_user_namespace():
    nested = "/corten"

    def change(config):
        range_of_ids(config)
        config["root"]["readonly"] = False
        config["mounts"] += [{"destination": nested, "type": "bind", "source": RUNTIME, "options": ["bind", "ro"]},
                             {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]
        config["linux"]["maskedPaths"] = []
        config["linux"]["readonlyPaths"] = []
        for kind in config["process"]["capabilities"]:
            config["process"]["capabilities"][kind] = ["CAP_SYS_ADMIN", "CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE",
                                                       "CAP_KILL", "CAP_MKNOD", "CAP_SYS_CHROOT", "CAP_SETFCAP", "CAP_SETPCAP",
                                                       "CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE"]
    script = "mkdir -p /tmp/b/rootfs/bin && cp /bin/busybox /tmp/b/rootfs/bin/ && cd /tmp/b && " \
             f"{nested} spec --rootless && sed -i 's/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"\\/bin\\/busybox\", \"id\", \"-u\"/' config.json && " \
             f"{nested} --root /tmp/state --cgroup-manager=disabled run inner </dev/null; echo $?"
    with Container(script=script, change=change) as one:
        done = one.run(timeout=60)
        contains(done.stdout, "0\n0\n")


if NONE:
    @case
    def without_rights_there_is_no_cgroup():
        before = open("/proc/self/cgroup").read()
        with Container("sleep", "1000") as one:
            one.config["mounts"] = [m for m in one.config["mounts"] if m["destination"] != "/sys/fs/cgroup"]
            one.created()
            equal(open(f"/proc/{one.state()['pid']}/cgroup").read(), before)
            one.ok("start")
            done = one.call("pause")
            equal(done.returncode, 1)
            contains(done.stderr, "no cgroups")
            one.ok("delete", "--force")

    @case
    def limits_without_rights_are_an_error():
        with Container("true", change=lambda c: c["linux"].update(resources={"pids": {"limit": 5}})) as one:
            one.fails("Permission denied")
        with Container("true", change=lambda c: c["linux"].update(cgroupsPath="/elsewhere")) as one:
            one.fails("Permission denied")
else:
    @case
    def a_cgroup_below_the_user_s_own():
        with Container("sleep", "1000") as one:
            one.created()
            own = open("/proc/self/cgroup").read().strip().removeprefix("0::")
            equal(cgroup_of(one), f"{own}/{one.id}")
            one.ok("start")
            one.ok("pause")
            equal(one.status(), "paused")
            one.ok("resume")
            equal(one.ok("ps", "-f", "json"), f"[{one.state()['pid']}]\n")

    @case
    def the_user_s_systemd_makes_a_scope_with_limits():
        resources = {"memory": {"limit": 64 * MIB}, "pids": {"limit": 42}, "cpu": {"shares": 512, "cpus": "1"}}
        holder = WithSystemd("sleep", "1000", change=lambda c: c["linux"].update(resources=resources))
        with holder.container as one:
            holder.create()
            path = cgroup_of(one)
            contains(path, f"/user@{UID}.service/user.slice/corten-{one.id}.scope")
            for file, value in (("memory.max", 64 * MIB), ("pids.max", 42), ("cpu.weight", 59), ("cpuset.cpus", 1)):
                equal((file, open(f"/sys/fs/cgroup{path}/{file}").read().strip()), (file, str(value)))
            one.ok("start")
            one.ok("update", "--memory", "96M", "--pids-limit", "50")
            shown = run("systemctl", "--user", "show", f"corten-{one.id}.scope", "-p", "MemoryMax,TasksMax,Delegate")
            equal(sorted(shown.split()), ["Delegate=yes", f"MemoryMax={96 * MIB}", "TasksMax=50"])
            equal(one.ok("exec", after=["cat", "/proc/self/cgroup"]), "0::/\n")
            one.ok("delete", "--force")
            equal(os.path.exists(f"/sys/fs/cgroup{path}"), False)

    @case
    def without_a_user_manager_the_error_says_how_to_get_one():
        with Container("true") as one:
            environment = {key: value for key, value in os.environ.items() if key not in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")}
            done = subprocess.run([RUNTIME, "--root", ROOT, "--systemd-cgroup", "run", "--bundle", one.bundle, one.id], env=environment,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True)
            equal(done.returncode, 1)
            for part in ("XDG_RUNTIME_DIR", "loginctl enable-linger"):
                contains(done.stderr, part)


if __name__ == "__main__":
    run_cases(root=False)
