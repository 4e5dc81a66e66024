#!/usr/bin/env python3
"""Checks of the sources that are easier said as a table: layers, calls, sizes, links, evidence.

Usage: check_sources.py CHECK [TOP]. Prints one line a finding, "FILE:LINE: text", and ends with status 1
when there is one. tests/lint/check_sources_test.py proves that every rule can fail.
"""

import os
import re
import subprocess
import sys

# What a layer may include besides itself: the table of docs/architecture.md.
LAYERS = {
    "base": "",
    "sys": "base",
    "spec": "base",
    "plan": "base spec",
    "host": "base sys plan",
    "proto": "base sys",
    "cgroup": "base sys plan",
    "hooks": "base sys plan",
    "stage": "base sys plan proto cgroup hooks",
    "runtime": "base sys spec plan host proto cgroup hooks stage",
    "cli": "base sys spec plan runtime",
}

# Called as `::name(`: outside src/sys these are the ways to touch the kernel past its wrappers.
SYSTEM_CALLS = """open openat openat2 creat mount umount umount2 pivot_root mkdir mkdirat mknod mknodat unlink unlinkat
rmdir rename renameat renameat2 symlink symlinkat link linkat readlink readlinkat chmod fchmod fchmodat chown fchown
fchownat lchown chroot chdir fchdir dup dup2 dup3 pipe pipe2 fork vfork clone execve execv execvp execvpe execveat
fexecve posix_spawn kill tgkill waitpid waitid wait4 setns unshare setuid setgid setresuid setresgid setgroups capset
socket socketpair connect bind listen accept accept4 sendmsg recvmsg opendir fdopendir flock memfd_create close_range
sethostname setdomainname setsid syscall"""
# Wrong under any spelling, everywhere: they hide descriptors, start shells, threads, locales or name services.
NEVER = """fopen freopen fdopen tmpfile popen system realpath getpwnam getpwuid getgrnam getgrgid getaddrinfo
gethostbyname setlocale pthread_create daemon"""
NEVER_TYPES = r"std::(thread|jthread|async|regex|filesystem|locale|i?fstream|ofstream|cout|cerr|clog|cin|endl)\b"
NEVER_HEADERS = r"#include <(iostream|fstream|regex|filesystem|thread|locale|future)>"
# The same for names that corten's own functions do not use: here the bare call is meant as well.
BARE_CALLS = "mount umount2 dup dup2 dup3 syscall vfork pivot_root"

MAX_LINES = 600


def sources(top, *suffixes):
    listed = subprocess.run(["git", "-C", top, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            stdout=subprocess.PIPE, check=True).stdout.decode().split("\0")
    return sorted(name for name in set(listed)
                  if name.endswith(suffixes) and os.path.isfile(os.path.join(top, name)))


def lines_of(top, name):
    with open(os.path.join(top, name), encoding="utf-8") as text:
        return list(enumerate(text.read().splitlines(), 1))


def code_only(line):
    """The line without string literals and without a comment that runs to its end."""
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    return re.sub(r"//.*", "", line)


def layer_of(name):
    match = re.match(r"(?:src|include/corten)/([a-z]+)/", name)
    return match.group(1) if match else None


def check_layers(top):
    for name in sources(top, ".h", ".cc"):
        layer = layer_of(name)
        if layer is None:
            continue
        if layer not in LAYERS:
            yield f"{name}:1: layer '{layer}' is not in the table"
            continue
        allowed = {layer, *LAYERS[layer].split()}
        for number, line in lines_of(top, name):
            match = re.match(r'\s*#include [<"]corten/([a-z_]+)/', line)
            if match and match.group(1) not in allowed:
                yield f"{name}:{number}: {layer} must not include {match.group(1)}"
            if re.match(r'\s*#include "(\.\./)*(src|include)/', line) or '#include "../../' in line:
                yield f"{name}:{number}: a layer's private headers are its own"


def check_calls(top):
    never = re.compile(r"(?<![\w.>:])(?:::|std::)?(" + "|".join(NEVER.split()) + r")\s*\(")
    qualified = re.compile(r"(?<![\w>:])::(" + "|".join(SYSTEM_CALLS.split()) + r")\s*\(")
    bare = re.compile(r"(?<![\w.>:])(" + "|".join(BARE_CALLS.split()) + r")\s*\(")
    for name in sources(top, ".h", ".cc"):
        if layer_of(name) is None:
            continue
        for number, line in lines_of(top, name):
            code = code_only(line)
            if re.search(NEVER_HEADERS, code) or re.search(NEVER_TYPES, code):
                yield f"{name}:{number}: not used in corten: {code.strip()}"
            match = never.search(code)
            if match:
                yield f"{name}:{number}: {match.group(1)}() is not used in corten"
            if layer_of(name) == "sys":
                continue
            match = qualified.search(code) or bare.search(code)
            if match:
                yield f"{name}:{number}: {match.group(1)}() belongs into src/sys"


def check_sizes(top):
    for name in sources(top, ".h", ".cc", ".sh", ".py"):
        if name.startswith("tests/"):  # a table of cases may be long
            continue
        if len(lines_of(top, name)) > MAX_LINES:
            yield f"{name}:{MAX_LINES + 1}: longer than {MAX_LINES} lines"


def check_links(top):
    for name in sources(top, ".md"):
        fenced = False
        for number, line in lines_of(top, name):
            if line.lstrip().startswith("```"):
                fenced = not fenced
            if fenced:
                continue
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                path = target.split("#")[0]
                if not path or re.match(r"[a-z]+:", path):
                    continue
                if not os.path.exists(os.path.join(top, os.path.dirname(name), path)):
                    yield f"{name}:{number}: no such file: {target}"


def names_of_tests(top):
    """Of every test that ctest runs: `case` of Python, `Suite.Name` of C++, `fault.SWEEP.MODE`."""
    names = set()
    for name in sources(top, ".py", ".cc"):
        if not name.startswith(("tests/", "spec-tests/cases/")):
            continue
        with open(os.path.join(top, name), encoding="utf-8") as file:
            text = file.read()
        if name.endswith(".cc"):
            names.update(".".join(found) for found in re.findall(r"^(?:TEST|TEST_F|TEST_P|SPEC_CASE)\(\s*(\w+),\s*(\w+)", text, re.M))
        elif not name.startswith("tests/e2e/") or is_registered(top, name):
            names.update(re.findall(r"^@\w+(?:\(.*\))?\ndef (\w+)\(", text, re.M))
    faults = os.path.join(top, "tests/fault/CMakeLists.txt")
    if os.path.exists(faults):
        with open(faults, encoding="utf-8") as file:
            lists = [found.split() for found in re.findall(r"foreach\((?:sweep|mode) ([^)]*)\)", file.read())]
        names.update(f"fault.{sweep}.{mode}" for sweep in lists[0] for mode in lists[1])
    return names


def is_registered(top, name):
    """A file of cases that CMakeLists.txt does not name is run by nobody."""
    listed = os.path.join(top, os.path.dirname(name), "CMakeLists.txt")
    if not os.path.exists(listed):
        return False
    with open(listed, encoding="utf-8") as text:
        return os.path.basename(name).removesuffix(".py") in text.read().split("foreach(file ")[-1].split(")")[0].split()


def check_evidence(top):
    """The tables of docs/security.md: the files of the guards and the tests, in the last column, exist."""
    name = "docs/security.md"
    if not os.path.exists(os.path.join(top, name)):
        return
    tests = names_of_tests(top)
    for number, line in lines_of(top, name):
        if not line.startswith("| ") or line.startswith(("| guarantee ", "| published as ")):
            continue
        *cells, last = [cell.strip() for cell in line.strip().strip("|").split("|")]
        named = re.findall(r"`([^`]+)`", last)
        if not named:
            yield f"{name}:{number}: no test is named"
        for test in named:
            if test not in tests:
                yield f"{name}:{number}: no such test: {test}"
        for path in re.findall(r"`((?:src|include|tests|tools)/[^`]+)`", " ".join(cells)):
            if not os.path.exists(os.path.join(top, path)):
                yield f"{name}:{number}: no such file: {path}"


CHECKS = {"layers": check_layers, "calls": check_calls, "sizes": check_sizes, "links": check_links, "evidence": check_evidence}


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in CHECKS:
        sys.exit(f"usage: check_sources.py {'|'.join(CHECKS)} [TOP]")
    top = sys.argv[2] if len(sys.argv) == 3 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    findings = list(CHECKS[sys.argv[1]](top))
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
