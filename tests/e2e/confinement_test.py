#!/usr/bin/env python3
"""What a program, its descriptors and its messages can reach from inside of a container. Root is needed."""

import ctypes
import itertools
import json
import os
import platform
import pty
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time

from attacks import CAP_SETS, Canary, both, image, root_of, small_image, status_fields
from bundle import CALL, GLOBAL, ROOT, ROOTFS, RUNTIME, WORK, Container, case, one_directory, read_terminal, receive_descriptor, run_cases
from harness import Skip, contains, equal, lacks, wait_until


def running(*args, change=None, script=None):
    one = Container(*(args or ("sleep", "1000")), script=script, change=change).created()
    one.ok("start")
    return one


def capabilities(*names):
    return lambda config: config["process"].update(capabilities={kind: list(names) for kind in ("bounding", "effective", "permitted")})


def call(*words, before=(), **options):
    return subprocess.run([*before, RUNTIME, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False, **options)


# --- descriptors ------------------------------------------------------------------------------------------------------


@case
def the_seccomp_listener_leaves_before_the_program_runs():
    path = one_directory() + "/receiver"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        def change(config):
            config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": path,
                                          "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_NOTIFY"}]}
        with Container("ls", "/proc/self/fd", change=change) as one:
            run = subprocess.Popen([*CALL, "run", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            connection, _ = listener.accept()
            with connection:
                os.close(receive_descriptor(connection))
            text = run.communicate(timeout=20)[0]
            equal(run.returncode, 0)
            equal(text.split(), ["0", "1", "2", "3"])  # the last one is the directory that ls reads


@case
def a_terminal_is_all_that_its_program_has_open():
    def change(config):
        config["process"]["terminal"] = True
    with Container("ls", "-l", "/proc/self/fd", change=change) as one:
        pid, master = pty.fork()
        if pid == 0:
            os.execv(RUNTIME, [*CALL, "run", "--bundle", one.bundle, one.id])
        text = read_terminal(master)
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
        # The directory that ls reads has gone when its link is looked at.
        equal(re.findall(r" ([0-9]+) -> (\S+)", text.decode()), [(number, "/dev/pts/0") for number in "012"])
        lacks(text.decode(), "ptmx")


@case
def hooks_have_stdio_and_nothing_else():
    folder = one_directory()
    kinds = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    handle = os.open("/", os.O_RDONLY)
    os.set_inheritable(handle, True)
    try:
        def change(config):
            config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", f"/bin/ls /proc/self/fd > {folder}/{kind}"]}] for kind in kinds}
        with Container("true", change=change) as one:
            equal(one.run(close_fds=False).returncode, 0)
            one.ok("delete", "--force")
            for kind in kinds:
                equal((kind, open(f"{folder}/{kind}", encoding="utf-8").read().split()), (kind, ["0", "1", "2", "3"]))
    finally:
        os.close(handle)


@case
def exec_brings_no_directory_of_the_host():
    # With CAP_SYS_PTRACE, and without a user namespace, the container may look into whatever it can see.
    spy = """while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || [ $p = /proc/$$ ] || { echo seen
  for f in $p/fd/*; do test -d $f && ! test $f -ef / && l=$(readlink $f) && echo "found $l"; done; } 2>/dev/null; done; done"""
    with running(script=spy, change=capabilities("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")) as one:
        for _ in range(60):
            equal(one.call("exec", after=["/bin/true"]).returncode, 0)
        one.ok("kill", after=["KILL"])
        wait_until("it is stopped", lambda: one.status() == "stopped")
        seen = set(one.output().splitlines())
        equal(seen, {"seen"})


# --- the binary -------------------------------------------------------------------------------------------------------


@case
def a_privileged_container_cannot_write_to_the_binary_either():
    runtime = shutil.copy(RUNTIME, one_directory() + "/runtime")
    before = open(runtime, "rb").read()
    everything = capabilities("CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH")
    script = """touch /tmp/target
cmp -s /proc/1/exe /tmp/original || echo "not the runtime"
mount -o remount,bind,rw /proc/1/exe && echo remounted
mount --bind /proc/1/exe /tmp/target && mount -o remount,bind,rw /tmp/target && echo bound
(echo x > /proc/1/exe) && echo written
(echo x > /tmp/target) && cmp -s /tmp/target /proc/1/exe && echo written through
true"""
    def change(config):
        config["process"]["noNewPrivileges"] = False
    rootfs = image()
    shutil.copy(RUNTIME, rootfs + "/tmp/original")
    with Container("sleep", "1000", runtime=runtime, change=both(root_of(rootfs), everything, change)) as one:
        one.created()  # its first process is the runtime still
        done = one.call("exec", after=["sh", "-c", script])
        equal((done.returncode, done.stdout), (0, ""))
        equal(open(runtime, "rb").read(), before)


@case
def the_binary_may_be_anywhere():
    folder = one_directory() + "/odd:name\\with,commas and blanks"
    os.mkdir(folder)
    runtime = shutil.copy(RUNTIME, folder)
    with Container("echo", "here", runtime=runtime) as one:
        equal(one.run().stdout, "here\n")
    with Container("sleep", "1000", runtime=runtime) as one:
        one.created()
        os.unlink(runtime)
        one.runtime = RUNTIME
        one.ok("start")
        equal(one.status(), "running")


@case
def the_binary_needs_no_executable_memory_file():
    for value in (0, 1, 2):  # a setting of the PID namespace
        with Container("echo", "here") as one:
            script = f'test ! -e /proc/sys/vm/memfd_noexec || echo {value} > /proc/sys/vm/memfd_noexec; exec "$@"'
            done = subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script, "sh", *CALL, "run", "--bundle", one.bundle, one.id],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
            equal((value, done.stdout, done.stderr), (value, "here\n", ""))


@case
def nothing_of_the_container_is_loaded_or_executed_by_the_runtime():
    if shutil.which("strace") is None:
        raise Skip("strace is not installed")
    if b"ld-linux" in open(RUNTIME, "rb").read(4096):
        raise Skip("this build of the runtime is a dynamic one")
    with running() as one:
        with Container("true") as other:
            commands = (["run", "--bundle", other.bundle, other.id], ["exec", one.id, "true"], ["ps", "--format", "json", one.id], ["state", one.id], ["events", "--stats", one.id],
                        ["update", "--pids-limit", "100", one.id], ["features"], ["list"])
            for words in commands:
                trace = other.bundle + "/trace"
                done = call(*GLOBAL, *words, before=["strace", "-f", "-o", trace, "-e", "trace=open,openat,openat2,execve,execveat"])
                equal((words, done.returncode), (words, 0))
                lines = open(trace, encoding="utf-8").read().splitlines()
                for part in (".so", "nsswitch", "gconv", "locale", "/etc/ld", "localtime"):
                    equal((words, part, [line for line in lines if part in line and "/sys/" not in line and ".sock" not in line]), (words, part, []))
                executed = [line for line in lines if "execve" in line and line.endswith("= 0")]
                programs = [line for line in executed if RUNTIME not in line and 'execveat(' not in line]
                equal((words, len(programs)), (words, 1 if words[0] in ("run", "exec") else 0))


# --- identity ---------------------------------------------------------------------------------------------------------


@case
def users_of_exec_are_numbers():
    good = {"0": (0, 0), "1": (1, 0), "1:2": (1, 2), "0:7": (0, 7), "4294967294": (4294967294, 0), "1:4294967294": (1, 4294967294)}
    bad = ("", ":", "1:", ":1", "1:2:3", "-1", "+1", " 1", "1 ", "0x1", "1e3", "1.0", "4294967295", "1:4294967295", "4294967296", "18446744073709551616",
           "18446744073709551617", "root", "1000abc", "abc1000", "0:root", "1\n", "\u0661")
    with running() as one:
        for text, (uid, gid) in good.items():
            equal((text, one.ok("exec", "-u", text, after=["sh", "-c", "grep -E '^(Uid|Gid)' /proc/self/status"]).split()),
                  (text, ["Uid:", *[str(uid)] * 4, "Gid:", *[str(gid)] * 4]))
        for text in bad:
            done = one.call("exec", f"--user={text}", after=["id"])
            equal((text, done.returncode, done.stdout), (text, 255, ""))
            contains(done.stderr, "--user takes")


@case
def ids_of_the_config_are_exact_numbers():
    with Container("true") as one:
        for field, text in itertools.product(("uid", "gid"), ("4294967295", "4294967296", "18446744073709551616", "-1", "1.0", "1e3", '"0"', "true", "[]", "1 2")):
            one.write(json.dumps(one.config).replace(f'"{field}": 0', f'"{field}": {text}', 1))
            done = one.run()
            equal((field, text, done.returncode), (field, text, 1))
            contains(done.stderr, "config.json")


@case
def capabilities_of_the_caller_are_not_inherited():
    if shutil.which("setpriv") is None:
        raise Skip("setpriv is not installed")
    for user in (0, 1000):
        def change(config):
            config["process"].update(capabilities={"bounding": ["CAP_NET_RAW"]}, user={"uid": user, "gid": user}, noNewPrivileges=False)
        with Container("cat", "/proc/self/status", change=change) as one:
            done = call(*GLOBAL, "run", "--bundle", one.bundle, one.id, before=["setpriv", "--inh-caps=+net_raw,+chown", "--ambient-caps=+net_raw,+chown"])
            fields = status_fields(done.stdout)
            equal((user, fields["CapInh"], fields["CapAmb"], fields["CapBnd"]), (user, ["0" * 16], ["0" * 16], [f"{1 << 13:016x}"]))
            equal(fields["CapEff"], [f"{1 << 13 if user == 0 else 0:016x}"])


@case
def inheritable_capabilities_of_a_file_give_nothing():
    rootfs = small_image()
    shutil.copy(ROOTFS_BUSYBOX, rootfs + "/bin/busybox-privileged")
    try:
        # vfs_cap_data, revision 2: magic and the effective flag, permitted, inheritable, and their upper halves.
        os.setxattr(rootfs + "/bin/busybox-privileged", "security.capability", struct.pack("<IIIII", 0x02000001, 0, 1 << 13, 0, 0))
    except OSError as error:
        raise Skip(f"the file system takes no file capabilities: {error}") from error
    def change(config):
        config["process"].update(capabilities={"bounding": ["CAP_NET_RAW"]}, user={"uid": 1000, "gid": 1000}, noNewPrivileges=False)
    with Container("/bin/busybox-privileged", "cat", "/proc/self/status", change=both(root_of(rootfs), change)) as one:
        fields = status_fields(one.run().stdout)
        equal((fields["CapPrm"], fields["CapEff"]), (["0" * 16], ["0" * 16]))
    with running(change=both(root_of(rootfs), change)) as one:
        fields = status_fields(one.ok("exec", after=["/bin/busybox-privileged", "cat", "/proc/self/status"]))
        equal((fields["CapPrm"], fields["CapEff"]), (["0" * 16], ["0" * 16]))


@case
def as_many_groups_as_the_kernel_takes():
    for count, accepted in ((65536, True), (65537, False)):
        with Container(script="grep ^Groups /proc/self/status | wc -w", change=lambda c: c["process"]["user"].update(additionalGids=list(range(1, count + 1)))) as one:
            done = one.run()
            equal((count, done.returncode == 0, done.stdout), (count, accepted, f"{count + 1}\n" if accepted else ""))


@case
def groups_that_a_user_namespace_denies_are_an_error():
    def change(config):
        config["linux"]["namespaces"].append({"type": "user"})
        mapping = [{"containerID": 0, "hostID": 100000, "size": 1000}]
        config["linux"].update(uidMappings=mapping, gidMappings=mapping)
        config["process"]["user"]["additionalGids"] = [5000]
    with Container("true", change=change) as one:
        one.created()
        done = one.call("start")
        equal(done.returncode, 1)
        contains(done.stderr, "/process/user/additionalGids")


@case
def keys_of_the_caller_stay_outside():
    name = "of-the-caller-" + str(os.getpid())
    libc = ctypes.CDLL(None, use_errno=True)
    def take_key():
        if libc.syscall(_NR_KEYCTL, 1, b"corten-test", 0, 0, 0) < 0:
            return
        libc.syscall(_NR_ADD_KEY, b"user", name.encode(), b"secret", 6, -3)
    if platform.machine() != "x86_64":
        raise Skip("the numbers of the calls are those of x86-64")
    probe = subprocess.run(["cat", "/proc/keys"], preexec_fn=take_key, capture_output=True, text=True, check=False)
    if name not in probe.stdout:
        raise Skip("there are no keyrings here")
    def change(config):
        config["linux"]["maskedPaths"] = []
        config["process"]["user"] = {"uid": 4242, "gid": 4242}  # whoever possesses a key sees it
    with Container("cat", "/proc/keys", change=change) as one:
        done = one.run(preexec_fn=take_key)
        equal(done.returncode, 0)
        lacks(done.stdout, name)
    with running(change=change) as one:
        lacks(one.ok("exec", after=["cat", "/proc/keys"], preexec_fn=take_key), name)


@case
def exec_is_confined_exactly_like_init():
    script = ("cat /proc/self/status /proc/self/limits /proc/self/oom_score_adj /proc/self/cgroup /proc/self/personality; umask; readlink /proc/self/cwd; "
              "cat /proc/self/attr/current 2>/dev/null; for n in /proc/self/ns/*; do readlink $n; done; env")
    def change(config):
        config["process"].update(user={"uid": 1000, "gid": 1001, "umask": 0o27, "additionalGids": [7, 8]}, oomScoreAdj=123, cwd="/tmp",
                                 capabilities={kind: ["CAP_KILL", "CAP_CHOWN"] for kind in CAP_SETS},
                                 rlimits=[{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 111}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdirat", "mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 74}]}
        config["linux"]["personality"] = {"domain": "LINUX"}
    def posture(text):
        varying = r"^(Name|Pid|Tgid|Ngid|PPid|NStgid|NSpid|NSpgid|NSsid|State|FDSize|Threads|Sig\w*|Shd\w*|Vm\w*|Rss\w*|Hugetlb\w*|Core\w*|\w*ctxt\w*|Mems?_\w*|THP\w*):"
        return [line for line in text.splitlines() if not re.match(varying, line)]
    with running(script=script + "; echo done; exec sleep 1000", change=change) as one:
        wait_until("it has said all", lambda: "done\n" in one.output())
        of_init = one.output().removesuffix("done\n")
        of_exec = one.ok("exec", after=["/bin/sh", "-c", script])
        equal(posture(of_exec), posture(of_init))
        for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "Groups:\t7 8 ", "CapEff:\t" + f"{1 | 1 << 5:016x}", "0027", "/tmp", "123"):
            contains(posture(of_exec), line)


# --- reused pids, other namespaces ------------------------------------------------------------------------------------


@case
def no_command_touches_a_process_that_took_over_the_pid():
    with running() as one:
        ticks = lambda pid: open(f"/proc/{pid}/stat", encoding="utf-8").read().rsplit(")", 1)[1].split()[19]
        while ticks((decoy := subprocess.Popen(["sleep", "1000"])).pid) == ticks(one.state()["pid"]):
            decoy.kill()  # no pid comes again within one tick of the clock
            decoy.wait()
        try:
            path = f"{ROOT}/{one.id}/state.json"
            text = open(path, encoding="utf-8").read()
            pid = one.state()["pid"]
            hostile = text.replace(f'"pid":{pid}', f'"pid":{decoy.pid}')
            equal(hostile != text, True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(hostile)
            equal(one.status(), "stopped")
            for words in (["kill", one.id, "KILL"], ["exec", one.id, "true"], ["start", one.id], ["ps", one.id], ["pause", one.id], ["kill", "--all", one.id, "0"]):
                call(*GLOBAL, *words)
                equal((words, decoy.poll()), (words, None))
                state = open(f"/proc/{decoy.pid}/status", encoding="utf-8").read()
                contains(state, "State:\tS")
            contains(call(*GLOBAL, "exec", one.id, "true").stderr, "stopped container")
            equal(call(*GLOBAL, "exec", one.id, "true").returncode, 255)
            one.ok("delete", "--force")
            equal(decoy.poll(), None)
        finally:
            decoy.kill()
            decoy.wait()


@case
def exec_stays_in_the_container_s_cgroup_when_init_has_left_it():
    def cgroups(pid):
        return {line.split(":")[1]: line.rstrip("\n").split(":", 2)[2] for line in open(f"/proc/{pid}/cgroup", encoding="utf-8")}
    top = "/sys/fs/cgroup/pids" if os.path.isdir("/sys/fs/cgroup/pids") else "/sys/fs/cgroup"
    key = "pids" if top.endswith("pids") else ""
    elsewhere = f"{top}/corten-elsewhere-{os.getpid()}"
    def change(config):
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "cgroup"]
    os.mkdir(elsewhere)
    try:
        with running(change=change) as one:
            pid = one.state()["pid"]
            own = cgroups(pid)[key]
            with open(elsewhere + "/cgroup.procs", "w", encoding="utf-8") as procs:
                procs.write(str(pid))
            done = one.call("exec", after=["cat", "/proc/self/cgroup"])
            if done.returncode == 0:
                contains([line.split(":", 1)[1] for line in done.stdout.splitlines()], f"{key}:{own}")
            # Init is outside of what delete kills: put it back.
            with open(f"{top}{own}/cgroup.procs", "w", encoding="utf-8") as procs:
                procs.write(str(pid))
    finally:
        os.rmdir(elsewhere)


@case
def kernel_parameters_of_a_joined_namespace_are_not_the_host_s():
    for kind, parameter in (("network", "net.ipv4.ip_forward"), ("ipc", "kernel.shmmax"), ("uts", "kernel.domainname")):
        path = "/proc/sys/" + parameter.replace(".", "/")
        before = open(path, encoding="utf-8").read()
        for own in (f"/proc/self/ns/{kind[:3]}", f"/proc/{os.getpid()}/ns/{kind[:3]}"):
            def change(config):
                config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != kind]
                config["linux"]["namespaces"].append({"type": kind, "path": own})
                if kind == "uts":
                    del config["hostname"]
                config["linux"]["sysctl"] = {parameter: before.strip()}
            with Container("true", change=change) as one:
                one.fails("would change the host")
        equal(open(path, encoding="utf-8").read(), before)


@case
def another_user_s_user_namespace_is_not_joined():
    folder = one_directory()
    os.chmod(folder, 0o755)
    os.chmod(WORK, 0o755)
    holder = subprocess.Popen(["unshare", "--user", "sleep", "1000"])
    try:
        wait_until("it has its own", lambda: os.readlink(f"/proc/{holder.pid}/ns/user") != os.readlink("/proc/self/ns/user"))
        with Container("true") as one:
            config = dict(one.config)
            del config["hostname"]
            config["linux"] = {"namespaces": [{"type": "user", "path": f"/proc/{holder.pid}/ns/user"}, {"type": "mount"}, {"type": "pid"}]}
            one.write(json.dumps(config))
            os.chmod(one.bundle, 0o755)
            os.mkdir(folder + "/state")
            os.chown(folder + "/state", 1000, 1000)
            os.chmod(folder + "/state", 0o700)
            copy = shutil.copy(RUNTIME, folder + "/runtime")
            done = subprocess.run([copy, "--root", folder + "/state", "run", "--bundle", one.bundle, "joining"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=30, user=1000, group=1000, extra_groups=[], check=False)
            equal((done.returncode, done.stdout), (1, ""))
            contains(done.stderr, "user namespace")
            equal(os.listdir(folder + "/state"), [])
    finally:
        holder.kill()
        holder.wait()
        os.chmod(WORK, 0o711)


@case
def a_user_namespace_that_maps_every_id_is_still_one():
    def change(config):
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
        config["linux"]["resources"] = {}
        config["mounts"] = [m for m in config["mounts"] if m["type"] not in ("sysfs", "cgroup", "mqueue")]
        config["linux"]["devices"] = [{"type": "c", "path": "/dev/extra", "major": 1, "minor": 3}]
    with Container("stat", "-c", "%t:%T", "/dev/null", "/dev/extra", change=both(root_of(small_image()), change)) as one:
        inside = subprocess.Popen(["unshare", "--user", "sh", "-c", 'read go; exec "$@"', "sh", *CALL, "run", "--bundle", one.bundle, one.id],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_until("it has its own", lambda: os.readlink(f"/proc/{inside.pid}/ns/user") != os.readlink("/proc/self/ns/user"))
        for kind in ("uid", "gid"):
            with open(f"/proc/{inside.pid}/{kind}_map", "w", encoding="utf-8") as mapping:
                mapping.write("0 0 4294967295")
        text, errors = inside.communicate("go\n", timeout=30)
        # mknod(2) is not possible there: the nodes are the host's own, bound, and one that the host lacks is an error.
        equal((inside.returncode, text), (1, ""))
        contains(errors, "an ordinary user can only have the host's own device nodes")


@case
def a_nested_user_namespace_gets_no_unmasked_procfs():
    rootfs = image()
    script = "unshare -mrpf sh -c 'mount -t proc proc /tmp && echo mounted; cat /tmp/keys 2>/dev/null'; echo end"
    with Container("sh", "-c", script, change=both(root_of(rootfs), capabilities("CAP_SETFCAP"))) as one:
        for options in ((), ("--no-pivot",)):
            done = one.run(*options)
            equal((options, done.stdout), (options, "end\n"))
            contains(done.stderr, "mount: ")


# --- the terminal of the caller, system calls -------------------------------------------------------------------------


def program(path, code):
    """A whole ELF program of that machine code."""
    base, header = 0x400000, 64 + 56
    size = header + len(code)
    with open(path, "wb") as file:
        file.write(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + header, 64, 0, 0, 64, 56, 1, 0, 0, 0))
        file.write(struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000))
        file.write(code)
    os.chmod(path, 0o755)


_SYSCALL, _INT80 = b"\x0f\x05", b"\xcd\x80"
# Its own result is the status: 0, or the error number.
_EXIT = b"\xf7\xd8\x89\xc7" + b"\xb8\x3c\x00\x00\x00" + _SYSCALL


def calling(number, enter=_SYSCALL, arguments=b""):
    return arguments + b"\xb8" + struct.pack("<I", number) + enter + _EXIT


def x86_only():
    if platform.machine() != "x86_64":
        raise Skip("the programs are for x86-64")


@case
def the_caller_s_terminal_takes_no_input_from_a_container():
    x86_only()
    rootfs = small_image()
    # ioctl(0, TIOCSTI, "\x7f"): edi, esi, edx.
    program(rootfs + "/bin/inject", calling(16, arguments=b"\x31\xff\xbe" + struct.pack("<I", 0x5412) + b"\xba" + struct.pack("<I", 0x400000)))
    # As an ordinary user and as root: only CAP_SYS_ADMIN may do it to a terminal that is not its own.
    script = "/bin/inject; echo inject $?; (exec 3</dev/tty) 2>/dev/null && echo has a terminal; cut -d ' ' -f 7 /proc/self/stat"
    os.symlink("busybox", rootfs + "/bin/cut")
    with running(change=root_of(rootfs)) as one, Container("sh", "-c", script, change=root_of(rootfs)) as other:
        for words in (["exec", one.id, "sh", "-c", script], ["exec", "-u", "1000", one.id, "sh", "-c", script], ["run", "--bundle", other.bundle, other.id]):
            pid, master = pty.fork()
            if pid == 0:
                os.execv(RUNTIME, [*CALL, *words])
            text = read_terminal(master)
            os.waitpid(pid, 0)
            lines = text.decode().split("\r\n")
            equal((words, len(lines), lines[0] in ("inject 1", "inject 5"), lines[1]), (words, 3, True, "0"))  # EPERM, EIO


@case
def no_new_privileges_holds_against_a_setuid_file():
    x86_only()
    rootfs = small_image()
    program(rootfs + "/bin/setuid", calling(107))  # geteuid
    os.chmod(rootfs + "/bin/setuid", 0o4755)
    for wanted, expected in ((True, -1000 & 0xff), (False, 0)):
        def change(config):
            config["process"].update(user={"uid": 1000, "gid": 1000}, noNewPrivileges=wanted)
        with Container("/bin/setuid", change=both(root_of(rootfs), change)) as one:
            equal((wanted, one.run().returncode), (wanted, expected))


@case
def a_filter_for_one_architecture_stops_the_others():
    x86_only()
    rootfs = small_image()
    program(rootfs + "/bin/native", calling(102))              # getuid
    program(rootfs + "/bin/i386", calling(199, enter=_INT80))  # getuid32
    program(rootfs + "/bin/x32", calling(0x40000000 | 102))
    def change(config):
        config["process"]["noNewPrivileges"] = True
        config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
                                      "syscalls": [{"names": ["getuid", "getuid32"], "action": "SCMP_ACT_ERRNO", "errnoRet": 74}]}
    killed = 128 + signal.SIGSYS
    for name, expected in (("native", 74), ("i386", killed), ("x32", killed)):
        with Container("/bin/" + name, change=both(root_of(rootfs), change)) as one:
            equal((name, one.run().returncode), (name, expected))
    with running(change=both(root_of(rootfs), change)) as one:
        for name, expected in (("native", 74), ("i386", killed), ("x32", killed)):
            equal((name, one.call("exec", after=["/bin/" + name]).returncode), (name, expected))


@case
def the_strictest_filter_still_lets_the_program_start():
    x86_only()
    rootfs = small_image()
    program(rootfs + "/bin/native", calling(102))
    for no_new_privileges, names in ((True, ["execve"]), (False, ["execve", "capset", "prctl"])):
        def change(config):
            config["process"].update(noNewPrivileges=no_new_privileges, user={"uid": 1000, "gid": 1000},
                                     capabilities={kind: ["CAP_CHOWN"] for kind in ("bounding", "effective", "permitted")})
            config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 74,
                                          "syscalls": [{"names": [*names, "exit", "exit_group"], "action": "SCMP_ACT_ALLOW"}]}
        with Container("/bin/native", change=both(root_of(rootfs), change)) as one:
            done = one.run()
            equal((no_new_privileges, done.returncode, done.stderr), (no_new_privileges, 74, ""))


# --- /proc of the host, cgroups ---------------------------------------------------------------------------------------


@case
def files_laid_over_proc_of_the_host_are_not_written_to():
    folder = one_directory()
    for name in ("attr/exec", "oom_score_adj", "setgroups", "uid_map", "gid_map"):
        for place in ("self", "thread-self"):
            os.makedirs(os.path.dirname(f"{folder}/fake/{place}/{name}"), exist_ok=True)
            open(f"{folder}/fake/{place}/{name}", "w", encoding="utf-8").close()
    os.makedirs(folder + "/fake/sys/kernel")
    open(folder + "/fake/sys/kernel/domainname", "w", encoding="utf-8").close()
    def change(config):
        config["process"]["oomScoreAdj"] = 77
        config["linux"]["sysctl"] = {"kernel.domainname": "container"}
    with Container("cat", "/proc/self/oom_score_adj", change=change) as one:
        command = " ".join([*CALL, "run", "--bundle", one.bundle, one.id])
        # A fake that covers everything, then one file; the binary executes itself by /proc/self/exe.
        done = subprocess.run(["unshare", "--mount", "sh", "-c", f"cp -P /proc/self/exe {folder}/fake/self/exe; mount --bind {folder}/fake /proc && exec {command}"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        equal((done.returncode, done.stdout), (1, ""))
        contains(done.stderr, "/proc is not a procfs")
        done = subprocess.run(["unshare", "--mount", "sh", "-c", f"mount --bind {folder}/fake/sys/kernel/domainname /proc/sys/kernel/domainname && exec {command}"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        equal((done.returncode, done.stdout), (1, ""))
        contains(done.stderr, "/linux/sysctl")
        for top, _, files in os.walk(folder + "/fake"):
            for name in files:
                path = os.path.join(top, name)
                equal((path, os.path.getsize(path) if not os.path.islink(path) and name != "exe" else 0), (path, 0))


_CGROUP_WRITES = """for d in /sys/fs/cgroup /sys/fs/cgroup/*; do test -d $d || continue; echo looked
mkdir $d/evil && echo "made $d/evil"
for f in cgroup.procs tasks release_agent notify_on_release cgroup.subtree_control devices.allow memory.max pids.max; do
test -e $d/$f && (echo 0 > $d/$f) && echo "wrote $d/$f"; done; done 2>/dev/null; true"""


@case
def cgroups_cannot_be_written_to_from_inside():
    mapping = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    def with_user(config):
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"].update(uidMappings=mapping, gidMappings=mapping)
    def without_namespace(config):
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "cgroup"]
    everything = capabilities("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_CHOWN", "CAP_FOWNER")
    for changes in ((), (without_namespace,), (with_user,), (with_user, without_namespace)):
        with Container(script=_CGROUP_WRITES, change=both(everything, *changes)) as one:
            done = one.run()
            equal(done.returncode, 0)
            equal(set(done.stdout.split("\n")), {"looked", ""})


@case
def the_cgroup_and_sys_mounts_are_closed():
    with Container(script="grep -E ' /sys( |/)' /proc/mounts") as one:
        lines = one.run().stdout.splitlines()
        equal(len(lines) >= 2, True)
        for line in lines:
            for option in ("ro", "nosuid", "nodev", "noexec"):
                if " /sys/firmware " not in line:
                    contains(line.split()[3].split(","), option)


@case
def all_of_sys_is_closed_for_an_ordinary_user():
    folder = one_directory()
    copy = shutil.copy(RUNTIME, folder + "/runtime")
    os.mkdir(folder + "/state")
    for path in (folder, folder + "/state"):
        os.chown(path, 1000, 1000)
    def as_user(*words):
        return subprocess.run([copy, "--root", folder + "/state", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                              user=1000, group=1000, extra_groups=[], cwd=folder, check=False)
    equal(as_user("spec", "--rootless").returncode, 0)
    with open(folder + "/config.json", encoding="utf-8") as file:
        config = json.load(file)
    config["root"]["path"] = ROOTFS
    config["process"].update(terminal=False, args=["cat", "/proc/mounts"])
    config["mounts"] = [m for m in config["mounts"] if m["type"] != "cgroup"]
    with open(folder + "/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    done = as_user("run", "x")
    if "making the user namespace" in done.stderr:
        raise Skip("ordinary users may not make user namespaces")
    equal((done.returncode, done.stderr), (0, ""))
    lines = [line.split() for line in done.stdout.splitlines() if line.split()[1] == "/sys" or line.split()[1].startswith("/sys/")]
    equal(len(lines) > 1, True)
    equal([line for line in lines if "ro" not in line[3].split(",") and line[0] != "null"], [])


# --- messages ---------------------------------------------------------------------------------------------------------

_HOSTILE = "a\nb\r\x1b[31m\x07\"'\\\x7f\u009b31m\u2028\u202e{}"


def log_is_clean(done, log):
    """One line of text without control characters, one record."""
    equal(done.stderr.count("\n"), 1)
    equal([character for character in done.stderr[:-1] if ord(character) < 32 or 127 <= ord(character) < 160 or character in "\u2028\u2029\u202a\u202e"], [])
    with open(log, encoding="utf-8") as file:
        lines = file.read().split("\n")
    equal((len(lines), lines[-1]), (2, ""))
    record = json.loads(lines[0])
    equal((record["level"], "time" in record, "msg" in record), ("error", True, True))


@case
def hostile_text_stays_inside_of_one_record():
    rootfs = small_image()
    with open(rootfs + "/bin/script", "w", encoding="utf-8") as script:
        script.write("#!/no" + "\x1b[31m\u009b" + "\n")
    os.chmod(rootfs + "/bin/script", 0o755)
    def hook(config):
        config["hooks"] = {"createRuntime": [{"path": "/no" + _HOSTILE}]}
    def mount(**fields):
        return lambda config: config["mounts"].append({"destination": "/tmp", "type": "tmpfs", "source": "t", **fields})
    changes = {
        "root": lambda c: c.update(root={"path": "/no" + _HOSTILE}),
        "program": lambda c: c["process"].update(args=["/no" + _HOSTILE]),
        "interpreter": lambda c: c["process"].update(args=["/bin/script"]),
        "word": lambda c: c["process"].update(args=[_HOSTILE]),
        "directory": lambda c: c["process"].update(cwd="/bin/sh/" + _HOSTILE),
        "destination": mount(destination="/bin/sh/" + _HOSTILE),
        "source": mount(type="bind", source="/no" + _HOSTILE, options=["bind"]),
        "type": mount(type=_HOSTILE),
        "option": mount(options=[_HOSTILE]),
        "hook": hook,
        "cgroup": lambda c: c["linux"].update(cgroupsPath="/" + _HOSTILE),
        "profile": lambda c: c["process"].update(apparmorProfile=_HOSTILE),
        "namespace": lambda c: c["linux"]["namespaces"].append({"type": "user", "path": "/" + _HOSTILE}),
        "sysctl": lambda c: c["linux"].update(sysctl={"net." + _HOSTILE: "1"}),
        "rlimit": lambda c: c["process"].update(rlimits=[{"type": _HOSTILE, "soft": 1, "hard": 1}]),
        "device": lambda c: c["linux"].update(devices=[{"type": "c", "path": "/bin/sh/" + _HOSTILE, "major": 1, "minor": 3}]),
        "version": lambda c: c.update(ociVersion=_HOSTILE),
    }
    for name, change in changes.items():
        with Container("true", change=both(root_of(rootfs), change)) as one:
            log = one.bundle + "/log"
            done = call(*GLOBAL, "--log", log, "--log-format", "json", "run", "--bundle", one.bundle, one.id)
            equal((name, done.returncode, done.stdout), (name, 1, ""))
            log_is_clean(done, log)
    for words in (["state", _HOSTILE], [_HOSTILE], ["--" + _HOSTILE], ["exec", "--user", _HOSTILE, "x", "y"], ["kill", "x", _HOSTILE], ["create", "--bundle", _HOSTILE, "x"]):
        log = one_directory() + "/log"
        done = call(*GLOBAL, "--log", log, "--log-format", "json", *words)
        equal((words, done.returncode != 0), (words, True))
        log_is_clean(done, log)


@case
def logs_in_odd_places():
    folder = one_directory()
    os.mkfifo(folder + "/fifo")
    with Canary() as canary:
        os.symlink(canary.path + "/dev", folder + "/link")
        for path in (folder, folder + "/fifo", folder + "/none/log", folder + "/link"):
            with Container("true") as one:
                done = call(*GLOBAL, "--log", path, "run", "--bundle", one.bundle, one.id)
                equal((path, done.returncode), (path, 1))
                contains(done.stderr, "opening the log")
                one.gone()
    with Container("true") as one:
        equal(call(*GLOBAL, "--log", "/dev/full", "run", "--bundle", one.bundle, one.id).returncode, 0)
        equal(call(*GLOBAL, "--log", "/dev/full", "state", "none").returncode, 1)


@case
def a_program_s_words_to_the_service_manager_are_chosen():
    path = one_directory() + "/manager"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, Container("sleep", "1000") as one:
        manager.bind(path)
        manager.settimeout(20)
        environment = dict(os.environ, NOTIFY_SOCKET=path)
        with open(one.bundle + "/out", "wb") as out:
            subprocess.run([*CALL, "create", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, timeout=30, check=True)
        start = subprocess.Popen([*CALL, "start", one.id], stdin=subprocess.DEVNULL, env=environment)
        pid = one.state()["pid"]
        inside = f"/proc/{pid}/root/run/notify/notify.sock"
        wait_until("the socket is there", lambda: os.path.exists(inside))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hostile:
            for text in (b"MAINPID=1", b"FDSTORE=1\nFDNAME=x", b"WATCHDOG_USEC=1", b"BUSERROR=x", b"xREADY=1", b"EXTEND_TIMEOUT_USEC=99999999", b""):
                hostile.sendto(text, inside)
            hostile.sendto(b"MAINPID=1\nSTATUS=well\nSTOPPING=1\nREADY=1\nERRNO=5", inside)
        equal(manager.recv(1000), b"STATUS=well\nREADY=1")
        equal(manager.recv(1000), f"MAINPID={pid}".encode())
        equal(start.wait(20), 0)


@case
def there_are_no_abstract_sockets():
    def change(config):
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
        config["mounts"] = [m for m in config["mounts"] if m["type"] != "sysfs"]
    before = set(re.findall(r" (@\S+)", open("/proc/net/unix", encoding="utf-8").read()))
    with Container("sleep", "1000", change=change) as other, running(change=change) as one:
        other.created()
        text = one.ok("exec", after=["cat", "/proc/net/unix"])
        contains(text, "Inode")
        ours = [name for name in set(re.findall(r" (@\S+)", text)) - before if "corten" in name or one.id in name or other.id in name]
        equal(ours, [])


@case
def long_texts_arrive_whole_or_not_at_all():
    for length in (4095, 65535, 65536, 65537, 131000):
        with Container(script="echo ${#LONG}", change=lambda c: c["process"]["env"].append("LONG=" + "x" * length)) as one:
            equal((length, one.run().stdout), (length, f"{length}\n"))
    with Container("true", change=lambda c: c["process"]["env"].append("LONG=" + "x" * (1 << 20))) as one:
        done = one.run()
        equal(done.returncode != 0, True)
        contains(done.stderr, "Argument list too long")
    for length in (4096, 65535, 65536, 1 << 20):
        for change in (lambda c: c["mounts"].append({"destination": "/tmp", "type": "bind", "source": "/" + "s" * length, "options": ["bind"]}),
                       lambda c: c["linux"]["namespaces"].append({"type": "user", "path": "/" + "p" * length}),
                       lambda c: c["process"].update(cwd="/" + "c" * length)):
            with Container("true", change=change) as one:
                done = one.run()
                equal((length, done.returncode, done.stderr.count("\n"), len(done.stderr) < 20000), (length, 1, 1, True))


_NR_ADD_KEY, _NR_KEYCTL = 248, 250
ROOTFS_BUSYBOX = "/bin/busybox"

if __name__ == "__main__":
    run_cases()
