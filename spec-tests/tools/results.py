"""Results of cases and what they mean for the requirements."""
import json
import pathlib
import re

LEADING_IDS = re.compile(r"^(?:Failed\n)?((?:[A-Z]{2}-\d{3} )*[A-Z]{2}-\d{3}): ")


def read_lines(path):
    path = pathlib.Path(path)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def merge(lines):
    """One result a case: a case that ran in a second view of the cgroup tree replaces its skip in the first."""
    best = {}
    for line in lines:
        key = (line["suite"], line["name"])
        if key not in best or best[key]["status"] == "skipped":
            best[key] = line
    return list(best.values())


def violated_ids(result):
    """Ids that a failed case speaks against: those a message starts with, else all that the case names."""
    ids = set()
    for message in result.get("failures", []):
        named = LEADING_IDS.match(message)
        ids.update(named.group(1).split() if named else result["requirements"].split())
    return ids


def seen(result):
    """The first failure message, shortened, as the answer to what was expected."""
    messages = result.get("failures") or [""]
    text = " ".join(messages[0].split())
    text = re.sub(r" Google Test trace:.*", "", text)
    text = re.sub(r"^Failed ", "", text)
    text = re.sub(r" Which is: 0x[0-9a-f]+", "", text)
    text = re.sub(r"\S*/oci-spec-[^/ ]+/[^/ ]+/", "", text)
    return text if len(text) <= 300 else text[:297] + "..."


class Verdict:
    """Cases and requirements of all judged runtimes side by side."""

    def __init__(self, rows, runtimes):
        self.rows = rows
        self.runtimes = runtimes
        self.by_case = {}
        for runtime in runtimes:
            for result in runtime.results:
                self.by_case.setdefault((result["suite"], result["name"]), {})[runtime.name] = result

    def count(self, runtime, status):
        return sum(result["status"] == status for result in runtime.results)

    def level_of(self, result):
        """MUST when any requirement that the failure speaks against is absolute."""
        levels = {self.rows[i]["level"] for i in violated_ids(result) if i in self.rows}
        return "MUST" if any(level.startswith("MUST") for level in levels) or not levels else "SHOULD"

    def failures(self, runtime, level=None):
        failed = [result for result in runtime.results if result["status"] == "failed"]
        return [result for result in failed if level is None or self.level_of(result) == level]

    def fails(self, runtime, tolerate_should):
        return bool(self.failures(runtime, "MUST" if tolerate_should else None)) or not runtime.results

    def requirement_status(self, runtime):
        """id -> passed, failed, skipped for the rows that any case of this run names."""
        status = {}
        for result in runtime.results:
            violated = violated_ids(result) if result["status"] == "failed" else set()
            for requirement in set(result["requirements"].split()) | violated:
                if requirement in violated:
                    status[requirement] = "failed"
                elif result["status"] == "passed" and status.get(requirement) != "failed":
                    status[requirement] = "passed"
                else:
                    status.setdefault(requirement, "skipped" if result["status"] == "skipped" else "passed")
        return status
