"""The requirement rows, and which of them the cases prove."""
import csv
import json
import subprocess


def read(path):
    """Rows of requirements.tsv by id, in the order of the file."""
    with open(path, newline="", encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def list_cases(program):
    """What spec_tests --list-cases prints; needs no privileges."""
    answer = subprocess.run([str(program), "--list-cases"], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in answer.stdout.splitlines() if line]


class Coverage:
    """Compares the rows with the ids that cases name."""

    def __init__(self, rows, cases):
        self.observable = [row for row in rows.values() if row["observable"] == "yes"]
        self.unobservable = [row for row in rows.values() if row["observable"] != "yes"]
        named = {}
        for case in cases:
            for requirement in case["requirements"].split():
                named.setdefault(requirement, []).append(f"{case['suite']}.{case['name']}")
        self.cases = cases
        self.cases_of = named
        self.missing = [row["id"] for row in self.observable if row["id"] not in named]
        self.unknown = sorted(requirement for requirement in named if requirement not in rows)
        self.unexplained = [row["id"] for row in self.unobservable if len(row["observable"].split()) < 3]
        self.without_ids = [f"{case['suite']}.{case['name']}" for case in cases if not case["requirements"].split()]
        names = [(case["suite"], case["name"]) for case in cases]
        self.duplicates = sorted({f"{suite}.{name}" for suite, name in names if names.count((suite, name)) > 1})

    def complete(self):
        return not (self.missing or self.unknown or self.unexplained or self.without_ids or self.duplicates)

    def text(self):
        covered = len(self.observable) - len(self.missing)
        lines = [f"coverage: {covered} of {len(self.observable)} observable requirements are proved by "
                 f"{len(self.cases)} cases; {len(self.unobservable)} rows cannot be observed on a runtime"]
        for title, names in (("observable, but without a case", self.missing), ("unknown ids in cases", self.unknown),
                             ("not observable, but without a reason", self.unexplained),
                             ("cases without an id", self.without_ids), ("cases of the same name", self.duplicates)):
            if names:
                lines.append(f"  {title}: {' '.join(names)}")
        return "\n".join(lines)
