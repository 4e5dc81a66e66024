#!/usr/bin/env python3
"""containerd's CRI plugin with corten as a runtime handler, called as Kubernetes' node agent calls it."""

import base64
import json
import os
import socket
import sys
import urllib.parse

from harness import (SYS_ADMIN, Skip, case, cgroup_file, contains, daemon, equal, has_capability, isolate, main,
                     make_oci_archive, require, run, runtime, wait_until, work)

IMAGE = "docker.io/library/bb:1"
PAUSE = "docker.io/library/pause:1"
CNI_PLUGINS = "/usr/lib/cni"
STDOUT, ERROR = 1, 3  # channels of a stream

try:
    import grpc
except ImportError:
    grpc = None


class Cri:
    """Calls by name: cri.RunPodSandbox(config=..., runtime_handler=...) returns the response message."""

    def __init__(self, address, messages):
        self._channel = grpc.insecure_channel(f"unix://{address}")
        self.messages = messages

    def __getattr__(self, call):
        request = getattr(self.messages, f"{call}Request")
        response = getattr(self.messages, f"{call}Response")
        method = self._channel.unary_unary(f"/runtime.v1.RuntimeService/{call}", request.SerializeToString,
                                           response.FromString)
        return lambda **fields: method(request(**fields), timeout=60)


class Stream:
    """The channels of an exec or attach: WebSocket (RFC 6455) with the subprotocol v4.channel.k8s.io."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
                             f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n".encode())
        self._input = self._socket.makefile("rb")
        status = self._input.readline()
        contains(status, b"101")
        while self._input.readline().strip():
            pass

    def send(self, data):
        payload = b"\0" + data.encode()  # channel 0 is the standard input
        mask = os.urandom(4)
        assert len(payload) < 126
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._socket.sendall(bytes([0x82, 0x80 | len(payload)]) + mask + masked)

    def frames(self):
        """(channel, bytes) until the other side closes."""
        while True:
            head = self._input.read(2)
            if len(head) < 2 or head[0] & 0xf == 8:
                return
            length = head[1] & 0x7f
            if length >= 126:
                length = int.from_bytes(self._input.read(2 if length == 126 else 8), "big")
            payload = self._input.read(length)
            if payload:
                yield payload[0], payload[1:]

    def read_until(self, part):
        seen = b""
        for channel, data in self.frames():
            if channel == STDOUT:
                seen += data
                if part in seen:
                    return seen
        raise AssertionError(f"no {part!r} in the stream: {seen!r}")

    def close(self):
        self._socket.close()


_cri = []


def cri():
    return _cri[0]


def start_containerd():
    config = os.path.join(work(), "config.toml")
    with open(config, "w", encoding="utf-8") as text:
        text.write(f"""version = 2
root = "{work()}/root"
state = "{work()}/state"
[grpc]
address = "{work()}/containerd.sock"
[ttrpc]
address = "{work()}/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
stream_server_address = "127.0.0.1"
stream_server_port = "0"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{work()}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "corten"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.corten]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.corten.options]
BinaryName = "{runtime()}"
""")
    os.makedirs(f"{work()}/cni")
    with open(f"{work()}/cni/10-test.conflist", "w", encoding="utf-8") as text:
        json.dump({"cniVersion": "0.4.0", "name": "test", "plugins": [
            {"type": "bridge", "bridge": "cri0", "isGateway": True, "ipMasq": False,
             "ipam": {"type": "host-local", "subnet": "10.213.0.0/24", "dataDir": f"{work()}/ipam",
                      "routes": [{"dst": "0.0.0.0/0"}]}}]}, text)
    daemon(["containerd", "-c", config], os.path.join(work(), "containerd.log"))
    ctr = ["ctr", "-a", f"{work()}/containerd.sock", "-n", "k8s.io"]
    wait_until("containerd answers", lambda: run(*ctr, "version", check=False).returncode == 0)
    run(*ctr, "image", "import", "--base-name", "docker.io/library/bb", make_oci_archive("bb", f"{work()}/bb.tar"))
    pause = make_oci_archive("pause", f"{work()}/pause.tar", command=["sleep", "100000"])
    run(*ctr, "image", "import", "--base-name", "docker.io/library/pause", pause)

    generated = os.path.join(work(), "generated")
    os.makedirs(generated)
    here = os.path.dirname(os.path.abspath(__file__))
    run("protoc", f"--proto_path={here}", f"--python_out={generated}", "cri.proto")
    sys.path.insert(0, generated)
    import cri_pb2  # pylint: disable=import-outside-toplevel,import-error
    _cri.append(Cri(f"{work()}/containerd.sock", cri_pb2))
    # The plugin starts after the socket is there.
    wait_until("the CRI plugin answers", lambda: answers())


def answers():
    try:
        return cri().Version().runtime_name == "containerd"
    except grpc.RpcError:
        return False


class Pod:
    """A pod on the host's network, unless told otherwise, that is gone at the end of the block."""

    def __init__(self, name, network="NODE", pid="CONTAINER", **linux):
        logs = os.path.join(work(), "logs", name)
        os.makedirs(logs, exist_ok=True)
        self.namespaces = {"network": network, "pid": pid}
        security = {"namespace_options": self.namespaces, **linux.pop("security", {})}
        self.config = {"metadata": {"name": name, "uid": name, "namespace": "test"}, "log_directory": logs,
                       "hostname": "" if network == "NODE" else name,
                       "linux": {"cgroup_parent": f"/pods/{name}", "security_context": security, **linux}}
        self.id = None

    def __enter__(self):
        self.id = cri().RunPodSandbox(config=self.config, runtime_handler="corten").pod_sandbox_id
        return self

    def __exit__(self, *_):
        cri().StopPodSandbox(pod_sandbox_id=self.id)
        cri().RemovePodSandbox(pod_sandbox_id=self.id)

    def create(self, name, *command, security=None, resources=None, **fields):
        security = {"namespace_options": self.namespaces, **(security or {})}
        config = {"metadata": {"name": name}, "image": {"image": IMAGE}, "command": command, "log_path": f"{name}.log",
                  "linux": {"security_context": security, "resources": resources or {}}, **fields}
        return cri().CreateContainer(pod_sandbox_id=self.id, config=config, sandbox_config=self.config).container_id

    def start(self, name, *command, **fields):
        container = self.create(name, *command, **fields)
        cri().StartContainer(container_id=container)
        return container

    def output(self, name, *command, **fields):
        """What a container that ends by itself wrote, as the log file of the interface has it."""
        container = self.start(name, *command, **fields)
        wait_until("it has ended", lambda: status(container).state == cri().messages.CONTAINER_EXITED)
        return self.logged(name)

    def logged(self, name, streams=("stdout", "stderr")):
        """The text of its log. containerd writes each stream by itself: their lines may change places."""
        with open(os.path.join(self.config["log_directory"], f"{name}.log"), encoding="utf-8") as log:
            lines = [line.split(" ", 3) for line in log]  # time, stream, tag, text
        return "".join(text for _, stream, _, text in lines if stream in streams)


def status(container):
    return cri().ContainerStatus(container_id=container).status


def pid_of(container):
    return json.loads(cri().ContainerStatus(container_id=container, verbose=True).info["info"])["pid"]


def exec_sync(container, *command, timeout=20):
    return cri().ExecSync(container_id=container, cmd=command, timeout=timeout)


def exec_text(container, *command):
    done = exec_sync(container, *command)
    equal((done.stderr, done.exit_code), (b"", 0))
    return done.stdout.decode().strip()


@case
def pod_with_two_containers():
    with Pod("two") as pod:
        sandbox = cri().PodSandboxStatus(pod_sandbox_id=pod.id).status
        equal((sandbox.state, sandbox.runtime_handler), (cri().messages.SANDBOX_READY, "corten"))
        first, second = pod.start("first", "sleep", "1000"), pod.start("second", "sleep", "1000")
        equal(status(first).state, cri().messages.CONTAINER_RUNNING)
        for namespace, same in (("ipc", True), ("uts", True), ("net", True), ("pid", False), ("mnt", False)):
            links = [exec_text(container, "readlink", f"/proc/self/ns/{namespace}") for container in (first, second)]
            equal(links[0] == links[1], same)
        contains(cgroup_file(pid_of(first), "memory", "cgroup.procs", "cgroup.procs"), str(pid_of(first)))


@case
def unknown_handler_is_refused():
    try:
        cri().RunPodSandbox(config=Pod("unknown").config, runtime_handler="no-such-handler")
    except grpc.RpcError as error:
        contains(error.details(), "no runtime for \"no-such-handler\" is configured")
    else:
        raise AssertionError("a pod with an unknown handler was started")


@case
def missing_program_is_an_error_with_its_reason():
    with Pod("missing") as pod:
        container = pod.create("main", "no-such-program")
        try:
            cri().StartContainer(container_id=container)
        except grpc.RpcError as error:
            contains(error.details(), "executable file not found in $PATH")
        else:
            raise AssertionError("a missing program was started")
        equal(status(container).state, cri().messages.CONTAINER_EXITED)


@case
def exec_sync_returns_output_and_status():
    with Pod("exec") as pod:
        container = pod.start("main", "sleep", "1000", envs=[{"key": "A", "value": "b"}], working_dir="/tmp")
        equal(exec_text(container, "sh", "-c", "echo $A $(pwd)"), "b /tmp")
        done = exec_sync(container, "sh", "-c", "echo out; echo err >&2; exit 9")
        equal((done.stdout, done.stderr, done.exit_code), (b"out\n", b"err\n", 9))
        try:
            exec_sync(container, "sleep", "1000", timeout=1)
        except grpc.RpcError as error:
            equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        else:
            raise AssertionError("the time limit did not end the command")
        try:
            exec_sync(container, "no-such-program")
        except grpc.RpcError as error:
            contains(error.details(), "executable file not found in $PATH")
        else:
            raise AssertionError("a missing program was executed")


@case
def exec_on_a_terminal_over_a_stream():
    with Pod("stream") as pod:
        container = pod.start("main", "sleep", "1000")
        stream = Stream(cri().Exec(container_id=container, cmd=["sh"], tty=True, stdin=True, stdout=True).url)
        stream.send("tty; echo done-$((1))\n")
        contains(stream.read_until(b"done-1"), b"/dev/pts/")
        stream.send("exit 5\n")
        errors = [json.loads(data) for channel, data in stream.frames() if channel == ERROR]
        equal(errors[0]["details"]["causes"], [{"reason": "ExitCode", "message": "5"}])
        stream.close()


@case
def attach_to_the_program():
    with Pod("attach") as pod:
        container = pod.start("main", "cat", stdin=True)
        stream = Stream(cri().Attach(container_id=container, stdin=True, stdout=True).url)
        stream.send("echoed\n")
        stream.read_until(b"echoed\n")
        stream.close()
        equal(status(container).state, cri().messages.CONTAINER_RUNNING)


@case
def log_file_has_both_streams():
    with Pod("log") as pod:
        pod.output("main", "sh", "-c", "echo one; echo two >&2; echo three")
        equal((pod.logged("main", ["stdout"]), pod.logged("main", ["stderr"])), ("one\nthree\n", "two\n"))


@case
def stop_asks_first_and_forces_then():
    with Pod("stop") as pod:
        container = pod.start("polite", "sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done")
        log = os.path.join(pod.config["log_directory"], "polite.log")
        wait_until("the handler is set", lambda: "ready" in run("cat", log))
        cri().StopContainer(container_id=container, timeout=20)
        equal((status(container).state, status(container).exit_code), (cri().messages.CONTAINER_EXITED, 3))
        stubborn = pod.start("stubborn", "sleep", "1000")  # the first process of a PID namespace has no default TERM
        cri().StopContainer(container_id=stubborn, timeout=1)
        equal(status(stubborn).exit_code, 137)
        cri().RemoveContainer(container_id=container)


@case
def limits_and_update():
    with Pod("limits") as pod:
        container = pod.start("main", "sleep", "1000",
                              resources={"memory_limit_in_bytes": 64 << 20, "cpu_period": 100000, "cpu_quota": 50000})
        pid = pid_of(container)
        equal(cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max"), str(64 << 20))
        equal(cgroup_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0], "50000")
        cri().UpdateContainerResources(container_id=container, linux={"memory_limit_in_bytes": 96 << 20, "cpu_quota": 25000,
                                                                      "cpu_period": 100000})
        equal(cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max"), str(96 << 20))
        equal(cgroup_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0], "25000")


@case
def statistics():
    with Pod("stats") as pod:
        container = pod.start("main", "sh", "-c", "while :; do :; done")
        wait_until("it used the CPU and memory", lambda: used(container))


def used(container):
    stats = cri().ContainerStats(container_id=container).stats
    return stats.cpu.usage_core_nano_seconds.value > 0 and stats.memory.working_set_bytes.value > 0


@case
def memory_limit_kills_and_is_reported():
    with Pod("oom") as pod:
        container = pod.start("main", "sh", "-c", "dd if=/dev/zero of=/dev/null bs=100M count=1",
                              resources={"memory_limit_in_bytes": 32 << 20})
        wait_until("it has ended", lambda: status(container).state == cri().messages.CONTAINER_EXITED)
        equal(status(container).exit_code, 137)
        wait_until("the reason is known", lambda: status(container).reason == "OOMKilled")


@case
def shared_pid_namespace():
    with Pod("pids", pid="POD") as pod:
        first, second = pod.start("first", "sleep", "2001"), pod.start("second", "sleep", "2002")
        for container in (first, second):
            listing = exec_text(container, "ps", "-o", "args")
            for program in ("sleep 100000", "sleep 2001", "sleep 2002"):
                contains(listing, program)


@case
def target_pid_namespace():
    with Pod("target") as pod:
        first = pod.start("first", "sleep", "2003")
        debug = pod.start("debug", "sleep", "2004", security={
            "namespace_options": {"network": "NODE", "pid": "TARGET", "target_id": first}})
        contains(exec_text(debug, "ps", "-o", "args"), "sleep 2003")


@case
def security_context():
    with Pod("security") as pod:
        text = pod.output("drop", "cat", "/proc/self/status", security={
            "capabilities": {"drop_capabilities": ["ALL"]}, "no_new_privs": True, "seccomp": {"profile_type": "RuntimeDefault"}})
        contains(text, "CapBnd:\t0000000000000000")
        contains(text, "NoNewPrivs:\t1")
        contains(text, "Seccomp:\t2")
        text = pod.output("user", "sh", "-c", "echo $(id -u) $(id -g) $(id -G)", security={
            "run_as_user": {"value": 1000}, "run_as_group": {"value": 1000}, "supplemental_groups": [7]})
        equal(text.split()[:2], ["1000", "1000"])
        contains(text.split(), "7")
        text = pod.output("readonly", "sh", "-c", "touch /x 2>&1; cat /proc/keys | wc -c", security={
            "readonly_rootfs": True, "masked_paths": ["/proc/keys"]})
        contains(text, "Read-only file system")
        equal(text.split()[-1], "0")


@case
def privileged():
    with Pod("privileged", security={"privileged": True}) as pod:
        text = pod.output("main", "sh", "-c", "cat /proc/self/status; ls /dev", security={"privileged": True})
        equal(has_capability(text, SYS_ADMIN), True)
        contains(text, "kmsg")


@case
def volumes():
    shared = os.path.join(work(), "volume")
    os.makedirs(shared)
    with Pod("volumes") as pod:
        pod.output("rw", "touch", "/data/x", mounts=[{"container_path": "/data", "host_path": shared}])
        equal(os.listdir(shared), ["x"])
        text = pod.output("ro", "touch", "/data/y", mounts=[{"container_path": "/data", "host_path": shared, "readonly": True}])
        contains(text, "Read-only file system")


@case
def pod_network():
    for plugin in ("bridge", "host-local", "loopback"):
        if not os.access(os.path.join(CNI_PLUGINS, plugin), os.X_OK):
            raise Skip("the CNI plugins are not installed (package containernetworking-plugins)")
    sysctls = {"net.ipv4.ip_unprivileged_port_start": "80"}
    with Pod("net1", network="POD", sysctls=sysctls) as first, Pod("net2", network="POD") as second:
        address = cri().PodSandboxStatus(pod_sandbox_id=first.id).status.network.ip
        contains(address, "10.213.0.")
        contains(second.output("ping", "ping", "-c", "1", "-W", "5", address), "1 packets received")
        contains(first.output("name", "hostname"), "net1")
        equal(first.output("sysctl", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start").strip(), "80")


@case
def nothing_is_left_of_removed_pods():
    equal(list(cri().ListContainers().containers), [])
    equal(list(cri().ListPodSandbox().items), [])
    left = [path for path, _, _ in os.walk("/sys/fs/cgroup") if "/pods/" in path and len(os.path.basename(path)) == 64]
    equal(left, [])


if __name__ == "__main__":
    if grpc is None and sys.executable != "/usr/bin/python3" and os.access("/usr/bin/python3", os.X_OK):
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])  # Debian's packages belong to Debian's interpreter
    require("containerd", "ctr", "umoci", "protoc", "busybox", "ip", "unshare")
    if grpc is None:
        print("skip - all cases # python3-grpcio is not installed")
        sys.exit(77)
    isolate()
    start_containerd()
    main()
