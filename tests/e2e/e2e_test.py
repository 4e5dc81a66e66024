#!/usr/bin/env python3
"""The binary on bundles: lifecycle, every error path, terminal, hooks, descriptors. Root is needed."""

import array
import copy
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time

from bundle import CALL, ROOT, ROOTFS, RUNTIME, WORK, Container, case, one_directory, read_terminal, run_cases
from harness import contains, equal, make_rootfs, wait_until


# --- lifecycle ---------------------------------------------------------------------------------------------------


@case
def create_start_state_kill_delete():
    with Container("sleep", "1000") as one:
        one.created("--pid-file", one.bundle + "/pid")
        state = one.state()
        equal(state["status"], "created")
        equal(state["ociVersion"][:2], "1.")
        equal(state["bundle"], one.bundle)
        equal(state["rootfs"], ROOTFS)
        equal(open(one.bundle + "/pid").read(), str(state["pid"]))
        contains(open(f"/proc/{state['pid']}/comm").read() + "corten", "corten")
        one.ok("start")
        equal(one.status(), "running")
        equal(open(f"/proc/{state['pid']}/comm").read().strip(), "sleep")
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        equal(one.state()["pid"], 0)
        one.ok("delete")
        contains(one.call("state").stderr, "does not exist")


@case
def program_does_not_run_before_start():
    with Container(script="touch /tmp/ran; sleep 1000", change=lambda c: c["mounts"].append(
            {"destination": "/tmp", "type": "bind", "source": one_directory(), "options": ["rbind"]})) as one:
        shared = one.config["mounts"][-1]["source"]
        one.created()
        equal(os.listdir(shared), [])
        one.ok("start")
        wait_until("it ran", lambda: os.listdir(shared) == ["ran"])


@case
def sentences_of_wrong_states():
    with Container("sleep", "1000") as one:
        one.created()
        contains(one.call("delete").stderr, "that is not stopped: created")
        again = subprocess.run([*CALL, "create", "--bundle", one.bundle, one.id], capture_output=True, text=True)
        contains(again.stderr, "container with given ID already exists")
        one.ok("start")
        contains(one.call("start").stderr, "cannot start an already running container")
        contains(one.call("delete").stderr, "that is not stopped: running")
        one.ok("kill", after=["9"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        contains(one.call("start").stderr, "cannot start a container that has stopped")
        contains(one.call("kill", after=["9"]).stderr, "container not running")
        equal(one.call("kill", "--all", after=["9"]).returncode, 0)
        contains(one.call("exec", after=["true"]).stderr, "cannot exec in a stopped container")


@case
def unknown_container():
    with Container("true") as one:
        for command in ("state", "start", "kill", "delete", "pause", "resume", "ps"):
            done = one.call(command)
            equal(done.returncode, 1)
            contains(done.stderr, "does not exist")
        equal(one.call("exec", after=["true"]).returncode, 255)
        forced = one.call("delete", "--force")
        equal((forced.returncode, forced.stdout, forced.stderr), (0, "", ""))


@case
def run_returns_the_status():
    with Container(script="exit 7") as one:
        equal(one.run().returncode, 7)
    with Container(script="kill -TERM $$; sleep 5", change=lambda c: c["linux"].update(namespaces=[n for n in c["linux"]["namespaces"] if n["type"] != "pid"])) as one:
        equal(one.run().returncode, 143)


@case
def run_detached_and_list():
    with Container("sleep", "1000") as one:
        with open(os.devnull, "wb") as null:
            equal(subprocess.run([*CALL, "run", "-d", "-b", one.bundle, one.id], stdin=subprocess.DEVNULL, stdout=null, stderr=null).returncode, 0)
        listed = json.loads(subprocess.run([*CALL, "list", "-f", "json"], capture_output=True, text=True).stdout)
        contains([entry["id"] for entry in listed], one.id)
        contains(subprocess.run([*CALL, "list"], capture_output=True, text=True).stdout, "running")
        contains(subprocess.run([*CALL, "list", "-q"], capture_output=True, text=True).stdout.split(), one.id)
        contains(one.ok("ps"), "sleep 1000")
        equal(json.loads(one.ok("ps", "-f", "json")), [one.state()["pid"]])


@case
def signals_by_name_and_number():
    for name, number in (("TERM", 15), ("SIGUSR1", 10), ("12", 12), ("RTMIN+3", 37)):
        with Container(script=f"trap 'exit 42' {number}; while :; do sleep 0.05; done") as one:
            process = subprocess.Popen([*CALL, "run", "-b", one.bundle, one.id], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            wait_until("the trap is set", lambda: one.call("state").returncode == 0 and one.status() == "running" and trapped(one, number))
            one.ok("kill", after=[name])
            equal(process.wait(20), 42)


def trapped(container, number):
    for line in open(f"/proc/{container.state()['pid']}/status"):
        if line.startswith("SigCgt:"):
            return int(line.split()[1], 16) >> (number - 1) & 1
    return 0


@case
def attached_run_forwards_signals():
    with Container(script="trap 'exit 9' TERM; while :; do sleep 0.05; done") as one:
        process = subprocess.Popen([*CALL, "run", "-b", one.bundle, one.id], stdin=subprocess.DEVNULL)
        wait_until("the trap is set", lambda: one.call("state").returncode == 0 and one.status() == "running" and trapped(one, 15))
        process.send_signal(signal.SIGTERM)
        equal(process.wait(20), 9)


@case
def pause_and_resume():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        one.ok("pause")
        equal(one.status(), "paused")
        contains(one.call("exec", after=["true"]).stderr, "cannot exec in a paused container")
        one.ok("resume")
        equal(one.status(), "running")
        one.ok("pause")
        one.ok("delete", "--force")


@case
def exec_in_a_container():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        equal(one.ok("exec", after=["sh", "-c", "echo $PPID $(cat /proc/self/comm)"]), "0 cat\n")
        equal(one.call("exec", after=["sh", "-c", "exit 6"]).returncode, 6)
        missing = one.call("exec", after=["no-such"])
        equal(missing.returncode, 255)
        contains(missing.stderr, 'exec failed: unable to start container process: exec: "no-such": executable file not found in $PATH')
        equal(one.ok("exec", "--user", "1000:1000", "--cwd", "/proc", "--env", "A=b", after=["sh", "-c", "echo $(id -u) $(id -g) $(pwd) $A"]), "1000 1000 /proc b\n")
        for wrong in ("", "root", "-1", "4294967295", "4294967296", "1:", "0x1", " 1"):
            equal(one.call("exec", "--user", wrong, after=["true"]).returncode, 255)
        # What confines init confines this process as well.
        names = "CapEff CapBnd CapInh NoNewPrivs Seccomp".split()
        def posture(text):
            return {line.split()[0]: line.split()[1] for line in text.splitlines() if line.split(":")[0] in names}
        equal(posture(one.ok("exec", after=["cat", "/proc/self/status"])), posture(open(f"/proc/{one.state()['pid']}/status").read()))


@case
def exec_process_file_detached_writes_the_pid_file_only_on_success():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        process = dict(one.config["process"], args=["sleep", "2000"])
        path, pid_file = one.bundle + "/process.json", one.bundle + "/exec.pid"
        json.dump(process, open(path, "w"))
        with open(os.devnull, "wb") as null:
            equal(subprocess.run([*CALL, "exec", "--detach", "--pid-file", pid_file, "--process", path, one.id], stdin=subprocess.DEVNULL, stdout=null, stderr=null).returncode, 0)
        equal(open(f"/proc/{open(pid_file).read()}/cmdline").read(), "sleep\x002000\x00")
        os.unlink(pid_file)
        json.dump(dict(process, args=["nope"]), open(path, "w"))
        equal(one.call("exec", "--detach", "--pid-file", pid_file, "--process", path).returncode, 255)
        equal(os.path.exists(pid_file), False)


# --- bad input ---------------------------------------------------------------------------------------------------


@case
def bad_json():
    with Container("true") as one:
        good = json.dumps(one.config)
        for text, expected in ((good[:-1], "config.json"), (good + "x", "config.json"), (good.replace('"ociVersion"', '"ociVersion": "1.0.0", "ociVersion"', 1), "ociVersion"),
                               (good.encode().replace(b"/bin", b"\xff\xfe", 1), "UTF-8"), ("[]", "object"), ("", "config.json")):
            one.write(text)
            one.fails(expected)


@case
def wrong_values_name_their_place():
    def change(path, value):
        def apply(config):
            at = config
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = value
        return apply
    for path, value, pointer in ((("process", "user", "uid"), "0", "/process/user/uid"), (("process", "user", "uid"), 4294967295, "/process/user/uid"),
                                 (("process", "cwd"), "tmp", "/process/cwd"), (("ociVersion",), "banana", "/ociVersion"), (("process", "args"), [], "/process/args"),
                                 (("linux", "namespaces"), [{"type": "mount"}, {"type": "mount"}], "/linux/namespaces/1"), (("linux", "maskedPaths"), ["proc/x"], "/linux/maskedPaths/0"),
                                 (("hooks",), {"prestart": [{"path": "x"}]}, "/hooks/prestart/0/path"), (("linux", "cgroupsPath"), "/a/../../b", "/linux/cgroupsPath"),
                                 (("process", "rlimits"), [{"type": "RLIMIT_FOO", "soft": 1, "hard": 1}], "/process/rlimits/0/type"), (("annotations",), {"": "x"}, "/annotations"),
                                 (("linux", "sysctl"), {"kernel.core_pattern": "x"}, "/linux/sysctl"), (("root", "path"), "/no/such/rootfs", "/root/path")):
        with Container("true", change=change(path, value)) as one:
            one.fails(pointer)


@case
def unknown_properties_are_ignored():
    def change(config):
        config["x-unknown"] = {"a": [1]}
        config["process"]["x-unknown"] = None
        config["linux"]["x-unknown"] = 5
    with Container("true", change=change) as one:
        done = one.run()
        equal((done.returncode, done.stderr), (0, ""))


@case
def failures_in_the_middle_leave_nothing():
    for change, expected in ((lambda c: c["mounts"].append({"destination": "/x", "type": "banana", "source": "b"}), "banana"),
                             (lambda c: c["mounts"].append({"destination": "/x", "type": "bind", "source": "/no/such", "options": ["bind"]}), "/no/such"),
                             (lambda c: c["process"].update(args=["/no/such"]), "no such file or directory"), (lambda c: c["process"].update(args=["/etc/passwd"]), "permission denied"),
                             (lambda c: c["process"].update(args=["/etc"]), "is a directory"),
                             (lambda c: c["linux"].update(namespaces=c["linux"]["namespaces"] + [{"type": "network", "path": "/proc/self/ns/uts"}] if not any(n["type"] == "network" for n in c["linux"]["namespaces"]) else [dict(n, path="/proc/self/ns/uts") if n["type"] == "network" else n for n in c["linux"]["namespaces"]]), "network namespace"),
                             (lambda c: c.update(hooks={"createRuntime": [{"path": "/bin/false"}]}), "/hooks/createRuntime/0"),
                             (lambda c: c.update(hooks={"createContainer": [{"path": "/bin/false"}]}), "/hooks/createContainer/0")):
        with Container("true", change=change) as one:
            one.fails(expected)


@case
def bad_ids_and_options():
    for bad in ("", ".", "..", "a/b", "../x", "x" * 256, "a b", "a\nb"):
        done = subprocess.run([*CALL, "create", "--bundle", WORK, "--", bad], capture_output=True, text=True)
        equal(done.returncode, 1)
    equal(subprocess.run([RUNTIME, "no-such-command"], capture_output=True).returncode, 3)
    equal(subprocess.run([RUNTIME, "create", "--no-such-option", "x"], capture_output=True).returncode, 1)
    equal(subprocess.run([RUNTIME, "exec", "--no-such-option", "x"], capture_output=True).returncode, 255)
    contains(subprocess.run([RUNTIME, "restore", "--lsm-mount-context"], capture_output=True, text=True).stderr, "flag needs an argument")
    # Engines ask this way whether there is CRIU.
    criu = shutil.which("criu", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    equal(subprocess.run([RUNTIME, "checkpoint", "--help"], capture_output=True).returncode == 0, criu is not None)


@case
def one_json_line_in_the_log():
    with Container("true") as one:
        one.write("{")
        log = one.bundle + "/log.json"
        subprocess.run([*CALL, "--log", log, "--log-format", "json", "create", "--bundle", one.bundle, one.id], capture_output=True)
        lines = open(log).read().splitlines()
        equal(len(lines), 1)
        entry = json.loads(lines[0])
        equal(entry["level"], "error")
        equal(sorted(entry), ["level", "msg", "time"])
        subprocess.run([RUNTIME, "--log", log, "--log-format", "json", "create", "--bad-option"], capture_output=True)
        contains(json.loads(open(log).read().splitlines()[1])["msg"], "bad-option")


# --- start and hooks ---------------------------------------------------------------------------------------------


def hook_recorder(directory, name, status=0):
    path = os.path.join(directory, name)
    with open(path, "w") as script:
        script.write(f"#!/bin/sh\ncat > {directory}/{name}.state\necho {name} >> {directory}/order\nexit {status}\n")
    os.chmod(path, 0o755)
    return {"path": path}


@case
def hooks_run_in_order_with_the_right_state():
    directory = one_directory()
    def change(config):
        config["mounts"].append({"destination": directory, "type": "bind", "source": directory, "options": ["rbind"]})
        config["hooks"] = {kind: [hook_recorder(directory, kind)] for kind in ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")}
        config["annotations"] = {"a=b": "c"}
    # The recorder needs a shell and cat in the container, and its directory.
    with Container("sleep", "1000", change=change) as one:
        one.created()
        pid = one.state()["pid"]
        one.ok("start")
        one.ok("delete", "--force")
        equal(open(directory + "/order").read().split(), ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"])
        def seen(kind):
            return json.load(open(f"{directory}/{kind}.state"))
        for kind, status in (("prestart", "creating"), ("createRuntime", "creating"), ("createContainer", "creating"), ("startContainer", "created"), ("poststart", "running"), ("poststop", "stopped")):
            equal((seen(kind)["id"], seen(kind)["status"], seen(kind)["bundle"], seen(kind)["annotations"]), (one.id, status, one.bundle, {"a=b": "c"}))
        equal((seen("prestart")["pid"], seen("createRuntime")["pid"], seen("poststart")["pid"]), (pid, pid, pid))


@case
def start_reports_a_failed_start_container_hook():
    directory = one_directory()
    def change(config):
        config["mounts"].append({"destination": directory, "type": "bind", "source": directory, "options": ["rbind"]})
        config["hooks"] = {"startContainer": [hook_recorder(directory, "bad", 3)], "poststop": [hook_recorder(directory, "poststop")]}
    with Container("sleep", "1000", change=change) as one:
        one.created()
        done = one.call("start")
        equal(done.returncode, 1)
        contains(done.stderr, "/hooks/startContainer/0")
        contains(done.stderr, "exited with status 3")
        contains(one.call("state").stderr, "does not exist")
        equal(open(directory + "/order").read().split(), ["bad", "poststop"])


@case
def start_reports_a_failed_execve():
    def change(config):
        config["root"]["readonly"] = False
        config["process"]["args"] = ["/tmp/script"]
        config["mounts"].append({"destination": "/tmp", "type": "bind", "source": source, "options": ["rbind"]})
    source = one_directory()
    with open(source + "/script", "w") as script:
        script.write("#!/no/such/interpreter\n")
    os.chmod(source + "/script", 0o755)
    with Container(change=change) as one:
        one.created()
        done = one.call("start")
        equal(done.returncode, 1)
        contains(done.stderr, "no such file or directory")
        contains(one.call("state").stderr, "does not exist")


@case
def failed_poststart_hook_destroys():
    with Container("sleep", "1000", change=lambda c: c.update(hooks={"poststart": [{"path": "/bin/false"}]})) as one:
        one.created()
        equal(one.call("start").returncode, 1)
        contains(one.call("state").stderr, "does not exist")


@case
def hook_timeout_and_output():
    def change(config):
        config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo last words >&2; exec sleep 100"], "timeout": 1}]}
    with Container("true", change=change) as one:
        begin = time.monotonic()
        one.fails("did not end within its timeout of 1 s")
        contains(one.errors(), "last words")
        equal(time.monotonic() - begin < 20, True)


@case
def no_process_can_be_created_but_not_started():
    with Container(change=lambda c: c.pop("process")) as one:
        one.created()
        done = one.call("start")
        equal(done.returncode, 1)
        contains(done.stderr, "/process")


# --- descriptors, terminal --------------------------------------------------------------------------------------


@case
def no_descriptor_leaks():
    extra = [os.open("/", os.O_RDONLY) for _ in range(20)]
    for fd in extra:
        os.set_inheritable(fd, True)
    with Container(script="ls /proc/self/fd; sleep 1000") as one:
        with open(one.bundle + "/out", "wb") as out:
            subprocess.run([*CALL, "create", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, close_fds=False, check=True)
        pid = one.state()["pid"]
        targets = [os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
        # A created container's init holds stdio and its start socket.
        equal([t for t in targets if not t.startswith(("socket:", "/dev/null", "pipe:", one.bundle + "/out"))], [])
        one.ok("start")
        wait_until("it has listed", lambda: len(one.output().split()) >= 4)
        equal(one.output().split(), ["0", "1", "2", "3"])  # 3 is the directory that ls reads
    for fd in extra:
        os.close(fd)


@case
def preserved_descriptors():
    read_end, write_end = os.pipe()
    with Container(script="echo through >&3") as one:
        def place():
            os.dup2(write_end, 3)
            os.set_inheritable(3, True)
        done = subprocess.run([*CALL, "run", "--preserve-fds", "1", "--bundle", one.bundle, one.id], close_fds=False, preexec_fn=place, capture_output=True, text=True)
        equal(done.returncode, 0)
        equal(os.read(read_end, 100), b"through\n")
        done = subprocess.run([*CALL, "run", "--preserve-fds", "1", "--bundle", one.bundle, one.id], capture_output=True, text=True)
        contains(done.stderr, "descriptor 3 is not open")
    os.close(read_end)
    os.close(write_end)


@case
def console_socket():
    def change(config):
        config["process"].update(terminal=True, consoleSize={"height": 11, "width": 22})
    with Container(script="tty; stty size; sleep 1000", change=change) as one:
        path = one.bundle + "/console.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        one.created("--console-socket", path)
        connection, _ = listener.accept()
        data, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(struct.calcsize("i")))
        equal(len(data) >= 1, True)
        descriptors = array.array("i")
        descriptors.frombytes(ancillary[0][2])
        one.ok("start")
        text = ""
        while "22" not in text:
            ready, _, _ = select.select([descriptors[0]], [], [], 10)
            if not ready:
                break
            text += os.read(descriptors[0], 4096).decode()
        equal(text.split(), ["/dev/pts/0", "11", "22"])
        os.close(descriptors[0])
    with Container("true", change=change) as one:
        one.fails("console socket")


@case
def readiness_reaches_the_service_manager():
    path = os.path.join(WORK, "manager.sock")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.settimeout(20)
    with Container("sleep", "1000", change=lambda c: c["process"]["env"].append("X=y")) as one:
        os.environ["NOTIFY_SOCKET"] = path
        try:
            one.created()
            start = subprocess.Popen([*CALL, "start", one.id], stdin=subprocess.DEVNULL)
        finally:
            del os.environ["NOTIFY_SOCKET"]
        inside = f"/proc/{one.state()['pid']}/root/run/notify/notify.sock"
        wait_until("the socket is there", lambda: os.path.exists(inside))
        program = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        program.sendto(b"STATUS=warming up", inside)
        equal(manager.recv(100), b"STATUS=warming up")
        equal(start.poll(), None)
        program.sendto(b"READY=1\nSTATUS=up", inside)
        equal(manager.recv(100), b"READY=1\nSTATUS=up")
        equal(manager.recv(100), f"MAINPID={one.state()['pid']}".encode())
        equal(start.wait(20), 0)


@case
def attached_terminal():
    with Container(script="stty size; read line; echo got $line; exit 4", change=lambda c: c["process"].update(terminal=True)) as one:
        pid, master = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 44, 0, 0))
            os.execv(RUNTIME, [*CALL, "run", "--bundle", one.bundle, one.id])
        text = ""
        sent = False
        while True:
            try:
                chunk = os.read(master, 4096).decode()
            except OSError:
                break
            text += chunk
            if "44" in text and not sent:
                sent = True
                os.write(master, b"hello\n")
        _, status = os.waitpid(pid, 0)
        contains(text, "33 44")
        contains(text, "got hello")
        equal(os.waitstatus_to_exitcode(status), 4)


@case
def a_terminal_has_the_callers_size_before_anything_runs_on_it():
    def change(config):
        config["process"]["terminal"] = True
        config["hooks"] = {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "stty size </dev/console >/dev/shm/size"]}]}
    with Container("cat", "/dev/shm/size", change=change) as one:
        pid, master = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 44, 0, 0))
            os.execv(RUNTIME, [*CALL, "run", "--bundle", one.bundle, one.id])
        text = read_terminal(master)
        _, status = os.waitpid(pid, 0)
        equal((text, os.waitstatus_to_exitcode(status)), (b"33 44\r\n", 0))


# --- confinement ----------------------------------------------------------------------------------------------------


@case
def paths_of_the_image_do_not_lead_out():
    outside = one_directory()
    with open(outside + "/canary", "w") as canary:
        canary.write("untouched")
    rootfs = make_rootfs(tempfile.mkdtemp(dir=WORK))
    os.symlink(outside, rootfs + "/evil")
    os.symlink("../" * 20 + outside, rootfs + "/evil2")
    def change(config):
        config["root"] = {"path": rootfs}
        config["mounts"] += [{"destination": "/evil/made", "type": "tmpfs", "source": "t"}, {"destination": "/evil2/file", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}]
        config["process"]["cwd"] = "/evil/cwd"
        config["linux"]["devices"] = [{"type": "p", "path": "/evil/fifo"}]
    with Container("true", change=change) as one:
        one.run()
        equal(sorted(os.listdir(outside)), ["canary"])


@case
def proc_of_the_image_must_be_a_directory():
    for name in ("proc", "sys"):
        rootfs = make_rootfs(tempfile.mkdtemp(dir=WORK))
        os.rmdir(f"{rootfs}/{name}")
        os.symlink("/tmp", f"{rootfs}/{name}")
        with Container("true", change=lambda c: c.update(root={"path": rootfs})) as one:
            one.fails("must be a directory")


@case
def nothing_is_mounted_inside_proc():
    for destination in ("/proc/self", "/proc/sys", "/proc/1/attr"):
        with Container("true", change=lambda c: c["mounts"].append({"destination": destination, "type": "tmpfs", "source": "t"})) as one:
            one.fails("/proc")


@case
def a_bundle_without_a_configuration_says_what_to_do():
    with Container("true") as one:
        os.unlink(os.path.join(one.bundle, "config.json"))
        one.fails("there is no configuration at")
        contains(one.errors(), "--bundle")


@case
def the_runtime_cannot_be_overwritten():
    # A copy of its own: a file that another case runs at this moment is busy for writing whatever its mount says.
    runtime = shutil.copy(RUNTIME, os.path.join(WORK, "runtime"))
    before = os.stat(runtime)
    with Container("sleep", "1000", runtime=runtime) as one:
        one.created()
        exe = f"/proc/{one.state()['pid']}/exe"
        handle = os.open(exe, os.O_PATH)
        one.ok("start")
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        try:
            os.close(os.open(f"/proc/self/fd/{handle}", os.O_WRONLY))
            raise AssertionError("the binary could be opened for writing")
        except OSError as error:
            contains(("Read-only file system", "Operation not permitted"), error.strerror)
        os.close(handle)
    equal((os.stat(runtime).st_ino, os.stat(runtime).st_mtime), (before.st_ino, before.st_mtime))


@case
def masked_and_readonly_paths():
    with Container(script="cat /proc/keys | wc -c; touch /proc/sys/x 2>&1; echo 1 2>/dev/null > /proc/sys/kernel/printk || echo denied", change=lambda c: c["linux"].update(
            maskedPaths=["/proc/keys", "/proc/acpi", "/no/such"], readonlyPaths=["/proc/sys"])) as one:
        text = one.run().stdout
        equal(text.split()[0], "0")
        contains(text, "denied")


@case
def default_devices_only():
    def change(config):
        config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
        config["process"]["capabilities"] = {k: ["CAP_MKNOD"] for k in ("bounding", "effective", "permitted")}
    with Container(script="echo x > /dev/null && head -c 1 /dev/zero | wc -c; mknod /dev/disk b 8 0; head -c 1 /dev/disk; true", change=change) as one:
        done = one.run()
        equal(done.stdout.strip(), "1")
        contains(done.stderr, "Operation not permitted")


@case
def killed_create_leaves_nothing_that_delete_cannot_remove():
    for delay in [i * 0.0005 for i in range(24)]:
        with Container("sleep", "1000") as one:
            process = subprocess.Popen([*CALL, "create", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)  # somewhere between its first and its last instruction
            process.kill()
            process.wait()
            equal(one.call("delete", "--force").returncode, 0)
            one.gone()


@case
def many_creates_of_one_id():
    with Container("sleep", "1000") as one:
        processes = [subprocess.Popen([*CALL, "create", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(12)]
        equal(sorted(process.wait(30) for process in processes), [0] + [1] * 11)
        equal(one.status(), "created")


if __name__ == "__main__":
    run_cases()
