"""Files damaged by chance: no hang, no end of the process, no silent change, only named errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import fuzz
import pytest

SEED = "2026"


@pytest.mark.slow
@pytest.mark.parametrize("group", fuzz.GROUPS)
def test_damaged_files_end_in_errors_that_name_them(tmp_path, group):
    root = Path(__file__).parent
    paths = [str(root), str(root.parent), os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [sys.executable, fuzz.__file__, group, str(tmp_path), SEED],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    cases = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert result.returncode == 0, (cases[-1:], result.stderr[-2000:])
    assert [case for case in cases if "fault" in case] == []
    assert len(cases) >= 100


class TestDamage:
    def test_most_cases_differ_and_each_is_the_same_again(self):
        data = bytes(range(200))
        cases = [fuzz.damage(data, fuzz.random.Random(seed)) for seed in range(200)]
        assert cases == [fuzz.damage(data, fuzz.random.Random(seed)) for seed in range(200)]
        assert len(set(cases)) > 150 and b"" not in cases
