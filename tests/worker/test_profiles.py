"""A profile of Temporal's own configuration says where the server is; a demo has its own whatever it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from starter.processes import Stack
from worker.client import target_of
from worker.settings import Settings


def test_a_server_that_a_profile_names_is_not_taken_for_our_own_child(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.default]\naddress = "temporal.example.com:7233"\n', encoding="utf-8")
    plain = Settings(alerts_home=tmp_path, temporal_address="")
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "none.toml"))
    assert target_of(plain) == "127.0.0.1:7233"
    assert Stack(plain, None, print).embedded
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    assert target_of(plain) == "temporal.example.com:7233"
    assert not Stack(plain, None, print).embedded
    demo = plain.model_copy(update={"alerts_demo": True})
    assert target_of(demo) == "127.0.0.1:7233"
    assert Stack(demo, None, print).embedded
