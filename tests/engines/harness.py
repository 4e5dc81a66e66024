"""Runs named cases against a real container engine that uses corten.

The whole script runs in namespaces of its own (PID, mount, network, UTS, IPC, cgroup), with an empty /run
and below a cgroup of its own: no daemon can outlive it, and a person's own engines, containers, cgroups and
firewall are out of reach. Each case prints "ok - NAME", "not ok - NAME" or "skip - NAME # reason".

CORTEN_RUNTIME        the runtime under test (build/release/corten)
CORTEN_TEST_RECORD    directory that receives every command line of the runtime, its exit status, what it
                      logged and the bundle's config.json
"""

import ctypes
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import traceback

SKIPPED = 77
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUNTIME = os.environ.get("CORTEN_RUNTIME", os.path.join(TOP, "build", "release", "corten"))
SYS_ADMIN = 21
SECONDS = 540  # for one script; ctest's own limit is higher, so that this one can still clean up
_INSIDE = "CORTEN_ENGINE_TEST_INSIDE"
_CGROUPS = "/sys/fs/cgroup"
_PR_SET_PDEATHSIG = 1

_cases = []


class Skip(Exception):
    """The host lacks what the case needs."""


def case(function):
    """Registers a case; what is printed is its name."""
    _cases.append(function)
    return function


def require(*programs, root=True):
    """Ends the script when the host cannot run it."""
    for program in programs:
        if shutil.which(program) is None:
            print(f"skip - all cases # {program} is not installed")
            sys.exit(SKIPPED)
    if root and os.geteuid() != 0:
        print("skip - all cases # root is needed")
        sys.exit(SKIPPED)
    if not os.access(RUNTIME, os.X_OK):
        print(f"not ok - there is no runtime at {RUNTIME}")
        sys.exit(1)


# --- isolation ---------------------------------------------------------------------------------------------


def _read(path):
    with open(path, encoding="utf-8") as text:
        return text.read()


def _write(path, value):
    with open(path, "w", encoding="utf-8") as text:
        text.write(value)


class _Hierarchy:
    """One cgroup mount of the host."""

    def __init__(self, mountpoint, kind, options):
        self.mountpoint, self.kind = mountpoint, kind
        options = [option for option in options.split(",") if option not in ("rw", "ro", "xattr")]
        self.options = ",".join(["none"] * any(option.startswith("name=") for option in options) + options)

    @staticmethod
    def all():
        found = {}
        for line in _read("/proc/self/mountinfo").splitlines():
            fields = line.split()
            kind, _, options = fields[fields.index("-") + 1:][:3]
            if kind in ("cgroup", "cgroup2"):
                found[fields[4]] = _Hierarchy(fields[4], kind, options)
        return list(found.values())

    def create(self, name):
        path = os.path.join(self.mountpoint, name)
        if self.kind == "cgroup2":
            for controller in _read(os.path.join(self.mountpoint, "cgroup.controllers")).split():
                try:
                    _write(os.path.join(self.mountpoint, "cgroup.subtree_control"), f"+{controller}")
                except OSError:
                    pass  # not delegatable here: the test does without it
        os.mkdir(path)
        if self.kind == "cgroup2":
            os.mkdir(os.path.join(path, "main"))
        for setting in ("cpuset.cpus", "cpuset.mems"):  # v1: no process may enter while they are empty
            if self.kind == "cgroup" and os.path.exists(os.path.join(path, setting)):
                _write(os.path.join(path, setting), _read(os.path.join(self.mountpoint, setting)))

    def join(self, name):
        _write(os.path.join(self.mountpoint, name, "cgroup.procs"), "0")

    def remove(self, name):
        """True when it is gone. Its processes died with the PID namespace, but may still be on their way out."""
        top = os.path.join(self.mountpoint, name)
        for path, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                pass
        return not os.path.exists(top)


def isolate():
    """Re-executes the script in namespaces that die with it; returns inside."""
    if os.environ.get(_INSIDE):
        _prepare_inside()
        return
    # Not below $TMPDIR: Podman's sockets take 85 bytes of the 107 that a path may have, and it waits 20 seconds
    # for what conmon cannot bind.
    directory = tempfile.mkdtemp(prefix="corten-engine-", dir="/tmp")
    os.chmod(directory, 0o711)  # a remapped root has to walk through
    name = os.path.basename(directory)
    hierarchies = _Hierarchy.all()
    child = None

    def stop(number, _):
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        for hierarchy in hierarchies:
            hierarchy.create(name)
        child = _start_inside(directory, name, hierarchies)
        code = child.wait(SECONDS)
    except subprocess.TimeoutExpired:
        print(f"not ok - the whole script took more than {SECONDS} s", flush=True)
        code = 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if child is not None:
            child.kill()  # unshare takes the PID namespace's init with it, and that every process inside
            child.wait()
        left = _remove_all(name, hierarchies)
        subprocess.run(["rm", "-rf", "--one-file-system", directory], check=False)
    if left:
        print(f"not ok - cgroups are removed\n#   left: {left}", flush=True)
        code = 1
    sys.exit(code)


def _start_inside(directory, name, hierarchies):
    def before_exec():
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for hierarchy in hierarchies:
            hierarchy.join(name)

    # The cgroup namespace is made first: its root is the cgroup that the caller is in. On v2 nobody may stay
    # in that root, or no controller could be handed to the engine's containers.
    leaves = [f"{hierarchy.mountpoint}/{name}/main/cgroup.procs" for hierarchy in hierarchies
              if hierarchy.kind == "cgroup2"]
    script = "n=$1; shift; while [ $n -gt 0 ]; do echo 0 >$1; shift; n=$((n - 1)); done; exec \"$@\""
    return subprocess.Popen(
        ["unshare", "--cgroup", "sh", "-c", script, "sh", str(len(leaves)), *leaves,
         "unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child",
         "--propagation", "private", sys.executable, os.path.abspath(sys.argv[0]), *sys.argv[1:]],
        env=dict(os.environ, **{_INSIDE: directory}), preexec_fn=before_exec)


def _remove_all(name, hierarchies):
    deadline = time.monotonic() + 10
    while True:
        left = [hierarchy.mountpoint for hierarchy in hierarchies if not hierarchy.remove(name)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _prepare_inside():
    hierarchies = _Hierarchy.all()
    links = {entry.name: os.readlink(entry.path) for entry in os.scandir(_CGROUPS) if entry.is_symlink()}
    run("umount", "--recursive", _CGROUPS)
    if hierarchies[0].mountpoint != _CGROUPS:
        run("mount", "-t", "tmpfs", "-o", "mode=755", "cgroup", _CGROUPS)
    for hierarchy in hierarchies:
        os.makedirs(hierarchy.mountpoint, exist_ok=True)
        options = ["-o", hierarchy.options] if hierarchy.kind == "cgroup" else []
        run("mount", "-t", hierarchy.kind, *options, "cgroup", hierarchy.mountpoint)
        if hierarchy.kind == "cgroup2":
            for controller in _read(f"{hierarchy.mountpoint}/cgroup.controllers").split():
                _write(f"{hierarchy.mountpoint}/cgroup.subtree_control", f"+{controller}")
    for link, target in links.items():
        os.symlink(target, os.path.join(_CGROUPS, link))
    run("mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run")
    run("mount", "-t", "tmpfs", "-o", "mode=1777", "shm", "/dev/shm")  # Podman's locks are there, one set for the host
    run("ip", "link", "set", "lo", "up")


def work():
    """The script's own directory; its short path leaves room for sockets."""
    return os.environ[_INSIDE]


def runtime():
    """The runtime as engines are told to call it."""
    record = os.environ.get("CORTEN_TEST_RECORD")
    if not record:
        return RUNTIME
    os.makedirs(record, exist_ok=True)
    wrapper = os.path.join(work(), "record", os.path.basename(RUNTIME))
    if not os.path.exists(wrapper):
        os.makedirs(os.path.dirname(wrapper))
        # Standard error is left alone: a container may hold it for as long as it lives.
        _write(wrapper, f"""#!/bin/sh
out={record}/$(date +%s.%N).$$
printf '%s ' {RUNTIME} "$@" >"$out"
log= bundle= previous=
for argument; do
  case $previous in --log) log=$argument ;; --bundle | -b) bundle=$argument ;; esac
  previous=$argument
done
[ ! -e "$bundle/config.json" ] || cp "$bundle/config.json" "$out.config.json"
{RUNTIME} "$@"
status=$?
{{ echo; echo "status $status"; [ ! -e "$log" ] || cat "$log"; }} >>"$out"
exit $status
""")
        os.chmod(wrapper, 0o755)
    return wrapper


# --- what cases are made of ---------------------------------------------------------------------------------


def run(*command, timeout=60, check=True, stdin=None, env=None):
    """stdout as text, or the finished process with check=False. A failure carries both outputs."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL if stdin is None else None, input=stdin,
                          capture_output=True, text=True, timeout=timeout, env=env)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout if check else done


def equal(seen, expected):
    if seen != expected:
        raise AssertionError(f"expected {expected!r}, saw {seen!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"expected {part!r} in {text!r}")


def lacks(text, part):
    if part in text:
        raise AssertionError(f"{part!r} must not be in {text!r}")


def wait_until(what, condition, seconds=30):
    """Engines report through their own state, which has to be asked for."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.05)


class Terminal:
    """A program on a pseudo terminal of this script."""

    def __init__(self, *command, rows=24, columns=80, env=None):
        self.text = ""
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, env or os.environ)
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, line):
        os.write(self._master, line.encode() + b"\n")

    def _read(self, seconds):
        """False at the end of the output."""
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            chunk = os.read(self._master, 4096)
        except OSError:  # EIO: nobody has the terminal open any more
            return False
        self.text += chunk.decode(errors="replace")
        return bool(chunk)

    def expect(self, pattern, seconds=30):
        """Waits for output that matches; what was matched is not looked at again."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            if time.monotonic() > deadline or not self._read(1):
                raise AssertionError(f"no {pattern!r} on the terminal: {self.text!r}")

    def finish(self, seconds=30):
        """The exit status; the rest of the output is in text."""
        deadline = time.monotonic() + seconds
        while self._read(1):
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
        os.close(self._master)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def cgroup_file(pid, controller, v1, v2):
    """A control file of the cgroup that a process is in: v1's file of the controller, or v2's."""
    for line in _read(f"/proc/{pid}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return _read(f"{_CGROUPS}/{controllers}{path}/{v1}").strip()
        if not controllers:
            unified = path
    return _read(f"{_CGROUPS}{unified}/{v2}").strip()


def has_capability(status, number):
    """Whether a /proc/PID/status shows a capability as effective."""
    return bool(int(re.search(r"CapEff:\s*([0-9a-f]+)", status)[1], 16) & 1 << number)


def no_mkdir_profile():
    """The path of a seccomp profile that forbids to make directories."""
    path = os.path.join(work(), "seccomp.json")
    _write(path, """{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 74}]}""")  # EBADMSG
    return path


def make_rootfs(path):
    """busybox with all of its commands."""
    for name in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"):
        os.makedirs(os.path.join(path, name), exist_ok=True)
    os.chmod(os.path.join(path, "tmp"), 0o1777)
    shutil.copy("/bin/busybox", os.path.join(path, "bin", "busybox"))
    for applet in run("/bin/busybox", "--list").split():
        link = os.path.join(path, "bin", applet)
        if not os.path.lexists(link):
            os.symlink("busybox", link)
    _write(os.path.join(path, "etc", "passwd"), "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n")
    _write(os.path.join(path, "etc", "group"), "root:x:0:\nuser:x:1000:\n")
    return path


def make_oci_archive(name, path, command=None):
    """A busybox image as an OCI archive, for engines that do not import plain file trees; command: its default."""
    layout, unpacked = os.path.join(work(), name), os.path.join(work(), f"{name}-unpacked")
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:1")
    run("umoci", "unpack", "--image", f"{layout}:1", unpacked)
    make_rootfs(os.path.join(unpacked, "rootfs"))
    run("umoci", "repack", "--image", f"{layout}:1", unpacked)
    if command:
        run("umoci", "config", "--image", f"{layout}:1", *[f"--config.cmd={word}" for word in command])
    run("tar", "-C", layout, "-cf", path, ".")
    return path


def daemon(command, log):
    """Started here, killed with the PID namespace."""
    with open(log, "wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


def main():
    """Runs every case, or those whose name contains the argument."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    failed = 0
    for function in _cases:
        name = function.__name__
        if wanted not in name:
            continue
        try:
            function()
            print(f"ok - {name}", flush=True)
        except Skip as reason:
            print(f"skip - {name} # {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok - {name}", flush=True)
            for line in traceback.format_exc().splitlines()[-12:]:
                print(f"#   {line}", flush=True)
    sys.exit(1 if failed else 0)
