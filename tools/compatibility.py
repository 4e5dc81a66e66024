#!/usr/bin/env python3
"""Writes docs/compatibility.md: every command and option of runc and crun, and what corten does with it.

    tools/compatibility.py --corten PATH [--runc PATH] [--crun PATH]           writes the page
    tools/compatibility.py --corten PATH [--runc PATH] [--crun PATH] --check   fails when the page lacks something

The peers are asked for their help texts; what newer ones have is in the table NEWER. corten is asked as well: its help
shows what works, and an option that it accepts without showing it, or refuses, needs a reason here: a row without one is
an error.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(TOP, "docs", "compatibility.md")
GLOBAL = "(global)"

HELP = ("help", "usage")  # of every command; the table has them once, among the global options

# Of releases newer than the ones that are usually installed: runc 1.5 and crun 1.29. An option ends with "=" when it takes a value.
NEWER = {
    "runc": {
        GLOBAL: "systemd-cgroup rootless=",
        "checkpoint": "tcp-skip-in-flight link-remap manage-cgroups-mode= status-fd= page-server= lazy-pages auto-dedup empty-ns=",
        "create": "pidfd-socket=", "run": "pidfd-socket= keep no-subreaper", "exec": "pidfd-socket=",
        "restore": "lsm-profile= lsm-mount-context=", "update": "cpu-burst= cpu-idle= kernel-memory= kernel-memory-tcp=", "kill": "all"},
    "crun": {
        GLOBAL: "log-level=", "features": "", "mounts": "", "kill": "all regex", "delete": "regex",
        "checkpoint": "image-path= work-path= leave-running tcp-established ext-unix-sk shell-job file-locks pre-dump parent-path= manage-cgroups-mode= network-lock=",
        "restore": "bundle= image-path= work-path= detach pid-file= console-socket= tcp-established tcp-close ext-unix-sk shell-job file-locks "
                   "manage-cgroups-mode= network-lock= lsm-profile= lsm-mount-context=",
        "update": "l3-cache-schema= mem-bw-schema=", "run": "keep"},
}
# Options that corten takes without effect, and why that is right.
IGNORED = {
    "no-subreaper": "corten is no subreaper: init's parent is corten itself in an attached run and the caller's subreaper otherwise",
    "rootless": "found out from the user and the user namespace",
    "kernel-memory": "the kernel has no such limit since 5.16",
    "kernel-memory-tcp": "the kernel has no such limit on cgroup v2; Docker passes it by habit",
    "criu": "obsolete in runc as well: criu is looked for in $PATH",
    "no-pivot": "CRIU restores the root",
}
# What engines pass although neither peer has it, and why corten takes it without effect.
HABITS = {
    ("restore", "parent-path"): "containerd's go-runc passes it when there is a parent checkpoint; the images know their parent",
    ("restore", "no-new-keyring"): "conmon passes it to `restore` as it does to `create`; CRIU restores the keys",
    ("exec", "no-subreaper"): "so that a caller can pass it to every command that makes processes; corten is no subreaper",
    ("checkpoint", "no-subreaper"): "the same",
}
# Options that corten refuses, with the reason.
REFUSED = {}
# What differs although the option is there.
NOTES = {
    (GLOBAL, "version"): "`-v`, and crun's `-V`",
    (GLOBAL, "help"): "`-h`, crun's `-?`, the commands `help` and `h`; behind a command they tell about that command",
    (GLOBAL, "usage"): "the same as `--help`",
    (GLOBAL, "root"): "default /run/corten; $XDG_RUNTIME_DIR/corten for ordinary users",
    (GLOBAL, "log"): "also `file:`, `syslog:` and `journald:`; above 1 MiB a file loses its oldest lines",
    (GLOBAL, "cgroup-manager"): "`disabled` as in crun",
    ("list", "format"): "an entry that cannot be read is a warning, the others are shown",
    ("ps", "format"): "the table takes the options of ps(1), as in runc",
    ("exec", "cgroup"): "repeatable; `PATH` or `CONTROLLER,...:PATH`, as in runc",
    ("exec", "cap"): "added to bounding, effective and permitted; never inheritable (CVE-2022-29162)",
    ("exec", "user"): "numbers only",
    ("update", "memory"): "K, M and G are understood; -1 = no limit",
    ("update", "resources"): "`-` = standard input; what is not named stays, and a failure restores the old values",
    ("update", "l3-cache-schema"): "only for containers with `linux.intelRdt`, as in runc; the kernel's reason is shown",
    ("update", "mem-bw-schema"): "only for containers with `linux.intelRdt`, as in runc; the kernel's reason is shown",
    ("events", "stats"): "with the memory's high-water mark, PSI and the container's network interfaces",
    ("delete", "force"): "waits until all processes are gone",
    ("restore", "manage-cgroups-mode"): "taken to heart (crun parses it and forgets it)",
}
HEAD = """# Compatibility with runc and crun

Written by `tools/compatibility.py`, which runs the programs: {versions}. Options of newer releases (runc 1.5, crun 1.29) are
marked "newer". A long option may be written with one dash; its value follows as the next argument or behind "=".

corten behaves by its own rules where the peers disagree:

| what | runc | crun | corten |
|---|---|---|---|
| exit status when `exec` itself fails | 255 | 1 | 255 |
| a program ended by signal n | 128+n | 128+n | 128+n |
| wrong option | 1 (`exec` 255) | 64 | 1 (`exec` 255) |
| unknown command | 3 | 1 | 3 |
| `delete --force` of an unknown ID | 0, silent | 0, silent | 0, silent |
| JSON log | every error | not those before the container is known | every error, one line each |
| a failed startContainer hook or execve | start succeeds | start fails | start fails with the reason, the container is destroyed |
| called as `runc` or `crun` | | | `--version` answers under that name |

Annotations that are understood: `run.oci.keep_original_groups`, `run.oci.hooks.stdout`, `run.oci.hooks.stderr`, `run.oci.pidfd_receiver`,
`run.oci.seccomp.receiver`, `run.oci.systemd.subgroup` (default: none, as in runc; crun's is `container`), `run.oci.delegate-cgroup`, `org.systemd.property.*`,
`org.criu.config`.

"""


def ask(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def options_in(text):
    """{name: takes a value} of the options that a help text shows."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s+(?:-\S, )*--([a-z][a-z0-9-]*)(\[?=\S+)?( value| [A-Z[|a-z]+(?=\s))?", line)
        if match:
            found[match.group(1)] = bool(match.group(2) or match.group(3))
            for other in re.findall(r"--([a-z][a-z0-9-]*) ", line.split("   ")[0]):
                found.setdefault(other, bool(match.group(2) or match.group(3)))
    return found


def letters_in(text):
    """{name: its letters} of the options that a help text shows with a short form, before or behind the long one."""
    found = {}
    for line in text.splitlines():
        words = re.match(r"\s+(-.*?)(?:   |$)", line)
        names = re.findall(r"--([a-z][a-z0-9-]*)", words.group(1)) if words else []
        for name in names[:1]:
            found[name] = set(re.findall(r"(?<![^ ])-([A-Za-z?])(?=[ ,=[]|$)", words.group(1)))
    return found


def without_help(options):
    return {name: takes for name, takes in options.items() if name not in HELP}


def commands_in(text):
    block = re.search(r"COMMANDS:\n(.*?)\n\n", text, re.DOTALL)
    names = re.findall(r"^\s+([a-z]+)(?:, \w+)?\s", block.group(1), re.MULTILINE) if block else []
    return [name for name in names if name != "help"]


class Peer:
    """What one of them has: {command: {option: (takes a value, "yes" or "newer")}}."""

    def __init__(self, name, program):
        self.name = name
        self.version = ask(program, "--version").splitlines()[0]
        text = ask(program, "--help")
        known = {GLOBAL: options_in(text)}
        self.letters = {GLOBAL: letters_in(text)}
        for command in commands_in(text):
            words = ask(program, command, "--help")
            known[command] = without_help(options_in(words))
            self.letters[command] = letters_in(words)
        self.table = {command: {option: (takes, "yes") for option, takes in options.items()} for command, options in known.items()}
        for command, words in NEWER[name].items():
            options = self.table.setdefault(command, {"": (False, "newer")} if command not in known else {})
            for word in words.split():
                options.setdefault(word.rstrip("="), (word.endswith("="), "newer"))

    def has(self, command, option):
        if command not in self.table:
            return "–"
        if option == "":
            return self.table[command].get("", (False, "yes"))[1]
        return self.table[command].get(option, (False, "–"))[1]


class Corten:
    def __init__(self, program):
        self.program = program
        text = ask(program, "--help")
        self.version = ask(program, "--version").splitlines()[0]
        block = re.search(r"Commands:\n(.*?)\n\n", text, re.DOTALL).group(1)
        self.commands = re.findall(r"^  ([a-z]+)", block, re.MULTILINE)
        self.shown = {GLOBAL: options_in(text)}
        for command in self.commands:
            self.shown[command] = without_help(options_in(ask(program, "help", command)))

    def accepts(self, command, option, takes):
        return self.accepts_word(command, f"--{option}=x" if takes else f"--{option}")

    def accepts_word(self, command, word):
        words = [word]
        # An ID that nobody has and an option that does not exist stop the command before it does anything.
        rest = ["no-such-command"] if command == GLOBAL else ["--no-such-option"]
        said = ask(self.program, *([] if command == GLOBAL else [command]), *words, *rest)
        return f"unknown option '{words[0]}'" not in said

    def answer(self, command, option, takes):
        """The last column; a missing reason is an error."""
        if command != GLOBAL and command not in self.commands:
            raise LookupError(f"corten has no command {command}, and no reason is given")
        note = NOTES.get((command, option), "")
        if option == "":
            return "yes"
        if (command, option) in REFUSED:
            return REFUSED[command, option]
        if option in self.shown[command] or (note and self.accepts(command, option, takes)):
            return f"yes: {note}" if note else "yes"
        if not self.accepts(command, option, takes):
            raise LookupError(f"corten refuses {command} --{option}, and no reason is given")
        if option not in IGNORED:
            raise LookupError(f"corten ignores {command} --{option}, and no reason is given")
        return f"accepted, ignored: {IGNORED[option]}"


def rows(peers, corten):
    commands = [GLOBAL] + sorted({command for peer in peers for command in peer.table} - {GLOBAL})
    for command in commands:
        options = {"": False} if command != GLOBAL else {}
        for peer in peers:
            for option, (takes, _) in peer.table.get(command, {}).items():
                options[option] = options.get(option, False) or takes
        for option in sorted(options):
            cells = [peer.has(command, option) for peer in peers]
            for letter in {letter for peer in peers for letter in peer.letters.get(command, {}).get(option, ())}:
                if not any(corten.accepts_word(command, word) for word in ([f"-{letter}x"] if options[option] else []) + [f"-{letter}"]):
                    raise LookupError(f"corten does not know {command} -{letter}, the short form of --{option}")
            yield (f"`{command}`" if command != GLOBAL else "global", f"`--{option}`" if option else "", *cells,
                   corten.answer(command, option, options[option]))


def habits(corten):
    for (command, option), why in HABITS.items():
        if not corten.accepts(command, option, False):
            raise LookupError(f"corten refuses {command} --{option}")
        yield f"- `{command} --{option}`: {why}"


def own_rows(peers, corten):
    """What only corten has."""
    for command in [GLOBAL, *corten.commands]:
        for option in corten.shown[command]:
            if all(option not in peer.table.get(command, {}) for peer in peers):
                yield f"- `{'' if command == GLOBAL else command + ' '}--{option}`"


def page(peers, corten):
    versions = ", ".join([corten.version, *[peer.version for peer in peers]])
    text = HEAD.format(versions=versions)
    text += "| command | option | " + " | ".join(peer.name for peer in peers) + " | corten |\n|---|---|" + "---|" * len(peers) + "---|\n"
    for row in rows(peers, corten):
        if any(cell == "" for cell in row[2:]):
            raise LookupError(f"an empty cell in {row}")
        text += "| " + " | ".join(row) + " |\n"
    text += "\n## Accepted from engines, without effect\n\nNeither peer has these, and callers pass them all the same:\n\n"
    text += "\n".join(habits(corten)) + "\n"
    return text + "\n## Only in corten\n\n" + "\n".join(own_rows(peers, corten)) + "\n"


def missing(peers, corten):
    """Commands and options of the peers that the page in the tree does not answer."""
    present = set()
    for line in open(PAGE, encoding="utf-8"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 + len(peers) and cells[-1]:
            present.add((cells[0], cells[1]))
    return [row for row in rows(peers, corten) if row[:2] not in present]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corten", default=os.path.join(TOP, "build", "release", "corten"))
    parser.add_argument("--runc", default=shutil.which("runc"))
    parser.add_argument("--crun", default=shutil.which("crun"))
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    for name in ("runc", "crun"):
        if getattr(given, name) is None:
            sys.exit(f"compatibility.py: {name} is not installed")
    peers = [Peer("runc", given.runc), Peer("crun", given.crun)]
    corten = Corten(given.corten)
    try:
        if not given.check:
            with open(PAGE, "w", encoding="utf-8") as file:
                file.write(page(peers, corten))
            return 0
        absent = missing(peers, corten)
    except LookupError as problem:
        sys.exit(f"compatibility.py: {problem}")
    for row in absent:
        print("not in docs/compatibility.md:", *row)
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
