#!/usr/bin/env python3
"""Every rule of tools/check_sources.py finds what it forbids and leaves its neighbour alone."""

import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What the cases of "evidence" name: a registered file of cases, one that is not, tests of C++ and of faults.
BESIDE = {
    "tests/e2e/CMakeLists.txt": "foreach(file a_test)\n",
    "tests/e2e/a_test.py": "@case\ndef a_case():\n    pass\n\n\ndef helper():\n    pass\n",
    "tests/e2e/b_test.py": "@case\ndef nobody_runs_it():\n    pass\n",
    "tests/unit/a_test.cc": "TEST(Suite, Name) {}\nSPEC_CASE(Group,\n          Other, \"\") {}\n",
    "tests/fault/CMakeLists.txt": "foreach(sweep create run)\n  foreach(mode killed failing)\n",
    "src/stage/a.cc": "int a;\n",
}

# check, file, text, whether it is a finding.
CASES = [
    ("layers", "src/plan/a.cc", "#include <corten/sys/fd.h>\n", True),
    ("layers", "src/plan/a.cc", "#include <corten/spec/config.h>\n", False),
    ("layers", "include/corten/stage/a.h", "#include <corten/spec/config.h>\n", True),
    ("layers", "src/stage/a.cc", "#include <corten/plan/plan.h>\n", False),
    ("layers", "src/runtime/a.cc", "#include <corten/cli/options.h>\n", True),
    ("layers", "src/nolayer/a.cc", "int a;\n", True),
    ("layers", "src/base/a.cc", '#include "../../src/sys/call.h"\n', True),
    ("calls", "src/runtime/a.cc", "int fd = ::open(path, 0);\n", True),
    ("calls", "src/runtime/a.cc", "auto fd = sys::open(path, 0);\n", False),
    ("calls", "src/sys/a.cc", "int fd = ::open(path, 0);\n", False),
    ("calls", "src/runtime/a.cc", "// as ::open(path) would\n", False),
    ("calls", "src/runtime/a.cc", 'auto text = "::open(path)";\n', False),
    ("calls", "src/stage/a.cc", "mount(a, b, c, 0, d);\n", True),
    ("calls", "src/stage/a.cc", "apply_mount(a);\n", False),
    ("calls", "src/stage/a.cc", "if (::dup2(a, b) < 0) {\n", True),
    ("calls", "src/stage/a.cc", "return Stage::open(a);\n", False),
    ("calls", "src/sys/a.cc", "fopen(path, mode);\n", True),
    ("calls", "src/sys/a.cc", "std::system(text);\n", True),
    ("calls", "src/sys/a.cc", "FILE* pipe = ::popen(text, mode);\n", True),
    ("calls", "src/host/a.cc", "file_system(text);\n", False),
    ("calls", "src/host/a.cc", "std::thread worker;\n", True),
    ("calls", "src/host/a.cc", "#include <regex>\n", True),
    ("calls", "src/host/a.cc", "std::filesystem::path path;\n", True),
    ("calls", "src/cli/a.cc", "getpwnam(name);\n", True),
    ("calls", "tests/unit/a.cc", "::open(path, 0);\n", False),
    ("sizes", "src/base/a.cc", "int a;\n" * 601, True),
    ("sizes", "src/base/a.cc", "int a;\n" * 600, False),
    ("links", "docs/a.md", "[b](b.md)\n", True),
    ("links", "docs/a.md", "[a](a.md#part) [web](https://example.org/) [here](#part)\n", False),
    ("links", "docs/a.md", "[top](../README.md)\n", True),
    ("links", "docs/a.md", "```\n[b](b.md)\n```\n`[c](c.md)`\n", False),
    ("evidence", "docs/security.md", "| CVE-1 | class | `src/stage/a.cc` | `a_case`, `Suite.Name`, `Group.Other`, `fault.run.killed` |\n", False),
    ("evidence", "docs/security.md", "| published as | what | how | test |\n|---|---|---|---|\ntext with `nothing`\n", False),
    ("evidence", "docs/security.md", "| CVE-1 | class | guard | `no_case` |\n", True),
    ("evidence", "docs/security.md", "| CVE-1 | class | guard | `helper` |\n", True),
    ("evidence", "docs/security.md", "| CVE-1 | class | guard | `nobody_runs_it` |\n", True),
    ("evidence", "docs/security.md", "| CVE-1 | class | guard | `Suite.Other` |\n", True),
    ("evidence", "docs/security.md", "| CVE-1 | class | guard | `fault.exec.killed` |\n", True),
    ("evidence", "docs/security.md", "| CVE-1 | class | `src/stage/b.cc` | `a_case` |\n", True),
    ("evidence", "docs/security.md", "| CVE-1 | class | guard | |\n", True),
]


def finds(check, name, text):
    with tempfile.TemporaryDirectory() as top:
        subprocess.run(["git", "init", "-q", top], check=True)
        for path, content in {**(BESIDE if check == "evidence" else {}), name: text}.items():
            os.makedirs(os.path.join(top, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(top, path), "w", encoding="utf-8") as file:
                file.write(content)
        done = subprocess.run([sys.executable, os.path.join(TOP, "tools", "check_sources.py"), check, top],
                              stdout=subprocess.PIPE, text=True, check=False)
        # A finding names the file: a crash of the check is not one.
        assert done.returncode == (1 if done.stdout else 0), done
        return done.stdout.startswith(f"{name}:")


def main():
    failed = 0
    for check, name, text, expected in CASES:
        if finds(check, name, text) != expected:
            failed += 1
            print(f"{check}: {name} with {text[:60]!r} should {'' if expected else 'not '}be a finding")
    print(f"{len(CASES) - failed} of {len(CASES)} as expected")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
