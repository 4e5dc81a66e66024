#!/usr/bin/env python3
"""cgroup v2, read back from the kernel: every resource property at creation and by update, devices, freezer,
ownership, cgroup namespace, OOM; and what only this kind of machine has: AppArmor, raised hard limits.

Runs inside the test machine, once for each cgroup driver (CORTEN_TEST_OPTIONS).
"""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e"))
from bundle import CALL, WORK, Container, case, run_cases  # noqa: E402
from harness import contains, equal, wait_until  # noqa: E402

SYSTEMD = "--systemd-cgroup" in CALL
MIB = 1 << 20
PAGE = "2MB"


def block_device():
    """(major, minor) of the machine's disk."""
    return tuple(int(number) for number in open("/sys/block/vda/dev").read().split(":"))


ALL_CAPABILITIES = [f"CAP_{name}" for name in (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST "
    "NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE "
    "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM "
    "BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE").split()]
MAJOR, MINOR = block_device()
DISK = f"{MAJOR}:{MINOR}"


def throttle(name, rate):
    return {"blockIO": {f"throttle{name}Device": [{"major": MAJOR, "minor": MINOR, "rate": rate}]}}


def io_max(**set_ones):
    values = {"rbps": "max", "wbps": "max", "riops": "max", "wiops": "max", **set_ones}
    return f"{DISK} " + " ".join(f"{key}={value}" for key, value in values.items())


# resources, and what the files hold then.
PROPERTIES = {
    "memory limit": ({"memory": {"limit": 64 * MIB}}, {"memory.max": 64 * MIB}),
    "memory limit none": ({"memory": {"limit": -1}}, {"memory.max": "max", "memory.swap.max": "max"}),
    "memory swap": ({"memory": {"limit": 64 * MIB, "swap": 96 * MIB}}, {"memory.swap.max": 32 * MIB}),
    "memory swap equal": ({"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}, {"memory.swap.max": 0}),
    "memory swap none": ({"memory": {"limit": 64 * MIB, "swap": -1}}, {"memory.swap.max": "max"}),
    "memory reservation": ({"memory": {"reservation": 16 * MIB}}, {"memory.low": 16 * MIB}),
    "cpu shares": ({"cpu": {"shares": 1024}}, {"cpu.weight": 100}),
    "cpu shares least": ({"cpu": {"shares": 2}}, {"cpu.weight": 1}),
    "cpu shares most": ({"cpu": {"shares": 262144}}, {"cpu.weight": 10000}),
    "cpu quota": ({"cpu": {"quota": 33333, "period": 100000}}, {"cpu.max": "33333 100000"}),
    "cpu quota alone": ({"cpu": {"quota": 20000}}, {"cpu.max": "20000 100000"}),
    "cpu period alone": ({"cpu": {"period": 50000}}, {"cpu.max": "max 50000"}),
    "cpu burst": ({"cpu": {"quota": 20000, "period": 100000, "burst": 10000}}, {"cpu.max.burst": 10000}),
    "cpu idle": ({"cpu": {"idle": 1}}, {"cpu.idle": 1}),
    "cpuset cpus": ({"cpu": {"cpus": "1"}}, {"cpuset.cpus": 1}),
    "cpuset mems": ({"cpu": {"mems": "0"}}, {"cpuset.mems": 0}),
    "pids limit": ({"pids": {"limit": 42}}, {"pids.max": 42}),
    "pids limit none": ({"pids": {"limit": -1}}, {"pids.max": "max"}),
    "pids limit small": ({"pids": {"limit": 3}}, {"pids.max": 3}),
    "io weight": ({"blockIO": {"weight": 500}}, {"io.bfq.weight": "default 500"}),
    "io read bytes": (throttle("ReadBps", MIB), {"io.max": io_max(rbps=MIB)}),
    "io write bytes": (throttle("WriteBps", MIB), {"io.max": io_max(wbps=MIB)}),
    "io read operations": (throttle("ReadIOPS", 1000), {"io.max": io_max(riops=1000)}),
    "io write operations": (throttle("WriteIOPS", 1000), {"io.max": io_max(wiops=1000)}),
    "hugepages": ({"hugepageLimits": [{"pageSize": PAGE, "limit": 4 * MIB}]},
                  {f"hugetlb.{PAGE}.max": 4 * MIB, f"hugetlb.{PAGE}.rsvd.max": 4 * MIB}),
    "unified memory": ({"unified": {"memory.high": "32M", "memory.min": "1M", "memory.oom.group": "1"}},
                       {"memory.high": 32 * MIB, "memory.min": MIB, "memory.oom.group": 1}),
    "unified cpu": ({"unified": {"cpu.weight": "77", "cpu.max": "12345 50000"}},
                    {"cpu.weight": 77, "cpu.max": "12345 50000"}),
    "unified io": ({"unified": {"io.max": f"{DISK} rbps=2097152 wiops=50"}},
                   {"io.max": io_max(rbps=2097152, wiops=50)}),
    "unified wins": ({"pids": {"limit": 10}, "unified": {"pids.max": "20"}}, {"pids.max": 20}),
}


def cgroup_of(container):
    pid = container.state()["pid"]
    line = open(f"/proc/{pid}/cgroup").read().strip()
    equal(line[:3], "0::")
    return "/sys/fs/cgroup" + line[3:]


def control(container, file):
    return open(os.path.join(cgroup_of(container), file)).read().strip()


def with_resources(resources):
    return lambda config: config["linux"].update(resources=dict(config["linux"]["resources"], **resources))


def check_files(container, expected, what):
    for file, value in expected.items():
        equal((what, file, control(container, file)), (what, file, str(value)))


@case
def every_property_at_creation():
    for what, (resources, expected) in PROPERTIES.items():
        with Container("sleep", "1000", change=with_resources(resources)) as one:
            one.created()
            check_files(one, expected, what)


@case
def every_property_by_update():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        for what, (resources, expected) in PROPERTIES.items():
            if "blockIO" not in resources or "weight" in resources["blockIO"]:
                one.ok("update", "--resources", "-", input=json.dumps(resources))
                check_files(one, expected, what)
                if "cpu.idle" in expected:  # an idle group takes no weight
                    one.ok("update", "--resources", "-", input='{"cpu": {"idle": 0}}')


@case
def update_keeps_what_it_does_not_name_and_undoes_a_failure():
    limits = {"memory": {"limit": 64 * MIB}, "cpu": {"shares": 512}, "pids": {"limit": 42}}
    with Container("sleep", "1000", change=with_resources(limits)) as one:
        one.created()
        one.ok("start")
        one.ok("update", "--pids-limit", "50")
        check_files(one, {"memory.max": 64 * MIB, "cpu.weight": 59, "pids.max": 50}, "one limit changed")
        # There is no CPU 4095, which shows only when everything before it is written.
        wrong = {"memory": {"limit": 128 * MIB}, "pids": {"limit": 60}, "unified": {"cpuset.cpus": "4095"}}
        done = one.call("update", "--resources", "-", input=json.dumps(wrong))
        equal(done.returncode, 1)
        contains(done.stderr, "cpuset.cpus")
        check_files(one, {"memory.max": 64 * MIB, "cpu.weight": 59, "pids.max": 50}, "after the failure")


@case
def a_limit_below_the_usage_is_refused_when_asked():
    with Container(script="head -c 20000000 /dev/zero | tail -c 20000000 | sleep 1000; sleep 1000",
                   change=with_resources({"memory": {"limit": 64 * MIB}})) as one:
        one.created()
        one.ok("start")
        wait_until("memory is used", lambda: int(control(one, "memory.current")) > 8 * MIB)
        request = {"memory": {"limit": 2 * MIB, "checkBeforeUpdate": True}}
        done = one.call("update", "--resources", "-", input=json.dumps(request))
        equal(done.returncode, 1)
        contains(done.stderr, "below the present usage")
        equal(control(one, "memory.max"), str(64 * MIB))


@case
def settings_of_version_1_are_refused():
    for resources, pointer in (({"memory": {"swappiness": 10}}, "/memory/swappiness"),
                               ({"memory": {"kernelTCP": MIB}}, "/memory/kernelTCP"),
                               ({"memory": {"disableOOMKiller": True}}, "/memory/disableOOMKiller"),
                               ({"cpu": {"realtimeRuntime": 1000}}, "/cpu/realtimeRuntime"),
                               ({"network": {"classID": 5}}, "/network/classID"),
                               ({"unified": {"net_cls.x": "1"}}, "/unified/net_cls.x")):
        with Container("true", change=with_resources(resources)) as one:
            one.fails("/linux/resources" + pointer)


@case
def device_rules_are_in_force():
    script = "cat /dev/null && echo null; head -c1 /dev/zero >/dev/null && echo zero; mknod /tmp/k c 1 11 && echo made; " \
             "echo x >/tmp/k && echo kmsg"
    rules = [{"allow": False, "access": "rwm"}, {"allow": False, "type": "c", "major": 1, "minor": 5, "access": "r"}]

    def change(config):
        config["linux"]["resources"]["devices"] = rules
        config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
        for kind in config["process"]["capabilities"]:
            config["process"]["capabilities"][kind].append("CAP_MKNOD")
    with Container(script=script + " 2>/dev/null; exit 0", change=change) as one:
        done = one.run()
        equal(done.stdout, "null\nmade\n")
    rules[1:] = [{"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"}]
    with Container(script=script + " 2>/dev/null; exit 0", change=change) as one:
        equal(one.run().stdout, "null\nzero\nmade\nkmsg\n")


@case
def pause_freezes_and_a_paused_container_can_be_killed():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        one.ok("pause")
        equal(control(one, "cgroup.freeze"), "1")
        contains(control(one, "cgroup.events"), "frozen 1")
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")


@case
def delete_takes_nested_cgroups_and_stubborn_processes():
    def change(config):
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "pid"]
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/sys/fs/cgroup"] + [
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]}]
    script = "mkdir -p /sys/fs/cgroup/a/b; (trap '' TERM; echo 0 >/sys/fs/cgroup/a/b/cgroup.procs; echo ready; sleep 1000) & wait"
    with Container(script=script, change=change) as one:
        one.created()
        path = cgroup_of(one)
        one.ok("start")
        wait_until("the child is in its cgroup", lambda: one.output() == "ready\n")
        # A manager inside has taken the container's own cgroup away: exec goes where init is, or beside it.
        equal(one.ok("exec", after=["echo", "still reachable"]), "still reachable\n")
        one.ok("delete", "--force")
        equal(os.path.exists(path), False)


@case
def a_user_namespace_owns_its_delegated_cgroup():
    ids = [{"containerID": 0, "hostID": 300000, "size": 65536}]

    def change(config):
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"].update(uidMappings=ids, gidMappings=ids)
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/sys/fs/cgroup"] + [
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]}]
    script = "cd /sys/fs/cgroup && mkdir inner && echo 0 >inner/cgroup.procs && cat /proc/self/cgroup && " \
             "echo +pids >cgroup.subtree_control && cat inner/pids.max; echo 1 >pids.max || echo refused; sleep 1000"
    with Container(script=script, change=change) as one:
        one.created()
        path = cgroup_of(one)
        owned = {name for name in os.listdir(path) if os.stat(os.path.join(path, name)).st_uid == 300000}
        listed = set(open("/sys/kernel/cgroup/delegate").read().split())
        equal(os.stat(path).st_uid, 300000)
        equal(owned, listed & set(os.listdir(path)))
        one.ok("start")
        wait_until("it has tried", lambda: one.output().endswith("refused\n"))
        equal(one.output(), "0::/inner\nmax\nrefused\n")


@case
def the_cgroup_namespace_shows_the_container_as_the_root():
    with Container(script="cat /proc/self/cgroup; cat /sys/fs/cgroup/memory.max",
                   change=with_resources({"memory": {"limit": 64 * MIB}})) as one:
        equal(one.run().stdout, f"0::/\n{64 * MIB}\n")


@case
def an_exec_is_in_the_container_s_cgroup():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        equal(one.ok("exec", after=["cat", "/proc/self/cgroup"]), "0::/\n")


@case
def a_cgroup_in_use_is_refused():
    with Container("sleep", "1000") as one:
        one.created()
        path = one.config["linux"].get("cgroupsPath", "") or (f":corten:{one.id}" if SYSTEMD else f"/{one.id}")
        with Container("sleep", "1", change=lambda c: c["linux"].update(cgroupsPath=path)) as other:
            equal(other._create(), 1)  # pylint: disable=protected-access
            contains(other.errors(), "exists and")
            equal(one.status(), "created")
        one.ok("start")


@case
def out_of_memory_kills_are_counted_inside_the_container_only():
    with Container(script="head -c 100000000 /dev/zero | tail -c 100000000 >/dev/null; sleep 1000",
                   change=with_resources({"memory": {"limit": 16 * MIB, "swap": 16 * MIB}})) as one:
        one.created()
        one.ok("start")
        wait_until("somebody was killed", lambda: "oom_kill 1" in control(one, "memory.events"))
        equal(one.status(), "running")


@case
def the_state_tells_of_an_oom_kill():
    for limited, expected in ((True, "/linux/resources/memory"), (False, "above the container")):
        parent = f"/sys/fs/cgroup/limited-{os.getpid()}"
        os.mkdir(parent)
        try:
            def change(config):
                if limited:
                    config["linux"]["resources"]["memory"] = {"limit": 16 * MIB, "swap": 16 * MIB}
                elif not SYSTEMD:
                    config["linux"]["cgroupsPath"] = f"{parent.removeprefix('/sys/fs/cgroup')}/inner"
            with Container(script="exec tail -c 100000000 /dev/zero", change=change) as one:
                if SYSTEMD:
                    return  # the unit, and its cgroup, go with the last process
                one.created()
                open(f"{parent}/memory.max", "w").write(str(16 * MIB))
                one.ok("start")
                wait_until("it is stopped", lambda: one.status() == "stopped")
                state = one.state()
                equal((state["oomKilled"], state["oomLimit"]), (True, expected))
        finally:
            os.rmdir(parent)
    with Container("true") as one:
        one.created()
        one.ok("start")
        wait_until("it is stopped", lambda: one.status() == "stopped")
        equal("oomKilled" in one.state(), False)


@case
def a_container_in_a_container():
    def change(config):
        config["root"]["readonly"] = False
        config["mounts"] = [m for m in config["mounts"] if m["destination"] not in ("/sys/fs/cgroup", "/sys")] + [
            {"destination": "/sys", "type": "sysfs", "source": "sysfs"},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"]},
            {"destination": "/corten", "type": "bind", "source": CALL[0], "options": ["bind", "ro"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]
        config["linux"].update(maskedPaths=[], readonlyPaths=[], resources={"devices": [{"allow": True, "access": "rwm"}]})
        config["process"].update(noNewPrivileges=False, capabilities={kind: ALL_CAPABILITIES for kind in (
            "bounding", "effective", "permitted")})
    # As engines in containers do: the inner engine's own processes leave the root of their cgroup namespace first.
    script = "mkdir /sys/fs/cgroup/engine && for p in $(cat /sys/fs/cgroup/cgroup.procs); do echo $p >/sys/fs/cgroup/engine/cgroup.procs; done 2>/dev/null; " \
             "mkdir -p /tmp/b/rootfs/bin && cp /bin/busybox /tmp/b/rootfs/bin/ && cd /tmp/b && /corten spec && " \
             "sed -i 's/\"terminal\": true/\"terminal\": false/; s/\"sh\"/\"\\/bin\\/busybox\", \"sleep\", \"1000\"/' config.json && " \
             "/corten --root /tmp/state run -d inner </dev/null >/dev/null && /corten --root /tmp/state update --memory 20M inner && " \
             "cat /sys/fs/cgroup/inner/memory.max && /corten --root /tmp/state exec inner /bin/busybox id -u && " \
             "/corten --root /tmp/state delete -f inner; echo $?"
    with Container(script=script, change=change) as one:
        done = one.run(timeout=60)
        equal((done.stdout, done.stderr), (f"{20 * MIB}\n0\n0\n", ""))


@case
def a_memory_limit_that_is_too_small_says_so():
    with Container("true", change=with_resources({"memory": {"limit": 4096}})) as one:
        one.fails("memory limit")


@case
def apparmor_confines_the_program():
    profile = os.path.join(WORK, "profile")
    with open(profile, "w", encoding="utf-8") as text:
        text.write("profile corten-test flags=(attach_disconnected) {\n  file,\n  capability,\n  network,\n"
                   "  deny /tmp/secret rw,\n  signal,\n  ptrace,\n}\n")
    subprocess.run(["apparmor_parser", "--replace", profile], check=True, capture_output=True)

    def change(config):
        config["process"]["apparmorProfile"] = "corten-test"
        config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"})
    script = "cat /proc/self/attr/current; echo x >/tmp/open && echo allowed; echo x >/tmp/secret || echo denied; sleep 1000"
    with Container(script=script, change=change) as one:
        one.created()
        one.ok("start")
        wait_until("it has tried", lambda: one.output().endswith("denied\n"))
        equal(one.output(), "corten-test (enforce)\nallowed\ndenied\n")
        equal(one.ok("exec", after=["cat", "/proc/self/attr/current"]), "corten-test (enforce)\n")
    with Container("true", change=lambda c: c["process"].update(apparmorProfile="no-such-profile")) as one:
        one.created()
        contains(one.call("start").stderr, "no-such-profile")


@case
def hard_limits_can_be_raised():
    limit = {"type": "RLIMIT_NOFILE", "hard": 600000, "soft": 550000}
    with Container(script="ulimit -Sn; ulimit -Hn", change=lambda c: c["process"].update(rlimits=[limit])) as one:
        equal(one.run().stdout, "550000\n600000\n")


if __name__ == "__main__":
    run_cases()
