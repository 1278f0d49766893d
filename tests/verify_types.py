"""Verify that pyright knows the types of at least 90 % of the public surface: `make types`."""

import json
import subprocess
import sys

LIMIT = 0.9
COMMAND = [sys.executable, "-m", "pyright", "--verifytypes", "bert4keras", "--ignoreexternal"]


def main():
    run = subprocess.run([*COMMAND, "--outputjson"], capture_output=True, text=True)
    report = json.loads(run.stdout)["typeCompleteness"]
    score = report["completenessScore"]
    print(f"{score:.1%} of the public symbols have known types, {LIMIT:.0%} are needed")
    unknown = [x["name"] for x in report["symbols"] if x["isExported"] and not x["isTypeKnown"]]
    if "--list" in sys.argv or score < LIMIT:
        print(*unknown, sep="\n")
    return int(score < LIMIT)


if __name__ == "__main__":
    sys.exit(main())
