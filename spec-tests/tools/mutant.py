#!/usr/bin/env python3
"""A runtime with one small defect: a wrapper that spoils what goes into or comes out of a real runtime.

    mutant.py --real RUNTIME --mutation NAME [ARGUMENTS OF THE RUNTIME...]

mutation-check runs the suite on every mutation. A mutation changes config.json for the time of create, or the output,
the exit status or the arguments of one operation.
"""
import json
import os
import pathlib
import subprocess
import sys

CONFIG = {}     # name -> function(config) that edits the configuration before create sees it
OUTPUT = {}     # name -> (operation, function(document) -> document)
STATUS = {}     # name -> operation whose failures are reported as success
ARGUMENTS = {}  # name -> function(operation, arguments) -> arguments


def config(name):
    def register(function):
        CONFIG[name] = function
        return function
    return register


def linux(document):
    return document.setdefault("linux", {})


def process(document):
    return document.setdefault("process", {})


def resources(document):
    return linux(document).setdefault("resources", {})


def drop(section, key):
    """A mutation that forgets one property."""
    def edit(document):
        target = document
        for part in section:
            target = target.get(part, {}) if isinstance(target, dict) else {}
        if isinstance(target, dict):
            target.pop(key, None)
    return edit


for section, keys in (((), ("hostname", "domainname", "annotations", "hooks")),
                      (("root",), ("readonly",)),
                      (("process",), ("rlimits", "noNewPrivileges", "oomScoreAdj", "scheduler", "ioPriority",
                                      "consoleSize", "capabilities")),
                      (("process", "user"), ("additionalGids", "umask")),
                      (("process", "capabilities"), ("ambient", "inheritable", "bounding")),
                      (("linux",), ("seccomp", "maskedPaths", "readonlyPaths", "devices", "sysctl", "rootfsPropagation",
                                    "timeOffsets", "personality", "memoryPolicy", "netDevices", "cgroupsPath")),
                      (("linux", "resources"), ("devices", "pids", "memory", "cpu", "unified", "hugepageLimits")),
                      (("linux", "seccomp"), ("listenerMetadata",))):
    for key in keys:
        CONFIG["drop-" + ".".join((*section, key))] = drop(section, key)


def drop_option(option):
    def edit(document):
        for mount in document.get("mounts", []):
            if isinstance(mount, dict) and isinstance(mount.get("options"), list):
                mount["options"] = [entry for entry in mount["options"] if entry != option]
    return edit


for name in ("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "strictatime", "dirsync", "sync", "lazytime",
             "nosymfollow", "rprivate", "rslave", "shared", "unbindable", "rro", "rnosuid", "rnoexec", "rnodev", "exec",
             "suid", "async", "nolazytime", "remount", "idmap"):
    CONFIG["ignore-option-" + name] = drop_option(name)


@config("rbind-as-bind")
def _(document):
    for mount in document.get("mounts", []):
        if isinstance(mount, dict) and isinstance(mount.get("options"), list):
            mount["options"] = ["bind" if entry == "rbind" else entry for entry in mount["options"]]


@config("mounts-in-reverse-order")
def _(document):
    # The mounts that the other ones need stay where they are.
    mounts = document.get("mounts", [])
    if isinstance(mounts, list) and len(mounts) > 6:
        document["mounts"] = mounts[:5] + mounts[:4:-1]


@config("mount-mappings-ignored")
def _(document):
    for mount in document.get("mounts", []):
        if isinstance(mount, dict) and "uidMappings" in mount and "gidMappings" in mount:
            for key in ("uidMappings", "gidMappings"):
                mount.pop(key)
            mount["options"] = [entry for entry in mount.get("options", []) if entry not in ("idmap", "ridmap")]


@config("cwd-is-root")
def _(document):
    if str(process(document).get("cwd", "")).startswith("/"):
        process(document)["cwd"] = "/"


@config("last-variable-lost")
def _(document):
    if isinstance(process(document).get("env"), list):
        process(document)["env"] = process(document)["env"][:-1]


@config("always-root")
def _(document):
    if "user" in process(document) and isinstance(process(document)["user"].get("uid"), int):
        process(document)["user"]["uid"] = 0


@config("gid-is-uid")
def _(document):
    user = process(document).get("user", {})
    if isinstance(user.get("gid"), int) and isinstance(user.get("uid"), int):
        user["gid"] = user["uid"]


@config("soft-limit-is-hard")
def _(document):
    for limit in process(document).get("rlimits", []):
        if isinstance(limit, dict) and isinstance(limit.get("soft"), int) and limit["soft"] < limit.get("hard", 0):
            limit["soft"] = limit["hard"]


@config("duplicate-limits-accepted")
def _(document):
    limits = process(document).get("rlimits")
    if isinstance(limits, list) and all(isinstance(limit, dict) for limit in limits):
        process(document)["rlimits"] = list({limit.get("type"): limit for limit in limits}.values())


@config("oom-score-reset")
def _(document):
    process(document).setdefault("oomScoreAdj", 0)


@config("one-capability-too-many")
def _(document):
    capabilities = process(document).get("capabilities")
    if isinstance(capabilities, dict) and isinstance(capabilities.get("bounding"), list):
        capabilities["bounding"] = capabilities["bounding"] + ["CAP_SYS_CHROOT"]


@config("duplicate-namespaces-accepted")
def _(document):
    spaces = linux(document).get("namespaces")
    if isinstance(spaces, list) and all(isinstance(entry, dict) and "type" in entry for entry in spaces):
        linux(document)["namespaces"] = list({entry["type"]: entry for entry in spaces}.values())


def ignore_namespace(kind):
    def edit(document):
        spaces = linux(document).get("namespaces")
        if isinstance(spaces, list):
            linux(document)["namespaces"] = [entry for entry in spaces
                                             if not isinstance(entry, dict) or entry.get("type") != kind]
    return edit


for name in ("ipc", "cgroup", "time"):
    CONFIG["no-new-namespace-" + name] = ignore_namespace(name)


@config("namespace-path-ignored")
def _(document):
    for entry in linux(document).get("namespaces", []):
        if isinstance(entry, dict) and entry.get("type") == "network" and entry.get("path", "").startswith("/"):
            entry.pop("path")


@config("user-mapping-shifted")
def _(document):
    for mapping in linux(document).get("uidMappings", []):
        if isinstance(mapping, dict) and isinstance(mapping.get("hostID"), int):
            mapping["hostID"] += 1


@config("device-mode-ignored")
def _(document):
    for device in linux(document).get("devices", []):
        if isinstance(device, dict):
            device.pop("fileMode", None)


@config("device-owner-ignored")
def _(document):
    for device in linux(document).get("devices", []):
        if isinstance(device, dict):
            device.pop("uid", None)


@config("device-rules-in-reverse-order")
def _(document):
    rules = resources(document).get("devices")
    if isinstance(rules, list):
        rules.reverse()


@config("device-access-widened")
def _(document):
    for rule in resources(document).get("devices", []) or []:
        if isinstance(rule, dict) and rule.get("access") in ("r", "w"):
            rule["access"] = "rwm"


@config("errno-ret-ignored")
def _(document):
    for entry in (linux(document).get("seccomp") or {}).get("syscalls", []) or []:
        if isinstance(entry, dict) and entry.get("action") == "SCMP_ACT_ERRNO":
            entry.pop("errnoRet", None)


def swap_operator(old, new):
    def edit(document):
        for entry in (linux(document).get("seccomp") or {}).get("syscalls", []) or []:
            for argument in (entry.get("args") or []) if isinstance(entry, dict) else []:
                if argument.get("op") == old:
                    argument["op"] = new
    return edit


for old, new in (("GE", "GT"), ("LE", "LT"), ("NE", "EQ"), ("MASKED_EQ", "EQ")):
    CONFIG[f"seccomp-{old}-as-{new}"] = swap_operator("SCMP_CMP_" + old, "SCMP_CMP_" + new)


@config("hooks-in-reverse-order")
def _(document):
    for entries in (document.get("hooks") or {}).values():
        if isinstance(entries, list):
            entries.reverse()


def move_hooks(source, target):
    def edit(document):
        hooks = document.get("hooks")
        if isinstance(hooks, dict) and source in hooks:
            hooks.setdefault(target, []).extend(hooks.pop(source))
    return edit


for source, target in (("prestart", "createRuntime"), ("createRuntime", "prestart"), ("createContainer", "createRuntime"),
                       ("poststop", "poststart")):
    CONFIG[f"{source}-hooks-run-as-{target}"] = move_hooks(source, target)


@config("hook-environment-lost")
def _(document):
    for entries in (document.get("hooks") or {}).values():
        for hook in entries if isinstance(entries, list) else []:
            if isinstance(hook, dict):
                hook.pop("env", None)


@config("hook-timeout-ignored")
def _(document):
    for entries in (document.get("hooks") or {}).values():
        for hook in entries if isinstance(entries, list) else []:
            if isinstance(hook, dict):
                hook.pop("timeout", None)


@config("cgroup-elsewhere")
def _(document):
    if isinstance(linux(document).get("cgroupsPath"), str):
        linux(document)["cgroupsPath"] += "-x"


@config("pids-limit-off-by-one")
def _(document):
    pids = resources(document).get("pids")
    if isinstance(pids, dict) and isinstance(pids.get("limit"), int) and pids["limit"] > 0:
        pids["limit"] += 1


@config("any-version-accepted")
def _(document):
    document["ociVersion"] = "1.0.2"


@config("relative-masked-paths-accepted")
def _(document):
    paths = linux(document).get("maskedPaths")
    if isinstance(paths, list):
        linux(document)["maskedPaths"] = ["/" + str(path).lstrip("/") for path in paths]


@config("relative-readonly-paths-accepted")
def _(document):
    paths = linux(document).get("readonlyPaths")
    if isinstance(paths, list):
        linux(document)["readonlyPaths"] = ["/" + str(path).lstrip("/") for path in paths]


@config("relative-hook-paths-accepted")
def _(document):
    for entries in (document.get("hooks") or {}).values():
        for hook in entries if isinstance(entries, list) else []:
            if isinstance(hook, dict) and not str(hook.get("path", "/")).startswith("/"):
                hook["path"] = "/bin/true"


@config("empty-annotation-key-accepted")
def _(document):
    if isinstance(document.get("annotations"), dict):
        document["annotations"].pop("", None)


@config("unknown-limit-ignored")
def _(document):
    limits = process(document).get("rlimits")
    if isinstance(limits, list):
        process(document)["rlimits"] = [limit for limit in limits
                                        if not isinstance(limit, dict) or limit.get("type") != "RLIMIT_BANANA"]


@config("empty-seccomp-names-accepted")
def _(document):
    seccomp = linux(document).get("seccomp")
    if isinstance(seccomp, dict) and isinstance(seccomp.get("syscalls"), list):
        seccomp["syscalls"] = [entry for entry in seccomp["syscalls"]
                               if not isinstance(entry, dict) or entry.get("names")]


@config("net-device-name-ignored")
def _(document):
    for device in (linux(document).get("netDevices") or {}).values():
        if isinstance(device, dict):
            device.pop("name", None)


def edit_state(name, edit):
    OUTPUT[name] = ("state", edit)


edit_state("state-without-pid", lambda state: {key: value for key, value in state.items() if key != "pid"})
edit_state("state-with-wrong-pid", lambda state: {**state, "pid": state.get("pid", 0) + 1})
edit_state("state-without-annotations", lambda state: {**state, "annotations": {}})
edit_state("state-with-short-version", lambda state: {**state, "ociVersion": "1.0"})
edit_state("state-with-relative-bundle", lambda state: {**state, "bundle": "bundle"})
edit_state("state-with-other-id", lambda state: {**state, "id": "x" + state.get("id", "")})
edit_state("running-shown-as-created",
           lambda state: {**state, "status": "created" if state.get("status") == "running" else state.get("status")})
edit_state("stopped-shown-as-running",
           lambda state: {**state, "status": "running" if state.get("status") == "stopped" else state.get("status")})
OUTPUT["features-claim-an-option"] = (
    "features", lambda document: {**document, "mountOptions": (document.get("mountOptions") or []) + ["banana"]})
OUTPUT["features-with-low-version"] = ("features", lambda document: {**document, "ociVersionMax": "1.0.0"})

for name in ("create", "start", "kill", "delete", "state"):
    STATUS[f"{name}-never-fails"] = name


def other_signal(operation, arguments):
    if operation == "kill" and arguments[-1] in ("TERM", "SIGTERM", "USR1"):
        return arguments[:-1] + ["INT"]
    return arguments


def forced_delete(operation, arguments):
    if operation == "delete" and "--force" not in arguments:
        at = arguments.index("delete") + 1
        return arguments[:at] + ["--force"] + arguments[at:]
    return arguments


ARGUMENTS["other-signal"] = other_signal
ARGUMENTS["delete-is-always-forced"] = forced_delete


def all_mutations():
    return [*CONFIG, *OUTPUT, *STATUS, *ARGUMENTS]


def spoiled_operation(mutation):
    """The one operation that a mutation concerns."""
    if mutation in CONFIG:
        return "create"
    if mutation in OUTPUT:
        return OUTPUT[mutation][0]
    return STATUS.get(mutation) or {"other-signal": "kill", "delete-is-always-forced": "delete"}[mutation]


def option_value(arguments, name):
    return arguments[arguments.index(name) + 1] if name in arguments[:-1] else None


def operation_of(arguments):
    known = ("create", "start", "state", "kill", "delete", "features", "exec", "update", "pause", "resume")
    return next((word for word in arguments if word in known), "")


def without_duplicates(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("duplicate names")
    return dict(pairs)


class SpoiledConfig:
    """config.json as the mutation wants it, for as long as create runs."""

    def __init__(self, bundle, edit):
        self.path = pathlib.Path(bundle) / "config.json"
        self.edit = edit
        self.original = None

    def __enter__(self):
        try:
            original = self.path.read_bytes()
            document = json.loads(original, object_pairs_hook=without_duplicates)
            before = json.dumps(document)
            self.edit(document)
            if json.dumps(document) == before:
                return  # documents that the mutation does not concern keep their bytes
        except (OSError, ValueError, AttributeError, TypeError, KeyError):
            return  # a document that is wrong in itself reaches the runtime as it is
        self.original = original
        self.path.write_text(json.dumps(document))

    def __exit__(self, *_):
        if self.original is not None:
            self.path.write_bytes(self.original)


def main():
    real, mutation, arguments = sys.argv[2], sys.argv[4], sys.argv[5:]
    operation = operation_of(arguments)
    if mutation in CONFIG and operation == "create":
        with SpoiledConfig(option_value(arguments, "--bundle") or ".", CONFIG[mutation]):
            return subprocess.run([real, *arguments]).returncode
    if mutation in ARGUMENTS:
        arguments = ARGUMENTS[mutation](operation, arguments)
    if mutation in OUTPUT and OUTPUT[mutation][0] == operation:
        answer = subprocess.run([real, *arguments], stdout=subprocess.PIPE)
        try:
            sys.stdout.write(json.dumps(OUTPUT[mutation][1](json.loads(answer.stdout))))
        except ValueError:
            sys.stdout.buffer.write(answer.stdout)
        return answer.returncode
    if STATUS.get(mutation) == operation:
        subprocess.run([real, *arguments])
        return 0
    os.execv(real, [real, *arguments])


if __name__ == "__main__":
    sys.exit(main())
