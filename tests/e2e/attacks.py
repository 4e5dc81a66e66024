"""What the attacks on the binary share: images, a part of the host that must not change, hostile changes of a config."""

import hashlib
import os
import stat
import tempfile

from bundle import ROOTFS, RUNTIME, WORK, one_directory
from harness import equal, make_rootfs

CAP_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")


def image():
    return make_rootfs(tempfile.mkdtemp(dir=WORK))


def small_image():
    """A shell and nothing else: made in no time."""
    path = tempfile.mkdtemp(dir=WORK)
    os.chmod(path, 0o755)
    for name in ("bin", "dev", "etc", "proc", "sys", "tmp"):
        os.mkdir(f"{path}/{name}")
    os.link(ROOTFS + "/bin/busybox", path + "/bin/busybox")
    for name in ("sh", "cat", "stat", "readlink", "ls", "grep", "true", "sleep", "pwd", "id", "test", "mkdir"):
        os.symlink("busybox", f"{path}/bin/{name}")
    return path


class Canary:
    """A directory of the host; leaving the with-block checks that nothing in it changed."""

    def __enter__(self):
        self.path = one_directory()
        os.mkdir(self.path + "/dev")
        os.mkdir(self.path + "/dev/pts")
        for name in ("file", "ptmx", "null", "console", "dev/ptmx", "dev/null"):
            with open(f"{self.path}/{name}", "w", encoding="utf-8") as file:
                file.write("untouched")
            os.chmod(f"{self.path}/{name}", 0o640)
        self._before = self._fingerprint()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            equal(self._fingerprint(), self._before)

    def _fingerprint(self):
        found = []
        for folder, folders, files in os.walk(self.path):
            for name in sorted(folders + files):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                content = open(path, "rb").read() if stat.S_ISREG(status.st_mode) else b""
                found.append((path, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content))
        return sorted(found)


def root_of(rootfs, **more):
    """A change of the config: another rootfs, writable."""
    def change(config):
        config["root"] = {"path": rootfs}
        for key, value in more.items():
            config[key] = value
    return change


def no_mount(destination):
    return lambda config: config.update(mounts=[m for m in config["mounts"] if not m["destination"].startswith(destination)])


def both(*changes):
    return lambda config: [change(config) for change in changes] and None


def binary_hash():
    return hashlib.sha256(open(RUNTIME, "rb").read()).hexdigest()


def status_fields(text):
    return {line.split(":")[0]: line.split(":")[1].split() for line in text.splitlines() if ":" in line}


def host_mounts():
    return sorted(line.split(" ", 2)[2] for line in open("/proc/self/mountinfo", encoding="utf-8"))
