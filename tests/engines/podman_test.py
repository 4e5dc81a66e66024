#!/usr/bin/env python3
"""Podman and Buildah with corten."""

import json
import os

from harness import (SYS_ADMIN, Terminal, case, cgroup_file, contains, equal, has_capability, isolate, main, make_rootfs,
                     no_mkdir_profile, require, run, runtime, wait_until, work)

IMAGE = "localhost/bb:1"
NETWORK = "--network=none"


def environment():
    return dict(os.environ, CONTAINERS_CONF=f"{work()}/containers.conf", CONTAINERS_STORAGE_CONF=f"{work()}/storage.conf",
                TMPDIR=work(), XDG_RUNTIME_DIR="", HOME=work(), BUILDAH_RUNTIME=runtime(), BUILDAH_ISOLATION="oci")


def podman(*arguments, **options):
    return run("podman", "--cgroup-manager=cgroupfs", "--runtime", runtime(), *arguments, env=environment(), **options)


def buildah(*arguments, **options):
    return run("buildah", *arguments, env=environment(), **options)


def inspect(container, form):
    return podman("inspect", "-f", form, container).strip()


def in_container(*arguments):
    return podman("run", "--rm", NETWORK, *arguments).strip()


def configure():
    with open(f"{work()}/containers.conf", "w", encoding="utf-8") as text:
        # The limits of the caller may be lower than Podman's wishes, and must not be raised.
        text.write(f"""[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
events_logger = "file"
infra_image = "localhost/infra:1"
tmp_dir = "{work()}/libpod"
[network]
network_config_dir = "{work()}/networks"
""")
    with open(f"{work()}/storage.conf", "w", encoding="utf-8") as text:
        text.write(f'[storage]\ndriver = "overlay"\nrunroot = "{work()}/run"\ngraphroot = "{work()}/graph"\n')
    os.makedirs(f"{work()}/networks")
    archive = os.path.join(work(), "rootfs.tar")
    run("tar", "-C", make_rootfs(os.path.join(work(), "rootfs")), "-cf", archive, ".")
    podman("import", archive, "bb:1")
    podman("import", "--change", 'ENTRYPOINT ["/bin/sleep", "1000"]', archive, "infra:1")  # what a pod's namespaces live by


@case
def info_shows_the_runtime():
    seen = json.loads(podman("info", "--format", "json"))["host"]["ociRuntime"]
    equal(seen["path"], runtime())
    contains(seen["version"], "version")


@case
def run_prints_and_returns_the_exit_status():
    equal(in_container(IMAGE, "echo", "hello"), "hello")
    equal(podman("run", "--rm", NETWORK, IMAGE, "sh", "-c", "exit 42", check=False).returncode, 42)


@case
def missing_program_is_127_and_not_executable_is_126():
    missing = podman("run", "--rm", NETWORK, IMAGE, "no-such-program", check=False)
    equal(missing.returncode, 127)
    contains(missing.stderr, "executable file not found in $PATH")
    equal(podman("run", "--rm", NETWORK, IMAGE, "/etc/passwd", check=False).returncode, 126)


@case
def detached_logs_stop_start_and_remove():
    podman("run", "-d", "--name", "life", NETWORK, IMAGE, "sh", "-c",
           "echo started; trap 'exit 3' TERM; while :; do sleep 0.1; done")
    wait_until("the log has the line", lambda: "started" in podman("logs", "life"))
    podman("stop", "-t", "10", "life")
    equal(inspect("life", "{{.State.Status}} {{.State.ExitCode}}"), "exited 3")
    podman("start", "life")
    equal(inspect("life", "{{.State.Status}}"), "running")
    podman("kill", "life")
    equal(podman("wait", "life").strip(), "137")
    podman("restart", "life")
    podman("rm", "-f", "-t", "0", "life")
    equal(podman("ps", "-aq").strip(), "")


@case
def terminal_through_a_pty():
    terminal = Terminal("podman", "--cgroup-manager=cgroupfs", "--runtime", runtime(), "run", "--rm", "-it", NETWORK,
                        IMAGE, "sh", rows=41, columns=97, env=environment())
    terminal.send("tty; until stty size | grep '41 97'; do sleep 0.05; done; echo first-$((1))")
    terminal.expect("/dev/pts/0")
    terminal.expect("first-1")
    terminal.send("exit 5")
    equal(terminal.finish(), 5)


@case
def exec_runs_beside_the_program():
    podman("run", "-d", "--name", "ex", NETWORK, IMAGE, "sleep", "1000")
    equal(podman("exec", "-e", "A=b", "-w", "/tmp", "-u", "1000", "ex", "sh", "-c", "echo $A $(pwd) $(id -u)").strip(),
          "b /tmp 1000")
    equal(podman("exec", "ex", "sh", "-c", "exit 8", check=False).returncode, 8)
    equal(podman("exec", "ex", "no-such-program", check=False).returncode, 127)
    equal(podman("exec", "ex", "/etc/passwd", check=False).returncode, 126)
    equal(podman("exec", "-i", "ex", "cat", stdin="through a pipe").strip(), "through a pipe")
    contains(podman("top", "ex", "pid", "comm"), "sleep")
    podman("rm", "-f", "-t", "0", "ex")


@case
def pause_and_unpause():
    shared = os.path.join(work(), "pause")
    os.makedirs(shared)
    counter = os.path.join(shared, "count")
    podman("run", "-d", "--name", "pz", NETWORK, "-v", f"{shared}:/out", IMAGE, "sh", "-c",
           "while :; do echo -n x >> /out/count; sleep 0.01; done")
    wait_until("it counts", lambda: os.path.exists(counter))
    podman("pause", "pz")
    equal(inspect("pz", "{{.State.Status}}"), "paused")
    state = cgroup_file(inspect("pz", "{{.State.Pid}}"), "freezer", "freezer.state", "cgroup.freeze")
    contains(["FROZEN", "1"], state)
    size = os.path.getsize(counter)
    equal(podman("exec", "pz", "true", check=False).returncode != 0, True)
    equal(os.path.getsize(counter), size)
    podman("unpause", "pz")
    wait_until("it counts again", lambda: os.path.getsize(counter) > size)
    podman("rm", "-f", "-t", "0", "pz")


@case
def limits_update_and_stats():
    podman("run", "-d", "--name", "lim", NETWORK, "--memory", "64m", "--cpus", "0.5", "--pids-limit", "77", IMAGE,
           "sleep", "1000")
    pid = inspect("lim", "{{.State.Pid}}")
    equal(cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max"), str(64 << 20))
    equal(cgroup_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0], "50000")
    equal(cgroup_file(pid, "pids", "pids.max", "pids.max"), "77")
    contains(podman("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDS}}", "lim"), "/ 67.11MB 1")
    podman("update", "--memory", "96m", "--cpus", "0.25", "lim")
    equal(cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max"), str(96 << 20))
    equal(cgroup_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0], "25000")
    podman("rm", "-f", "-t", "0", "lim")


@case
def memory_limit_kills():
    podman("run", "--name", "oom", NETWORK, "--memory", "32m", "--memory-swap", "32m", IMAGE, "sh", "-c",
           "dd if=/dev/zero of=/dev/null bs=100M count=1", check=False)
    equal(inspect("oom", "{{.State.ExitCode}}"), "137")
    podman("rm", "oom")


@case
def pod_shares_namespaces():
    podman("pod", "create", "--name", "pod", NETWORK, "--share", "net,ipc,uts,pid", "--hostname", "shared")
    for name in ("a", "b"):
        podman("run", "-d", "--pod", "pod", "--name", name, IMAGE, "sleep", "1000")
    for namespace in ("net", "ipc", "uts", "pid"):
        link = f"/proc/self/ns/{namespace}"
        equal(podman("exec", "a", "readlink", link), podman("exec", "b", "readlink", link))
    equal(podman("exec", "a", "hostname").strip(), "shared")
    contains(podman("pod", "ps", "--format", "{{.Name}} {{.Status}}"), "pod Running")
    podman("pod", "stop", "-t", "0", "pod")
    podman("pod", "rm", "-f", "-t", "0", "pod")
    equal(podman("ps", "-aq").strip(), "")


@case
def generate_kube_and_play_kube():
    podman("pod", "create", "--name", "kube", NETWORK, "--share", "net,ipc,uts")
    podman("run", "-d", "--pod", "kube", "--name", "c", IMAGE, "sleep", "1234")
    text = podman("generate", "kube", "kube")
    podman("pod", "rm", "-f", "-t", "0", "kube")
    contains(text, "kind: Pod")
    path = os.path.join(work(), "pod.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    podman("play", "kube", NETWORK, path)
    equal(podman("exec", "kube-c", "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline").strip(), "sleep 1234")
    podman("play", "kube", "--down", path)
    equal(podman("ps", "-aq").strip(), "")


@case
def buildah_builds():
    context = os.path.join(work(), "context")
    os.makedirs(context)
    with open(os.path.join(context, "Dockerfile"), "w", encoding="utf-8") as dockerfile:
        dockerfile.write(f"FROM {IMAGE}\nRUN echo built > /built\nRUN test -s /built && id -u > /who\n"
                         "CMD [\"cat\", \"/built\", \"/who\"]\n")
    buildah("bud", "--network=host", "--ulimit", "nofile=1024:1024", "--runtime", runtime(), "-t", "built:1", context)
    equal(in_container("localhost/built:1").split(), ["built", "0"])


@case
def buildah_run_in_a_working_container():
    name = buildah("from", "--pull-never", "--ulimit", "nofile=1024:1024", IMAGE).strip()
    equal(buildah("run", "--runtime", runtime(), "--network=host", name, "echo", "in buildah").strip(), "in buildah")
    equal(buildah("run", "--runtime", runtime(), "--network=host", name, "sh", "-c", "exit 3", check=False).returncode, 3)
    buildah("rm", name)


@case
def user_namespace():
    mapping = ["--uidmap", "0:100000:5000", "--gidmap", "0:200000:5000"]
    equal(in_container(*mapping, IMAGE, "cat", "/proc/self/uid_map").split(), ["0", "100000", "5000"])
    equal(in_container(*mapping, IMAGE, "cat", "/proc/self/gid_map").split(), ["0", "200000", "5000"])
    equal(in_container(*mapping, IMAGE, "sh", "-c", "touch /file && stat -c %u:%g /file"), "0:0")


@case
def volumes_read_only_root_and_capabilities():
    shared = os.path.join(work(), "shared")
    os.makedirs(shared)
    in_container("-v", f"{shared}:/data", IMAGE, "touch", "/data/x")
    equal(os.listdir(shared), ["x"])
    for options in (["--read-only"], ["-v", f"{shared}:/data:ro", "-w", "/data"]):
        done = podman("run", "--rm", NETWORK, *options, IMAGE, "touch", "y", check=False)
        contains(done.stderr, "Read-only file system")
    contains(in_container("--cap-drop=all", IMAGE, "grep", "CapEff", "/proc/self/status"), "0000000000000000")
    equal(has_capability(in_container("--privileged", IMAGE, "cat", "/proc/self/status"), SYS_ADMIN), True)


@case
def seccomp_profiles():
    contains(in_container(IMAGE, "grep", "Seccomp:", "/proc/self/status"), "2")
    unconfined = ["--security-opt", "seccomp=unconfined"]
    contains(in_container(*unconfined, IMAGE, "grep", "Seccomp:", "/proc/self/status"), "0")
    custom = ["--security-opt", f"seccomp={no_mkdir_profile()}"]
    contains(in_container(*custom, IMAGE, "sh", "-c", "mkdir /new 2>&1 || true"), "Bad message")


@case
def health_check():
    podman("run", "-d", "--name", "hc", NETWORK, "--health-cmd", "test -e /tmp/ok", "--health-interval", "disable", IMAGE,
           "sh", "-c", "touch /tmp/ok; sleep 1000")
    wait_until("it is healthy", lambda: podman("healthcheck", "run", "hc", check=False).returncode == 0)
    podman("exec", "hc", "rm", "/tmp/ok")
    equal(podman("healthcheck", "run", "hc", check=False).returncode, 1)
    podman("rm", "-f", "-t", "0", "hc")


if __name__ == "__main__":
    require("podman", "conmon", "buildah", "busybox", "unshare", "ip")
    isolate()
    configure()
    main()
