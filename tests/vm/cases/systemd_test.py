#!/usr/bin/env python3
"""The systemd driver on a real systemd: units and their properties, left-overs, a manager that does not answer."""

import concurrent.futures
import glob
import os
import signal
import socket
import subprocess
import sys
import threading
import time

os.environ["CORTEN_TEST_OPTIONS"] = "--systemd-cgroup"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e"))
from bundle import CALL, ROOT, WORK, Container, case, run_cases  # noqa: E402
from harness import contains, equal, run, wait_until  # noqa: E402

MIB = 1 << 20
PRIVATE = "/run/systemd/private"


def show(unit, *properties):
    """The properties as systemd has them."""
    text = run("systemctl", "show", unit, "-p", ",".join(properties))
    return dict(line.split("=", 1) for line in text.splitlines())


def exists(unit):
    return show(unit, "LoadState")["LoadState"] != "not-found"


def unit_of(container):
    return f"corten-{container.id}.scope"


def at(path):
    return lambda config: config["linux"].update(cgroupsPath=path)


def cgroup_of(container):
    return open(f"/proc/{container.state()['pid']}/cgroup").read().strip().removeprefix("0::")


@case
def a_scope_appears_and_goes():
    with Container("sleep", "1000") as one:
        one.created()
        equal(cgroup_of(one), f"/system.slice/{unit_of(one)}")
        seen = show(unit_of(one), "ActiveState", "Delegate", "CollectMode", "Slice", "Transient")
        equal(seen, {"ActiveState": "active", "Delegate": "yes", "CollectMode": "inactive-or-failed",
                     "Slice": "system.slice", "Transient": "yes"})
        # Nobody but the container is inside: what held the place has gone.
        equal(open(f"/sys/fs/cgroup{cgroup_of(one)}/cgroup.procs").read(), f"{one.state()['pid']}\n")
        one.ok("start")
        one.ok("delete", "--force")
        equal(exists(unit_of(one)), False)


@case
def annotations_name_cgroups_inside_the_scope():
    def change(config):
        config["annotations"] = {"run.oci.systemd.subgroup": "container", "run.oci.delegate-cgroup": "init"}
        config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != "cgroup"] + [{"type": "cgroup"}]
        config["process"]["args"] = ["sh", "-c", "cat /proc/self/cgroup; exec sleep 1000"]
    with Container(change=change) as one:
        one.created()
        equal(cgroup_of(one), f"/system.slice/{unit_of(one)}/container/init")
        one.ok("start")
        wait_until("it has looked", lambda: one.output() == "0::/init\n")
        equal(one.ok("exec", after=["cat", "/proc/self/cgroup"]), "0::/init\n")
        one.ok("delete", "--force")
        equal(exists(unit_of(one)), False)


@case
def slice_prefix_and_name():
    for path, unit, place in ((":p:{}", "p-{}.scope", "/system.slice"), ("user.slice:p:{}", "p-{}.scope", "/user.slice"),
                              ("-:p:{}", "p-{}.scope", ""), ("corten-test.slice::{}", "{}.scope", "/corten.slice/corten-test.slice")):
        with Container("sleep", "1000", change=at(path.format("cortentest"))) as one:
            one.created()
            equal(cgroup_of(one), f"{place}/{unit.format('cortentest')}")
    for wrong in ("/absolute/path", "a:b", "a:b:c:d", "notaslice:p:x", "system.slice:p:"):
        with Container("true", change=at(wrong)) as one:
            one.fails("/linux/cgroupsPath")


@case
def limits_are_properties_of_the_unit():
    resources = {"memory": {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 8 * MIB},
                 "cpu": {"shares": 1024, "quota": 25000, "period": 50000, "cpus": "1", "mems": "0"}, "pids": {"limit": 42},
                 "unified": {"memory.high": "48M"}}
    with Container("sleep", "1000", change=lambda c: c["linux"].update(resources=resources)) as one:
        one.created()
        one.ok("start")
        seen = show(unit_of(one), "MemoryMax", "MemorySwapMax", "MemoryLow", "MemoryHigh", "CPUWeight", "CPUQuotaPerSecUSec",
                    "CPUQuotaPeriodUSec", "AllowedCPUs", "AllowedMemoryNodes", "TasksMax")
        equal(seen, {"MemoryMax": str(64 * MIB), "MemorySwapMax": str(32 * MIB), "MemoryLow": str(8 * MIB),
                     "MemoryHigh": str(48 * MIB), "CPUWeight": "100", "CPUQuotaPerSecUSec": "500ms",
                     "CPUQuotaPeriodUSec": "50ms", "AllowedCPUs": "1", "AllowedMemoryNodes": "0", "TasksMax": "42"})
        one.ok("update", "--memory", "128M", "--memory-swap", "-1", "--cpu-quota", "10000", "--pids-limit", "77", "--cpuset-cpus", "0-1")
        seen = show(unit_of(one), "MemoryMax", "MemorySwapMax", "CPUQuotaPerSecUSec", "TasksMax", "AllowedCPUs")
        equal(seen, {"MemoryMax": str(128 * MIB), "MemorySwapMax": "infinity", "CPUQuotaPerSecUSec": "200ms", "TasksMax": "77",
                     "AllowedCPUs": "0-1"})


@case
def device_limits_are_properties_too():
    number = open("/sys/block/vda/dev").read().strip()
    wait_until("udev has named the disk", lambda: os.path.exists(f"/dev/block/{number}"))
    major, minor = map(int, number.split(":"))
    resources = {"blockIO": {"weight": 100, "throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": MIB}]}}
    with Container("sleep", "1000", change=lambda c: c["linux"].update(resources=resources)) as one:
        one.created()
        seen = show(unit_of(one), "IOReadBandwidthMax", "IOWeight")
        equal(seen, {"IOReadBandwidthMax": f"/dev/block/{number} {MIB}", "IOWeight": str(1 + 90 * 9999 // 990)})
        contains(open(f"/sys/fs/cgroup{cgroup_of(one)}/io.max").read(), f"{number} rbps={MIB}")


@case
def nothing_is_lost_when_systemd_reloads_or_touches_the_unit():
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rwm"}]
    resources = {"memory": {"limit": 64 * MIB}, "cpu": {"quota": 33000, "period": 100000, "burst": 1000}, "pids": {"limit": 42},
                 "hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}], "devices": rules}
    files = ("memory.max", "cpu.max", "cpu.max.burst", "pids.max", "hugetlb.2MB.max")

    def change(config):
        config["linux"]["resources"] = resources
        config["linux"]["devices"] = [{"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}]
    with Container("sleep", "1000", change=change) as one:
        one.created()
        one.ok("start")
        path = "/sys/fs/cgroup" + cgroup_of(one)
        before = {file: open(f"{path}/{file}").read() for file in files}
        try_devices = ["sh", "-c", "echo x >/dev/kmsg && echo allowed; mknod /dev/shm/x b 8 0 2>/dev/null; "
                       "cat /dev/shm/x 2>/dev/null || echo denied"]
        equal(one.ok("exec", after=try_devices), "allowed\ndenied\n")
        run("systemctl", "daemon-reload")
        run("systemctl", "set-property", "--runtime", "system.slice", "CPUWeight=200")
        equal({file: open(f"{path}/{file}").read() for file in files}, before)
        equal(one.ok("exec", after=try_devices), "allowed\ndenied\n")


@case
def annotations_set_properties():
    annotations = {"org.systemd.property.TimeoutStopUSec": "uint64 123000000", "org.systemd.property.TimeoutStopSec": "7",
                   "org.systemd.property.CollectMode": "'inactive'", "org.systemd.property.After": "['basic.target']",
                   "org.systemd.property.Description": "'hello there'"}
    with Container("sleep", "1000", change=lambda c: c.update(annotations=annotations)) as one:
        one.created()
        seen = show(unit_of(one), "TimeoutStopUSec", "CollectMode", "Description", "After")
        equal((seen["TimeoutStopUSec"], seen["CollectMode"], seen["Description"]), ("7s", "inactive", "hello there"))
        contains(seen["After"], "basic.target")
    for value in ("uint64", "[1, 'a']", "'open", "@as", "uint32 5000000000"):
        with Container("true", change=lambda c: c.update(annotations={"org.systemd.property.TasksMax": value})) as one:
            one.fails("/annotations/org.systemd.property.TasksMax")
    with Container("true", change=lambda c: c.update(annotations={"org.systemd.property.NoSuchThing": "true"})) as one:
        one.fails("NoSuchThing")


@case
def a_failed_unit_of_the_same_name_is_reset():
    with Container("sleep", "1000") as one:
        subprocess.run(["systemd-run", "--quiet", "--unit", unit_of(one).removesuffix(".scope"), "--service-type=exec", "false"], check=False)
        subprocess.run(["systemd-run", "--quiet", "--scope", "--unit", unit_of(one), "-p", "RuntimeMaxSec=1ms", "-p", "SendSIGKILL=yes", "sleep", "10"], check=False,
                       capture_output=True)
        wait_until("the unit has failed", lambda: show(unit_of(one), "ActiveState")["ActiveState"] == "failed")
        one.created()
        equal(show(unit_of(one), "ActiveState")["ActiveState"], "active")


@case
def somebody_else_s_unit_is_left_alone():
    name = "corten-foreign.scope"
    other = subprocess.Popen(["systemd-run", "--quiet", "--scope", "--unit", name, "sleep", "1000"])
    try:
        wait_until("the unit is there", lambda: show(name, "ActiveState")["ActiveState"] == "active")
        with Container("sleep", "1000", change=at(":corten:foreign")) as one:
            equal(one._create(), 1)  # pylint: disable=protected-access
            contains(one.errors(), "exists and is in use")
        equal(other.poll(), None)
        equal(show(name, "ActiveState")["ActiveState"], "active")
    finally:
        other.kill()
        other.wait()


@case
def a_runtime_that_is_killed_leaves_no_unit():
    containers = []
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
        one = Container("sleep", "1000")
        containers.append(one)
        process = subprocess.Popen([*CALL, "create", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        one.ok("delete", "--force")
        equal(os.path.exists(os.path.join(ROOT, one.id)), False)
    # systemd may read the request of a runtime that was killed only now, and drops the empty unit by itself.
    for one in containers:
        wait_until("the unit is gone", lambda: not exists(unit_of(one)) and not glob.glob(f"/sys/fs/cgroup/**/{unit_of(one)}", recursive=True))


class SilentManager:
    """A manager that never answers a call, in the place of the real one; `greets`: it lets callers in at least."""

    def __init__(self, greets):
        self._greets = greets
        self._peers = []

    def _greet(self):
        while True:
            try:
                peer, _ = self._socket.accept()
                peer.sendall(b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n")
                self._peers.append(peer)
            except OSError:
                return

    def __enter__(self):
        os.rename(PRIVATE, PRIVATE + ".real")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(PRIVATE)
        self._socket.listen(8)
        if self._greets:
            threading.Thread(target=self._greet, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        os.unlink(PRIVATE)
        os.rename(PRIVATE + ".real", PRIVATE)


@case
def a_manager_that_lets_nobody_in_is_an_error_in_time():
    with SilentManager(greets=False), Container("true") as one:
        began = time.monotonic()
        one.fails("does not answer within 10000 ms")
        equal(time.monotonic() - began < 25, True)


@case
def a_manager_that_does_not_answer_is_an_error_in_time():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        with SilentManager(greets=True):
            with Container("true") as other, concurrent.futures.ThreadPoolExecutor() as side:
                began = time.monotonic()
                update = side.submit(one.call, "update", "--pids-limit", "5")
                other.fails("does not answer within 10000 ms")
                equal(time.monotonic() - began < 25, True)
                done = update.result()
                equal(done.returncode, 1)
                contains(done.stderr, "does not answer within 10000 ms")
            for command in ("pause", "resume", "state"):  # they need no systemd
                one.ok(command)
            done = one.call("delete", "--force")
            equal(done.returncode, 0)
            contains(done.stderr, "may be left behind")
        with Container("sleep", "1000", change=at(f":corten:{one.id}")) as again:
            again.created()
        equal(exists(unit_of(one)), False)


@case
def without_systemd_the_error_says_what_is_missing():
    # In a mount namespace of its own, /run/systemd and /run/dbus are empty.
    with Container("true") as one:
        script = "mount -t tmpfs none /run/systemd && mount -t tmpfs none /run/dbus && exec \"$@\""
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *CALL, "run", "--bundle",
                               one.bundle, one.id], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        equal(done.returncode, 1)
        for part in ("/run/systemd/private", "/run/dbus/system_bus_socket", "--cgroup-manager=cgroupfs"):
            contains(done.stderr, part)


@case
def without_the_private_socket_the_bus_is_used():
    with Container("sleep", "1000") as one:
        os.rename(PRIVATE, PRIVATE + ".real")
        try:
            one.created()
            one.ok("start")
            one.ok("delete", "--force")
            equal(exists(unit_of(one)), False)
        finally:
            os.rename(PRIVATE + ".real", PRIVATE)


@case
def a_unit_that_systemd_stops_ends_the_container():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        run("systemctl", "stop", unit_of(one))
        wait_until("it is stopped", lambda: one.status() == "stopped")
        one.ok("delete")


if __name__ == "__main__":
    run_cases()
