#!/usr/bin/env python3
"""What engines rely on, command line by command line, and what a person reads when a configuration is wrong. Root is needed."""

import copy
import json
import os
import signal
import socket
import subprocess

from bundle import ROOT, RUNTIME, Container, case, one_directory, receive_descriptor, run_cases
from harness import contains, equal, wait_until


def started(*args, **options):
    one = Container(*(args or ("sleep", "1000")), **options)
    one.created()
    one.ok("start")
    return one


def call(*words, status=0, **options):
    """The runtime's output; a command that succeeds says nothing on stderr. Its streams are files: init keeps them."""
    directory = one_directory()
    options.setdefault("stdin", subprocess.DEVNULL) if "input" not in options else None
    with open(directory + "/out", "w") as out, open(directory + "/err", "w") as err:
        done = subprocess.run([RUNTIME, *words], stdout=out, stderr=err, text=True, timeout=30, **options)
    said, errors = open(directory + "/out").read(), open(directory + "/err").read()
    equal((done.returncode, "" if status == 0 else said, errors if status == 0 else ""), (status, "", ""))
    return said if status == 0 else errors


# --- what the engines execute ----------------------------------------------------------------------------------------


def process_file(one, *args):
    path = os.path.join(one.bundle, "process.json")
    with open(path, "w") as file:
        json.dump(dict(one.config["process"], args=list(args)), file)
    return path


@case
def containerd_drives_a_container():
    with Container("sleep", "1000") as one:
        log, pid_file = one.bundle + "/log.json", one.bundle + "/init.pid"
        engine = ["--root", ROOT, "--log", log, "--log-format", "json"]
        call(*engine, "create", "--bundle", one.bundle, "--pid-file", pid_file, "--no-pivot", "--no-new-keyring", one.id)
        pid = int(open(pid_file).read())
        equal(open(pid_file).read(), str(pid))
        call(*engine, "start", one.id)
        call(*engine, "exec", "--process", process_file(one, "sleep", "2000"), "--detach", "--pid-file", one.bundle + "/exec.pid", one.id)
        equal(sorted(json.loads(call(*engine, "ps", "--format", "json", one.id))), sorted([pid, int(open(one.bundle + "/exec.pid").read())]))
        call(*engine, "pause", one.id)
        call(*engine, "resume", one.id)
        call(*engine, "update", "--resources=-", one.id, input='{"pids":{"limit":77}}')
        equal(json.loads(call(*engine, "events", "--stats", one.id))["data"]["pids"]["limit"], 77)
        call(*engine, "kill", "--all", one.id, "15")
        call(*engine, "kill", "--all", one.id, "9")
        wait_until("it is stopped", lambda: one.status() == "stopped")
        call(*engine, "kill", "--all", one.id, "9")
        call(*engine, "delete", one.id)
        call(*engine, "delete", "--force", one.id)
        equal(os.path.exists(log) and open(log).read(), "")
        call("features")


@case
def conmon_and_podman_drive_a_container_without_cgroups():
    with Container("sh", "-c", "sleep 1000 & exec sleep 1000") as one:
        log = one.bundle + "/oci-log"
        call("--root=" + ROOT, "--log-format=json", "--log", log, "--cgroup-manager", "disabled", "create", "--bundle", one.bundle,
             "--pid-file", one.bundle + "/pidfile", "--no-pivot", "--preserve-fds", "0", one.id)
        podman = ["--root", ROOT]
        call(*podman, "start", one.id)
        pid = one.state()["pid"]
        call(*podman, "exec", "--pid-file", one.bundle + "/exec.pid", "--process", process_file(one, "sleep", "2000"), "--detach", "--preserve-fds", "0", one.id)
        # Nothing but the PID namespace says which processes are the container's.
        wait_until("all are there", lambda: len(json.loads(call(*podman, "ps", "-f", "json", one.id))) == 3)
        contains(json.loads(call(*podman, "ps", "-f", "json", one.id)), pid)
        contains(call(*podman, "ps", one.id), "sleep 2000")
        contains(call(*podman, "pause", one.id, status=1), "the container has no cgroups")
        call(*podman, "kill", "--all", one.id, "18")
        call(*podman, "kill", "--all", one.id, "9")
        wait_until("it is stopped", lambda: one.status() == "stopped")
        call(*podman, "kill", "--all", one.id, "9")
        call(*podman, "delete", "--force", one.id)


@case
def cri_o_buildah_and_buildkit_drive_a_container():
    with Container("sleep", "1000") as one:
        call("--root", ROOT, "create", "--bundle", one.bundle, "--pid-file", one.bundle + "/pid", "--no-new-keyring", "--no-pivot", one.id)
        cri_o = ["--root", ROOT]
        call(*cri_o, "start", one.id)
        equal(json.loads(call(*cri_o, "state", one.id))["status"], "running")
        call(*cri_o, "update", "--resources", "-", one.id, input='{"cpu":{"shares":512}}')
        equal(call(*cri_o, "exec", "--process", process_file(one, "echo", "hi"), one.id), "hi\n")
        call(*cri_o, "kill", "-a", one.id, "SIGCONT")
        call(*cri_o, "kill", one.id, "KILL")
        wait_until("it is stopped", lambda: one.status() == "stopped")
        contains(call(*cri_o, "kill", one.id, status=1), "container not running")
        call(*cri_o, "delete", one.id)
    with Container(script="exit 0") as one:
        call("--root", ROOT, "--log", one.bundle + "/runc-log.json", "--log-format", "json", "run", "--bundle", one.bundle, "--no-pivot", "--keep", one.id)
        call("--root", ROOT, "delete", one.id)
        contains(call("--root", ROOT, "delete", one.id, status=1), "does not exist")


@case
def global_options_are_taken_in_every_spelling():
    empty = one_directory()
    for words in (["--root", empty], ["--root=" + empty], ["-root", empty], ["-root=" + empty], ["--rootless", "true", "--root", empty],
                  ["--rootless=auto", "--root", empty], ["--root", empty, "--rootless"], ["--debug", "--root", empty], ["-s", "--root", empty],
                  ["--systemd-cgroup=false", "--root", empty], ["--cgroup-manager=disabled", "--root", empty], ["--log-level", "error", "--root", empty]):
        equal(call(*words, "list", "-q"), "")
    for words, sentence in ((["--log-format", "xml"], "--log-format takes text or json, not 'xml'"), (["--log-level", "x"], "--log-level takes"),
                            (["--root", ""], "--root takes a directory"), (["--root", "/"], "--root cannot be /"), (["--cgroup-manager", "x"], "--cgroup-manager takes"),
                            (["--log", "/no/such/file"], "opening the log '/no/such/file'")):
        contains(call(*words, "list", status=1), sentence)


@case
def ps_hands_its_options_on():
    with started() as one:
        table = [line.split() for line in one.ok("ps", after=["-o", "pid,comm"]).splitlines()]
        equal(table, [["PID", "COMMAND"], [str(one.state()["pid"]), "sleep"]])
        contains(one.ok("ps", after=[""]), "sleep 1000")
        contains(one.call("ps", after=["-o", "comm"]).stderr, "no PID column")


@case
def files_of_others_in_the_state_root_are_not_listed():
    root = one_directory()
    with open(root + "/README", "w") as file:
        file.write("not a container")
    os.mkdir(root + "/damaged")
    with open(root + "/damaged/state.json", "w") as file:
        file.write("{")
    done = subprocess.run([RUNTIME, "--root", root, "list", "-f", "json"], capture_output=True, text=True)
    equal((done.returncode, done.stdout, done.stderr.count("\n")), (0, "null\n", 1))
    contains(done.stderr, "damaged")


@case
def sockets_may_have_paths_longer_than_an_address():
    deep = os.path.join(one_directory(), "d" * 100, "e" * 100)
    os.makedirs(deep)
    here = os.getcwd()
    os.chdir(deep)  # the address itself is as short as it must be
    try:
        listeners = []
        for name in ("console", "pidfd"):
            listeners.append(socket.socket(socket.AF_UNIX))
            listeners[-1].bind(name)
            listeners[-1].listen(1)
    finally:
        os.chdir(here)
    with Container("sleep", "1000", change=lambda c: c["process"].update(terminal=True)) as one:
        one.created("--console-socket", deep + "/console", "--pidfd-socket", deep + "/pidfd")
        received = [receive_descriptor(listener.accept()[0]) for listener in listeners]
        equal(os.isatty(received[0]), True)
        contains(open(f"/proc/self/fdinfo/{received[1]}").read(), f"Pid:\t{one.state()['pid']}\n")
        for descriptor in received:
            os.close(descriptor)
    with Container("true") as one:
        one.fails("cannot use console socket", "--console-socket", deep + "/console")


@case
def sockets_of_a_service_manager_are_passed_on_to_whom_they_are_meant():
    for own in (True, False):
        read_end, write_end = os.pipe()
        with Container("sh", "-c", "echo $LISTEN_FDS:$LISTEN_PID:$LISTEN_FDNAMES >&3") as one:
            def place():
                os.dup2(write_end, 3)
                os.set_inheritable(3, True)
                os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid() if own else 1), LISTEN_FDNAMES="name")
            pid = os.fork()
            if pid == 0:
                place()
                os.dup2(os.open(os.devnull, os.O_RDWR), 2)
                os.execv(RUNTIME, [RUNTIME, "--root", ROOT, "run", "--bundle", one.bundle, one.id])
            os.close(write_end)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            equal((status == 0, os.read(read_end, 100)), (own, b"1:1:\n" if own else b""))
        os.close(read_end)


# --- the log ---------------------------------------------------------------------------------------------------------


@case
def a_failure_is_the_only_line_of_the_log():
    def unknown_capability(config):
        config["process"]["capabilities"] = {"bounding": ["CAP_NO_SUCH"]}
    with Container("nope", change=unknown_capability) as one:
        log = one.bundle + "/log"
        call("--root", ROOT, "--log", log, "--log-format", "json", "run", "--bundle", one.bundle, one.id, status=1)
        contains(json.loads(open(log).read())["msg"], "executable file not found in $PATH")
    with Container("true", change=unknown_capability) as one:
        log = one.bundle + "/log"
        call("--root", ROOT, "--log", log, "--log-format", "json", "run", "--bundle", one.bundle, one.id)
        entry = json.loads(open(log).read())
        equal((entry["level"], "CAP_NO_SUCH" in entry["msg"]), ("warning", True))


@case
def a_log_that_grows_too_long_loses_its_oldest_lines():
    log = os.path.join(one_directory(), "log.json")
    def fail():
        contains(call("--root", ROOT, "--log", log, "--log-format", "json", "state", "nobody", status=1), "container does not exist")
    with open(log, "w") as file:
        for number in range(20000):
            file.write(json.dumps({"level": "error", "msg": f"old {number}", "time": "2026-01-01T00:00:00Z"}, separators=(",", ":")) + "\n")
    fail()
    entries = [json.loads(line) for line in open(log)]
    equal(os.path.getsize(log) < 300000, True)
    equal((entries[-2]["msg"], "does not exist" in entries[-1]["msg"]), ("old 19999", True))
    fail()
    equal(len(open(log).readlines()), len(entries) + 1)
    for foreign in ("x" * (1 << 21), "a line of somebody else\n" * 100000):
        with open(log, "w") as file:
            file.write(foreign)
        fail()
        equal(open(log).read(), foreign)


@case
def syslog_messages_have_a_priority_and_the_tag():
    if os.path.lexists("/dev/log"):
        return  # the host's own: not ours to read
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind("/dev/log")
        try:
            call("--log", "syslog:me", "--root", ROOT, "state", "nobody", status=1)
            equal(daemon.recv(1000).decode(), "<11>me: container does not exist: 'nobody'")
            call("--log=syslog:", "--log-format=json", "--root", ROOT, "state", "nobody", status=1)
            tag, text = daemon.recv(1000).decode().split(" ", 1)
            equal((tag, json.loads(text)["level"]), ("<11>corten:", "error"))
        finally:
            os.unlink("/dev/log")


# --- wrong configurations --------------------------------------------------------------------------------------------


def at(*path, value):
    def change(config):
        place = config
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
    return change


def mount(**entry):
    return lambda config: config["mounts"].append(entry)


def namespace(**entry):
    def change(config):
        config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != entry["type"]] + [entry]
    return change


def unmapped(**user):
    def change(config):
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 10}]
        config["process"]["user"] = dict({"uid": 0, "gid": 0}, **user)
    return change


@case
def texts_that_are_no_json_name_their_line():
    with Container("true") as one:
        good = json.dumps(one.config, indent=1)
        for text, sentence in (("", "line 1: the text is empty"), ("\n \n", "line 3: the text is empty"),
                               (good[:-2] + ",\n}", "(no comma may stand before '}'), found '}'"), ('{\n"a": [1,]}', "line 2: expected a value (no comma may stand before ']')"),
                               ("// comment\n" + good, "(JSON has no comments)"), ("\ufeff" + good, "a byte order mark: save the text without it"),
                               (good.replace('"', "'"), "line 2: expected a name in double quotes, found ''' (JSON has double quotes only)"),
                               (good.encode("utf-16"), "the text is not UTF-8"), (good[:len(good) // 2], "found the end of the file"), (good + good, "expected the end of the file")):
            one.write(text)
            one.fails(sentence)
            contains(one.errors(), f"{one.bundle}/config.json line ")
        os.unlink(one.bundle + "/config.json")
        os.mkdir(one.bundle + "/config.json")
        one.fails("the configuration is no file")


@case
def wrong_configurations_name_file_line_place_and_reason():
    for change, *sentences in (
            (at("root", "path", value="/no/such"), "/root/path: ", "'/no' does not exist"),
            (at("root", "path", value="/etc/passwd"), "/root/path: ", "Not a directory"),
            (mount(destination="/x", type="bind", source="/etc/no/such", options=["bind"]), ": mounting '/etc/no/such' (bind) at '/x': ", "'/etc/no' does not exist"),
            (mount(destination="/tmp", type="bind", source="/etc/passwd/x", options=["bind"]), "'/etc/passwd' is not a directory"),
            (mount(destination="/tmp", type="bind", source="/etc/passwd", options=["bind"]), "is a file and the destination is a directory: not a directory\n"),
            (mount(destination="/etc/passwd/x", type="tmpfs", source="t"), "inside the rootfs: '/etc/passwd'"),
            (mount(destination="/tmp", type="ext9", source="x"), "this kernel has no filesystem of type 'ext9'"),
            (mount(destination="/tmp", type="tmpfs", source="x", options=["nosuidd"]), "nosuidd"),
            (mount(destination="/tmp", type="bind", source="/etc", options=["bind", "readonly"]), "/options/1: unknown option 'readonly'"),
            (at("process", "cwd", value="/no/such"), "/process/cwd: ", "making '/no', which the rootfs lacks"),
            (namespace(type="network", path="/no/such"), "/linux/namespaces/", "/path: opening the network namespace '/no/such': '/no' does not exist"),
            (namespace(type="network", path="/etc/passwd"), "/path: joining the network namespace '/etc/passwd': the file is no network namespace"),
            (unmapped(uid=10), "/process/user/uid: expected an id that /linux/uidMappings maps, found 10"),
            (unmapped(gid=10), "/process/user/gid: expected an id that /linux/gidMappings maps, found 10"),
            (at("linux", "sysctl", value={"net.ipv4.no_such": "1"}), "/linux/sysctl/net.ipv4.no_such: ", "this kernel has no such parameter"),
            (at("linux", "resources", value={"cpu": {"cpus": "4000"}}), "/linux/resources/cpu/cpus: ", "this host has 0"),
            (at("linux", "resources", value={"memory": {"limit": "100M"}}), "/linux/resources/memory/limit: expected an integer"),
            (at("hooks", value={"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "echo boo; exit 3"]}]}), "/hooks/createRuntime/0: hook '/bin/sh' exited with status 3 after ", "boo"),
            (at("process", "terminal", value=True), "/process/terminal: cannot allocate tty if corten will detach without setting console socket"),
            (lambda c: c.pop("ociVersion"), "/ociVersion: this required property is missing")):
        with Container("true", change=change) as one:
            one.write(json.dumps(one.config, indent=1))
            one.fails(f"{one.bundle}/config.json line ")
            for sentence in sentences:
                contains(one.errors(), sentence)


@case
def the_line_is_that_of_the_place():
    def change(config):
        config["mounts"].append({"destination": "/x", "type": "tmpfs", "source": "t", "options": ["no-such-option"]})
    with Container("true", change=change) as one:
        text = json.dumps(one.config, indent=1)
        one.write(text)
        line = text[:text.index('"/x"')].count("\n")  # of the brace in front
        one.fails(f"{one.bundle}/config.json line {line}: /mounts/{len(one.config['mounts']) - 1}: ")


@case
def what_start_finds_out_names_its_line_as_well():
    def change(config):
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 0, "size": 10}]
        config["process"]["user"] = {"uid": 0, "gid": 0, "additionalGids": [10]}
    with Container("true", change=change) as one:
        one.created()
        contains(one.call("start").stderr, "config.json line 1: /process/user/additionalGids: not mapped in the container's user namespace: 10")


@case
def an_empty_program_name_is_not_found():
    with Container("") as one:
        one.fails('exec: "": executable file not found in $PATH')


@case
def files_that_options_name_are_named_in_errors():
    with started() as one:
        for words, sentence in ((["exec", "--process", "/no/such", one.id], "exec failed: --process '/no/such'"), (["update", "-r", "/no/such", one.id], "--resources '/no/such'"),
                                (["mounts", "add", one.id, "/no/such"], "the list of mounts '/no/such'")):
            contains(call("--root", ROOT, *words, status=255 if words[0] == "exec" else 1), sentence)
        process = copy.deepcopy(one.config["process"])
        process["cwd"] = "x"
        path = one.bundle + "/process.json"
        with open(path, "w") as file:
            json.dump(process, file, indent=1)
        contains(one.call("exec", "--process", path).stderr, "exec failed: process JSON line ")


@case
def a_signal_that_ends_an_attached_run_is_its_status():
    with Container("sleep", "1000") as one:
        process = subprocess.Popen([RUNTIME, "--root", ROOT, "run", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL)
        wait_until("it runs", lambda: one.call("state").returncode == 0 and one.status() == "running")
        one.ok("kill", after=["KILL"])
        equal(process.wait(20), 128 + signal.SIGKILL)


if __name__ == "__main__":
    run_cases()
