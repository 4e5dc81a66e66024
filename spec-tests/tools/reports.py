"""The report formats: terminal, Markdown, self-contained HTML, JUnit XML and JSON."""
import datetime
import html
import json
import pathlib
import platform
from xml.etree import ElementTree

from results import seen, violated_ids

MARK = {"passed": "pass", "failed": "FAIL", "skipped": "skip", None: "-"}
SPEC_VERSION = "1.3.0"
SPEC_URL = f"https://github.com/opencontainers/runtime-spec/blob/v{SPEC_VERSION}/"


def summary_rows(verdict):
    for runtime in verdict.runtimes:
        status = verdict.requirement_status(runtime)
        yield {
            "name": runtime.name, "version": runtime.version, "view": runtime.view,
            "passed": verdict.count(runtime, "passed"), "must": len(verdict.failures(runtime, "MUST")),
            "should": len(verdict.failures(runtime, "SHOULD")), "skipped": verdict.count(runtime, "skipped"),
            "rows_failed": sum(value == "failed" for value in status.values()),
            "rows_passed": sum(value == "passed" for value in status.values()), "seconds": runtime.seconds}


def skip_reasons(verdict):
    reasons = {}
    for runtime in verdict.runtimes:
        for result in runtime.results:
            if result["status"] == "skipped":
                reason = result.get("skipReason", "no reason given")
                reasons.setdefault(reason, {}).setdefault(runtime.name, []).append(result)
    return reasons


def terminal(verdict, coverage, details=True):
    lines = []
    if details:
        for runtime in verdict.runtimes:
            for result in verdict.failures(runtime):
                lines.append(f"{runtime.name}: {verdict.level_of(result)} {result['suite']}.{result['name']} "
                             f"[{' '.join(sorted(violated_ids(result)))}]")
                lines.append(f"    expected: {result['expected']}")
                lines.append(f"    seen:     {seen(result)}")
        for reason, by_runtime in skip_reasons(verdict).items():
            counts = ", ".join(f"{name} {len(found)}" for name, found in by_runtime.items())
            lines.append(f"skipped ({counts}): {reason.strip()[:150]}")
        lines.append("")
    header = f"{'runtime':<12} {'passed':>7} {'MUST failed':>12} {'SHOULD failed':>14} {'skipped':>8} {'rows failed':>12} {'time':>8}  version"
    lines += [header, "-" * len(header)]
    for row in summary_rows(verdict):
        lines.append(f"{row['name']:<12} {row['passed']:>7} {row['must']:>12} {row['should']:>14} {row['skipped']:>8} "
                     f"{row['rows_failed']:>12} {row['seconds']:>6.1f} s  {row['version']}")
    lines.append(coverage.text())
    return "\n".join(lines)


def anchor(row):
    return f"{row['file']}#{row['anchor'].replace(' ', '-').lower() if ' ' in row['anchor'] else row['anchor']}"


def host_line():
    release = platform.release().split("-")[0]
    return f"{platform.system()} {release} {platform.machine()}"


def markdown(verdict, coverage):
    names = [runtime.name for runtime in verdict.runtimes]
    lines = [f"# Conformance with the OCI runtime-spec {SPEC_VERSION}", "",
             f"Made {datetime.date.today().isoformat()} on {host_line()} by `spec-tests/run`. {coverage.text()}.", "",
             "| runtime | version | cases passed | MUST failed | SHOULD failed | skipped | requirements failed | seconds |",
             "|---|---|---:|---:|---:|---:|---:|---:|"]
    for row in summary_rows(verdict):
        lines.append(f"| {row['name']} | {row['version']} | {row['passed']} | {row['must']} | {row['should']} | "
                     f"{row['skipped']} | {row['rows_failed']} | {row['seconds']:.1f} |")
    lines += ["", "## Requirements", "",
              "A requirement fails when a case that names it fails. `-`: no case ran.", "",
              "| id | level | where | requirement | " + " | ".join(names) + " |",
              "|---|---|---|---|" + "---|" * len(names)]
    status = {runtime.name: verdict.requirement_status(runtime) for runtime in verdict.runtimes}
    for row in verdict.rows.values():
        if row["observable"] != "yes":
            continue
        marks = " | ".join(MARK[status[name].get(row["id"])] for name in names)
        text = row["requirement"].replace("|", "\\|")
        lines.append(f"| {row['id']} | {row['level']} | [{row['anchor']}]({SPEC_URL}{anchor(row)}) | {text} | {marks} |")
    lines += ["", "## Failures", ""]
    for runtime in verdict.runtimes:
        failures = verdict.failures(runtime)
        lines += [f"### {runtime.name}", ""]
        if not failures:
            lines += ["None.", ""]
            continue
        lines += ["| case | level | requirements | expected | seen |", "|---|---|---|---|---|"]
        for result in failures:
            cells = [f"{result['suite']}.{result['name']}", verdict.level_of(result),
                     " ".join(sorted(violated_ids(result))), result["expected"], seen(result)]
            lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |")
        lines.append("")
    lines += ["## Skipped cases", "", "| reason | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for reason, by_runtime in skip_reasons(verdict).items():
        counts = " | ".join(str(len(by_runtime.get(name, []))) for name in names)
        lines.append(f"| {' '.join(reason.split())[:200].replace('|', ' ')} | {counts} |")
    lines += ["", "## Rows that cannot be observed", "", "| id | requirement | reason |", "|---|---|---|"]
    for row in coverage.unobservable:
        lines.append(f"| {row['id']} | {row['requirement'].replace('|', ' ')} | {row['observable']} |")
    return "\n".join(lines) + "\n"


STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1200px;padding:0 1em;color:#222}
table{border-collapse:collapse;width:100%;margin:1em 0}td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}
th{background:#f3f3f3;position:sticky;top:0}.passed{background:#dff3df}.failed{background:#f8d4d4}.skipped{background:#f4eecb}
details{margin:.2em 0}pre{background:#f6f6f6;padding:.6em;overflow:auto;max-height:30em;font-size:12px}
"""


def html_failure(verdict, result):
    body = "\n\n".join(result.get("failures", []))
    parts = [f"<summary>{html.escape(result['suite'] + '.' + result['name'])} ({verdict.level_of(result)}): "
             f"{html.escape(seen(result))}</summary>",
             f"<p>Expected: {html.escape(result['expected'])}. Requirements: {' '.join(sorted(violated_ids(result)))}</p>"]
    for title, text in (("Failures", body), ("Commands", result.get("log", "")), ("config.json", result.get("config", ""))):
        parts.append(f"<p>{title}</p><pre>{html.escape(text)}</pre>")
    return "<details>" + "".join(parts) + "</details>"


def html_page(verdict, coverage):
    names = [runtime.name for runtime in verdict.runtimes]
    out = ["<!doctype html><html lang=en><meta charset=utf-8>", f"<title>OCI runtime-spec {SPEC_VERSION} conformance</title>",
           f"<style>{STYLE}</style>", f"<h1>Conformance with the OCI runtime-spec {SPEC_VERSION}</h1>",
           f"<p>{datetime.date.today().isoformat()}, {html.escape(host_line())}. {html.escape(coverage.text())}</p>",
           "<table><tr><th>runtime<th>version<th>cases passed<th>MUST failed<th>SHOULD failed<th>skipped<th>requirements failed<th>seconds"]
    for row in summary_rows(verdict):
        out.append(f"<tr><td>{html.escape(row['name'])}<td>{html.escape(row['version'])}<td>{row['passed']}<td>{row['must']}"
                   f"<td>{row['should']}<td>{row['skipped']}<td>{row['rows_failed']}<td>{row['seconds']:.1f}")
    out.append("</table><h2>Requirements</h2><table><tr><th>id<th>level<th>where<th>requirement" +
               "".join(f"<th>{html.escape(name)}" for name in names))
    status = {runtime.name: verdict.requirement_status(runtime) for runtime in verdict.runtimes}
    for row in verdict.rows.values():
        if row["observable"] != "yes":
            continue
        cells = "".join(f"<td class={status[name].get(row['id'], 'none')}>{MARK[status[name].get(row['id'])]}" for name in names)
        out.append(f"<tr><td>{row['id']}<td>{row['level']}<td><a href=\"{SPEC_URL}{html.escape(anchor(row))}\">"
                   f"{html.escape(row['anchor'])}</a><td>{html.escape(row['requirement'])}{cells}")
    out.append("</table><h2>Failures</h2>")
    for runtime in verdict.runtimes:
        failures = verdict.failures(runtime)
        out.append(f"<h3>{html.escape(runtime.name)}: {len(failures)}</h3>")
        out += [html_failure(verdict, result) for result in failures]
    out.append("<h2>Skipped cases</h2><table><tr><th>reason" + "".join(f"<th>{html.escape(name)}" for name in names))
    for reason, by_runtime in skip_reasons(verdict).items():
        out.append(f"<tr><td>{html.escape(reason)}" + "".join(f"<td>{len(by_runtime.get(name, []))}" for name in names))
    out.append("</table><h2>Rows that cannot be observed</h2><table><tr><th>id<th>requirement<th>reason")
    for row in coverage.unobservable:
        out.append(f"<tr><td>{row['id']}<td>{html.escape(row['requirement'])}<td>{html.escape(row['observable'])}")
    out.append("</table></html>")
    return "\n".join(out) + "\n"


def junit(verdict, runtime):
    failed, skipped = verdict.count(runtime, "failed"), verdict.count(runtime, "skipped")
    suites = ElementTree.Element("testsuites", name=runtime.name, tests=str(len(runtime.results)), failures=str(failed),
                                 skipped=str(skipped), time=f"{runtime.seconds:.3f}")
    by_suite = {}
    for result in runtime.results:
        by_suite.setdefault(result["suite"], []).append(result)
    for name, found in by_suite.items():
        suite = ElementTree.SubElement(suites, "testsuite", name=name, tests=str(len(found)),
                                       failures=str(sum(item["status"] == "failed" for item in found)),
                                       skipped=str(sum(item["status"] == "skipped" for item in found)))
        for result in found:
            case = ElementTree.SubElement(suite, "testcase", classname=f"{runtime.name}.{name}", name=result["name"],
                                          time=f"{result['milliseconds'] / 1000:.3f}")
            properties = ElementTree.SubElement(case, "properties")
            ElementTree.SubElement(properties, "property", name="requirements", value=result["requirements"])
            if result["status"] == "failed":
                text = "\n\n".join(result["failures"]) + "\n\n" + result.get("log", "")
                failure = ElementTree.SubElement(case, "failure", message=clean(seen(result)), type=verdict.level_of(result))
                failure.text = clean(text)
            elif result["status"] == "skipped":
                ElementTree.SubElement(case, "skipped", message=clean(result.get("skipReason", "")))
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)


def clean(text):
    """XML 1.0 has no place for control characters."""
    return "".join(c if c in "\n\t" or ord(c) >= 32 else "?" for c in text)


def write_all(directory, verdict, coverage):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.md").write_text(markdown(verdict, coverage))
    (directory / "report.html").write_text(html_page(verdict, coverage))
    data = {"date": datetime.date.today().isoformat(), "host": host_line(), "spec": SPEC_VERSION,
            "runtimes": [{"name": runtime.name, "version": runtime.version, "results": runtime.results}
                         for runtime in verdict.runtimes]}
    (directory / "report.json").write_text(json.dumps(data, indent=1))
    for runtime in verdict.runtimes:
        (directory / f"junit-{runtime.name}.xml").write_text(junit(verdict, runtime))
