#!/usr/bin/env python3
"""The commands that engines and operators call, option by option: events, exec, mounts. Root is needed."""

import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from bundle import ROOT, ROOTFS, RUNTIME, Container, case, one_directory, receive_descriptor, run_cases
from harness import Skip, contains, equal, make_rootfs, wait_until


def running(*args, **options):
    return Container(*(args or ("sleep", "1000")), **options)


def begin(one):
    one.created()
    one.ok("start")
    return one


def limit_memory(limit):
    def change(config):
        config["linux"]["resources"]["memory"] = {"limit": limit}
    return change


# --- events ------------------------------------------------------------------------------------------------------


@case
def annotations_as_long_as_a_config_may_be():
    notes = {f"org.example.note{number}": "x\n" * 100000 for number in range(25)}
    with Container("sleep", "1000", change=lambda c: c.update(annotations=notes)) as one:
        one.created()
        equal(one.state()["annotations"], notes)
        one.ok("start")
        equal(one.ok("exec", after=["echo", "there"]), "there\n")


@case
def statistics_once():
    def change(config):
        config["linux"]["resources"].update(memory={"limit": 64 << 20}, pids={"limit": 33})
    with running(change=change) as one:
        begin(one)
        text = one.ok("events", "--stats")
        equal(text.count("\n"), 1)
        event = json.loads(text)
        equal((event["type"], event["id"]), ("stats", one.id))
        data = event["data"]
        equal(data["pids"], {"current": 1, "limit": 33})
        equal(data["memory"]["usage"]["limit"], 64 << 20)
        equal(0 < data["memory"]["usage"]["usage"] <= data["memory"]["usage"]["max"], True)
        equal(data["cpu"]["usage"]["total"] > 0, True)
        equal(data["cpuset"]["cpus"] != [], True)
        equal([interface["Name"] for interface in data["network_interfaces"]], ["lo"])
        if os.path.exists("/proc/pressure/memory"):
            equal(sorted(data["memory"]["psi"]["some"]), ["avg10", "avg300", "avg60", "total"])


@case
def statistics_grow_with_the_work():
    with running(script="while read line; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; done") as one:
        process = subprocess.Popen([RUNTIME, "--root", ROOT, "run", "-b", one.bundle, one.id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        wait_until("it runs", lambda: one.call("state").returncode == 0 and one.status() == "running")
        def used():
            return json.loads(one.ok("events", "--stats"))["data"]["cpu"]["usage"]["total"]
        before = used()
        process.stdin.write("go\n")
        process.stdin.flush()
        equal(process.stdout.readline(), "done\n")
        equal(used() - before > 1000000, True)
        process.stdin.close()
        equal(process.wait(20), 0)


@case
def statistics_at_intervals_until_the_end():
    with begin(running()) as one:
        stream = subprocess.Popen([RUNTIME, "--root", ROOT, "events", "--interval", "50ms", one.id], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            equal(json.loads(stream.stdout.readline())["type"], "stats")
        one.ok("kill", after=["KILL"])
        for line in stream.stdout:
            equal(json.loads(line)["type"], "stats")
        equal(stream.wait(20), 0)


@case
def an_oom_kill_is_an_event():
    with begin(running(change=limit_memory(32 << 20))) as one:
        stream = subprocess.Popen([RUNTIME, "--root", ROOT, "events", "--interval", "1h", one.id], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        wait_until("it watches", lambda: watches(stream.pid))
        equal(one.call("exec", after=["sh", "-c", "tail /dev/zero"]).returncode, 137)
        equal(json.loads(stream.stdout.readline()), {"type": "oom", "id": one.id})
        equal(json.loads(one.ok("events", "--stats"))["data"]["memory"]["event_count"]["oom_kill"], 1)
        stream.terminate()
        equal(stream.wait(20), -signal.SIGTERM)


@case
def an_oom_kill_of_the_program_is_an_event_as_well():
    with running(script="read line; exec tail /dev/zero", change=limit_memory(32 << 20)) as one:
        process = subprocess.Popen([RUNTIME, "--root", ROOT, "run", "-b", one.bundle, one.id], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        wait_until("it runs", lambda: one.call("state").returncode == 0 and one.status() == "running")
        stream = subprocess.Popen([RUNTIME, "--root", ROOT, "events", "--interval", "1h", one.id], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        wait_until("it watches", lambda: watches(stream.pid))
        process.communicate(b"go\n")
        equal(process.returncode, 137)
        equal([json.loads(line) for line in stream.stdout], [{"type": "oom", "id": one.id}])
        equal(stream.wait(20), 0)


def watches(pid):
    """The stream has its watch, and waits in poll(2)."""
    try:
        files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        sleeping = "poll" in open(f"/proc/{pid}/wchan").read()
    except OSError:
        return False
    return sleeping and any("eventfd" in name or name.endswith("memory.events") for name in files)


@case
def events_refuses_bad_input_and_stopped_containers():
    with running() as one:
        contains(one.call("events", "--stats").stderr, "container does not exist")
        begin(one)
        for wrong in ("0s", "5", "-1s", "x"):
            done = one.call("events", "--interval", wrong)
            equal(done.returncode, 1)
            contains(done.stderr, "--interval")
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        done = one.call("events", "--stats")
        equal(done.returncode, 1)
        contains(done.stderr, "container not running")


# --- exec --------------------------------------------------------------------------------------------------------


def process_file(one, **change):
    path = os.path.join(one.bundle, "process.json")
    process = dict(one.config["process"])
    process.update(change)
    with open(path, "w") as file:
        json.dump(process, file)
    return path


def exec_file(one, *options, **change):
    """exec --process of the container's own process with changes."""
    return one.call("exec", "--process", process_file(one, **change), *options)


@case
def exec_replaces_what_the_options_name():
    with begin(running(change=lambda c: c["process"].update(env=["PATH=/bin", "A=1"]))) as one:
        equal(one.ok("exec", "-e", "A=2", "--env", "B=3=4", after=["sh", "-c", "echo $A $B"]), "2 3=4\n")
        equal(one.ok("exec", "--cwd", "/proc", after=["pwd"]), "/proc\n")
        equal(one.ok("exec", "-u", "7", after=["sh", "-c", "echo $(id -u) $(id -g)"]), "7 0\n")
        equal(one.ok("exec", "-u", "7:8", "-g", "21", "--additional-gids", "22", after=["sh", "-c", "id -G"]), "8 21 22\n")
        equal(one.ok("exec", "--umask", "027", after=["sh", "-c", "umask"]), "0027\n")
        contains(one.ok("exec", "--no-new-privs", after=["cat", "/proc/self/status"]), "NoNewPrivs:\t1")
        contains(one.call("exec", "-g", "x", after=["true"]).stderr, "--additional-gids")
        contains(one.call("exec", "--umask", "8", after=["true"]).stderr, "--umask")
        contains(one.call("exec").stderr, "a command is needed")


@case
def exec_adds_capabilities_but_never_inheritable_ones():
    def change(config):
        config["process"]["capabilities"] = {kind: ["CAP_CHOWN"] for kind in ("bounding", "effective", "permitted")}
    with begin(running(change=change)) as one:
        def sets(*options):
            text = one.ok("exec", *options, after=["cat", "/proc/self/status"])
            return {line.split()[0]: int(line.split()[1], 16) for line in text.splitlines() if line.startswith("Cap")}
        before = sets()
        equal(before["CapEff:"], 1)
        after = sets("--cap", "CAP_SYS_PTRACE", "-c", "CAP_KILL")
        for name in ("CapEff:", "CapPrm:", "CapBnd:"):
            equal(after[name], 1 | 1 << 19 | 1 << 5)
        equal((after["CapInh:"], after["CapAmb:"]), (0, 0))
        wrong = one.call("exec", "--cap", "CAP_NO_SUCH", after=["true"])
        equal(wrong.returncode, 255)
        contains(wrong.stderr, "--cap: unknown capability 'CAP_NO_SUCH'")


@case
def exec_takes_the_limits_of_its_own_process():
    with begin(running()) as one:
        script = "ulimit -n; cat /proc/self/oom_score_adj; umask; awk '{print $19}' /proc/self/stat"
        done = exec_file(one, args=["sh", "-c", script], rlimits=[{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 88}], oomScoreAdj=321,
                         user={"uid": 0, "gid": 0, "umask": 0o077}, scheduler={"policy": "SCHED_BATCH", "nice": 3}, ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6})
        equal((done.returncode, done.stderr, done.stdout.split()), (0, "", ["77", "321", "0077", "3"]))
        wrong = exec_file(one, args=["true"], rlimits=[{"type": "RLIMIT_X", "soft": 1, "hard": 1}])
        equal(wrong.returncode, 255)
        contains(wrong.stderr, ": /rlimits/0/type")


def cpus_of(one, *, around=(), **change):
    done = subprocess.run([*around, RUNTIME, "--root", ROOT, "exec", "--process", process_file(one, args=["cat", "/proc/self/status"], **change), one.id],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    equal((done.returncode, done.stderr), (0, ""))
    return next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("Cpus_allowed_list:"))


@case
def exec_has_all_cpus_of_the_cgroup_or_those_it_asks_for():
    if os.cpu_count() < 2:
        return
    everything = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("Cpus_allowed_list:"))
    with running() as one:
        subprocess.run(["taskset", "-c", "1", RUNTIME, "--root", ROOT, "create", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        one.ok("start")
        # The runtime was bound to one cpu; the program is not.
        contains(open(f"/proc/{one.state()['pid']}/status").read(), f"Cpus_allowed_list:\t{everything}\n")
        equal(cpus_of(one, around=("taskset", "-c", "1")), everything)
        equal(cpus_of(one, execCPUAffinity={"final": "1"}), "1")
        equal(cpus_of(one, execCPUAffinity={"initial": "0", "final": "0-1"}), "0-1")
        equal(cpus_of(one, execCPUAffinity={"initial": "1"}), everything)
        wrong = exec_file(one, args=["true"], execCPUAffinity={"final": "x"})
        equal(wrong.returncode, 255)
        contains(wrong.stderr, ": /execCPUAffinity/final")


@case
def exec_statuses_and_sentences():
    with begin(running()) as one:
        equal(one.call("exec", after=["sh", "-c", "exit 3"]).returncode, 3)
        equal(one.call("exec", after=["sh", "-c", "kill -KILL $$"]).returncode, 128 + 9)
        equal(one.call("exec", after=["sh", "-c", "kill -TERM $$"]).returncode, 128 + 15)
        for program, sentence in (("nope", 'exec: "nope": executable file not found in $PATH'), ("/nope", 'exec: "/nope": stat /nope: no such file or directory'),
                                  ("/etc/passwd", 'exec: "/etc/passwd": permission denied'), ("/etc/passwd/x", 'exec: "/etc/passwd/x": stat /etc/passwd/x: not a directory'),
                                  ("/etc", 'exec: "/etc": is a directory')):
            done = one.call("exec", after=[program])
            equal((done.returncode, done.stdout, done.stderr.count("\n")), (255, "", 1))
            contains(done.stderr, "exec failed: unable to start container process: " + sentence)


@case
def exec_in_a_paused_container_waits_when_told_to():
    with begin(running()) as one:
        one.ok("pause")
        refused = one.call("exec", after=["true"])
        equal(refused.returncode, 255)
        contains(refused.stderr, "cannot exec in a paused container (use --ignore-paused to override)")
        waiting = subprocess.Popen([RUNTIME, "--root", ROOT, "exec", "--ignore-paused", one.id, "echo", "thawed"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        equal(select.select([waiting.stdout], [], [], 0.3)[0], [])
        one.ok("resume")
        equal(waiting.communicate(timeout=20)[0], "thawed\n")
        equal(waiting.returncode, 0)


@case
def exec_pid_file_and_pidfd_socket():
    with begin(running()) as one:
        path, pid_file = one.bundle + "/pidfd.sock", one.bundle + "/exec.pid"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        with open(os.devnull, "wb") as null:
            equal(subprocess.run([RUNTIME, "--root", ROOT, "exec", "-d", "--pid-file", pid_file, "--pidfd-socket", path, one.id, "sleep", "2000"],
                                 stdin=subprocess.DEVNULL, stdout=null, stderr=null).returncode, 0)
        connection, _ = listener.accept()
        pidfd = receive_descriptor(connection)
        pid = open(pid_file).read()
        contains(open(f"/proc/self/fdinfo/{pidfd}").read(), f"Pid:\t{pid}\n")
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        wait_until("it is gone", lambda: not os.path.exists(f"/proc/{pid}") or "\nState:\tZ" in open(f"/proc/{pid}/status").read())
        os.close(pidfd)


@case
def exec_terminal_by_console_socket_and_attached():
    with begin(running()) as one:
        path = one.bundle + "/console.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        process = process_file(one, args=["sh", "-c", "tty; stty size; sleep 1000"], terminal=True, consoleSize={"height": 12, "width": 34})
        one.ok("exec", "-d", "--process", process, "--console-socket", path)
        connection, _ = listener.accept()
        master = receive_descriptor(connection)
        text = ""
        while "34" not in text and select.select([master], [], [], 20)[0]:
            text += os.read(master, 4096).decode()
        equal(text.split(), ["/dev/pts/0", "12", "34"])
        os.close(master)
        contains(one.call("exec", "-d", "-t", after=["true"]).stderr, "console socket")
        pid, master = pty.fork()
        if pid == 0:
            os.execv(RUNTIME, [RUNTIME, "--root", ROOT, "exec", "-t", one.id, "sh", "-c", "test -t 0 && test -t 1 && echo terminal; exit 5"])
        text = ""
        try:
            while chunk := os.read(master, 4096).decode():
                text += chunk
        except OSError:
            pass
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 5)
        contains(text, "terminal")


@case
def exec_preserves_descriptors_when_asked():
    with begin(running()) as one, tempfile.TemporaryFile() as file:
        def place():
            os.dup2(file.fileno(), 3)
            os.set_inheritable(3, True)
        command = [RUNTIME, "--root", ROOT, "exec", "--preserve-fds", "1", one.id, "sh", "-c", "echo through >&3"]
        done = subprocess.run(command, close_fds=False, preexec_fn=place, capture_output=True, text=True)
        equal((done.returncode, done.stderr), (0, ""))
        file.seek(0)
        equal(file.read(), b"through\n")
        contains(subprocess.run(command, capture_output=True, text=True).stderr, "descriptor 3 is not open")


def cgroups_of(pid):
    """The path in each hierarchy, by its controllers; "" is cgroup2."""
    lines = [line.rstrip("\n").split(":", 2) for line in open(f"/proc/{pid}/cgroup")]
    return {controllers: path for _, controllers, path in lines}


def hierarchies():
    """The mount points of the hierarchies, by what /proc/PID/cgroup calls them."""
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        return {"": "/sys/fs/cgroup"}
    found = {name: "/sys/fs/cgroup/" + name.replace("name=", "") for name in cgroups_of("self") if name}
    if os.path.exists("/sys/fs/cgroup/unified/cgroup.controllers"):
        found[""] = "/sys/fs/cgroup/unified"
    return {name: path for name, path in found.items() if os.path.isdir(path)}


@case
def exec_enters_the_cgroup_it_is_given():
    with begin(running()) as one:
        own = cgroups_of(one.state()["pid"])
        places = hierarchies()
        made = []
        try:
            for name, top in places.items():
                made.append(f"{top}{own[name]}/sub")
                os.mkdir(made[-1])
                for file in ("cpuset.cpus", "cpuset.mems"):  # on v1 nothing may enter before they are set
                    if name and os.path.exists(f"{made[-1]}/{file}"):
                        with open(f"{made[-1]}/{file}", "w") as setting:
                            setting.write(open(f"{top}{own[name]}/{file}").read())
            def inside(*options):
                pid_file = one.bundle + "/exec.pid"
                with open(os.devnull, "wb") as null:
                    equal(subprocess.run([RUNTIME, "--root", ROOT, "exec", "-d", "--pid-file", pid_file, *options, one.id, "sleep", "2000"],
                                         stdin=subprocess.DEVNULL, stdout=null, stderr=null).returncode, 0)
                pid = int(open(pid_file).read())
                seen = cgroups_of(pid)
                os.kill(pid, signal.SIGKILL)
                wait_until("it is gone", lambda: not os.path.exists(f"/proc/{pid}") or "\nState:\tZ" in open(f"/proc/{pid}/status").read())
                return {name: seen[name] for name in places}
            equal(inside(), {name: own[name] for name in places})
            equal(inside("--cgroup", "sub"), {name: own[name] + "/sub" for name in places})
            if "memory" in places:
                equal(inside("--cgroup", "memory:sub"), {name: own[name] + ("/sub" if name == "memory" else "") for name in places})
            for wrong in ("nowhere", "../x", "", "no-such-controller:sub"):
                done = one.call("exec", "--cgroup", wrong, after=["true"])
                equal(done.returncode, 255)
                contains(done.stderr, "--cgroup")
        finally:
            for path in made:
                wait_until(f"{path} is empty", lambda: try_rmdir(path))


def try_rmdir(path):
    try:
        os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


@case
def exec_follows_init_when_a_manager_inside_has_moved_it():
    place = hierarchies().get("")
    if place is None or not open(place + "/cgroup.controllers").read().split():
        return
    with begin(running()) as one:
        pid = one.state()["pid"]
        own = cgroups_of(pid)[""]
        inner = f"{place}{own}/inner"
        os.mkdir(inner)
        with open(inner + "/cgroup.procs", "w") as procs:
            procs.write(str(pid))
        controller = open(f"{place}{own}/cgroup.controllers").read().split()[0]
        with open(f"{place}{own}/cgroup.subtree_control", "w") as control:
            control.write("+" + controller)
        # Nothing may enter the container's own cgroup any more.
        for affinity in ({}, {"initial": "0"}):
            done = exec_file(one, args=["cat", "/proc/self/cgroup"], execCPUAffinity=affinity) if affinity else one.call("exec", after=["cat", "/proc/self/cgroup"])
            equal((done.returncode, done.stderr), (0, ""))
            contains([line.rsplit("/", 1)[1] for line in done.stdout.splitlines() if line.startswith("0::")], "inner")


@case
def nothing_of_the_runtime_is_reachable_while_exec_joins():
    # The container looks at every process it can see, as fast as it can, and opens what exec brings along.
    spy = ("while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || [ $p = /proc/$$ ] || { readlink $p/exe; ls -l $p/fd $p/cwd $p/root; } 2>/dev/null; done; done")
    with begin(running(script=spy)) as one:
        for _ in range(60):
            equal(one.call("exec", after=["/bin/true"]).returncode, 0)
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        seen = one.output()
        for secret in (ROOT, RUNTIME, "corten", "state.json", "/sys/fs/cgroup"):
            equal(secret in seen, False)


# --- mounts ------------------------------------------------------------------------------------------------------


def mounts(one, action, *entries):
    return subprocess.run([RUNTIME, "--root", ROOT, "mounts", action, one.id, "-"], input=json.dumps({"mounts": list(entries)}),
                          capture_output=True, text=True, timeout=30)


def writable_root(config):
    config["root"] = {"path": make_rootfs(one_directory()), "readonly": False}


def with_user_namespace(config):
    writable_root(config)
    subprocess.run(["chown", "-R", "100000:100000", config["root"]["path"]], check=True)
    os.chmod(config["root"]["path"], 0o755)
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]


@case
def mounts_come_and_go_while_the_container_runs():
    for change in (writable_root, with_user_namespace):
        source = one_directory()
        os.chmod(source, 0o755)
        with open(source + "/file", "w") as file:
            file.write("content")
        bind = {"destination": "/new/data", "type": "bind", "source": source, "options": ["bind", "ro"]}
        tmpfs = {"destination": "/new/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "size=64k"]}
        with begin(running(change=change)) as one:
            host_before = open("/proc/self/mountinfo").read()
            done = mounts(one, "add", bind, tmpfs)
            equal((done.returncode, done.stdout, done.stderr), (0, "", ""))
            equal(one.ok("exec", after=["cat", "/new/data/file"]), "content")
            contains(one.call("exec", after=["touch", "/new/data/x"]).stderr, "Read-only file system")
            contains(one.ok("exec", after=["sh", "-c", "echo y > /new/scratch/y; grep /new/scratch /proc/self/mountinfo"]), "nosuid")
            equal(open("/proc/self/mountinfo").read(), host_before)
            done = mounts(one, "remove", bind, tmpfs)
            equal((done.returncode, done.stdout, done.stderr), (0, "", ""))
            equal(one.ok("exec", after=["ls", "/new/data", "/new/scratch"]).split(), ["/new/data:", "/new/scratch:"])
            equal("/new/" in open(f"/proc/{one.state()['pid']}/mountinfo").read(), False)
            again = mounts(one, "remove", bind)
            equal(again.returncode, 1)
            contains(again.stderr, "/mounts/0: removing '/new/data': nothing is mounted at")


@case
def a_mount_that_fails_takes_the_others_with_it():
    with begin(running(change=writable_root)) as one:
        good = {"destination": "/a", "type": "tmpfs", "source": "tmpfs"}
        for bad, sentence in (({"destination": "/b", "type": "bind", "source": "/no/such", "options": ["bind"]}, "/mounts/1"),
                              ({"destination": "/proc/sys", "type": "tmpfs", "source": "t"}, "/mounts/1"),
                              ({"destination": "/", "type": "tmpfs", "source": "t"}, "/mounts/1/destination"),
                              ({"destination": 5}, "/mounts/1/destination"), ({"destination": "/c", "type": "cgroup", "source": "cgroup"}, "/mounts/1/type")):
            done = mounts(one, "add", good, bad)
            equal((done.returncode, done.stdout, done.stderr.count("\n")), (1, "", 1))
            contains(done.stderr, sentence)
            equal(" /a " in open(f"/proc/{one.state()['pid']}/mountinfo").read(), False)
        contains(one.call("mounts").stderr, "requires arguments: add|remove ID FILE")
        contains(subprocess.run([RUNTIME, "--root", ROOT, "mounts", "list", one.id, "-"], input="{}", capture_output=True, text=True).stderr, "add or remove")


@case
def a_mount_point_that_is_a_symbolic_link_stays_inside():
    outside = one_directory()
    def change(config):
        writable_root(config)
        os.symlink("../" * 20 + outside, config["root"]["path"] + "/link")
    with begin(running(change=change)) as one:
        equal(mounts(one, "add", {"destination": "/link/made", "type": "tmpfs", "source": "t"}).returncode, 0)
        equal(os.listdir(outside), [])


# --- annotations -------------------------------------------------------------------------------------------------


@case
def annotated_files_receive_the_output_of_all_hooks():
    directory = one_directory()
    kinds = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
    def change(config):
        config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"echo {kind}; echo error of {kind} >&2"]}] for kind in kinds}
        config["annotations"] = {"run.oci.hooks.stdout": directory + "/out", "run.oci.hooks.stderr": directory + "/err"}
    with begin(running(change=change)) as one:
        # The program has none of these descriptors.
        equal([name for name in os.listdir(f"/proc/{one.state()['pid']}/fd") if int(name) > 2], [])
        one.ok("delete", "--force")
        equal(open(directory + "/out").read().split("\n")[:-1], list(kinds))
        equal(open(directory + "/err").read().split("\n")[:-1], ["error of " + kind for kind in kinds])
    with running(change=lambda c: c.update(annotations={"run.oci.hooks.stdout": "/no/such/file"})) as one:
        one.fails("hooks' output")


@case
def an_annotation_names_the_receiver_of_the_pidfd():
    path = one_directory() + "/receiver"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    with running(change=lambda c: c.update(annotations={"run.oci.pidfd_receiver": path})) as one:
        one.created()
        connection, _ = listener.accept()
        pidfd = receive_descriptor(connection)
        contains(open(f"/proc/self/fdinfo/{pidfd}").read(), f"Pid:\t{one.state()['pid']}\n")
        os.close(pidfd)


@case
def an_annotation_names_the_receiver_of_the_seccomp_listener():
    path = one_directory() + "/receiver"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    def change(config):
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_NOTIFY"}]}
        config["annotations"] = {"run.oci.seccomp.receiver": path}
    with running(change=change) as one:
        one.created()
        start = subprocess.Popen([RUNTIME, "--root", ROOT, "start", one.id], stdin=subprocess.DEVNULL)
        connection, _ = listener.accept()
        data, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_LEN(struct.calcsize("i")))
        equal(json.loads(data)["state"]["id"], one.id)
        equal(len(ancillary), 1)
        equal(start.wait(20), 0)


@case
def an_annotation_keeps_the_groups_of_the_caller():
    def change(config):
        config["annotations"] = {"run.oci.keep_original_groups": "1"}
        config["process"]["args"] = ["id", "-G"]
    with running(change=change) as one:
        def groups():
            os.setgroups([4711, 4712])
        done = subprocess.run([RUNTIME, "--root", ROOT, "run", "-b", one.bundle, one.id], stdin=subprocess.DEVNULL, capture_output=True, text=True, preexec_fn=groups)
        equal((done.returncode, done.stdout.split()), (0, ["0", "4711", "4712"]))


@case
def an_annotation_puts_the_container_into_a_delegated_cgroup():
    top = hierarchies().get("")
    def change(config):
        config["annotations"] = {"run.oci.delegate-cgroup": "/init/inner"}
        config["linux"]["namespaces"] = [one for one in config["linux"]["namespaces"] if one["type"] != "cgroup"] + [{"type": "cgroup"}]
        config["process"]["args"] = ["sh", "-c", "grep ^0:: /proc/self/cgroup; exec sleep 1000"]
    if top is None:
        with running(change=change) as one:
            one.fails("/annotations/run.oci.delegate-cgroup: a cgroup below the container's own needs cgroup v2")
        return
    with begin(running(change=change)) as one:
        path = cgroups_of(one.state()["pid"])[""]
        equal(path.endswith("/init/inner"), True)
        # The namespace's root is the cgroup with the limits.
        wait_until("it has looked", lambda: one.output() == "0::/init/inner\n")
        own = top + path[:-len("/init/inner")]
        for level in ("", "/init"):
            equal(sorted(open(own + level + "/cgroup.subtree_control").read().split()), sorted(open(own + "/cgroup.controllers").read().split()))
        equal(one.ok("exec", after=["sh", "-c", "grep ^0:: /proc/self/cgroup"]), "0::/init/inner\n")
        equal(len(json.loads(one.ok("ps", "-f", "json"))), 1)
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
    for wrong in ("../x", "a/../b", "a\nb"):
        with running(change=lambda c: c.update(annotations={"run.oci.delegate-cgroup": wrong})) as one:
            one.fails("/annotations/run.oci.delegate-cgroup: expected a path below the container's cgroup")


# --- what callers are used to ------------------------------------------------------------------------------------


@case
def options_that_callers_pass_by_habit():
    with Container("true") as one:
        def call(*words):
            done = subprocess.run([RUNTIME, "--root", ROOT, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            equal((done.returncode, done.stderr), (0, ""))
            return done.stdout
        call("--rootless=true", "-systemd-cgroup=false", "run", "-no-subreaper", "--no-new-keyring=true", "-bundle=" + one.bundle, one.id)
        call("--rootless", "run", "--no-subreaper", "-b", one.bundle, one.id)
        call("-debug=false", "run", "-bundle", one.bundle, "-keep", one.id)
        call("kill", "-a", one.id, "KILL")
        call("delete", "-force=true", one.id)
        for flag in ("--version", "-v", "-V"):
            contains(call(flag), "version ")
        for flag in ("--help", "-h", "-?", "--usage", "help", "h"):
            contains(call(flag), "Commands:")
        for flag in ("--help", "-h", "-?", "--usage"):
            contains(call("create", flag), "Examples:")


@case
def called_as_a_peer_it_answers_as_that_peer():
    directory = one_directory()
    for name in ("runc", "crun"):
        link = os.path.join(directory, name)
        os.symlink(RUNTIME, link)
        equal(subprocess.run([link, "--version"], capture_output=True, text=True).stdout.split()[:2], [name, "version"])
        with Container(script="exit 3") as one:
            equal(subprocess.run([link, "--root", ROOT, "run", "-b", one.bundle, one.id], stdin=subprocess.DEVNULL).returncode, 3)
        with begin(running()) as one:
            equal(subprocess.run([link, "--root", ROOT, "exec", one.id, "true"], stdin=subprocess.DEVNULL).returncode, 0)


# --- the contract with engines: sentences, statuses, documents -----------------------------------------------------

RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"


def fails(status, sentence, *words, **options):
    """The command fails with the status and one line that holds the sentence, on stderr and in the JSON log alike."""
    log = os.path.join(one_directory(), "log.json")
    done = subprocess.run([RUNTIME, "--root", ROOT, "--log", log, "--log-format", "json", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, **options)
    equal((done.returncode, done.stdout), (status, ""))
    contains(done.stderr, sentence)
    equal(done.stderr.count("\n"), 1)
    entry = json.loads(open(log).read())  # Podman takes the file for one document
    equal((sorted(entry), entry["level"]), (["level", "msg", "time"], "error"))
    contains(entry["msg"], sentence)
    equal(re.fullmatch(RFC3339, entry["time"]) is not None, True)


@case
def failures_have_the_sentence_and_the_status_that_engines_expect():
    unknown = "container does not exist"
    for command in ("state", "start", "kill", "delete", "pause", "resume", "ps", "update", "events"):
        fails(1, unknown, command, "nobody")
    fails(255, unknown, "exec", "nobody", "true")
    fails(3, "unknown command", "no-such-command")
    fails(1, "unknown option '--x'", "--x", "list")
    fails(1, "unknown option '--x'", "state", "--x", "nobody")
    fails(255, "unknown option '--x'", "exec", "--x", "nobody")
    fails(1, "requires an argument", "state")
    fails(1, "flag needs an argument: --bundle", "create", "--bundle")
    fails(1, "--format takes table or json", "list", "--format", "x")
    fails(1, "config.json", "create", "--bundle", "/no/such", "x")
    fails(1, "unknown signal", "kill", "nobody", "SIGNOPE")
    with begin(running()) as one:
        fails(1, "container with given ID already exists", "create", "--bundle", one.bundle, one.id)
        fails(1, "cannot start an already running container", "start", one.id)
        fails(1, f"cannot delete container {one.id} that is not stopped: running", "delete", one.id)
        fails(1, "container not paused", "resume", one.id)
        fails(255, 'exec failed: unable to start container process: exec: "nope": executable file not found in $PATH', "exec", one.id, "nope")
        fails(255, "stat /nope: no such file or directory", "exec", one.id, "/nope")
        fails(255, "permission denied", "exec", one.id, "/etc/passwd")
        one.ok("pause")
        fails(255, "cannot exec in a paused container (use --ignore-paused to override)", "exec", one.id, "true")
        fails(1, f"cannot delete container {one.id} that is not stopped: paused", "delete", one.id)
        one.ok("resume")
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        fails(1, "cannot start a container that has stopped", "start", one.id)
        fails(255, "cannot exec in a stopped container", "exec", one.id, "true")
        for words in (("kill", one.id), ("pause", one.id), ("update", "--memory", "1G", one.id), ("events", one.id)):
            fails(1, "container not running", *words)
        one.ok("kill", "--all", after=["KILL"])
    for args, sentence in ((["nope"], 'exec: "nope": executable file not found in $PATH'), (["/nope"], "stat /nope: no such file or directory"), (["/etc/passwd"], "permission denied")):
        with running(*args) as one:
            fails(1, sentence, "create", "--bundle", one.bundle, one.id)
            fails(1, sentence, "run", "--bundle", one.bundle, one.id)


@case
def intel_rdt_without_its_filesystem():
    if any(" - resctrl " in line for line in open("/proc/self/mountinfo")):
        raise Skip("a resctrl filesystem is mounted")
    with running(change=lambda c: c["linux"].update(intelRdt={"l3CacheSchema": "L3:0=f"})) as one:
        fails(1, "/linux/intelRdt: no resctrl filesystem is mounted", "create", "--bundle", one.bundle, one.id)
        one.gone()
    with begin(running()) as one:
        equal(json.loads(one.ok("events", "--stats"))["data"]["intel_rdt"], {})
        for option in ("--l3-cache-schema=L3:0=f", "--mem-bw-schema=MB:0=20"):
            fails(1, "created without linux.intelRdt", "update", option, one.id)
        fails(1, "/linux/intelRdt/memBwSchema", "update", "--mem-bw-schema", "L3:0=f", one.id)
        one.ok("update")


@case
def success_is_silent_and_documents_are_pure():
    with running(change=lambda c: c.update(root=dict(c["root"], path="rootfs"))) as one:
        os.symlink(ROOTFS, one.bundle + "/rootfs")
        root = one_directory()
        def call(*words):
            done = subprocess.run([RUNTIME, "--root", root, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
            equal((done.returncode, done.stderr), (0, ""))
            return done.stdout
        equal(call("list", "--format=json"), "null\n")
        equal(call("list", "-q"), "")
        equal(call("delete", "--force", "nobody"), "")
        features = json.loads(call("features"))
        contains(features["mountOptions"], "rro")
        contains(features["linux"]["namespaces"], "user")
        equal(features["linux"]["mountExtensions"]["idmap"]["enabled"], True)
        for prefix in ("run.oci.", "org.criu.config", "org.systemd.property."):
            contains(features["potentiallyUnsafeConfigAnnotations"], prefix)
        first, *lines = call("--version").splitlines()
        contains(first, "corten version ")
        equal([line.split(":")[0] for line in lines][:2], ["commit", "spec"])
        begin(one)
        state = one.state()
        equal((state["rootfs"], state["owner"]), (one.bundle + "/rootfs", "root"))
        equal(re.fullmatch(RFC3339, state["created"]) is not None, True)
        # CRI-O decodes into a struct of its own: what these names hold there would be taken for it.
        equal({"started", "finished", "exitCode", "error", "seccompKilled", "initPid", "checkpointedTime"} & set(state), set())


# --- records of other versions ---------------------------------------------------------------------------------------


@case
def a_container_of_the_first_version_can_be_stopped_and_deleted():
    fixture = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "record_v1.json")
    with begin(running()) as one:
        path = os.path.join(ROOT, one.id, "state.json")
        record = json.load(open(path))
        values = {"id": one.id, "bundle": one.bundle, "rootfs": ROOTFS, "pid": record["init"]["pid"], "startTime": record["init"]["startTime"],
                  "namespaces": record["namespaces"],
                  "locations": [{key: place[key] for key in ("controllers", "mountPoint", "path", "v2", "existing")} for place in record["cgroup"]["locations"]]}
        text = open(fixture).read()
        for name, value in values.items():
            text = text.replace(f'"@{name}@"', json.dumps(value)).replace(f"@{name}@", str(value))
        with open(path, "w") as file:
            file.write(text)
        state = one.state()
        equal((state["status"], state["pid"], state["annotations"]), ("running", record["init"]["pid"], {"a": "b"}))
        equal(one.ok("exec", after=["echo", "still", "here"]), "still here\n")
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        one.ok("delete")
        one.gone()
        equal(json.load(open(one.bundle + "/poststop"))["status"], "stopped")


@case
def a_container_of_a_newer_version_is_left_alone():
    with begin(running()) as one:
        path = os.path.join(ROOT, one.id, "state.json")
        text = open(path).read()
        pid = one.state()["pid"]
        with open(path, "w") as file:
            file.write(text.replace('"version":1,', '"version":999,'))
        for words in (("state",), ("start",), ("kill",), ("delete",), ("exec", one.id, "true")):
            contains(subprocess.run([RUNTIME, "--root", ROOT, words[0], *(words[1:] or [one.id])], capture_output=True, text=True).stderr, "has version 999")
        contains(subprocess.run([RUNTIME, "--root", ROOT, "list"], capture_output=True, text=True).stderr, "has version 999")
        equal(os.path.exists(f"/proc/{pid}"), True)
        with open(path, "w") as file:
            file.write(text)
        equal(one.status(), "running")


@case
def everything_that_the_installed_peers_have_is_answered():
    for peer in ("runc", "crun"):
        if shutil.which(peer) is None:
            raise Skip(f"{peer} is not installed")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "compatibility.py")
    done = subprocess.run([script, "--corten", RUNTIME, "--check"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""))


if __name__ == "__main__":
    run_cases()
