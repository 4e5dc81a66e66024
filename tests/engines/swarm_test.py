#!/usr/bin/env python3
"""Docker Swarm: three nodes on this host, each a dockerd in a network namespace of its own, joined by a bridge.
corten is the only runtime."""

import concurrent.futures
import json
import os
import signal

from harness import (case, contains, daemon, equal, isolate, main, make_rootfs, require, run, runtime, wait_until, work)

NODES = ("node1", "node2", "node3")
_daemons = {}


def docker(node, *arguments, **options):
    return run("docker", "-H", f"unix://{work()}/{node}.sock", *arguments, **options)


def address(node):
    return f"10.214.0.{NODES.index(node) + 1}"


def make_network():
    run("ip", "link", "add", "nodes", "type", "bridge")
    run("ip", "link", "set", "nodes", "up")
    for node in NODES:
        run("ip", "netns", "add", node)
        run("ip", "link", "add", node, "type", "veth", "peer", "name", "eth0", "netns", node)
        run("ip", "link", "set", node, "master", "nodes", "up")
        run("ip", "-n", node, "link", "set", "lo", "up")
        run("ip", "-n", node, "address", "add", f"{address(node)}/24", "dev", "eth0")
        run("ip", "-n", node, "link", "set", "eth0", "up")
        run("ip", "-n", node, "route", "add", "default", "dev", "eth0")


def start_node(node):
    # `ip netns exec` would mount a new /sys without the cgroups. A node asks the registry about each image that
    # it starts: a name server that is not there answers that at once.
    data = os.path.join(work(), node)
    names = f"{data}.resolv.conf"
    with open(names, "w", encoding="utf-8") as text:
        text.write("nameserver 127.0.0.1\n")
    script = (f"hostname {node} && mount -t tmpfs docker /run/docker && "
              f"{{ [ ! -e /etc/resolv.conf ] || mount --bind {names} /etc/resolv.conf; }} && exec \"$@\"")
    os.makedirs("/run/docker", exist_ok=True)
    process = daemon(["nsenter", f"--net=/run/netns/{node}", "unshare", "--mount", "--uts", "--propagation", "private",
                      "sh", "-c", script, "sh",
                      "dockerd", "--data-root", data, "--exec-root", f"{data}-exec", "-H", f"unix://{work()}/{node}.sock",
                      "-p", f"{data}.pid", "--exec-opt", "native.cgroupdriver=cgroupfs", "--add-runtime",
                      f"corten={runtime()}", "--default-runtime", "corten"], f"{data}.log")
    _daemons[node] = process

    def ready():
        if process.poll() is not None:
            with open(f"{data}.log", encoding="utf-8", errors="replace") as log:
                raise AssertionError(f"dockerd ended: {log.read()[-3000:]}")
        return docker(node, "version", check=False).returncode == 0
    wait_until(f"dockerd of {node} answers", ready, 60)


def start_nodes():
    archives = []
    for version in ("1", "2"):
        rootfs = make_rootfs(os.path.join(work(), f"rootfs{version}"))
        os.makedirs(os.path.join(rootfs, "www"))
        with open(os.path.join(rootfs, "www", "index.html"), "w", encoding="utf-8") as page:
            page.write(f"version {version}\n")
        archives.append((f"web:{version}", os.path.join(work(), f"web{version}.tar")))
        run("tar", "-C", rootfs, "-cf", archives[-1][1], ".")

    def start(node):
        start_node(node)
        for name, archive in archives:
            docker(node, "import", archive, name)
    with concurrent.futures.ThreadPoolExecutor(len(NODES)) as pool:
        list(pool.map(start, NODES))


def tasks(service):
    """(node, image) of every task that runs and shall run."""
    text = docker("node1", "service", "ps", service, "--no-trunc", "--filter", "desired-state=running", "--format",
                  "{{.Node}}|{{.Image}}|{{.CurrentState}}")
    lines = [line.split("|") for line in text.splitlines()]
    return sorted((node, image) for node, image, state in lines if state.startswith("Running"))


def wait_for(service, condition, what, seconds=90):
    try:
        return wait_until(what, lambda: condition(tasks(service)), seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{docker('node1', 'service', 'ps', service, '--no-trunc')}") from error


def containers(node):
    return docker(node, "ps", "-q", "--filter", "label=com.docker.swarm.service.name=web").split()


def overlay_address(node, container):
    networks = json.loads(docker(node, "inspect", "-f", "{{json .NetworkSettings.Networks}}", container))
    return networks["inner"]["IPAddress"]


@case
def three_nodes_join():
    docker("node1", "swarm", "init", "--advertise-addr", address("node1"), "--dispatcher-heartbeat", "1s")
    token = docker("node1", "swarm", "join-token", "-q", "worker").strip()
    for node in NODES[1:]:
        docker(node, "swarm", "join", "--token", token, "--advertise-addr", address(node), f"{address('node1')}:2377")
    states = docker("node1", "node", "ls", "--format", "{{.Hostname}} {{.Status}}").split("\n")
    equal(sorted(states)[-3:], [f"{node} Ready" for node in NODES])


@case
def a_service_is_spread_over_the_nodes():
    docker("node1", "network", "create", "--driver", "overlay", "--attachable", "inner")
    docker("node1", "service", "create", "--detach", "--no-resolve-image", "--name", "web", "--replicas", "3", "--network",
           "inner", "--endpoint-mode", "dnsrr", "--limit-memory", "64m", "--stop-grace-period", "1s",
           "--restart-delay", "100ms", "--update-monitor", "1s", "web:1", "httpd", "-f", "-p", "80", "-h", "/www")
    wait_for("web", lambda seen: seen == [(node, "web:1") for node in NODES], "one task runs on each node")
    for node in NODES:
        equal(docker(node, "inspect", "-f", "{{.HostConfig.Runtime}}", containers(node)[0]).strip(), "corten")


@case
def tasks_reach_each_other_over_the_overlay_network():
    for other in ("node2", "node3"):
        peer = overlay_address(other, containers(other)[0])
        client = containers("node1")[0]
        equal(wait_until(f"the task on {other} answers", lambda: docker("node1", "exec", client, "wget", "-qO-", f"http://{peer}/",
                                                                        check=False).stdout.strip()), "version 1")
    contains(docker("node1", "exec", containers("node1")[0], "nslookup", "tasks.web", check=False).stdout,
             overlay_address("node2", containers("node2")[0]))


@case
def the_service_is_scaled():
    docker("node1", "service", "scale", "--detach", "web=6")
    wait_for("web", lambda seen: seen == sorted((node, "web:1") for node in NODES * 2), "two tasks run on each node")
    docker("node1", "service", "scale", "--detach", "web=3")
    wait_for("web", lambda seen: len(seen) == 3, "three tasks are left")


@case
def the_service_is_rolled_to_a_new_image():
    docker("node1", "service", "update", "--detach", "--no-resolve-image", "--update-parallelism", "1", "--update-order",
           "start-first", "--image", "web:2", "web")
    wait_for("web", lambda seen: len(seen) == 3 and {image for _, image in seen} == {"web:2"}, "all tasks have the new image")


@case
def a_task_that_dies_is_replaced():
    before = {container for node in NODES for container in containers(node)}
    node = tasks("web")[0][0]
    docker(node, "kill", containers(node)[0])
    wait_for("web", lambda seen: len(seen) == 3, "three tasks run again")
    wait_until("there is a new container", lambda: {container for node in NODES for container in containers(node)} - before)


@case
def tasks_of_a_killed_node_are_rescheduled():
    # Everything of the node dies at once, as when its power fails: the link first, then every process of it.
    programs = docker("node3", "inspect", "-f", "{{.State.Pid}}", *containers("node3")).split()
    run("ip", "link", "set", "node3", "down")
    victims = run("ip", "netns", "pids", "node3").split() + programs
    for pid in victims:
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    _daemons["node3"].wait(30)
    wait_until("the manager sees it", lambda: "node3 Down" in docker("node1", "node", "ls", "--format", "{{.Hostname}} {{.Status}}"), 60)
    wait_for("web", lambda seen: len(seen) == 3 and {node for node, _ in seen} == {"node1", "node2"},
             "three tasks run on the nodes that are left")


@case
def the_service_is_removed():
    docker("node1", "service", "rm", "web")
    for node in NODES[:2]:
        wait_until(f"{node} has no container left", lambda node=node: not docker(node, "ps", "-aq").split(), 60)


if __name__ == "__main__":
    require("docker", "dockerd", "iptables", "busybox", "ip", "unshare", "nsenter")
    isolate()
    make_network()
    start_nodes()
    main()
