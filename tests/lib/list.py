"""Prints the tests of ctest's JSON on standard input whose label is one of the arguments."""

import json
import sys

for test in json.load(sys.stdin)["tests"]:
    properties = {entry["name"]: entry["value"] for entry in test.get("properties", [])}
    for label in properties.get("LABELS", []):
        if label in sys.argv[1:]:
            print(f"{label:<8} {test['name']}")
