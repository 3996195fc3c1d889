"""What the pages name is there: files, links, commands and settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from starter.cli.commands import COMMANDS
from storage.database import HEAD
from worker.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
ROOMS = (
    "domain",
    "storage",
    "activities",
    "workflows",
    "worker",
    "starter",
    "tests",
    "docs",
    "deploy",
    "examples",
    "bench",
)
MARKS = re.compile(r"\bR-\d{3}\b|\bDESIGN \d")


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)
def test_files_and_links_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{'|'.join(ROOMS)})/[\w./-]+)(?::[\w.]+)?`", text)
    linked = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    missing = [one for one in named if not (ROOT / one).exists() and not list(ROOT.glob(f"{one.rstrip('/')}*"))]
    missing += [one for one in linked if not (page.parent / one).exists()]
    assert missing == []
    assert not MARKS.search(text), "a reader has no such page"


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)
def test_functions_that_are_named_exist(page: Path) -> None:
    for file, names in re.findall(r"`([\w/]+\.py):([\w.]+)`", page.read_text(encoding="utf-8")):
        found = ROOT / file if (ROOT / file).exists() else next((ROOT / "activities").rglob(file))
        source = found.read_text(encoding="utf-8")
        for name in names.split("."):
            assert re.search(rf"\b{name}\b", source), f"{file}:{names}"


def test_commands_that_are_shown_exist() -> None:
    for page in PAGES:
        shown = re.findall(r"(?:^\$ |`)alerts ([a-z][a-z-]*)", page.read_text(encoding="utf-8"), re.M)
        assert set(shown) <= COMMANDS.keys() | {"worker"}, page.name


def test_every_setting_is_told() -> None:
    """In the README, or on the page of the providers."""
    told = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = [name.upper() for name in Settings.model_fields if name.upper() not in told]
    assert missing == []


def test_the_schema_that_is_shown_is_the_newest() -> None:
    shown = re.findall(r"schema +ok +at (\d+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown == [HEAD]
