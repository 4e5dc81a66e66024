#!/usr/bin/env bash
# The checks that need no build: what a person, the git hook and CI run.
set -euo pipefail

# A git hook is a link to this file.
top=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
cd "$top"

usage() {
  cat <<'TEXT'
Usage: tools/lint.sh [CHECK...]

Checks (default: all but tidy-all):
  format     C++ is as clang-format writes it
  layers     no include in the wrong direction (docs/architecture.md)
  calls      system calls only in src/sys; nothing that corten does without
  sizes      no source file above 600 lines (tests may be longer)
  links      relative links in Markdown lead somewhere
  evidence   the tests and files that docs/security.md names exist
  shell      bash -n and, if installed, shellcheck on every script
  python     every Python file compiles
  tidy       clang-tidy on the C++ sources that differ from HEAD; needs build/dev
  tidy-all   clang-tidy on all of src

`tools/lint.sh --fix` formats all C++ sources in place.
Exit status: 0 clean, 1 something was found, 77 a single check whose program is not installed.
TEXT
}

# Tracked files and new ones that git does not ignore, so that a file is checked before its first commit.
files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [ ! -f "$file" ] || echo "$file"; done; }

missing() {
  echo "lint: $1 is not installed" >&2
  return 77
}

check_format() {
  command -v clang-format >/dev/null || { missing clang-format; return; }
  local bad=0 file
  while read -r file; do
    clang-format --style=file "$file" | cmp -s - "$file" && continue
    echo "$file: not formatted (tools/lint.sh --fix)"
    bad=1
  done < <(files '*.cc' '*.h')
  return $bad
}

check_shell() {
  local bad=0 file
  while read -r file; do
    head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh\b' || continue
    bash -n "$file" || bad=1
    # Not every host has it; CI does.
    if command -v shellcheck >/dev/null; then shellcheck --severity=warning "$file" || bad=1; fi
  done < <(files)
  return $bad
}

check_python() {
  local bad=0 file
  while read -r file; do
    python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$file" || bad=1
  done < <(files '*.py')
  return $bad
}

tidy() {
  command -v clang-tidy >/dev/null || { missing clang-tidy; return; }
  [ -e build/dev/compile_commands.json ] || { echo "lint: run cmake --preset dev first" >&2; return 77; }
  [ $# -gt 0 ] || return 0
  # GCC's own warning options in the compilation database mean nothing to clang.
  printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p build/dev \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-gnu-statement-expression
}

check_tidy() {
  local changed
  mapfile -t changed < <(git diff --name-only --diff-filter=d HEAD -- 'src/*.cc')
  tidy "${changed[@]}"
}

check_tidy_all() {
  local all
  mapfile -t all < <(files 'src/*.cc')
  tidy "${all[@]}"
}

run() {
  case $1 in
    format) check_format ;;
    layers | calls | sizes | links | evidence) python3 tools/check_sources.py "$1" ;;
    shell) check_shell ;;
    python) check_python ;;
    tidy) check_tidy ;;
    tidy-all) check_tidy_all ;;
    *) echo "tools/lint.sh: unknown check $1: see --help" >&2; return 2 ;;
  esac
}

case ${1-} in
  -h | --help) usage; exit 0 ;;
  --fix) files '*.cc' '*.h' | xargs clang-format --style=file -i; exit 0 ;;
esac
if [ $# = 1 ]; then
  run "$1"
  exit
fi
[ $# -gt 0 ] || set -- format layers calls sizes links evidence shell python tidy
failed=()
for check in "$@"; do
  status=0
  run "$check" || status=$?
  # A program that is missing here is CI's business; everything else is a finding.
  [ $status = 0 ] || [ $status = 77 ] || failed+=("$check")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "lint: failed: ${failed[*]}" >&2
  exit 1
fi
