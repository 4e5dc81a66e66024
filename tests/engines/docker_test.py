#!/usr/bin/env python3
"""Docker with corten as its default runtime."""

import concurrent.futures
import json
import os
import re
import urllib.request

from harness import (SYS_ADMIN, Skip, Terminal, case, cgroup_file, contains, daemon, equal, has_capability, isolate,
                     lacks, main, make_rootfs, no_mkdir_profile, require, run, runtime, wait_until, work)

IMAGE = "bb:1"
_dockerd = []


def docker(*arguments, **options):
    return run("docker", "-H", f"unix://{work()}/docker.sock", *arguments, **options)


def log_tail(path):
    with open(path, encoding="utf-8", errors="replace") as text:
        return text.read()[-3000:]


def start_docker(*options, name="docker"):
    data = os.path.join(work(), name)
    process = daemon(["dockerd", "--data-root", data, "--exec-root", f"{data}-exec", "-H", f"unix://{work()}/{name}.sock",
                      "-p", f"{data}.pid", "--exec-opt", "native.cgroupdriver=cgroupfs", "--add-runtime",
                      f"corten={runtime()}", "--default-runtime", "corten", *options], f"{data}.log")
    def ready():
        if process.poll() is not None:
            raise AssertionError(f"dockerd ended: {open(f'{data}.log').read()[-3000:]}")
        return run("docker", "-H", f"unix://{work()}/{name}.sock", "version", check=False).returncode == 0
    wait_until("dockerd answers", ready, 60)
    _dockerd.append(process)
    return process


def make_image():
    rootfs = make_rootfs(os.path.join(work(), "rootfs"))
    archive = os.path.join(work(), "rootfs.tar")
    run("tar", "-C", rootfs, "-cf", archive, ".")
    docker("import", archive, IMAGE)


def inspect(container, form):
    return docker("inspect", "-f", form, container).strip()


def in_container(*arguments):
    """One short container; what it printed."""
    return docker("run", "--rm", *arguments).strip()


def shell(options, script):
    return in_container(*options, IMAGE, "sh", "-c", script)


@case
def info_names_the_runtime():
    equal(docker("info", "-f", "{{.DefaultRuntime}}").strip(), "corten")


@case
def run_prints_and_returns_the_exit_status():
    equal(in_container(IMAGE, "echo", "hello"), "hello")
    equal(docker("run", "--rm", IMAGE, "sh", "-c", "exit 42", check=False).returncode, 42)


@case
def missing_program_is_127_and_not_executable_is_126():
    missing = docker("run", "--rm", IMAGE, "no-such-program", check=False)
    equal(missing.returncode, 127)
    contains(missing.stderr, "executable file not found in $PATH")
    equal(docker("run", "--rm", IMAGE, "/etc/passwd", check=False).returncode, 126)


@case
def detached_logs_stop_restart_kill_and_remove():
    docker("run", "-d", "--name", "life", IMAGE, "sh", "-c", "echo started; trap 'exit 3' TERM; while :; do sleep 0.1; done")
    wait_until("the log has the line", lambda: "started" in docker("logs", "life"))
    docker("stop", "life")
    equal(inspect("life", "{{.State.Status}} {{.State.ExitCode}}"), "exited 3")
    docker("restart", "life")
    equal(inspect("life", "{{.State.Running}}"), "true")
    docker("kill", "life")
    wait_until("it is dead", lambda: inspect("life", "{{.State.Running}}") == "false")
    equal(inspect("life", "{{.State.ExitCode}}"), "137")
    docker("start", "life")
    docker("rm", "-f", "life")
    equal(docker("ps", "-aq", "--filter", "name=life").strip(), "")


def on_terminal(*arguments, **size):
    return Terminal("docker", "-H", f"unix://{work()}/docker.sock", *arguments, **size)


@case
def terminal_through_a_pty():
    terminal = on_terminal("run", "--rm", "-it", IMAGE, "sh", rows=41, columns=97)
    terminal.send("tty; test -t 0 && echo is-a-$((1))-tty")
    terminal.expect("/dev/pts/0")
    terminal.expect("is-a-1-tty")
    # The size arrives by a call of its own, after the start.
    terminal.send("until stty size | grep '41 97'; do sleep 0.05; done; echo first-$((1))")
    terminal.expect("first-1")
    terminal.resize(33, 66)
    terminal.send("until stty size | grep '33 66'; do sleep 0.05; done; echo second-$((1))")
    terminal.expect("second-1")
    terminal.send("sleep 1000 || echo interrupted-$((1))")
    terminal.expect("sleep 1000")
    wait_until("sleep runs", lambda: "sleep 1000" in docker("top", docker("ps", "-lq").strip()))
    terminal.send("\x03")
    terminal.send("exit 5")
    equal(terminal.finish(), 5)


@case
def exec_runs_beside_the_program():
    docker("run", "-d", "--name", "ex", IMAGE, "sleep", "1000")
    equal(docker("exec", "-e", "A=b", "-w", "/tmp", "-u", "1000", "ex", "sh", "-c", "echo $A $(pwd) $(id -u)").strip(), "b /tmp 1000")
    equal(docker("exec", "ex", "sh", "-c", "exit 9", check=False).returncode, 9)
    missing = docker("exec", "ex", "nope", check=False)
    contains([126, 127], missing.returncode)  # Docker's choice, by version
    contains(missing.stdout + missing.stderr, "executable file not found in $PATH")
    equal(docker("exec", "-i", "ex", "cat", stdin="through a pipe").strip(), "through a pipe")
    terminal = on_terminal("exec", "-it", "ex", "sh")
    terminal.send("tty; exit 6")
    terminal.expect("/dev/pts/[0-9]")
    equal(terminal.finish(), 6)
    docker("rm", "-f", "ex")


@case
def exec_privileged_and_in_the_limits_of_the_container():
    docker("run", "-d", "--name", "exl", "--memory", "64m", IMAGE, "sleep", "1000")
    equal(has_capability(docker("exec", "--privileged", "exl", "cat", "/proc/self/status"), SYS_ADMIN), True)
    equal(has_capability(docker("exec", "exl", "cat", "/proc/self/status"), SYS_ADMIN), False)
    contains(docker("exec", "exl", "grep", "Seccomp:", "/proc/self/status"), "2")
    equal(docker("exec", "exl", "cat", "/proc/self/cgroup"), docker("exec", "exl", "cat", "/proc/1/cgroup"))
    docker("rm", "-f", "exl")


@case
def top_shows_the_processes():
    docker("run", "-d", "--name", "top", IMAGE, "sh", "-c", "sleep 1000 & exec sleep 2000")
    wait_until("both are there", lambda: all(line in docker("top", "top") for line in ("sleep 1000", "sleep 2000")))
    contains(docker("top", "top", "-o", "pid,comm"), "COMMAND")
    lacks(docker("top", "top"), "dockerd")
    docker("rm", "-f", "top")


@case
def pause_and_unpause():
    shared = os.path.join(work(), "pause")
    os.makedirs(shared)
    counter = os.path.join(shared, "count")
    docker("run", "-d", "--name", "pz", "-v", f"{shared}:/out", IMAGE, "sh", "-c",
           "while :; do echo -n x >> /out/count; sleep 0.01; done")
    wait_until("it counts", lambda: os.path.exists(counter))
    docker("pause", "pz")
    equal(inspect("pz", "{{.State.Status}}"), "paused")
    state = cgroup_file(inspect("pz", "{{.State.Pid}}"), "freezer", "freezer.state", "cgroup.freeze")
    contains(["FROZEN", "1"], state)
    size = os.path.getsize(counter)
    refused = docker("exec", "pz", "true", check=False)
    equal(refused.returncode != 0, True)
    contains(refused.stderr, "paused")
    equal(os.path.getsize(counter), size)
    docker("unpause", "pz")
    equal(inspect("pz", "{{.State.Status}}"), "running")
    wait_until("it counts again", lambda: os.path.getsize(counter) > size)
    docker("pause", "pz")
    docker("rm", "-f", "pz")  # a frozen container has to die as well


@case
def volumes_and_read_only():
    shared = os.path.join(work(), "shared")
    os.makedirs(shared, exist_ok=True)
    shell(["-v", f"{shared}:/data"], "echo x > /data/file")
    equal(run("cat", os.path.join(shared, "file")), "x\n")
    contains(shell(["-v", f"{shared}:/data:ro"], "(echo y > /data/file) 2>&1 || true"), "Read-only file system")
    contains(shell(["--read-only"], "touch /x 2>&1 || true"), "Read-only file system")
    equal(shell(["--read-only", "--tmpfs", "/scratch"], "touch /scratch/x && echo ok"), "ok")
    equal(shell(["--mount", "type=volume,dst=/vol"], "touch /vol/x && echo ok"), "ok")


@case
def user_and_groups():
    equal(shell(["--user", "1000:1000", "--group-add", "7"], "echo $(id -u) $(id -g) $(id -G)"), "1000 1000 1000 7")


@case
def capabilities():
    def effective(*options):
        return int(shell(options, "grep CapEff /proc/self/status").split()[1], 16)
    default = effective()
    equal(effective("--cap-drop", "ALL"), 0)
    equal(effective("--cap-drop", "CHOWN"), default & ~1)
    equal(effective("--cap-add", "SYS_TIME"), default | 1 << 25)


@case
def memory_limit_kills_and_is_reported():
    docker("run", "--name", "oom", "--memory", "32m", "--memory-swap", "32m", IMAGE, "sh", "-c",
           "dd if=/dev/zero of=/dev/null bs=100M count=1", check=False)
    equal(inspect("oom", "{{.State.OOMKilled}} {{.State.ExitCode}}"), "true 137")
    docker("rm", "oom")


def limit(container, controller, v1, v2):
    return cgroup_file(inspect(container, "{{.State.Pid}}"), controller, v1, v2)


@case
def cpu_and_pid_limits():
    docker("run", "-d", "--name", "lim", "--cpus", "0.5", "--pids-limit", "77", IMAGE, "sleep", "1000")
    equal(limit("lim", "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0], "50000")
    equal(limit("lim", "pids", "pids.max", "pids.max"), "77")
    docker("rm", "-f", "lim")
    done = docker("run", "--rm", "--pids-limit", "10", IMAGE, "sh", "-c",
                  "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1000 & done; echo all", check=False)
    lacks(done.stdout, "all")
    contains(done.stderr, "can't fork")


@case
def update_changes_a_running_container():
    docker("run", "-d", "--name", "upd", "--memory", "64m", "--pids-limit", "77", IMAGE, "sleep", "1000")
    equal(limit("upd", "memory", "memory.limit_in_bytes", "memory.max"), str(64 << 20))
    docker("update", "--memory", "128m", "--memory-swap", "256m", "upd")
    equal(limit("upd", "memory", "memory.limit_in_bytes", "memory.max"), str(128 << 20))
    equal(limit("upd", "pids", "pids.max", "pids.max"), "77")
    docker("update", "--pids-limit", "55", "--cpus", "0.25", "upd")
    equal(limit("upd", "pids", "pids.max", "pids.max"), "55")
    equal(limit("upd", "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0], "25000")
    equal(limit("upd", "memory", "memory.limit_in_bytes", "memory.max"), str(128 << 20))
    docker("rm", "-f", "upd")


@case
def stats_shows_use_and_limit():
    docker("run", "-d", "--name", "st", "--memory", "128m", IMAGE, "sleep", "1000")
    stats = json.loads(docker("stats", "--no-stream", "--format", "{{json .}}", "st"))
    contains(stats["MemUsage"], "/ 128MiB")
    equal(stats["PIDs"], "1")
    docker("rm", "-f", "st")


@case
def privileged():
    equal(has_capability(in_container("--privileged", IMAGE, "cat", "/proc/self/status"), SYS_ADMIN), True)
    contains(shell(["--privileged"], "ls /dev"), "kmsg")
    shell(["--privileged"], "mkdir /mnt && mount -t tmpfs t /mnt && grep ' /mnt tmpfs' /proc/mounts")
    contains(shell([], "mkdir /mnt; mount -t tmpfs t /mnt 2>&1 || true"), "permission denied")


@case
def host_pid_namespace():
    contains(shell(["--pid=host"], "ps -o comm"), "dockerd")
    lacks(shell([], "ps -o comm"), "dockerd")


@case
def init_process_reaps():
    contains(shell(["--init"], "cat /proc/1/comm"), "docker-init")


@case
def default_seccomp_profile_confines():
    contains(shell([], "grep Seccomp: /proc/self/status"), "2")
    contains(shell([], "unshare -U true 2>&1 || true"), "not permitted")
    contains(shell(["--security-opt", "seccomp=unconfined"], "grep Seccomp: /proc/self/status"), "0")


@case
def custom_seccomp_profile():
    options = ["--security-opt", f"seccomp={no_mkdir_profile()}"]
    contains(shell(options, "mkdir /new 2>&1 || true"), "Bad message")


@case
def bridge_network_between_containers_and_to_the_host():
    docker("run", "-d", "--name", "peer", IMAGE, "sleep", "1000")
    address = inspect("peer", "{{.NetworkSettings.IPAddress}}")
    gateway = inspect("peer", "{{.NetworkSettings.Gateway}}")
    contains(shell([], f"ping -c 1 -W 5 {address}"), "1 packets received")
    contains(shell([], f"ping -c 1 -W 5 {gateway}"), "1 packets received")
    contains(run("busybox", "ping", "-c", "1", "-W", "5", address), "1 packets received")
    docker("rm", "-f", "peer")


@case
def published_port_on_loopback():
    docker("run", "-d", "--name", "web", "-p", "127.0.0.1:18080:80", IMAGE, "sh", "-c",
           "mkdir -p /www; echo served > /www/index.html; exec httpd -f -p 80 -h /www")

    def page():
        try:
            with urllib.request.urlopen("http://127.0.0.1:18080/", timeout=5) as answer:
                return answer.read()
        except OSError:
            return None
    equal(wait_until("the port answers", page), b"served\n")
    docker("rm", "-f", "web")


@case
def shared_network_namespace():
    docker("run", "-d", "--name", "owner", "--hostname", "owner", IMAGE, "sleep", "1000")
    equal(shell(["--network", "container:owner"], "readlink /proc/self/ns/net"),
          docker("exec", "owner", "readlink", "/proc/self/ns/net").strip())
    equal(shell(["--network", "none"], "ls /sys/class/net"), "lo")
    docker("rm", "-f", "owner")


@case
def health_check():
    docker("run", "-d", "--name", "hc", "--health-cmd", "test -e /tmp/ok", "--health-interval", "100ms",
           "--health-retries", "2", IMAGE, "sh", "-c", "touch /tmp/ok; sleep 1000")
    wait_until("it is healthy", lambda: inspect("hc", "{{.State.Health.Status}}") == "healthy")
    docker("exec", "hc", "rm", "/tmp/ok")
    wait_until("it is unhealthy", lambda: inspect("hc", "{{.State.Health.Status}}") == "unhealthy")
    docker("rm", "-f", "hc")


@case
def restart_policy():
    shared = os.path.join(work(), "again")
    os.makedirs(shared)
    docker("run", "-d", "--name", "again", "--restart", "on-failure:2", "-v", f"{shared}:/out", IMAGE, "sh", "-c",
           "echo x >> /out/starts; exit 1")
    wait_until("it gave up", lambda: inspect("again", "{{.State.Status}} {{.RestartCount}}") == "exited 2")
    with open(f"{shared}/starts", encoding="utf-8") as starts:
        equal(starts.read(), "x\n" * 3)
    docker("rm", "again")


@case
def build_of_a_dockerfile():
    context = os.path.join(work(), "context")
    os.makedirs(context, exist_ok=True)
    with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as dockerfile:
        dockerfile.write(f"FROM {IMAGE}\nRUN echo built > /built && id > /who\nCMD [\"cat\", \"/built\"]\n")
    run("docker", "-H", f"unix://{work()}/docker.sock", "build", "-t", "built:1", context, timeout=120, env=dict(os.environ, DOCKER_BUILDKIT="0"))
    equal(in_container("built:1"), "built")


@case
def many_at_once():
    names = [f"par{number}" for number in range(12)]
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: docker("run", "-d", "--name", name, IMAGE, "sleep", "1000"), names))
        equal(len(docker("ps", "-q", "--filter", "name=par").split()), len(names))
        list(pool.map(lambda name: docker("exec", name, "true"), names))
        list(pool.map(lambda name: docker("rm", "-f", name), names))
    equal(docker("ps", "-aq", "--filter", "name=par").split(), [])


@case
def nothing_is_left_of_removed_containers():
    docker("rm", "-f", *docker("ps", "-aq").split(), check=False)
    equal(os.listdir(f"{work()}/docker-exec/runtime-runc/moby"), [])
    left = [path for path, _, _ in os.walk("/sys/fs/cgroup") if re.search("/docker/[0-9a-f]{64}$", path)]
    equal(left, [])


@case
def userns_remap():
    # The daemon itself has to be told, so it is another one.
    for name in ("/etc/subuid", "/etc/subgid"):
        copy = os.path.join(work(), name.replace("/", "_"))
        with open(copy, "w", encoding="utf-8") as text:
            text.write("dockremap:100000:65536\n")
        if not os.path.exists(name):
            raise Skip(f"{name} is missing (Debian package uidmap)")
        run("mount", "--bind", copy, name)
    for name, line in (("/etc/passwd", "dockremap:x:990:990::/:/bin/false\n"), ("/etc/group", "dockremap:x:990:\n")):
        copy = os.path.join(work(), name.replace("/", "_"))
        content = run("cat", name)
        with open(copy, "w", encoding="utf-8") as text:
            text.write(content if "dockremap" in content else content + line)
        run("mount", "--bind", copy, name)
    _dockerd[0].terminate()
    _dockerd[0].wait(60)
    start_docker("--userns-remap", "dockremap")
    make_image()
    contains(re.sub(" +", " ", shell([], "cat /proc/self/uid_map")), "0 100000 65536")
    equal(shell([], "id -u; touch /file && stat -c %u /file").split(), ["0", "0"])


if __name__ == "__main__":
    require("docker", "dockerd", "iptables", "busybox", "ip", "unshare")
    isolate()
    start_docker()
    make_image()
    main()
