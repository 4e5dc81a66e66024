"""A virtual machine for tests: pure cgroup v2, systemd as the first process, every capability, AppArmor.

The disk is built once by build-image and kept below build/vm, named after a hash of its recipe. The booted machine
is saved beside it, so that a later start takes about two seconds. KVM is used where a trial boot shows that it
works, software emulation otherwise.
"""

import fcntl
import os
import secrets
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
CACHE = os.environ.get("CORTEN_VM_CACHE", os.path.join(TOP, "build", "vm"))
PROGRAMS = ("qemu-system-x86_64", "mmdebstrap", "mkfs.ext4", "cpio", "xz", "zstd")
MEMORY_MIB = 1536
CPUS = 2
DATA_BYTES = 3 << 30  # the size is a part of the saved machine
BOOT_SECONDS, TRIAL_SECONDS = 240, 30


class Unavailable(Exception):
    """The host lacks what a machine needs."""


def missing_programs():
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


def _hardware_virtualisation():
    """Whether the CPU has it; /dev/kvm alone may be there without."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    flags = next((line for line in open("/proc/cpuinfo") if line.startswith("flags")), "").split()
    return "vmx" in flags or "svm" in flags


KERNEL_OPTIONS = {"v2": "cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1",
                  "v1": "systemd.unified_cgroup_hierarchy=0 systemd.legacy_systemd_cgroup_controller=1"}


class Image:
    """The disk and the saved machine of this recipe, made when they are missing. cgroups: what the machine has, v2 or
    v1 alone."""

    def __init__(self, cgroups="v2", log=sys.stderr):
        self.cgroups = cgroups
        if missing_programs():
            raise Unavailable(f"not installed: {', '.join(missing_programs())}")
        if os.geteuid() != 0:
            raise Unavailable("root is needed to build the machine's disk")
        key = subprocess.run([os.path.join(HERE, "build-image"), "--key"], check=True, capture_output=True,
                             text=True).stdout.strip()
        os.makedirs(CACHE, exist_ok=True)
        self.path = os.path.join(CACHE, key)
        with open(os.path.join(CACHE, "lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # tests that start together build it once
            if not os.path.exists(self.state()):
                self._build(log)

    def _build(self, log):
        for name in os.listdir(CACHE):  # what an older recipe made
            if name != os.path.basename(self.path) and os.path.isdir(os.path.join(CACHE, name)):
                shutil.rmtree(os.path.join(CACHE, name))
        if not os.path.exists(os.path.join(self.path, "complete")):
            subprocess.run([os.path.join(HERE, "build-image"), self.path], check=True, stdout=log, stderr=log)
            open(os.path.join(self.path, "complete"), "w", encoding="utf-8").close()
        for accelerator in (["kvm"] if _hardware_virtualisation() else []) + ["tcg"]:
            print(f"booting with {accelerator}", file=log, flush=True)
            with open(os.path.join(self.path, "accelerator"), "w", encoding="utf-8") as file:
                file.write(accelerator)
            machine = Machine(self, _save=True)
            try:
                machine.boot(BOOT_SECONDS if accelerator == "tcg" else TRIAL_SECONDS)
                machine.save()
                print("saved the booted machine", file=log, flush=True)
                return
            except TimeoutError:
                print(f"the machine did not boot with {accelerator}", file=log, flush=True)
            finally:
                machine.stop()
        raise RuntimeError("the machine does not boot")

    def file(self, name):
        return os.path.join(self.path, name)

    def state(self):
        """The file with the booted machine, and beside it, its disk."""
        return self.file(f"{self.cgroups}.state")

    def disk(self):
        return self.file(f"{self.cgroups}.ext4")

    def emulator(self):
        newer = self.file("qemu/usr/bin/qemu-system-x86_64")
        return [newer, "-L", self.file("qemu/usr/share/qemu"), "-L", self.file("qemu/usr/share/seabios")] \
            if os.path.exists(newer) else ["qemu-system-x86_64"]


class Machine:
    """One running machine. Its disks are private copies: whatever is done inside is gone with it.

    data: a directory of the host whose copy is at /data inside.
    """

    def __init__(self, image=None, data=None, cpus=CPUS, _save=False):
        self.image = image or Image()
        self._saving = _save
        self._cpus = cpus
        self._directory = tempfile.mkdtemp(prefix="corten-vm-")
        self._process = self._port = self._monitor = None
        self._buffer = b""
        self._data = os.path.join(self._directory, "data")
        with open(self._data, "wb") as disk:
            disk.truncate(DATA_BYTES)
        if data:
            subprocess.run(["mkfs.ext4", "-q", "-F", "-m0", "-O", "^has_journal,^metadata_csum", "-E",
                            "lazy_itable_init=1,nodiscard", "-d", data, self._data], check=True,
                           env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"))
        self._has_data = data is not None

    def __enter__(self):
        self.boot(BOOT_SECONDS)
        return self

    def __exit__(self, *_):
        self.stop()

    # --- starting and stopping ---------------------------------------------------------------------------------

    def boot(self, seconds):
        """From the saved state, or really when it is to be saved."""
        ports = {name: os.path.join(self._directory, name) for name in ("commands", "monitor")}
        accelerator = open(self.image.file("accelerator"), encoding="utf-8").read()
        fast = accelerator == "kvm"
        disk = self.image.disk()
        if self._saving:
            subprocess.run(["cp", "--sparse=always", self.image.file("disk.ext4"), disk], check=True)
        command = [
            *self.image.emulator(), "-M", "q35,usb=off,smbus=off,sata=off,vmport=off", "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot", "-m", str(MEMORY_MIB), "-smp", str(self._cpus),
            "-accel", "kvm" if fast else "tcg,thread=multi,tb-size=512",
            "-cpu", "host" if fast else "Nehalem,+rdrand,+rdseed",
            "-kernel", self.image.file("kernel"), "-initrd", self.image.file("initrd"), "-append",
            "console=ttyS0 quiet loglevel=4 panic=-1 nokaslr mitigations=off nowatchdog no_timer_check tsc=reliable "
            "random.trust_cpu=1 audit=0 net.ifnames=0 " + KERNEL_OPTIONS[self.image.cgroups] + " "
            "rcupdate.rcu_expedited=1 selinux=0 apparmor=1 security=apparmor",
            "-serial", f"file:{self._directory}/console",
            "-drive", f"if=none,id=root,file={disk},format=raw,cache=unsafe,snapshot={'off' if self._saving else 'on'}",
            "-device", "virtio-blk-pci,drive=root",
            "-drive", f"if=none,id=data,file={self._data},format=raw,cache=unsafe",
            "-device", "virtio-blk-pci,drive=data", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=commands,path={ports['commands']},server=on,wait=off",
            "-device", "virtserialport,chardev=commands,name=commands",
            "-chardev", f"socket,id=monitor,path={ports['monitor']},server=on,wait=off",
            "-mon", "chardev=monitor,mode=readline"]
        if not self._saving:
            command += ["-incoming", f"exec:cat {self.image.state()}"]
        self._log = open(os.path.join(self._directory, "log"), "wb")
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + seconds
        self._port = self._connect(ports["commands"], deadline)
        self._monitor = self._connect(ports["monitor"], deadline)
        if self._saving:
            self._read_until(b"ready\n", deadline)
            return
        self.run(f"date -s @{time.time():.0f} >/dev/null; hwclock --systohc 2>/dev/null; "
                 + ("blockdev --flushbufs /dev/vdb; mount -t ext4 -o noatime /dev/vdb /data" if self._has_data else ":"),
                 seconds=seconds)

    def _connect(self, path, deadline):
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(path)
                return connection
            except OSError:
                connection.close()
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise TimeoutError(f"the emulator does not start: {self.console()}") from None
                time.sleep(0.02)  # a socket that does not exist yet can't be waited for

    def save(self):
        """The whole machine becomes a file, from which later ones start; this one ends."""
        target = self.image.state()
        self._monitor.sendall(b"migrate_set_parameter max-bandwidth 8G\nmigrate_set_parameter downtime-limit 5000\n" +
                              f'migrate "exec:cat > {target}.new"\nquit\n'.encode())
        if self._process.wait(120) != 0:
            raise RuntimeError(f"saving the machine failed: {self.console()}")
        os.rename(f"{target}.new", target)

    def stop(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._log.close()
        for connection in (self._port, self._monitor):
            if connection is not None:
                connection.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def console(self):
        """What the emulator and the kernel said last."""
        text = ""
        for name in ("log", "console"):
            try:
                text += open(os.path.join(self._directory, name), errors="replace").read()[-3000:]
            except OSError:
                pass
        return text

    # --- commands ------------------------------------------------------------------------------------------------

    def _receive(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._port], [], [], left)[0]:
            raise TimeoutError("the machine does not answer")
        chunk = self._port.recv(65536)
        if not chunk:
            raise RuntimeError(f"the machine ended: {self.console()}")
        return chunk

    def _read_until(self, text, deadline):
        while text not in self._buffer:
            self._buffer += self._receive(deadline)
        before, _, self._buffer = self._buffer.partition(text)
        return before

    def run(self, script, output=None, seconds=600):
        """Runs a shell script inside, as root. Its output goes to `output` (a binary file) as it comes, or is returned
        as text: (status, text)."""
        nonce = secrets.token_hex(16).encode()
        marker = b"\n" + nonce + b" "
        data = script.encode() + b"\n"
        self._port.sendall(nonce + b" %d\n" % len(data) + data)
        deadline = time.monotonic() + seconds
        collected = b""
        while marker not in self._buffer:
            self._buffer += self._receive(deadline)
            if output is not None and marker not in self._buffer and len(self._buffer) > len(marker):
                output.write(self._buffer[:-len(marker)])
                output.flush()
                self._buffer = self._buffer[-len(marker):]
        collected, _, self._buffer = self._buffer.partition(marker)
        status = int(self._read_until(b"\n", deadline))
        if output is None:
            return status, collected.decode(errors="replace")
        output.write(collected)
        output.flush()
        return status, ""
