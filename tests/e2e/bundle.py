"""A container of the runtime under test, made of a bundle that is made for one case."""

import array
import functools
import glob
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "engines"))
import harness  # noqa: E402
from harness import RUNTIME, contains, equal, make_rootfs, require  # noqa: E402

WORK = tempfile.mkdtemp(prefix="corten-e2e-")
os.chmod(WORK, 0o711)
ROOT = os.path.join(WORK, "state")
TAG = os.path.basename(WORK)
ROOTFS = os.path.join(WORK, "rootfs")
# Global options of every call of the runtime: CORTEN_TEST_OPTIONS chooses another cgroup driver, for example.
GLOBAL = ["--root", ROOT, *os.environ.get("CORTEN_TEST_OPTIONS", "").split()]
CALL = [RUNTIME, *GLOBAL]
_number = 0


class Container:
    """A bundle with an id of its own; deleted, and checked for leftovers, at the end of the case."""

    def __init__(self, *args, script=None, change=None, runtime=RUNTIME):
        global _number
        _number += 1
        self.runtime = runtime
        self.id = f"{TAG}-{_number}"
        self.bundle = os.path.join(WORK, self.id)
        os.makedirs(self.bundle)
        config = template()
        config["root"] = {"path": ROOTFS, "readonly": True}
        config["process"]["terminal"] = False
        config["process"]["args"] = ["/bin/sh", "-c", script] if script is not None else list(args)
        if change is not None:
            change(config)
        self.config = config
        self.write(json.dumps(config))

    def write(self, text):
        mode = "wb" if isinstance(text, bytes) else "w"
        with open(os.path.join(self.bundle, "config.json"), mode) as file:
            file.write(text)

    def call(self, command, *options, after=(), timeout=30, **extra):
        stdin = {} if "input" in extra else {"stdin": subprocess.DEVNULL}
        return subprocess.run([self.runtime, *GLOBAL, command, *options, self.id, *after], **stdin, capture_output=True,
                              text=True, timeout=timeout, **extra)

    def ok(self, command, *options, after=(), **extra):
        done = self.call(command, *options, after=after, **extra)
        equal((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def _create(self, *options):
        # Its output goes to files: init keeps them open, and a pipe would not end.
        with open(os.path.join(self.bundle, "out"), "wb") as out, open(os.path.join(self.bundle, "err"), "wb") as err:
            code = subprocess.run([self.runtime, *GLOBAL, "create", "--bundle", self.bundle, *options, self.id],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=err, timeout=30).returncode
        return code

    def created(self, *options):
        code = self._create(*options)
        if code != 0:
            raise AssertionError(self.errors())
        return self

    def output(self):
        return open(os.path.join(self.bundle, "out")).read()

    def errors(self):
        return open(os.path.join(self.bundle, "err")).read()

    def run(self, *options, **extra):
        return self.call("run", "--bundle", self.bundle, *options, **extra)

    def state(self):
        return json.loads(self.ok("state"))

    def status(self):
        return self.state()["status"]

    def fails(self, expected, *options):
        """create fails with the text and leaves nothing behind."""
        pid_file = os.path.join(self.bundle, "pid")
        code = self._create("--pid-file", pid_file, *options)
        equal(code, 1)
        contains(self.errors(), expected)
        equal(self.errors().count("\n"), 1)
        equal(os.path.exists(pid_file), False)
        self.gone()

    def gone(self):
        equal(os.path.exists(os.path.join(ROOT, self.id)), False)
        equal(glob.glob(f"/sys/fs/cgroup/**/*{self.id}*", recursive=True), [])
        equal([line for line in open("/proc/self/mountinfo") if self.id in line], [])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ok("delete", "--force")
        self.gone()


def template():
    with tempfile.TemporaryDirectory() as directory:
        rootless = [] if os.geteuid() == 0 else ["--rootless"]
        subprocess.run([RUNTIME, "spec", *rootless, "--bundle", directory], check=True)
        return json.load(open(os.path.join(directory, "config.json")))


def receive_descriptor(connection):
    """The one descriptor of a message such as that of a console socket."""
    data, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_LEN(struct.calcsize("i")))
    equal(len(data) >= 1, True)
    descriptors = array.array("i")
    descriptors.frombytes(ancillary[0][2])
    return descriptors[0]


def read_terminal(master):
    """Everything until nobody has the other side open any more; the master is closed then."""
    text = b""
    try:
        while chunk := os.read(master, 4096):
            text += chunk
    except OSError:  # EIO says so
        pass
    os.close(master)
    return text


def one_directory():
    return tempfile.mkdtemp(dir=WORK)


# `FILE --only NAME` runs one case: each is a test of its own for ctest.
_only = sys.argv[2] if sys.argv[1:2] == ["--only"] else None


def case(function):
    """Registers a case; what is printed is its name."""
    if _only is None:
        harness.case(function)
    elif _only == function.__name__:
        harness.case(_skip_is_a_status(function))
    return function


def _skip_is_a_status(function):
    @functools.wraps(function)
    def run():
        try:
            function()
        except harness.Skip as reason:
            print(f"skip - {function.__name__} # {reason}", flush=True)
            sys.exit(harness.SKIPPED)
    return run


def run_cases(root=True):
    """The end of every file of cases. root: it is needed."""
    if _only is not None:
        del sys.argv[1:]
    require("busybox", root=root)
    make_rootfs(ROOTFS)
    try:
        harness.main()
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", WORK], check=False)
