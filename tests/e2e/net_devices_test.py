#!/usr/bin/env python3
"""linux.netDevices on a host of the case's own: a network namespace that plays the machine's. Root and ip(8) are needed."""

import ctypes
import json
import os
import shutil
import subprocess

from bundle import Container, case, one_directory, run_cases
from harness import Skip, contains, equal

CLONE_NEWNET = 0x40000000


def ip(*words, pid=None):
    enter = ["nsenter", "-t", str(pid), "-n"] if pid is not None else []
    done = subprocess.run([*enter, "ip", *words], capture_output=True, text=True)
    equal((done.returncode, done.stderr), (0, ""))
    return done.stdout


def own_host():
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise Skip("root and ip(8) are needed")
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        raise Skip("no network namespace can be made")


def make(name, *settings):
    """A device, and one at the other end of its cable: not every kernel has dummy devices."""
    ip("link", "add", name, *settings, "type", "veth", "peer", "name", "peer-" + name)


def links(pid=None):
    return {one["ifname"]: one for one in json.loads(ip("-j", "-d", "addr", pid=pid)) if not one["ifname"].startswith("peer-")}


def addresses(link):
    """What corten keeps, without the link-local addresses that the kernel makes when a device comes up."""
    keys = ("local", "prefixlen", "address", "broadcast", "label", "scope")
    return sorted(([one.get(key) for key in keys] for one in link["addr_info"] if one["scope"] == "global"), key=str)


def devices(**names):
    def change(config):
        config["linux"]["netDevices"] = {host: {"name": name} if name else {} for host, name in names.items()}
    return change


@case
def device_keeps_what_it_had():
    own_host()
    make("d0", "mtu", "1400", "txqueuelen", "77")
    ip("link", "set", "d0", "alias", "a name for people", "up")
    ip("addr", "add", "10.1.2.3/24", "broadcast", "10.1.2.255", "label", "d0:one", "dev", "d0")
    ip("addr", "add", "10.1.3.1", "peer", "10.1.3.2/32", "dev", "d0")
    ip("addr", "add", "fd00:1::5/64", "dev", "d0", "nodad")
    ip("addr", "add", "10.9.9.9/24", "dev", "d0", "valid_lft", "3000", "preferred_lft", "3000")
    before = links()["d0"]
    with Container("sleep", "1000", change=devices(d0="eth7")) as one:
        one.created()
        equal(sorted(links()), ["lo"])
        after = links(one.state()["pid"])
        equal(sorted(after), ["eth7", "lo"])
        eth7 = after["eth7"]
        for key in ("mtu", "txqlen", "address", "ifalias"):
            equal(eth7[key], before[key])
        contains(" ".join(eth7["flags"]), "UP")
        expected = [[*address[:4], address[4] and address[4].replace("d0", "eth7"), address[5]]
                    for address in addresses(before) if address[0] != "10.9.9.9"]
        equal(addresses(eth7), expected)
        equal([one["local"] for one in eth7["addr_info"] if one.get("tentative") or one.get("dadfailed")], [])
        one.ok("start")
        equal(addresses(links(one.state()["pid"])["eth7"]), expected)


@case
def devices_can_swap_their_names():
    own_host()
    make("d0", "mtu", "1400")
    make("d1", "mtu", "1300")
    with Container("sleep", "1000", change=devices(d0="d1", d1="d0")) as one:
        one.created()
        equal({name: link["mtu"] for name, link in links(one.state()["pid"]).items() if name != "lo"}, {"d0": 1300, "d1": 1400})


@case
def kernel_fills_in_the_template():
    own_host()
    for name in ("d0", "d1", "net0"):
        make(name)
    ip("addr", "add", "10.1.2.3/24", "label", "d0:x", "dev", "d0")
    with Container("sleep", "1000", change=devices(net0="", d0="net%d", d1="net%d")) as one:
        one.created()
        inside = links(one.state()["pid"])
        equal(sorted(inside), ["lo", "net0", "net1", "net2"])
        labels = [address["label"] for name in ("net1", "net2") for address in inside[name]["addr_info"] if address["family"] == "inet"]
        equal(labels in (["net1:x"], ["net2:x"]), True)


@case
def device_moves_into_a_user_namespace():
    own_host()
    make("v1")
    ip("addr", "add", "fd00:1::5/64", "dev", "v1", "nodad")
    def change(config):
        devices(v1="eth0")(config)
        config["linux"]["namespaces"].append({"type": "user"})
        for kind in ("uidMappings", "gidMappings"):
            config["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    with Container("sleep", "1000", change=change) as one:
        one.created()
        inside = links(one.state()["pid"])
        equal(addresses(inside["eth0"])[0][0], "fd00:1::5")
        equal(sorted(links()), ["lo"])


@case
def failed_creation_gives_everything_back():
    own_host()
    ip("link", "add", "bridge", "type", "bridge")
    for number in ("0", "1"):
        make("d" + number)
        ip("addr", "add", f"10.1.{number}.3/24", "dev", "d" + number)
        ip("addr", "add", f"10.2.{number}.3/24", "scope", "link", "dev", "d" + number)
        ip("addr", "add", f"fd00:{number}::5/64", "dev", "d" + number, "nodad")
    ip("link", "set", "d0", "master", "bridge", "up")
    def facts():
        return {name: [addresses(link), link.get("master"), "UP" in link["flags"],
                       [one["local"] for one in link["addr_info"] if one["scope"] == "link" and one["family"] == "inet"]]
                for name, link in links().items()}
    before = facts()
    def change(config):
        devices(d0="eth0", d1="eth%d")(config)
        config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "exit 3"]}]}
    with Container("true", change=change) as one:
        one.fails("createRuntime")
        equal(facts(), before)


@case
def one_bad_device_leaves_the_others_untouched():
    own_host()
    make("d0")
    ip("link", "set", "d0", "up")
    ip("route", "add", "10.77.0.0/16", "dev", "d0")
    def facts():
        return ip("-o", "addr"), ip("-o", "route")
    before = facts()
    with Container("true", change=devices(d0="eth0", d1="eth1")) as one:
        one.fails("/linux/netDevices/d1: there is no such network device")
        equal(facts(), before)
    with Container("true", change=devices(d0="eth0", lo="eth1")) as one:
        one.fails("/linux/netDevices/lo: the kernel does not let this network device change its namespace")
        equal(facts(), before)
    with Container("true", change=devices(d0="lo")) as one:
        one.fails("/linux/netDevices/d0: the container's network namespace has a device 'lo' already")
        equal(facts(), before)


@case
def the_runtime_s_own_namespace_is_refused():
    own_host()
    make("d0")
    file = os.path.join(one_directory(), "net")
    open(file, "w").close()
    equal(subprocess.run(["mount", "--bind", "/proc/self/ns/net", file]).returncode, 0)
    try:
        def change(config):
            devices(d0="eth0")(config)
            for namespace in config["linux"]["namespaces"]:
                if namespace["type"] == "network":
                    namespace["path"] = file
        with Container("true", change=change) as one:
            one.fails("/linux/netDevices/d0: the container's network namespace is the one that the device is in")
            equal(sorted(links()), ["d0", "lo"])
    finally:
        equal(subprocess.run(["umount", file]).returncode, 0)


if __name__ == "__main__":
    run_cases()
