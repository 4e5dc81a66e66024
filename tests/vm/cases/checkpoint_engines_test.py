#!/usr/bin/env python3
"""checkpoint and restore as Podman and containerd ask for them."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "engines"))
from harness import RUNTIME, case, contains, equal, main, make_rootfs, require, wait_until  # noqa: E402

COUNT = "i=0; while :; do i=$((i+1)); echo $i > /tmp/n; sleep 0.05; done"
WORK = tempfile.mkdtemp()


def run(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def podman(*words):
    return run("podman", "--runtime", RUNTIME, "--cgroup-manager=cgroupfs", "--log-level=error", *words)


def pack(path):
    run("tar", "-C", make_rootfs(os.path.join(WORK, "rootfs")), "-cf", path, ".")
    return path


def counted(read):
    try:
        return int(read() or "0")
    except (AssertionError, ValueError):
        return 0


@case
def podman_checkpoints_and_restores():
    podman("import", pack(WORK + "/image.tar"), "bb:1")
    podman("run", "-d", "--network=none", "--name", "count", "bb:1", "sh", "-c", COUNT)
    def read():
        return podman("exec", "count", "cat", "/tmp/n")
    wait_until("it counts", lambda: counted(read) > 3)
    podman("container", "checkpoint", "--leave-running", "count")
    equal(podman("inspect", "--format", "{{.State.Status}}", "count"), "running")
    before = counted(read)
    podman("container", "checkpoint", "count")
    equal(podman("inspect", "--format", "{{.State.Status}} {{.State.Checkpointed}}", "count"), "exited true")
    podman("container", "restore", "count")
    equal(podman("inspect", "--format", "{{.State.Status}}", "count"), "running")
    # Files of the container's own filesystem stay; the loop goes on from its own number.
    wait_until("it counts on", lambda: counted(read) > before)
    podman("rm", "-f", "-t", "0", "count")


@case
def podman_restores_from_an_archive_under_another_name():
    podman("run", "-d", "--network=none", "--name", "first", "--tmpfs", "/tmp", "bb:1", "sh", "-c", COUNT)
    def read(name):
        return podman("exec", name, "cat", "/tmp/n")
    wait_until("it counts", lambda: counted(lambda: read("first")) > 3)
    archive = WORK + "/archive.tar.gz"
    podman("container", "checkpoint", "--export", archive, "first")
    podman("rm", "first")
    podman("container", "restore", "--import", archive, "--name", "second")
    before = counted(lambda: read("second"))
    equal(before > 0, True)
    wait_until("it counts on", lambda: counted(lambda: read("second")) > before)
    podman("rm", "-f", "-t", "0", "second")


@case
def containerd_checkpoints_a_task():
    root = os.path.join(WORK, "containerd")
    os.makedirs(root)
    config = os.path.join(root, "config.toml")
    with open(config, "w") as file:
        file.write(f'version = 2\nroot = "{root}/root"\nstate = "{root}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                   f'[grpc]\naddress = "{root}/sock"\n')
    daemon = subprocess.Popen(["containerd", "--config", config, "--log-level", "error"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    def ctr(*words):
        return run("ctr", "-a", f"{root}/sock", *words)
    try:
        wait_until("containerd answers", lambda: subprocess.run(["ctr", "-a", f"{root}/sock", "version"], capture_output=True).returncode == 0)
        archive = WORK + "/image.oci"
        podman("save", "--format", "oci-archive", "-o", archive, "bb:1")
        name = ctr("image", "import", archive).split()[1]
        ctr("run", "-d", "--runc-binary", RUNTIME, name, "task", "sh", "-c", COUNT)
        def read():
            return ctr("task", "exec", "--exec-id", "e", "task", "cat", "/tmp/n")
        wait_until("it counts", lambda: counted(read) > 3)
        images = os.path.join(WORK, "images")
        os.makedirs(images)
        ctr("task", "checkpoint", "--image-path", images, "task")
        equal(any(name.startswith("core-") for name in os.listdir(images)), True)
        contains(ctr("task", "ls"), "task")
        ctr("task", "kill", "-s", "KILL", "task")
    finally:
        daemon.terminate()
        daemon.wait(30)


if __name__ == "__main__":
    require("podman", "criu")
    main()
