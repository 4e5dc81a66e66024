#!/usr/bin/env python3
"""The systemd driver where systemd runs on cgroup v1 alone: places, limits, and a device list that systemd writes."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e"))
from bundle import Container, case, run_cases  # noqa: E402
from harness import equal, run  # noqa: E402

MIB = 1 << 20


def control(container, controller, file):
    for line in open(f"/proc/{container.state()['pid']}/cgroup"):
        _, controllers, path = line.strip().split(":", 2)
        if controller in controllers.split(","):
            return open(f"/sys/fs/cgroup/{controllers}{path}/{file}").read().strip()
    raise AssertionError(f"no controller {controller}")


@case
def every_hierarchy_has_the_scope():
    with Container("sleep", "1000") as one:
        one.created()
        paths = {line.strip().split(":", 2)[2] for line in open(f"/proc/{one.state()['pid']}/cgroup")}
        equal(paths - {"/"}, {f"/system.slice/corten-{one.id}.scope"})
        one.ok("start")
        one.ok("pause")
        equal(one.status(), "paused")
        one.ok("delete", "--force")


@case
def limits_are_files_and_properties():
    resources = {"memory": {"limit": 64 * MIB, "swappiness": 10}, "cpu": {"shares": 512, "quota": 25000, "period": 50000, "cpus": "1"},
                 "pids": {"limit": 42}, "network": {"classID": 0x10001}}
    with Container("sleep", "1000", change=lambda c: c["linux"].update(resources=resources)) as one:
        one.created()
        one.ok("start")
        for controller, file, value in (("memory", "memory.limit_in_bytes", 64 * MIB), ("memory", "memory.swappiness", 10),
                                        ("cpu", "cpu.shares", 512), ("cpu", "cpu.cfs_quota_us", 25000), ("cpu", "cpu.cfs_period_us", 50000),
                                        ("cpuset", "cpuset.cpus", 1), ("pids", "pids.max", 42), ("net_cls", "net_cls.classid", 0x10001)):
            equal((file, control(one, controller, file)), (file, str(value)))
        shown = run("systemctl", "show", f"corten-{one.id}.scope", "-p", "MemoryLimit,CPUShares,CPUQuotaPerSecUSec,TasksMax")
        equal(sorted(shown.split()), ["CPUQuotaPerSecUSec=500ms", "CPUShares=512", f"MemoryLimit={64 * MIB}", "TasksMax=42"])
        one.ok("update", "--memory", "96M", "--pids-limit", "50")
        equal((control(one, "memory", "memory.limit_in_bytes"), control(one, "pids", "pids.max")), (str(96 * MIB), "50"))


@case
def systemd_writes_the_same_device_list_again():
    rules = [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"}]
    with Container("sleep", "1000", change=lambda c: c["linux"]["resources"].update(devices=rules)) as one:
        one.created()
        one.ok("start")
        before = sorted(control(one, "devices", "devices.list").splitlines())
        equal("c 1:11 rw" in before and "a *:* rwm" not in before, True)
        run("systemctl", "daemon-reload")
        run("systemctl", "set-property", "--runtime", f"corten-{one.id}.scope", "CPUShares=700", "DeviceAllow=/dev/char/1:11 rw")
        equal(sorted(control(one, "devices", "devices.list").splitlines()), before)


if __name__ == "__main__":
    run_cases()
