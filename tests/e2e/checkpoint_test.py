#!/usr/bin/env python3
"""checkpoint and restore with a real CRIU. Root is needed, and a kernel that the installed CRIU can work with: elsewhere
the cases that need one are skipped (tests/vm has such a kernel)."""

import functools
import glob
import json
import os
import select
import shutil
import socket
import subprocess

from bundle import ROOT, RUNTIME, Container, case, one_directory, receive_descriptor, run_cases
from harness import Skip, contains, equal, wait_until

COUNT = "i=0; while :; do i=$((i+1)); echo $i > /tmp/n; sleep 0.05; done"


@functools.lru_cache()
def criu_works():
    criu = shutil.which("criu")
    return criu is not None and subprocess.run([criu, "check"], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0


def needs_criu(function):
    @functools.wraps(function)
    def run():
        if not criu_works():
            raise Skip("`criu check` does not pass here")
        function()
    return case(run)


def with_tmp(change=None):
    def apply(config):
        config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]})
        if change is not None:
            change(config)
    return apply


def counting(change=None):
    return Container(script=COUNT, change=with_tmp(change))


def run_detached(one, *options):
    with open(os.devnull, "r+b") as null:
        equal(subprocess.run([RUNTIME, "--root", ROOT, *options, "--bundle", one.bundle, "--detach", one.id], stdin=null, stdout=null, stderr=null).returncode, 0)


def start(one):
    run_detached(one, "run")
    wait_until("it counts", lambda: count(one) > 0)
    return one


def count(one):
    try:
        return int(open(f"/proc/{one.state()['pid']}/root/tmp/n").read() or "0")
    except OSError:
        return 0


def checkpoint(one, *options):
    return one.call("checkpoint", "--image-path", one.bundle + "/images", *options, timeout=100)


def checkpoint_ok(one, *options):
    done = checkpoint(one, *options)
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""))


def restore(one, *options):
    with open(os.devnull, "r+b") as null, open(one.bundle + "/restore.err", "w+b") as errors:
        code = subprocess.run([RUNTIME, "--root", ROOT, "restore", "--image-path", one.bundle + "/images", "--bundle", one.bundle, "--detach", *options, one.id],
                              stdin=null, stdout=null, stderr=errors, timeout=100).returncode
        errors.seek(0)
        equal((code, errors.read().decode()), (0, ""))


@needs_criu
def a_restored_container_goes_on_where_it_was():
    directory = one_directory()
    def bind(config):
        config["mounts"].append({"destination": "/mnt", "type": "bind", "source": directory, "options": ["bind"]})
        config["linux"]["resources"]["pids"] = {"limit": 44}
    with start(counting(bind)) as one:
        pid = one.state()["pid"]
        checkpoint_ok(one)
        contains(one.call("state").stderr, "does not exist")
        equal(os.path.exists(f"/proc/{pid}"), False)
        before = int(subprocess.run(["sh", "-c", f"ls {one.bundle}/images | wc -l"], capture_output=True, text=True).stdout)
        equal(before > 5, True)
        pid_file = one.bundle + "/pid"
        restore(one, "--pid-file", pid_file)
        equal(one.status(), "running")
        equal(open(pid_file).read(), str(one.state()["pid"]))
        now = count(one)
        equal(now > 0, True)
        wait_until("it counts on", lambda: count(one) > now)
        equal(one.ok("exec", after=["sh", "-c", "echo $((1+1)); ls -d /mnt"]), "2\n/mnt\n")
        stats = json.loads(one.ok("events", "--stats"))["data"]
        equal(stats["pids"]["limit"], 44)
        contains(one.ok("ps"), "sh -c")
        equal([line for line in open("/proc/self/mountinfo") if "criu-root" in line], [])
        one.ok("pause")
        equal(one.status(), "paused")
        one.ok("resume")
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        one.ok("delete")


@needs_criu
def a_container_can_run_on_and_be_checkpointed_again():
    with start(counting()) as one:
        work = one.bundle + "/work"
        checkpoint_ok(one, "--leave-running", "--work-path", work, "--manage-cgroups-mode", "soft", "--file-locks", "--link-remap", "--ext-unix-sk", "--tcp-established")
        equal(one.status(), "running")
        equal(os.path.exists(work + "/dump.log"), True)
        now = count(one)
        wait_until("it counts on", lambda: count(one) > now)
        shutil.rmtree(one.bundle + "/images")
        checkpoint_ok(one)
        restore(one, "--work-path", work, "--manage-cgroups-mode", "soft", "--file-locks", "--ext-unix-sk", "-no-subreaper", "--no-pivot", "--tcp-close")
        equal(os.path.exists(work + "/restore.log"), True)


@needs_criu
def a_pre_dump_is_the_parent_of_the_dump():
    with start(counting()) as one:
        parent = one.bundle + "/parent"
        done = one.call("checkpoint", "--pre-dump", "--image-path", parent)
        if "does not track memory changes" in done.stderr:
            raise Skip("the kernel does not track memory changes")
        equal((done.returncode, done.stderr), (0, ""))
        equal(one.status(), "running")
        contains(checkpoint(one, "--parent-path", parent).stderr, "--parent-path is relative")
        contains(checkpoint(one, "--parent-path", "../nowhere").stderr, "--parent-path")
        checkpoint_ok(one, "--parent-path", "../parent")
        equal(os.readlink(one.bundle + "/images/parent"), "../parent")
        restore(one)
        now = count(one)
        wait_until("it counts on", lambda: count(one) > now)


@needs_criu
def pipes_of_the_standard_streams_are_replaced():
    with Container(script="while read line; do echo got $line; done; exit 7", change=with_tmp()) as one:
        first = subprocess.Popen([RUNTIME, "--root", ROOT, "run", "--keep", "--bundle", one.bundle, one.id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first.stdin.write("one\n")
        first.stdin.flush()
        equal(first.stdout.readline(), "got one\n")
        checkpoint_ok(one)
        first.communicate()
        second = subprocess.Popen([RUNTIME, "--root", ROOT, "restore", "--image-path", one.bundle + "/images", "--bundle", one.bundle, one.id],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        second.stdin.write("two\n")
        second.stdin.flush()
        equal(second.stdout.readline(), "got two\n")
        equal(second.communicate()[1], "")
        equal(second.returncode, 7)
        contains(one.call("state").stderr, "does not exist")


@needs_criu
def a_terminal_goes_to_the_new_console_socket():
    def listen(name):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(name)
        listener.listen(1)
        return listener
    with Container(script="while read line; do echo got $line; done", change=with_tmp(lambda c: c["process"].update(terminal=True))) as one:
        def talk(master, word):
            os.write(master, word.encode() + b"\n")
            text = ""
            while f"got {word}" not in text and select.select([master], [], [], 20)[0]:
                text += os.read(master, 4096).decode()
            contains(text, f"got {word}")
        path = one.bundle + "/console1"
        listener = listen(path)
        one.created("--console-socket", path)
        master = receive_descriptor(listener.accept()[0])
        one.ok("start")
        talk(master, "one")
        checkpoint_ok(one)
        os.close(master)
        path = one.bundle + "/console2"
        listener = listen(path)
        restore(one, "--console-socket", path)
        master = receive_descriptor(listener.accept()[0])
        talk(master, "two")
        os.close(master)


@needs_criu
def a_network_namespace_of_outside_is_joined_again():
    name = f"corten-cr-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        def join(config):
            config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"] + [{"type": "network", "path": f"/run/netns/{name}"}]
        with start(counting(join)) as one:
            checkpoint_ok(one)
            restore(one)
            equal(os.stat(f"/proc/{one.state()['pid']}/ns/net").st_ino, os.stat(f"/run/netns/{name}").st_ino)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@needs_criu
def hooks_run_when_the_namespaces_are_there():
    directory = one_directory()
    def hook(config):
        config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {directory}/{kind}"]}] for kind in ("prestart", "createRuntime", "poststop")}
    with start(counting(hook)) as one:
        checkpoint_ok(one)
        equal(json.load(open(directory + "/poststop"))["status"], "stopped")
        for kind in ("prestart", "createRuntime"):
            os.unlink(f"{directory}/{kind}")
        restore(one)
        for kind in ("prestart", "createRuntime"):
            equal(json.load(open(f"{directory}/{kind}"))["pid"], one.state()["pid"])


@needs_criu
def the_message_quotes_the_log():
    script = "nc -l -p 4000 127.0.0.1 <&3 & sleep 1; nc 127.0.0.1 4000 <&3"
    with Container(script="mkfifo /tmp/f; exec 3<>/tmp/f; ip link set lo up; " + script, change=with_tmp()) as one:
        run_detached(one, "run")
        wait_until("it is connected", lambda: " 01 " in open(f"/proc/{one.state()['pid']}/net/tcp").read())
        done = checkpoint(one)
        equal((done.returncode, done.stderr.count("\n")), (1, 1))
        contains(done.stderr, "criu failed to dump")
        contains(done.stderr, "Connected TCP socket")
        equal(one.status(), "running")
        equal(one.ok("exec", after=["echo", "alive"]), "alive\n")


@needs_criu
def a_restore_that_fails_leaves_nothing():
    with start(counting()) as one:
        checkpoint_ok(one)
        for file in glob.glob(one.bundle + "/images/core-*.img"):
            os.truncate(file, 10)
        done = one.call("restore", "--detach", "--image-path", one.bundle + "/images", "--bundle", one.bundle, timeout=100)
        equal((done.returncode, done.stderr.count("\n")), (1, 1))
        contains(done.stderr, "criu failed to restore")
        one.gone()
        equal(one.call("restore", "--detach", "--image-path", "/no/such", "--bundle", one.bundle).returncode, 1)
        one.gone()


@needs_criu
def memory_comes_page_by_page():
    with start(counting()) as one:
        images = one.bundle + "/images"
        read_end, write_end = os.pipe()
        dump = subprocess.Popen([RUNTIME, "--root", ROOT, "checkpoint", "--lazy-pages", "--page-server", "127.0.0.1:27277", "--status-fd", str(write_end), "--image-path", images, one.id],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, pass_fds=[write_end])
        os.close(write_end)
        ready = select.select([read_end], [], [], 60)[0] and os.read(read_end, 1)
        if ready != b"\0":
            text = dump.communicate()[1]
            if "--lazy-pages: " in text:
                raise Skip(text.strip())
            raise AssertionError(text)
        daemon = subprocess.Popen(["criu", "lazy-pages", "--page-server", "--address", "127.0.0.1", "--port", "27277", "-D", images, "-W", images],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # The frozen container is still there under its ID.
        wait_until("the daemon listens", lambda: os.path.exists(images + "/lazy-pages.socket"))
        other = one.id
        try:
            one.id = other + "-moved"
            restore(one, "--lazy-pages")
            now = count(one)
            wait_until("it counts on", lambda: count(one) > now)
            equal(daemon.wait(60), 0)
            equal(dump.wait(60), 0)
            one.ok("delete", "--force")
        finally:
            one.id = other


@case
def checkpoint_without_criu_says_so():
    with Container("sleep", "1000") as one:
        one.created()
        contains(one.call("checkpoint").stderr, "cannot checkpoint a container that was not started")
        one.ok("start")
        hide = "for f in /usr/sbin/criu /usr/local/sbin/criu /usr/bin/criu /usr/local/bin/criu; do [ ! -e $f ] || mount --bind /dev/null $f; done; PATH=/bin exec \"$@\""
        def without(*words):
            return subprocess.run(["unshare", "-m", "sh", "-c", hide, "sh", RUNTIME, "--root", ROOT, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        for words in (("checkpoint", "--help"), ("checkpoint", "--image-path", one.bundle + "/images", one.id)):
            done = without(*words)
            equal((done.returncode, done.stdout), (1, ""))
            contains(done.stderr, "which is not installed")
        equal(one.status(), "running")
        contains(subprocess.run([RUNTIME, "restore", "--lsm-mount-context"], capture_output=True, text=True).stderr, "flag needs an argument")


@case
def checkpoint_names_the_option_that_is_wrong():
    if shutil.which("criu") is None:
        raise Skip("criu is not installed")
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        for words, sentence in ((("--manage-cgroups-mode", "x"), "--manage-cgroups-mode takes one of soft, full, strict, ignore"), (("--network-lock", "x"), "--network-lock takes one of"),
                                (("--empty-ns", "user"), "--empty-ns takes network only"), (("--page-server", "x"), "--page-server takes ADDRESS:PORT"),
                                (("--status-fd", "77"), "descriptor 77 is not open"), (("--status-fd", "x"), "--status-fd takes a number")):
            done = checkpoint(one, *words)
            equal(done.returncode, 1)
            contains(done.stderr, sentence)
        equal(one.status(), "running")
        contains(one.call("restore", "--image-path", "/no/such", "--bundle", one.bundle).stderr, "container with given ID already exists")


if __name__ == "__main__":
    run_cases()
