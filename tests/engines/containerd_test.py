#!/usr/bin/env python3
"""containerd with corten as the runtime binary, driven by ctr."""

import json
import os
import subprocess

from harness import (SYS_ADMIN, Terminal, case, cgroup_file, contains, daemon, equal, has_capability, isolate, main, make_oci_archive, require, run,
                     runtime, wait_until, work)

IMAGE = "docker.io/library/bb:1"


def ctr(*arguments, **options):
    return run("ctr", "-a", f"{work()}/containerd.sock", *arguments, **options)


def run_arguments(*arguments):
    return ("run", "--runtime", "io.containerd.runc.v2", "--runc-binary", runtime(), *arguments)


def ctr_run(*arguments, **options):
    return ctr(*run_arguments(*arguments), **options)


def start_containerd():
    config = os.path.join(work(), "config.toml")
    with open(config, "w", encoding="utf-8") as text:
        text.write(f"""version = 2
root = "{work()}/root"
state = "{work()}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{work()}/containerd.sock"
[ttrpc]
address = "{work()}/containerd.sock.ttrpc"
""")
    daemon(["containerd", "-c", config], os.path.join(work(), "containerd.log"))
    wait_until("containerd answers", lambda: ctr("version", check=False).returncode == 0)


def task(name):
    """(pid, status), or None."""
    for line in ctr("task", "ls").splitlines()[1:]:
        fields = line.split()
        if fields and fields[0] == name:
            return fields[1], fields[2]
    return None


def task_status(name):
    return (task(name) or (None, None))[1]


def remove(name):
    ctr("task", "kill", "-s", "SIGKILL", name, check=False)
    wait_until("the task has ended", lambda: task_status(name) in (None, "STOPPED"))
    ctr("task", "rm", "-f", name, check=False)  # passes the program's status on as its own
    equal(task(name), None)
    ctr("container", "rm", name)


@case
def run_prints_and_returns_the_exit_status():
    equal(ctr_run("--rm", IMAGE, "one", "echo", "hello").strip(), "hello")
    equal(ctr_run("--rm", IMAGE, "two", "sh", "-c", "exit 7", check=False).returncode, 7)


@case
def missing_program_is_an_error_with_its_reason():
    done = ctr_run("--rm", IMAGE, "miss", "no-such-program", check=False)
    equal(done.returncode != 0, True)
    contains(done.stdout + done.stderr, "executable file not found in $PATH")
    equal(ctr("container", "ls", "-q").strip(), "")


@case
def detached_and_exec():
    ctr_run("-d", IMAGE, "bg", "sleep", "1000")
    equal(task_status("bg"), "RUNNING")
    equal(ctr("task", "exec", "--exec-id", "e1", "bg", "sh", "-c", "echo inside").strip(), "inside")
    equal(ctr("task", "exec", "--exec-id", "e2", "--cwd", "/tmp", "bg", "pwd").strip(), "/tmp")
    equal(ctr("task", "exec", "--exec-id", "e3", "bg", "sh", "-c", "exit 4", check=False).returncode, 4)
    ctr("task", "exec", "-d", "--exec-id", "e4", "bg", "sleep", "2000")
    equal(len(ctr("task", "ps", "bg").splitlines()), 3)  # the header, the program and the second one
    remove("bg")


def in_foreground(name, script):
    """A running ctr, which ends with the program's exit status."""
    process = subprocess.Popen(["ctr", "-a", f"{work()}/containerd.sock", *run_arguments("--rm", IMAGE, name, "sh", "-c", script)],
                               stdin=subprocess.DEVNULL)
    wait_until("the task runs", lambda: task_status(name) == "RUNNING")
    return process


@case
def kill_by_name_and_number():
    for signal, status in (("SIGUSR1", 11), ("SIGTERM", 12), ("10", 11)):
        process = in_foreground("sig", "trap 'exit 11' USR1; trap 'exit 12' TERM; while :; do sleep 0.02; done")
        pid, _ = task("sig")

        def handles(pid=pid):
            with open(f"/proc/{pid}/status", encoding="utf-8") as text:
                caught = [int(line.split()[1], 16) for line in text if line.startswith("SigCgt")][0]
            return caught & (1 << 9) and caught & (1 << 14)
        wait_until("the handlers are set", handles)
        ctr("task", "kill", "-s", signal, "sig")
        equal(process.wait(30), status)


@case
def kill_all():
    ctr_run("-d", IMAGE, "all", "sh", "-c", "sleep 2000 & exec sleep 1000")
    wait_until("both run", lambda: len(ctr("task", "ps", "all").splitlines()) == 3)
    ctr("task", "kill", "-a", "-s", "SIGKILL", "all")
    wait_until("the task has ended", lambda: task_status("all") == "STOPPED")
    remove("all")


@case
def pause_and_resume():
    ctr_run("-d", IMAGE, "pz", "sleep", "1000")
    pid, _ = task("pz")
    ctr("task", "pause", "pz")
    equal(task_status("pz"), "PAUSED")
    contains(["FROZEN", "1"], cgroup_file(pid, "freezer", "freezer.state", "cgroup.freeze"))
    ctr("task", "resume", "pz")
    equal(task_status("pz"), "RUNNING")
    contains(["THAWED", "0"], cgroup_file(pid, "freezer", "freezer.state", "cgroup.freeze"))
    ctr("task", "pause", "pz")
    remove("pz")  # a frozen container has to die as well


@case
def metrics():
    ctr_run("-d", "--memory-limit", str(64 << 20), IMAGE, "met", "sleep", "1000")
    pid, _ = task("met")
    equal(cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max"), str(64 << 20))
    numbers = json.loads(ctr("task", "metrics", "--format", "json", "met"))
    equal(int(numbers["pids"]["current"]), 1)
    memory = numbers["memory"]
    equal(int(memory["usage"]["limit"] if isinstance(memory["usage"], dict) else memory["usage_limit"]), 64 << 20)
    remove("met")


@case
def program_that_ends_by_itself_can_be_removed():
    ctr_run("-d", IMAGE, "short", "sh", "-c", "exit 3")
    wait_until("it has ended", lambda: task_status("short") == "STOPPED")
    ctr("task", "rm", "short")
    ctr("container", "rm", "short")
    equal(ctr("container", "ls", "-q").strip(), "")


@case
def terminal():
    seen = Terminal("ctr", "-a", f"{work()}/containerd.sock", *run_arguments("--rm", "--tty", IMAGE, "tty", "sh"))
    seen.send("tty; exit 6")
    seen.expect("/dev/pts/0")
    equal(seen.finish(), 6)


@case
def exec_on_a_terminal():
    ctr_run("-d", IMAGE, "ext", "sleep", "1000")
    seen = Terminal("ctr", "-a", f"{work()}/containerd.sock", "task", "exec", "--tty", "--exec-id", "t", "ext", "sh")
    seen.send("tty; exit 7")
    seen.expect("/dev/pts/[0-9]")
    equal(seen.finish(), 7)
    remove("ext")


@case
def privileged_and_read_only():
    status = ctr_run("--rm", "--privileged", IMAGE, "priv", "cat", "/proc/self/status")
    equal(has_capability(status, SYS_ADMIN), True)
    done = ctr_run("--rm", "--read-only", IMAGE, "ro", "touch", "/x", check=False)
    contains(done.stdout + done.stderr, "Read-only file system")


@case
def mounts_and_environment():
    shared = os.path.join(work(), "shared")
    os.makedirs(shared)
    equal(ctr_run("--rm", "--env", "A=b", "--mount", f"type=bind,src={shared},dst=/data,options=rbind:rw", IMAGE, "mnt",
                  "sh", "-c", "echo $A | tee /data/file").strip(), "b")
    equal(os.listdir(shared), ["file"])


@case
def nothing_is_left_of_removed_containers():
    equal(ctr("container", "ls", "-q").strip(), "")
    left = [path for path, _, _ in os.walk("/sys/fs/cgroup") if "/default/" in path]
    equal(left, [])
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        equal([line for line in mounts if f"{work()}/state/io.containerd.runtime" in line], [])


if __name__ == "__main__":
    require("containerd", "ctr", "umoci", "busybox", "ip", "unshare")
    isolate()
    start_containerd()
    ctr("image", "import", "--base-name", "docker.io/library/bb", make_oci_archive("bb", os.path.join(work(), "bb.tar")))
    main()
