"""Commands of the replaced services, under the names that scripts and people know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "starter.cli.main", *words],
        env={**os.environ, "ALERTS_HOME": str(home), "ALERTS_TEMPORAL_PORT": "1", **variables},
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "today"),
    [("start", "up"), ("reload", "sync"), ("test-db", "doctor"), ("validate-config", "validate"), ("validate-schemas", "validate")],
)  # fmt: skip
def test_an_old_name_is_the_command_of_today(tmp_path: Path, old: str, today: str) -> None:
    helps = [
        run(tmp_path, name, "--help").stdout.partition("\n\n")[2] for name in (old, today)
    ]  # but for the usage line
    assert helps[0] == helps[1] != ""
    listed = {
        line.split()[0]
        for line in run(tmp_path, "--help").stdout.splitlines()
        if line.startswith("  ") and line.split()
    }
    assert (old in listed, today in listed) == (False, True)


def test_the_configuration_and_own_schemas_are_checked(tmp_path: Path) -> None:
    good = run(tmp_path, "validate-config")
    assert (good.returncode, "the configuration is valid" in good.stdout + good.stderr) == (0, True)
    assert run(tmp_path, "validate-config", ALERT_MAX_EVAL_TIME="soon").returncode == 2
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    (schemas / "alert.v1.json").write_text('{"type": 7}')
    bad = run(tmp_path, "validate-schemas", ALERT_SCHEMA_DIR=str(schemas))
    assert bad.returncode == 2
    assert "alert.v1.json" in bad.stderr
