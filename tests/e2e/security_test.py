#!/usr/bin/env python3
"""Attacks on the binary by an image, a config.json, a caller or a damaged state. Root is needed.

The table of docs/security.md says which case stands for which published vulnerability.
"""

import itertools
import json
import os
import shutil
import socket
import stat
import subprocess
import time

from attacks import CAP_SETS, Canary, binary_hash, both, host_mounts, image, no_mount, root_of, status_fields
from bundle import ROOT, RUNTIME, WORK, Container, case, one_directory, run_cases
from harness import Skip, contains, equal, lacks, wait_until

# --- paths of the image ----------------------------------------------------------------------------------------------


@case
def proc_and_sys_of_the_image_are_directories():
    for name, kind in itertools.product(("proc", "sys"), ("absolute", "relative", "dangling", "loop", "file")):
        with Canary() as canary:
            rootfs = image()
            os.rmdir(f"{rootfs}/{name}")
            target = {"absolute": canary.path, "relative": "../" * 12 + canary.path[1:], "dangling": "/none", "loop": name}.get(kind)
            if target is None:
                open(f"{rootfs}/{name}", "w", encoding="utf-8").close()
            else:
                os.symlink(target, f"{rootfs}/{name}")
            with Container("true", change=root_of(rootfs)) as one:
                one.fails(f"/{name}")


@case
def dev_of_the_image_leads_out_and_is_not_a_mount():
    for target in ("absolute", "relative"):
        with Canary() as canary:
            rootfs = image()
            os.rmdir(rootfs + "/dev")
            os.symlink(canary.path if target == "absolute" else "../" * 12 + canary.path[1:], rootfs + "/dev")
            def terminal(config):
                config["linux"]["devices"] = [{"type": "c", "path": "/dev/extra", "major": 1, "minor": 3}]
            with Container("true", change=both(root_of(rootfs), no_mount("/dev"), terminal)) as one:
                one.run()


@case
def dev_of_the_image_leads_out_below_a_tmpfs():
    with Canary() as canary:
        rootfs = image()
        os.rmdir(rootfs + "/dev")
        os.symlink(canary.path, rootfs + "/dev")
        with Container(script="test -c /dev/null && echo proper", change=root_of(rootfs)) as one:
            done = one.run()
            equal((done.returncode, done.stdout) if done.returncode == 0 else (0, "proper\n"), (0, "proper\n"))


@case
def null_of_the_image_is_not_trusted():
    def owner():
        status = os.stat("/dev/null")
        return status.st_uid, status.st_gid
    before = owner()
    for kind in ("symlink", "file", "zero"):
        with Canary() as canary:
            rootfs = image()
            if kind == "symlink":
                os.symlink(canary.path + "/null", rootfs + "/dev/null")
            elif kind == "file":
                open(rootfs + "/dev/null", "w", encoding="utf-8").close()
            else:
                os.mknod(rootfs + "/dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 5))
            def user(config):
                config["process"]["user"] = {"uid": 1000, "gid": 1000}
            with Container(script="stat -L -c %t:%T /proc/self/fd/0", change=both(root_of(rootfs), no_mount("/dev"), user)) as one:
                done = one.run()
                if done.returncode == 0:
                    equal(done.stdout, "1:3\n")
        equal(owner(), before)


@case
def entries_of_dev_in_the_image_lead_out():
    for name in ("ptmx", "fd", "stdin", "stdout", "core", "pts", "shm", "mqueue", "console", "zero"):
        with Canary() as canary:
            rootfs = image()
            os.symlink(canary.path + "/dev/" + name, f"{rootfs}/dev/{name}")
            with Container("true", change=both(root_of(rootfs), no_mount("/dev"))) as one:
                one.run()


@case
def dangling_destination_is_made_inside():
    with Canary() as canary:
        rootfs = image()
        os.symlink(canary.path + "/new", rootfs + "/link")
        os.symlink(canary.path + "/newdir/below", rootfs + "/dirlink")
        def mounts(config):
            config["mounts"] += [{"destination": "/link", "type": "bind", "source": "/etc/hostname", "options": ["bind"]},
                                 {"destination": "/dirlink", "type": "tmpfs", "source": "t"}]
        with Container("true", change=both(root_of(rootfs), mounts)) as one:
            one.run()


@case
def long_names_and_loops_are_errors_with_a_name():
    rootfs = image()
    os.symlink("loop", rootfs + "/loop")
    for destination in ("/loop/x", "/" + "a" * 256, "/" + "/".join(["b" * 100] * 50)):
        with Container("true", change=both(root_of(rootfs), lambda c: c["mounts"].append({"destination": destination, "type": "tmpfs", "source": "t"}))) as one:
            one.fails(destination[:20])


@case
def destinations_through_magic_links():
    for destination in ("/proc/self/root/tmp", "/proc/1/cwd", "/proc/self/fd/3", "/proc/self/fd"):
        with Container("true", change=lambda c: c["mounts"].append({"destination": destination, "type": "tmpfs", "source": "t"})) as one:
            one.fails("/proc")


@case
def missing_cwd_below_a_link_is_made_inside():
    with Canary() as canary:
        rootfs = image()
        os.symlink(canary.path, rootfs + "/srv")
        with Container("pwd", change=both(root_of(rootfs), lambda c: c["process"].update(cwd="/srv/made"))) as one:
            one.run()


# A magic link of the container's own procfs may be read as text, but never be followed to the host's object.
_WHERE = "readlink /proc/self/cwd; test . -ef /proc/self/fd || test -d /proc/self/cwd/../fd || echo elsewhere"


def refused_or_inside(done):
    if done.returncode == 0:
        equal((done.stdout.startswith("/proc/"), "elsewhere" in done.stdout), (True, False))
    else:
        equal(done.stdout, "")


@case
def cwd_through_inherited_directories():
    handles = [os.open("/", os.O_RDONLY | os.O_DIRECTORY) for _ in range(20)]
    try:
        for handle in handles:
            os.set_inheritable(handle, True)
        for number in (3, 4, 5, 6, 7, 8, 9, 10, 15, 20, handles[-1]):
            with Container(script=_WHERE, change=lambda c: c["process"].update(cwd=f"/proc/self/fd/{number}")) as one:
                refused_or_inside(one.run(close_fds=False))
    finally:
        for handle in handles:
            os.close(handle)


@case
def missing_cwd_through_a_magic_link():
    for cwd in ("/none/../proc/self/cwd/made", "/none/../proc/self/fd/1/made", "/none/../proc/self/root/made"):
        with Container(script=_WHERE, change=both(root_of(image()), lambda c: c["process"].update(cwd=cwd))) as one:
            one.fails("symbolic links")


@case
def exec_with_a_cwd_that_the_container_made():
    with Container("sleep", "1000", change=root_of(image())) as one:
        one.created()
        one.ok("start")
        for number in range(3, 12):
            one.ok("exec", after=["ln", "-sfn", f"/proc/self/fd/{number}", "/x"])
            refused_or_inside(one.call("exec", "--cwd", "/x", after=["sh", "-c", _WHERE]))


@case
def users_of_the_image_are_read_with_care():
    for kind in ("fifo", "directory", "huge", "line", "symlink", "zero"):
        rootfs = image()
        path = rootfs + "/etc/passwd"
        os.unlink(path)
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "directory":
            os.mkdir(path)
        elif kind == "huge":
            with open(path, "wb") as file:
                file.truncate(1 << 30)
        elif kind == "line":
            with open(path, "wb") as file:
                file.write(b"x" * 10_000_000)
        else:
            os.symlink("/dev/zero" if kind == "zero" else "/etc/shadow", path)
        def no_home(config):
            config["process"]["env"] = ["PATH=/bin"]
        with Container(script="echo $HOME", change=both(root_of(rootfs), no_home)) as one:
            begin = time.monotonic()
            done = one.run(timeout=20)
            equal((done.returncode, done.stdout), (0, "/\n"))
            equal(time.monotonic() - begin < 5, True)


@case
def programs_that_are_not_files():
    before = binary_hash()
    rootfs = image()
    os.mkfifo(rootfs + "/bin/fifo")
    for name, shebang in (("self", "/proc/self/exe"), ("descriptor", "/proc/self/fd/3")):
        with open(f"{rootfs}/bin/{name}", "w", encoding="utf-8") as script:
            script.write(f"#!{shebang}\n")
        os.chmod(f"{rootfs}/bin/{name}", 0o755)
    for program in ("/bin/fifo", "/tmp", "/proc/self/exe", "/bin/self", "/bin/descriptor"):
        with Container(program, change=root_of(rootfs)) as one:
            done = one.run()
            # /proc/self/exe is corten, which without a command prints its help; what counts is the binary.
            equal(done.returncode != 0 or program == "/proc/self/exe", True)
    equal(binary_hash(), before)


@case
def the_image_is_not_written_to():
    rootfs = image()
    listing = lambda: sorted((folder, tuple(sorted(folders + files))) for folder, folders, files in os.walk(rootfs))
    before = listing()
    with Container("true", change=root_of(rootfs)) as one:
        equal(one.run().returncode, 0)
    equal(listing(), before)


# --- mounts ---------------------------------------------------------------------------------------------------------


@case
def the_hosts_mounts_stay_the_same():
    before = host_mounts()
    with Container("sleep", "1000") as one:
        one.created()
        equal(host_mounts(), before)
        one.ok("start")
        equal(host_mounts(), before)
    equal(host_mounts(), before)
    with Container("nosuch") as one:
        one.run()
        equal(host_mounts(), before)


@case
def proc_is_procfs():
    for source in (one_directory(), "/proc/self"):
        def change(config):
            config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/proc"]
            config["mounts"].insert(0, {"destination": "/proc", "type": "bind", "source": source, "options": ["rbind"]})
        with Container("true", change=change) as one:
            one.fails("/proc")


@case
def masked_paths_hide_files_and_directories():
    def change(config):
        config["linux"]["maskedPaths"] = ["/proc/keys", "/proc/keys", "/proc/fs/", "/none", "/proc/timer_list"]
    with Container(script="wc -c < /proc/keys; ls /proc/fs | wc -l; touch /proc/fs/x 2>&1; grep ' /proc/fs ' /proc/mounts", change=change) as one:
        lines = one.run().stdout.splitlines()
        equal(lines[:2], ["0", "0"])
        contains(lines[2], "Read-only file system")
        for option in ("ro", "nosuid", "nodev", "noexec"):
            contains(lines[3].split()[3].split(","), option)


@case
def no_way_to_the_hosts_root():
    with Container(script="stat -c %i / /..; cat /proc/self/mountinfo") as one:
        lines = one.run().stdout.splitlines()
        equal(lines[0], lines[1])
        equal([line for line in lines[2:] if "/oldroot" in line or "/.pivot" in line], [])


@case
def text_of_mounts_is_data():
    for field, value in (("source", "t\0size=1k"), ("destination", "/tmp/a\0b"), ("data", "mode=0700\0")):
        def change(config):
            mount = {"destination": "/tmp/x", "type": "tmpfs", "source": "t", "options": ["nosuid"]}
            if field == "data":
                mount["options"].append(value)
            else:
                mount[field] = value
            config["mounts"].append(mount)
        with Container("true", change=change) as one:
            one.fails("NUL")
    with Container(script="grep ' /mnt' /proc/mounts", change=both(root_of(image()), lambda c: c["mounts"].append(
            {"destination": "/mnt a,b:c\\d", "type": "tmpfs", "source": "s,size=4k", "options": ["ro"]}))) as one:
        done = one.run()
        contains(done.stdout, "/mnt\\040a,b:c\\134d")
        lacks(done.stdout, "size=4k\n")


# --- descriptors and the binary -------------------------------------------------------------------------------------------


@case
def inherited_descriptors_stay_outside():
    handles = [os.open(path, os.O_RDONLY) for path in ["/"] * 30] + [os.open("/", os.O_PATH), socket.socket().detach(), os.memfd_create("m")]
    try:
        for handle in handles:
            os.set_inheritable(handle, True)
        with Container(script="ls -1 /proc/self/fd") as one:
            # The last one is ls(1)'s own, for the directory it lists.
            equal(one.run(close_fds=False).stdout.split(), ["0", "1", "2", "3"])
        with Container("sleep", "1000") as one:
            one.created()
            one.ok("start")
            equal(one.call("exec", after=["ls", "-1", "/proc/self/fd"], close_fds=False).stdout.split(), ["0", "1", "2", "3"])
    finally:
        for handle in handles:
            os.close(handle)


@case
def descriptors_that_were_asked_for():
    with Container(script="ls -1 /proc/self/fd; echo $LISTEN_FDS $LISTEN_PID") as one:
        command = f"exec {RUNTIME} --root {ROOT} run --bundle {one.bundle} --preserve-fds 1 {one.id} 3</ 4</dev/null 7</dev/null"
        done = subprocess.run(["bash", "-c", f"export LISTEN_FDS=1 LISTEN_PID=$$; {command}"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        equal((done.stdout.split(), done.stderr), (["0", "1", "2", "3", "4", "5", "1", "1"], ""))
    with Container("true") as one:
        command = f"exec {RUNTIME} --root {ROOT} run --bundle {one.bundle} --preserve-fds 2 {one.id} 3</dev/null"
        done = subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        equal(done.returncode, 1)
        contains(done.stderr, "descriptor 4 is not open")
        # What stands behind the container's id is the program's.
        contains(one.call("exec", after=["true", "--preserve-fds", "9"]).stderr, "does not exist")


@case
def waiting_init_holds_no_directory_of_the_host():
    with Container("sleep", "1000") as one:
        one.created()
        pid = one.state()["pid"]
        for number in os.listdir(f"/proc/{pid}/fd"):
            if int(number) > 2:
                mode = os.stat(f"/proc/{pid}/fd/{number}").st_mode
                equal((number, stat.S_ISDIR(mode)), (number, False))


@case
def missing_stdio():
    for closed in itertools.chain.from_iterable(itertools.combinations((0, 1, 2), n) for n in (1, 2, 3)):
        with Container(script="for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done >/out/link",
                       change=lambda c: c["mounts"].append({"destination": "/out", "type": "bind", "source": one_directory(), "options": ["bind"]})) as one:
            rootfs = image()
            os.mkdir(rootfs + "/out")
            one.config["root"]["path"] = rootfs
            one.write(json.dumps(one.config))
            redirections = " ".join(f"{fd}<&-" if fd == 0 else f"{fd}>&-" for fd in closed)
            code = subprocess.run(["bash", "-c", f"exec {RUNTIME} --root {ROOT} run --bundle {one.bundle} {one.id} {redirections}"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False).returncode
            shared = one.config["mounts"][-1]["source"]
            equal((closed, code), (closed, 0))
            links = open(shared + "/link", encoding="utf-8").read().split()
            equal((len(links), links[0], links[2]), (3, "/dev/null", "/dev/null"))


@case
def few_and_high_descriptors():
    with Container("true") as one:
        done = subprocess.run(["bash", "-c", f"ulimit -n 6; exec {RUNTIME} --root {ROOT} run --bundle {one.bundle} {one.id}"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
        equal(done.returncode != 0, True)
        contains(done.stderr, "Too many open files")


@case
def the_runtime_as_the_program():
    before = binary_hash()
    script = 'for i in 1 2 3; do echo x 2>/dev/null >> /proc/$$/exe; done; echo done'
    with Container("/proc/self/exe", "--version") as one:
        one.run()
    with Container(script=script, change=lambda c: c["process"].update(capabilities={k: ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"] for k in CAP_SETS[:4]})) as one:
        one.run()
    equal(binary_hash(), before)


# --- identity --------------------------------------------------------------------------------------------------------------


@case
def exec_adds_a_capability_but_never_inheritable():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        fields = status_fields(one.ok("exec", "--cap", "CAP_NET_RAW", after=["cat", "/proc/self/status"]))
        equal(int(fields["CapEff"][0], 16) >> 13 & 1, 1)
        equal(fields["CapInh"], ["0" * 16])


@case
def exec_stays_below_the_containers_cgroup():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        for path in ("..", "../..", "/../x", "a/../../..", "a\nb"):
            equal(one.call("exec", "--cgroup", path, after=["true"]).returncode, 255)


@case
def exec_has_a_session_of_its_own():
    with Container("sleep", "1000") as one:
        one.created()
        one.ok("start")
        fields = one.ok("exec", after=["cat", "/proc/self/stat"]).rsplit(")", 1)[1].split()
        equal(fields[4], "0")  # no controlling terminal
        equal(fields[3] != str(os.getsid(0)), True)


@case
def capability_sets_are_what_the_config_says():
    numbers = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_NET_RAW": 13}
    for uid in (0, 1000):
        for sets in ({}, {"bounding": list(numbers)}, {"bounding": list(numbers), "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]},
                     {k: ["CAP_KILL", "CAP_CHOWN"] for k in CAP_SETS}):
            def change(config):
                config["process"].update(capabilities=sets, user={"uid": uid, "gid": uid}, noNewPrivileges=False)
            with Container("cat", "/proc/self/status", change=change) as one:
                fields = status_fields(one.run().stdout)
                value = lambda name: sum(1 << numbers[cap] for cap in sets.get(name, []))
                expected = {"CapBnd": value("bounding"), "CapInh": value("inheritable"), "CapAmb": value("ambient")}
                equal({key: int(fields[key][0], 16) for key in expected}, expected)
                # execve(2) gives root its bounding and inheritable sets, everybody else the ambient one.
                after = value("bounding") | value("inheritable") if uid == 0 else value("ambient")
                equal((int(fields["CapPrm"][0], 16), int(fields["CapEff"][0], 16)), (after, after))


@case
def no_capabilities_in_the_config_are_none():
    for value in (None, {}):
        def change(config):
            config["process"]["capabilities"] = value
            if value is None:
                del config["process"]["capabilities"]
        with Container("cat", "/proc/self/status", change=change) as one:
            fields = status_fields(one.run().stdout)
            equal([fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], [["0" * 16]] * 5)


@case
def groups_are_exactly_the_configured_ones():
    for uid, groups in itertools.product((0, 1000), ([], [10, 11])):
        with Container(script="grep ^Groups /proc/self/status", change=lambda c: c["process"].update(user={"uid": uid, "gid": uid, "additionalGids": groups})) as one:
            done = one.run(extra_groups=[1, 2, 3])
            equal([int(group) for group in done.stdout.split()[1:]], groups)


@case
def the_program_starts_clean():
    with Container("cat", "/proc/self/status") as one:
        command = f"trap '' HUP INT TERM USR1; exec {RUNTIME} --root {ROOT} run --bundle {one.bundle} {one.id}"
        fields = status_fields(subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False).stdout)
        equal([fields[name] for name in ("SigBlk", "SigIgn", "SigCgt", "SigPnd")], [["0" * 16]] * 4)


@case
def the_callers_umask_changes_nothing():
    seen = []
    for mask in (0o000, 0o077, 0o777):
        rootfs = image()
        def change(config):
            config["linux"]["devices"] = [{"type": "c", "path": "/dev/extra", "major": 1, "minor": 3, "fileMode": 0o666}]
            config["process"]["cwd"] = "/made/here"
            config["mounts"].append({"destination": "/point", "type": "tmpfs", "source": "t"})
        with Container(script="umask; stat -c '%a %n' /dev/extra /dev/null /made /made/here", change=both(root_of(rootfs), change)) as one:
            done = one.run(umask=mask)
            equal(done.stderr, "")
            seen.append((done.stdout, oct(os.stat(rootfs + "/point").st_mode)))
    equal(seen[1:], [seen[0]] * 2)
    contains(seen[0][0], "666 /dev/extra")


# --- cgroups, hooks, terminal, state -----------------------------------------------------------------------------------------


@case
def the_first_instruction_is_in_the_cgroup():
    with Container("cat", "/proc/self/cgroup") as one:
        inside = one.run().stdout
        equal([line for line in inside.splitlines() if not line.endswith(":/")], [])  # seen from its own cgroup namespace
    def no_namespace(config):
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "cgroup"]
    def with_user(config):
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"]["uidMappings"] = config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    for changes in ((no_namespace,), (no_namespace, with_user)):
        with Container("cat", "/proc/self/cgroup", change=both(*changes)) as one:
            lines = [line for line in one.run().stdout.splitlines() if ":pids:" in line or line.startswith("0::")]
            contains("".join(lines), one.id)


@case
def cgroups_paths_stay_inside():
    for path in ("/../../x", "a/../../../b", "a\nb", "x" * 5000):
        with Container("true", change=lambda c: c["linux"].update(cgroupsPath=path)) as one:
            one.fails("cgroup")


@case
def hooks_get_their_own_environment_only():
    output = one_directory() + "/env"
    def change(config):
        config["process"]["env"] += ["LD_PRELOAD=/evil.so", "GCONV_PATH=/evil"]
        config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"/usr/bin/env > {output}; pwd >> {output}"], "env": ["ONLY=this"]}]}
    with Container("true", change=change) as one:
        equal(one.run().returncode, 0)
        text = open(output, encoding="utf-8").read()
        contains(text, "ONLY=this\n")
        lacks(text, "evil")
        contains(text.splitlines(), one.bundle)


@case
def hostile_annotations_reach_hooks_as_data():
    output = one_directory() + "/state"
    hostile = {"a\"b": "c\\d", "newline": "1\n2", "unicode": "\u2028\u00e9", "brace": "}{"}
    def change(config):
        config["annotations"] = hostile
        config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"cat > {output}"]}]}
    with Container("true", change=change) as one:
        equal(one.run().returncode, 0)
        equal(json.load(open(output, encoding="utf-8"))["annotations"], hostile)


@case
def the_config_is_read_once():
    with Container(script="echo first") as one:
        one.created()
        one.write(json.dumps(one.config).replace("echo first", "echo second"))
        one.ok("start")
        wait_until("it ended", lambda: one.status() == "stopped")
        equal(one.output(), "first\n")


@case
def control_characters_do_not_reach_the_log():
    hostile = "/no\nsuch\x1b[31m\"x"
    with Container("true", change=lambda c: c.update(root={"path": hostile})) as one:
        log = one.bundle + "/log"
        done = subprocess.run([RUNTIME, "--root", ROOT, "--log", log, "--log-format", "json", "create", "--bundle", one.bundle, one.id],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=30, check=False)
        equal(done.returncode, 1)
        lacks(done.stderr, "\x1b")
        equal(done.stderr.count("\n"), 1)
        lines = open(log, encoding="utf-8").read().splitlines()
        equal(len(lines), 1)
        equal(json.loads(lines[0])["level"], "error")


@case
def console_sockets_that_are_none():
    long_directory = os.path.join(one_directory(), "d" * 150)
    os.mkdir(long_directory)
    with open(WORK + "/plain", "w", encoding="utf-8"):
        pass
    for path in (WORK + "/plain", WORK + "/none", long_directory + "/none", WORK):
        with Container("true", change=lambda c: c["process"].update(terminal=True)) as one:
            one.fails("console socket", "--console-socket", path)


@case
def files_of_the_caller_keep_their_owner():
    target = one_directory() + "/out"
    with open(target, "w", encoding="utf-8") as out:
        with Container(script="echo text", change=lambda c: c["process"].update(user={"uid": 1000, "gid": 1000})) as one:
            subprocess.run([RUNTIME, "--root", ROOT, "run", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=30, check=True)
    equal((os.stat(target).st_uid, open(target, encoding="utf-8").read()), (0, "text\n"))


@case
def the_state_is_private():
    with Container("sleep", "1000") as one:
        one.created()
        equal(stat.S_IMODE(os.stat(ROOT).st_mode), 0o700)
        for folder, _, files in os.walk(ROOT):
            equal((folder, stat.S_IMODE(os.stat(folder).st_mode)), (folder, 0o700))
            for name in files:
                mode = os.lstat(f"{folder}/{name}").st_mode
                equal((name, stat.S_IMODE(mode) & 0o077 if not stat.S_ISSOCK(mode) else 0), (name, 0))
    for mode, uid in ((0o777, 0), (0o700, 1000)):
        loose = one_directory()
        os.chmod(loose, mode)
        os.chown(loose, uid, uid)
        with Container("true") as one:
            done = subprocess.run([RUNTIME, "--root", loose, "create", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
            equal(done.returncode, 1)
            contains(done.stderr, "state root")


@case
def ids_are_names():
    before = None
    with Container("true") as one:
        for bad in ("", ".", "..", "a/b", "../x", "x" * 256, "a\nb", "-x", "\u00e9", "a b", "x\x1b"):
            before = sorted(os.listdir(ROOT)) if os.path.isdir(ROOT) else []
            done = subprocess.run([RUNTIME, "--root", ROOT, "create", "--bundle", one.bundle, "--", bad], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
            equal((bad, done.returncode), (bad, 1))
            equal(sorted(os.listdir(ROOT)) if os.path.isdir(ROOT) else [], before)


@case
def damaged_state_is_an_error_of_its_own():
    with Container("sleep", "1000") as one, Container("sleep", "1000") as other:
        one.created()
        other.created()
        path = f"{ROOT}/{one.id}/state.json"
        text = open(path, "rb").read()
        try:
            for damage in (b"", text[:len(text) // 2], b"\xff\x00{}", b"[]"):
                with open(path, "wb") as file:
                    file.write(damage)
                for command in ("state", "start", "pause", "ps"):
                    done = one.call(command)
                    equal((command, damage[:40], done.returncode), (command, damage[:40], 1))
                    contains(done.stderr, "damaged")
                listed = subprocess.run([RUNTIME, "--root", ROOT, "list", "-f", "json"], capture_output=True, text=True, timeout=30, check=False)
                ids = [entry["id"] for entry in json.loads(listed.stdout)]
                equal((listed.returncode, one.id in ids, other.id in ids), (0, False, True))
        finally:
            with open(path, "wb") as file:
                file.write(text)
        equal(one.status(), "created")


@case
def damaged_state_does_not_keep_a_container_alive():
    for damage in (b"", b"[]", b'{"version":99}'):
        with Container("sleep", "1000") as one:
            one.created()
            one.ok("start")
            pid = one.state()["pid"]
            with open(f"{ROOT}/{one.id}/state.json", "wb") as file:
                file.write(damage)
            one.ok("delete", "--force")
            wait_until("init is reaped", lambda: not os.path.exists(f"/proc/{pid}"))
            one.gone()


@case
def without_any_record_nothing_is_forgotten():
    with Container("sleep", "1000") as one:
        one.created()
        folder = f"{ROOT}/{one.id}"
        saved = {name: open(f"{folder}/{name}", "rb").read() for name in ("state.json", "creating.json")}
        for name in saved:
            with open(f"{folder}/{name}", "wb") as file:
                file.write(b"{")
        done = one.call("delete", "--force")
        equal(done.returncode, 1)
        contains(done.stderr, "by hand")
        for name, text in saved.items():
            with open(f"{folder}/{name}", "wb") as file:
                file.write(text)
        equal(one.status(), "created")


@case
def a_directory_without_a_record_is_what_a_killed_creation_left():
    with Container("true") as one:
        os.makedirs(ROOT, mode=0o700, exist_ok=True)
        os.mkdir(f"{ROOT}/{one.id}", 0o700)
        equal(one.call("delete").returncode, 1)
        one.ok("delete", "--force")
        equal(os.path.exists(f"{ROOT}/{one.id}"), False)


@case
def pid_files_in_odd_places():
    folder = one_directory()
    os.mkfifo(folder + "/fifo")
    with Canary() as canary:
        os.symlink(canary.path + "/file", folder + "/link")
        for path in (folder, folder + "/none/pid"):
            with Container("true") as one:
                equal(one.call("create", "--bundle", one.bundle, "--pid-file", path).returncode, 1)
                one.gone()
        for path in (folder + "/fifo", folder + "/link"):
            with Container("true") as one:
                one.created("--pid-file", path)
                equal(open(path, encoding="utf-8").read(), str(one.state()["pid"]))


@case
def links_in_the_state_lead_nowhere():
    with Canary() as canary:
        with Container("sleep", "1000") as one:
            one.created()
            os.symlink(canary.path, f"{ROOT}/{one.id}/dir")
            os.symlink(canary.path + "/file", f"{ROOT}/{one.id}/file")
            one.ok("delete", "--force")


@case
def a_reused_pid_is_left_alone():
    decoy = subprocess.Popen(["sleep", "1000"])
    try:
        with Container("sleep", "1000") as one:
            one.created()
            one.ok("start")
            pid = one.state()["pid"]
            path = f"{ROOT}/{one.id}/state.json"
            text = open(path, encoding="utf-8").read()
            one.ok("kill", after=["KILL"])
            wait_until("it is stopped", lambda: one.status() == "stopped")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace(str(pid), str(decoy.pid)))
            equal(one.status(), "stopped")
            contains(one.call("kill", after=["KILL"]).stderr, "container not running")
            one.ok("delete", "--force")
            equal(decoy.poll(), None)
    finally:
        decoy.kill()
        decoy.wait()


@case
def hostile_entries_do_not_stop_the_list():
    with Container("sleep", "1000") as one:
        one.created()
        os.mkdir(f"{ROOT}/{one.id}-hostile", 0o700)
        os.symlink("/", f"{ROOT}/{one.id}-link")
        try:
            done = subprocess.run([RUNTIME, "--root", ROOT, "list", "-f", "json"], capture_output=True, text=True, timeout=30, check=False)
            equal(done.returncode, 0)
            contains([entry["id"] for entry in json.loads(done.stdout)], one.id)
        finally:
            os.rmdir(f"{ROOT}/{one.id}-hostile")
            os.unlink(f"{ROOT}/{one.id}-link")


@case
def a_setuid_binary_refuses():
    copy = one_directory() + "/corten"
    shutil.copy(RUNTIME, copy)
    os.chmod(copy, 0o4755)
    os.chmod(os.path.dirname(copy), 0o755)
    if os.statvfs(WORK).f_flag & os.ST_NOSUID:
        raise Skip("the temporary directory is mounted nosuid")
    done = subprocess.run([copy, "list"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, user=1000, group=1000, extra_groups=[], check=False)
    equal(done.returncode, 1)
    contains(done.stderr, "set-uid")


@case
def regex_selects_containers():
    with Container("sleep", "1000") as one, Container("sleep", "1000") as two, Container("sleep", "1000") as other:
        for container in (one, two, other):
            container.created()
            container.ok("start")
        pattern = f"^({one.id}|{two.id})$"
        call = lambda *words: subprocess.run([RUNTIME, "--root", ROOT, *words], capture_output=True, text=True, timeout=30, check=False)
        equal((call("kill", "--regex", pattern, "KILL").returncode, call("kill", "--regex", "(", "KILL").returncode), (0, 1))
        wait_until("both are stopped", lambda: one.status() == two.status() == "stopped")
        equal(other.status(), "running")
        equal(call("delete", "--regex", pattern).returncode, 0)
        contains(one.call("state").stderr, "does not exist")
        equal(other.status(), "running")


@case
def user_namespace_root_uses_the_runtime_directory():
    folder = one_directory()
    os.chmod(folder, 0o755)
    os.chown(folder, 1000, 1000)
    copy = folder + "/corten"
    shutil.copy(RUNTIME, copy)
    os.mkdir(folder + "/corten-state")
    done = subprocess.run(["unshare", "--user", "--map-root-user", "strace", "-e", "trace=openat", copy, "list"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=30, user=1000, group=1000, extra_groups=[], env={"XDG_RUNTIME_DIR": folder, "PATH": os.environ["PATH"]}, check=False)
    if "unshare" in done.stderr and "Operation not permitted" in done.stderr:
        raise Skip("ordinary users may not make user namespaces")
    contains(done.stderr, f'"{folder}/corten"')


if __name__ == "__main__":
    run_cases()
