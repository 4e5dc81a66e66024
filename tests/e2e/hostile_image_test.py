#!/usr/bin/env python3
"""Images that were made to mislead the runtime, and images that change under its hands. Root is needed."""

import ctypes
import itertools
import json
import mmap
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import time

from attacks import Canary, binary_hash, both, host_mounts, no_mount, root_of, small_image
from bundle import CALL, ROOT, WORK, Container, case, one_directory, receive_descriptor, run_cases
from harness import Skip, contains, equal, lacks

# --- every path that the runtime touches, as every kind of object -----------------------------------------------------

_PROGRAM = """test -r /proc/self/status || echo no proc
test "$(stat -L -c %t:%T /proc/self/fd/0)" = 1:3 || echo foreign stdin
grep -q secret /secret 2>/dev/null && echo unmasked
(echo > /protected/new) 2>/dev/null && echo unprotected
case $(stat -L -c %t:%T /opt/device 2>/dev/null) in ""|1:3) ;; *) echo foreign device; esac
case $(readlink /proc/self/cwd) in /*) ;; *) echo outside; esac
echo end"""

_KINDS = ("absent", "file", "directory", "absolute", "relative", "dangling", "loop", "magic", "fifo", "socket", "null", "device", "closed",
          "mount point")


def put(rootfs, name, kind, canary):
    """The path in the image becomes an object of that kind."""
    path = f"{rootfs}/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
    links = {"absolute": canary, "relative": "../" * 16 + canary[1:], "dangling": canary + "/new/below", "loop": os.path.basename(path),
             "magic": "/proc/1/root" + canary}
    nodes = {"fifo": (stat.S_IFIFO, 0), "socket": (stat.S_IFSOCK, 0), "null": (stat.S_IFCHR, os.makedev(1, 3)),
             "device": (stat.S_IFCHR, os.makedev(1, 5))}
    if kind in links:
        os.symlink(links[kind], path)
    elif kind in nodes:
        os.mknod(path, nodes[kind][0] | 0o666, nodes[kind][1])
    elif kind == "file":
        with open(path, "w", encoding="utf-8") as file:
            file.write("an image's own\n")
    elif kind != "absent":
        os.mkdir(path, 0 if kind == "closed" else 0o755)
        if kind == "mount point":
            subprocess.run(["mount", "-t", "tmpfs", "t", path], check=True)
            return path
    return None


def touching(config):
    """Whatever makes the runtime look at the image."""
    with open(WORK + "/plain", "w", encoding="utf-8") as file:
        file.write("plain")
    config["process"]["args"] = ["/bin/sh", "-c", _PROGRAM]
    config["process"]["env"] = ["PATH=/bin"]  # no HOME: /etc/passwd is looked at
    config["process"]["cwd"] = "/srv/place"
    config["mounts"] += [{"destination": "/mnt/file", "type": "bind", "source": WORK + "/plain", "options": ["bind", "ro"]},
                         {"destination": "/mnt/directory", "type": "tmpfs", "source": "t", "options": ["tmpcopyup"]}]
    config["linux"]["devices"] = [{"type": "c", "path": "/opt/device", "major": 1, "minor": 3, "fileMode": 0o666}]
    # A network of its own is most of the time that a container takes, and reads nothing of the image.
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
    config["linux"]["maskedPaths"] += ["/secret"]
    config["linux"]["readonlyPaths"] += ["/protected"]


def matrix(paths, *changes):
    """The program runs in a proper container, or there is an error of one line: never anything else."""
    with Container(change=both(touching, *changes)) as one:
        for name, kind in itertools.product(paths, _KINDS):
            rootfs = small_image()
            os.mkdir(rootfs + "/protected")
            with open(rootfs + "/secret", "w", encoding="utf-8") as secret:
                secret.write("secret\n")
            with Canary() as canary:
                mounted = put(rootfs, name, kind, canary.path)
                one.config["root"] = {"path": rootfs}
                one.write(json.dumps(one.config))
                try:
                    done = one.run(timeout=10)
                finally:
                    if mounted:
                        subprocess.run(["umount", mounted], check=True)
            seen = (name, kind, done.returncode, done.stdout, done.stderr)
            proper = done.returncode == 0 and done.stdout == "end\n"
            refused = done.returncode == 1 and done.stdout == "" and done.stderr.startswith("corten: ") and done.stderr.count("\n") == 1
            equal((seen, proper or refused), (seen, True))
            equal((seen, os.path.exists(f"{ROOT}/{one.id}")), (seen, False))
            shutil.rmtree(rootfs)


@case
def every_touched_path_as_every_kind_of_object():
    before = (host_mounts(), binary_hash())
    matrix(("proc", "sys", "dev", "mnt", "mnt/file", "mnt/directory", "opt", "opt/device", "srv", "srv/place", "secret", "protected",
            "etc", "etc/passwd"))
    equal((host_mounts(), binary_hash()), before)


@case
def every_path_of_dev_as_every_kind_of_object():
    before = (host_mounts(), binary_hash())
    matrix(("dev", "dev/null", "dev/zero", "dev/tty", "dev/ptmx", "dev/fd", "dev/stdin", "dev/core", "dev/pts", "dev/console"),
           no_mount("/dev"))
    equal((host_mounts(), binary_hash()), before)


# --- paths that change while the runtime uses them --------------------------------------------------------------------

_RENAME_EXCHANGE = 2
_AT_FDCWD = -100


class Swapper:
    """Another process exchanges two paths as fast as it can; swaps counts how often it has."""

    def __init__(self, one, other):
        self._paths = (os.fsencode(one), os.fsencode(other))
        self._shared = mmap.mmap(-1, 8)

    @property
    def swaps(self):
        return struct.unpack("Q", self._shared[:])[0]

    def __enter__(self):
        self._pid = os.fork()
        if self._pid == 0:
            try:
                renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
                for count in itertools.count(1):
                    if renameat2(_AT_FDCWD, self._paths[0], _AT_FDCWD, self._paths[1], _RENAME_EXCHANGE) != 0:
                        break
                    self._shared[:] = struct.pack("Q", count)
            finally:
                os._exit(1)
        while self.swaps == 0:
            equal(os.waitpid(self._pid, os.WNOHANG), (0, 0))
        return self

    def __exit__(self, *_):
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def race(name, *changes, iterations=20, program=_PROGRAM):
    """Runs while a directory of the image is exchanged with a link that leads out."""
    rootfs = small_image()
    path = f"{rootfs}/{name}"
    os.makedirs(path, exist_ok=True)
    with Canary() as canary:
        os.symlink(canary.path, path + ".link")
        raced, outcomes = 0, set()
        with Container("/bin/sh", "-c", program, change=both(root_of(rootfs), *changes)) as one, Swapper(path, path + ".link") as swapper:
            for _ in range(iterations):
                before = swapper.swaps
                done = one.run(timeout=10)
                raced += swapper.swaps > before
                outcomes.add((done.returncode, done.stdout, done.stderr))
        for seen in outcomes:
            code, text, errors = seen
            equal((seen, (code, text) == (0, "end\n") or (code == 1 and text == "" and errors.startswith("corten: "))), (seen, True))
        equal(raced > 0, True)
    shutil.rmtree(rootfs)


@case
def a_mount_point_s_parent_is_exchanged_for_a_link():
    race("volume", lambda c: c["mounts"].extend([{"destination": "/volume/made/here", "type": "tmpfs", "source": "t"},
                                                {"destination": "/volume/file", "type": "bind", "source": "/etc/hostname", "options": ["bind"]}]))


@case
def a_mount_point_in_a_shared_volume_is_exchanged_for_a_link():
    volume = one_directory()
    os.mkdir(volume + "/inside")
    with Canary() as canary:
        os.symlink(canary.path, volume + "/link")
        def change(config):
            config["mounts"] += [{"destination": "/volume", "type": "bind", "source": volume, "options": ["rbind", "rw"]},
                                 {"destination": "/volume/inside/made", "type": "tmpfs", "source": "t"}]
        raced = 0
        with Container("/bin/sh", "-c", _PROGRAM, change=both(root_of(small_image()), change)) as one, \
                Swapper(volume + "/inside", volume + "/link") as swapper:
            for _ in range(20):
                before = swapper.swaps
                done = one.run(timeout=10)
                raced += swapper.swaps > before
                equal((done.stdout, done.returncode), ("end\n", 0) if done.returncode == 0 else ("", 1))
        equal(raced > 0, True)


@case
def dev_is_exchanged_for_a_link():
    race("dev", no_mount("/dev"))


@case
def the_directory_of_a_device_is_exchanged_for_a_link():
    race("opt", lambda c: c["linux"].update(devices=[{"type": "c", "path": "/opt/device", "major": 1, "minor": 3}]))


@case
def the_working_directory_is_exchanged_for_a_link():
    race("srv", lambda c: c["process"].update(cwd="/srv/place/below"))


@case
def proc_is_exchanged_for_a_link():
    # Whoever shares the rootfs can rename what is mounted on. The program may miss its /proc, but it is masked under any name.
    hidden = """for p in /proc /proc.link; do
  grep -q Linux $p/version 2>/dev/null && echo unmasked
  (echo 1 > $p/sys/net/ipv4/ip_forward) 2>/dev/null && echo writable; done
echo end"""
    race("proc", lambda c: c["linux"].update(sysctl={"net.ipv4.ip_forward": "1"}, maskedPaths=["/proc/version"], readonlyPaths=["/proc/sys"]), program=hidden)


@case
def masked_and_readonly_paths_are_exchanged_for_links():
    race("hidden", lambda c: c["linux"].update(maskedPaths=["/hidden/masked", "/hidden"], readonlyPaths=["/hidden/readonly"]))


@case
def the_rootfs_is_exchanged_for_another():
    folder = one_directory()
    for name in ("one", "other"):
        os.rename(small_image(), f"{folder}/{name}")
        with open(f"{folder}/{name}/etc/mark", "w", encoding="utf-8") as mark:
            mark.write(name + "\n")
    with Container("/bin/sh", "-c", "cat /etc/mark; stat -c %i /", change=root_of(folder + "/one")) as one:
        inodes = {name: os.stat(f"{folder}/{name}").st_ino for name in ("one", "other")}
        raced = 0
        with Swapper(folder + "/one", folder + "/other") as swapper:
            for _ in range(30):
                before = swapper.swaps
                done = one.run(timeout=10)
                raced += swapper.swaps > before
                if done.returncode == 0:
                    mark, inode = done.stdout.split()
                    equal(inode, str(inodes[mark]))
                else:
                    contains(done.stderr, "was replaced while the container was being created")
        equal(raced > 0, True)


@case
def a_bind_source_is_the_object_that_was_opened():
    folder = one_directory()
    for name in ("wanted", "other"):
        os.mkdir(f"{folder}/{name}")
        with open(f"{folder}/{name}/mark", "w", encoding="utf-8") as mark:
            mark.write(name)
    handle = os.open(folder + "/wanted", os.O_PATH)
    try:
        os.rename(folder + "/wanted", folder + "/moved")
        os.symlink(folder + "/other", folder + "/wanted")
        source = f"/proc/{os.getpid()}/fd/{handle}"
        with Container("cat", "/tmp/mark", change=lambda c: c["mounts"].append({"destination": "/tmp", "type": "bind", "source": source, "options": ["bind"]})) as one:
            done = one.run()
            equal((done.stdout, done.stderr), ("wanted", ""))
    finally:
        os.close(handle)


# --- devices and terminals of the image -------------------------------------------------------------------------------


@case
def devices_are_made_inside_and_never_reused():
    for kind in ("absolute", "relative", "file", "null", "device"):
        with Canary() as canary:
            rootfs = small_image()
            put(rootfs, "opt/device", kind, canary.path + "/null")
            os.symlink(canary.path, rootfs + "/out")
            devices = [{"type": "c", "path": "/opt/device", "major": 1, "minor": 3}, {"type": "c", "path": "/out/device", "major": 1, "minor": 3}]
            with Container("stat", "-c", "%t:%T", "/opt/device", change=both(root_of(rootfs), lambda c: c["linux"].update(devices=devices))) as one:
                done = one.run()
                equal((kind, done.returncode, done.stdout), (kind, 0, "1:3\n") if kind == "null" else (kind, 1, ""))


def with_terminal(one, path):
    """Creates it with a console socket; the master's descriptor, or None and the error is in errors()."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        if one._create("--console-socket", path) != 0:
            return None
        connection, _ = listener.accept()
        with connection:
            return receive_descriptor(connection)


@case
def a_console_in_the_image_is_not_followed():
    for kind in ("absent", "file", "fifo", "absolute", "relative", "dangling", "loop", "magic", "directory"):
        with Canary() as canary:
            rootfs = small_image()
            os.mkdir(rootfs + "/dev/pts")
            put(rootfs, "dev/console", kind, canary.path + "/console")
            def change(config):
                config["mounts"] = [m for m in config["mounts"] if m["destination"] in ("/proc", "/dev/pts")]
                config["process"]["terminal"] = True
            with Container("sleep", "1000", change=both(root_of(rootfs), change)) as one:
                master = with_terminal(one, one.bundle + "/console.sock")
                equal((kind, master is not None), (kind, kind in ("absent", "file", "fifo")))
                if master is not None:
                    equal(one.ok("exec", after=["sh", "-c", "stat -c %t:%T /dev/console /dev/pts/0"]), "88:0\n88:0\n")
                    os.close(master)
                else:
                    contains(one.errors(), "/dev/console")


@case
def a_terminal_comes_from_a_devpts_only():
    for kind in ("absent", "file", "absolute", "fifo", "null", "host"):
        with Canary() as canary:
            rootfs, prepared = small_image(), one_directory()
            if kind == "host":
                os.symlink("/dev/ptmx", prepared + "/ptmx")
            else:
                put(prepared, "ptmx", kind, canary.path + "/ptmx")
            os.symlink(canary.path + "/null", prepared + "/0")
            def change(config):
                config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/dev/pts"]
                config["mounts"].append({"destination": "/dev/pts", "type": "bind", "source": prepared, "options": ["bind"]})
                config["process"]["terminal"] = True
            with Container("true", change=both(root_of(rootfs), change)) as one:
                equal((kind, with_terminal(one, one.bundle + "/console.sock")), (kind, None))
                contains(one.errors(), "ptmx")
                one.gone()


# --- masks ------------------------------------------------------------------------------------------------------------


@case
def masks_do_not_come_from_the_image_s_devices():
    for kind in ("gadget", "file", "device", "absolute"):
        with Canary() as canary:
            rootfs = small_image()
            if kind == "gadget":
                os.symlink("/proc/sys/kernel/core_pattern", rootfs + "/dev/null")
            else:
                put(rootfs, "dev/null", kind, canary.path + "/null")
            with open(rootfs + "/secret", "w", encoding="utf-8") as secret:
                secret.write("secret")
            def change(config):
                config["linux"]["maskedPaths"] = ["/secret", "/proc/sys/kernel/core_pattern"]
                # A bind-mounted /dev: nobody makes a proper null in it.
                config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]
                config["mounts"].append({"destination": "/dev", "type": "bind", "source": rootfs + "/dev", "options": ["rbind"]})
            with Container("sh", "-c", "for f in /secret /proc/sys/kernel/core_pattern; do stat -c %t:%T $f; cat $f; done", change=both(root_of(rootfs), change)) as one:
                done = one.run()
                equal((kind, done.returncode, done.stdout if done.returncode == 0 else "1:3\n1:3\n"), (kind, done.returncode, "1:3\n1:3\n"))


@case
def a_masked_path_that_is_a_link_masks_what_it_leads_to():
    rootfs = small_image()
    os.mkdir(rootfs + "/directory")
    for name in ("secret", "directory/file"):
        with open(f"{rootfs}/{name}", "w", encoding="utf-8") as secret:
            secret.write("secret")
    os.symlink("secret", rootfs + "/link")
    os.symlink("/directory", rootfs + "/way")
    with Container("sh", "-c", "cat /secret; ls /directory", change=both(root_of(rootfs), lambda c: c["linux"].update(maskedPaths=["/link", "/way"]))) as one:
        done = one.run()
        equal((done.returncode, done.stdout, done.stderr), (0, "", ""))


@case
def the_template_s_masks_hide_and_protect():
    script = """for p in $MASKED; do test -e $p || continue
  if test -d $p; then ls -A $p; else cat $p; fi
  (echo > $p/x) 2>/dev/null && echo "made $p/x"; done
for p in $PROTECTED; do test -e $p || continue
  grep -q " $p [a-z0-9]* ro," /proc/mounts || echo "writable $p"; done"""
    def change(config):
        config["process"]["env"] += ["MASKED=" + " ".join(config["linux"]["maskedPaths"]), "PROTECTED=" + " ".join(config["linux"]["readonlyPaths"])]
        for path in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware", "/proc/acpi", "/sys/devices/virtual/powercap",
                     "/proc/interrupts"):
            contains(config["linux"]["maskedPaths"], path)
    with Container(script=script, change=change) as one:
        done = one.run()
        equal((done.returncode, done.stdout), (0, ""))


@case
def readonly_paths_reach_the_mounts_below():
    def change(config):
        config["mounts"] += [{"destination": "/tmp", "type": "tmpfs", "source": "t", "options": ["nosuid"]},
                             {"destination": "/tmp/below", "type": "tmpfs", "source": "t", "options": ["nosuid", "nodev", "noexec"]}]
        config["linux"]["readonlyPaths"] = ["/tmp"]
    with Container(script="(echo > /tmp/x); (echo > /tmp/below/x); grep ' /tmp/below tmpfs ro,nosuid,nodev,noexec' /proc/mounts | wc -l", change=change) as one:
        done = one.run()
        equal((done.stdout, done.stderr.count("Read-only file system")), ("1\n", 2))


# --- /proc ------------------------------------------------------------------------------------------------------------


@case
def nothing_but_procfs_is_mounted_on_proc():
    for kind in ("tmpfs", "cgroup", "sysfs"):
        def change(config):
            config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/proc"]
            config["mounts"].insert(0, {"destination": "/proc", "type": kind, "source": kind})
        with Container("true", change=change) as one:
            one.fails("'/proc' can only be a mount of type proc")


@case
def links_into_proc_are_no_mount_points():
    rootfs = small_image()
    os.symlink("/proc/self/attr", rootfs + "/link")
    for mount in ({"type": "tmpfs", "source": "t"}, {"type": "bind", "source": WORK, "options": ["bind"]}, {"type": "cgroup", "source": "cgroup"}):
        with Container("true", change=both(root_of(rootfs), lambda c: c["mounts"].append({"destination": "/link", **mount}))) as one:
            one.fails("/link")
            contains(one.errors(), "nothing may be mounted there")


@case
def the_files_of_proc_that_engines_replace():
    path = one_directory() + "/file"
    with open(path, "w", encoding="utf-8") as file:
        file.write("replaced\n")
    names = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/uptime", "/proc/loadavg")
    with Container("cat", *names, change=lambda c: c["mounts"].extend({"destination": name, "type": "bind", "source": path, "options": ["bind"]} for name in names)) as one:
        equal(one.run().stdout, "replaced\n" * 5)


# --- files of the image that are read ---------------------------------------------------------------------------------


@case
def reading_the_image_s_users_takes_nothing_from_the_kernel():
    unread = lambda: ctypes.CDLL(None).klogctl(9, None, 0)
    with open("/dev/kmsg", "w", encoding="utf-8") as log:
        log.write("a line that must stay\n")
    if unread() <= 0:
        raise Skip("somebody reads the kernel's messages, or nobody may")
    rootfs = small_image()
    os.symlink("/proc/kmsg", rootfs + "/etc/passwd")
    def change(config):
        config["process"]["env"] = ["PATH=/bin"]
        config["linux"]["maskedPaths"] = []
    with Container("sh", "-c", "echo $HOME", change=both(root_of(rootfs), change)) as one:
        before = unread()
        done = one.run()
        equal((done.returncode, done.stdout, unread() >= before), (0, "/\n", True))


@case
def odd_users_of_the_image_neither_hang_nor_grow_the_runtime():
    for kind in ("socket", "absolute", "magic", "null", "loop", "closed"):
        with Canary() as canary:
            rootfs = small_image()
            put(rootfs, "etc/passwd", kind, canary.path + "/file")
            with Container("sh", "-c", "echo $HOME", change=both(root_of(rootfs), lambda c: c["process"].update(env=["PATH=/bin"]))) as one:
                begin = time.monotonic()
                done = one.run()
                equal((kind, done.returncode, done.stdout), (kind, 0, "/\n"))
                equal(time.monotonic() - begin < 5, True)


@case
def configuration_in_the_image_is_not_read():
    rootfs = small_image()
    def plain(config):
        config["process"]["args"] = ["sh", "-c", "grep CapBnd /proc/self/status; id -u"]
        config["process"]["user"] = {"uid": 1000, "gid": 1000}
    with Container(change=both(root_of(rootfs), plain)) as one:
        expected = one.run().stdout
    hostile = json.dumps({"ociVersion": "1.0.0", "process": {"user": {"uid": 0, "gid": 0}}, "hooks": {"createRuntime": [{"path": "/bin/false"}]}})
    for name in ("config.json", "runtime.json", "process.json", "etc/corten.json", ".nspawn", "annotations.json", "state.json"):
        with open(f"{rootfs}/{name}", "w", encoding="utf-8") as file:
            file.write(hostile)
    with Container(change=both(root_of(rootfs), plain)) as one:
        equal(one.run().stdout, expected)


@case
def a_copied_up_directory_holds_links_as_links():
    with Canary() as canary:
        rootfs = small_image()
        source = rootfs + "/data"
        os.mkdir(source, 0o751)
        os.chmod(source, 0o751)
        os.symlink(canary.path, source + "/out")
        os.symlink("../" * 16 + canary.path[1:] + "/file", source + "/relative")
        os.symlink("/proc/self/fd/3", source + "/magic")
        os.mkfifo(source + "/fifo")
        os.mknod(source + "/node", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        with open(source + "/setuid", "w", encoding="utf-8") as file:
            file.write("text")
        os.chown(source + "/setuid", 1000, 1000)
        os.chmod(source + "/setuid", 0o4755)
        os.link(source + "/setuid", source + "/hard")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(source + "/socket")
        script = "cd /data; stat -c '%n %F %a %u' . *; readlink out; cat setuid hard"
        with Container("sh", "-c", script, change=both(root_of(rootfs), lambda c: c["mounts"].append(
                {"destination": "/data", "type": "tmpfs", "source": "t", "options": ["tmpcopyup"]}))) as one:
            done = one.run()
            equal((done.returncode, done.stderr), (0, ""))
            lines = done.stdout.splitlines()
            equal(lines[:9], [". directory 751 0", "fifo fifo 644 0", "hard regular file 4755 1000", "magic symbolic link 777 0",
                              "node character special file 600 0", "out symbolic link 777 0", "relative symbolic link 777 0",
                              "setuid regular file 4755 1000", canary.path])
            lacks(done.stdout, "untouched")


@case
def a_tree_without_an_end_is_not_copied():
    rootfs = small_image()
    os.mkdir(rootfs + "/deep")
    subprocess.run(["python3", "-c", "import os\nfor _ in range(3000):\n os.mkdir('d'); os.chdir('d')"], cwd=rootfs + "/deep", check=True)
    with Container("true", change=both(root_of(rootfs), lambda c: c["mounts"].append(
            {"destination": "/deep", "type": "tmpfs", "source": "t", "options": ["tmpcopyup"]}))) as one:
        done = subprocess.run(["prlimit", "--nofile=20000:20000", *CALL, "run", "--bundle", one.bundle, one.id], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30, check=False)
        equal(done.returncode, 1)
        contains(done.stderr, "copying the content up")
    subprocess.run(["rm", "-rf", rootfs], check=True)


# --- what the image keeps ---------------------------------------------------------------------------------------------


def fingerprint(top):
    found = {}
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            content = open(path, "rb").read() if stat.S_ISREG(status.st_mode) and status.st_size < 65536 else os.readlink(path) if stat.S_ISLNK(status.st_mode) else None
            found[os.path.relpath(path, top)] = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, status.st_mtime_ns if not stat.S_ISDIR(status.st_mode) else 0, content)
    return found


@case
def only_mount_points_and_the_working_directory_are_added_to_the_image():
    rootfs = small_image()
    before = fingerprint(rootfs)
    with Container(change=both(root_of(rootfs), touching)) as one:
        equal(one.run().stdout, "end\n")
        one.ok("delete", "--force")
    after = fingerprint(rootfs)
    equal({name: value for name, value in after.items() if name in before}, before)
    # The configured device is no mount point: it was asked for by name.
    equal(sorted(set(after) - set(before)), ["mnt", "mnt/directory", "mnt/file", "opt", "opt/device", "srv", "srv/place"])


if __name__ == "__main__":
    run_cases()
