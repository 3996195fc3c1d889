"""What cannot be run here is parsed and held against the product: compose file, image, set-up scripts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from dockerfile_parse import DockerfileParser
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from activities.interface import TaskQueue
from starter.api.document import document
from starter.cli.commands import COMMANDS, load
from worker import provider_docs
from worker.provider_settings import VENDORS
from worker.settings import SECRET, Settings
from worker.temporal_server import _TYPES, TIMER_STEP
from workflows.search_attributes import ALL

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
PRODUCT = {name: one for name, one in SERVICES.items() if one["image"].startswith("market-alerts")}
TEMPORAL_ENV = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}  # read by the SDK's own configuration as well


def test_the_compose_file_meets_the_specification() -> None:
    bundled = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(bundled.read_text(encoding="utf-8"))
    errors = [error.message for error in Draft202012Validator(schema).iter_errors(COMPOSE)]
    assert errors == []
    broken = {**COMPOSE, "services": {"x": {"imagine": 1}}}
    assert list(Draft202012Validator(schema).iter_errors(broken))


def test_everything_that_is_wanted_is_there() -> None:
    assert set(PRODUCT) == {"alerts-migrate", "worker", "watch", "jobs", "api", "notifier", "telegram", "web-ui"}
    assert {"temporal", "temporal-db", "temporal-schema", "temporal-namespace", "temporal-ui", "alerts-db"} <= set(
        SERVICES
    )
    assert PRODUCT["worker"]["deploy"]["replicas"] == "${WORKER_REPLICAS:-2}"
    served = [queue for name in ("worker", "watch", "jobs") for queue in PRODUCT[name]["command"][2].split(",")]
    assert sorted(served) == sorted(TaskQueue), "each queue is served by one kind of worker"
    assert "ports" not in PRODUCT["worker"]
    assert "container_name" not in PRODUCT["worker"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_and_services_hardened(name: str) -> None:
    service = SERVICES[name]
    own = service in PRODUCT.values()
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+[\w.-]*" + ("" if own else r"@sha256:[0-9a-f]{64}"), service["image"])
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert {"mem_limit", "pids_limit", "cpus"} <= set(service), "one service must not take the machine from the others"
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], mount
    for published in service.get("ports", []):
        assert published.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", SERVICES)
def test_who_waits_waits_for_something_that_comes(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        if wanted["condition"] == "service_healthy":
            assert "test" in SERVICES[other]["healthcheck"], other
        else:
            assert wanted["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"].startswith("on-failure"), other


def test_no_secret_is_in_the_file() -> None:
    secret = {name.upper() for name in SECRET} | {"POSTGRES_PASSWORD", "POSTGRES_PWD", "SQL_PASSWORD"}
    seen = set()
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if variable in secret:
                seen.add(variable)
                assert re.search(r"\$\{[A-Z_]+:[?-]", str(value)), variable
                assert not re.search(r":[^@/]+@", re.sub(r"\$\{[^}]*\}", "", str(value))), variable
    assert {"DATABASE_URL", "POSTGRES_PASSWORD", "POSTGRES_PWD", "SQL_PASSWORD"} <= seen
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))
    assert needed == {"TEMPORAL_DB_PASSWORD", "ALERTS_DB_PASSWORD"}
    assert all(re.search(rf"^{name}=$", example, re.M) for name in needed)
    assert ".env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


@pytest.mark.parametrize("name", PRODUCT)
def test_every_variable_and_command_exists(name: str) -> None:
    service = PRODUCT[name]
    known = {field.upper() for field in Settings.model_fields} | TEMPORAL_ENV
    assert set(service["environment"]) <= known
    words = list(service["command"])
    command = load(words.pop(0))
    while words and getattr(command, "commands", None):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)
    test = service["healthcheck"].get("test", [])
    if test[:2] == ["CMD", "alerts"]:
        assert test[2] in COMMANDS


def test_defaults_of_the_settings_are_accepted() -> None:
    filled = {
        key: re.sub(r"\$\{([A-Z_]+):[-?]([^}]*)\}", lambda found: found[2] if ":-" in found[0] else "x", str(value))
        for key, value in PRODUCT["api"]["environment"].items()
    }
    settings = Settings(**{key.lower(): value for key, value in filled.items() if key not in TEMPORAL_ENV})
    assert settings.database.startswith("postgresql://alerts:x@alerts-db")


def test_ports_and_health_checks_name_what_the_product_has() -> None:
    api = PRODUCT["api"]
    assert api["ports"] == [f"127.0.0.1:{Settings().alerts_api_port}:{api['environment']['ALERTS_API_PORT']}"]
    path = re.search(r"http://127\.0\.0\.1:8002(/\w+)", api["healthcheck"]["test"][-1])
    assert path
    assert path[1] in document()["paths"]
    notifier = PRODUCT["notifier"]
    assert notifier["ports"] == [
        f"127.0.0.1:{Settings().alerts_notifier_port}:{notifier['environment']['ALERTS_NOTIFIER_PORT']}"
    ]
    door = PRODUCT["web-ui"]
    assert door["ports"] == [f"127.0.0.1:{Settings().alerts_ui_port}:{door['environment']['ALERTS_UI_PORT']}"]
    assert door["command"][1] == f"http://temporal-ui:{SERVICES['temporal-ui']['environment']['TEMPORAL_UI_PORT']}"
    assert "ports" not in SERVICES["temporal-ui"], "it answers to every host name: only its door may reach it"
    assert SERVICES["temporal-ui"]["networks"] == ["backend"]
    assert PRODUCT["worker"]["environment"]["TEMPORAL_ADDRESS"] == "temporal:7233"


def test_the_set_up_makes_what_the_product_needs() -> None:
    script = (ROOT / "deploy/temporal/setup-namespace.sh").read_text(encoding="utf-8")
    made = dict(re.findall(r"--name (\w+) --type (\w+)", script))
    assert made == {key.name: _TYPES[key.indexed_value_type] for key in ALL}
    dynamic = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yaml").read_text(encoding="utf-8"))
    key, _, value = TIMER_STEP.partition("=")
    health = " ".join(SERVICES["temporal"]["healthcheck"]["test"])
    (allowed,) = dynamic["frontend.httpAllowedHosts"][0]["value"]
    assert f"http://{allowed}/" in health, "nobody but its own health check uses the server's HTTP API"
    assert dynamic == {key: [{"value": value.strip('"')}], "frontend.httpAllowedHosts": [{"value": [allowed]}]}
    for name in ("setup-schema.sh", "setup-namespace.sh"):
        path = ROOT / "deploy/temporal" / name
        assert path.read_text(encoding="utf-8").startswith("#!/bin/sh\n")
        assert any(f"/setup/{name}" in word for one in SERVICES.values() for word in one.get("entrypoint", []))


def test_pinning_looks_up_every_tag(tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    for name in ("docker-compose.yml", "Dockerfile", "deploy/pin-images"):
        shutil.copy(ROOT / name, tmp_path / name)
    docker = tmp_path / "docker"  # buildx prints a digest and nothing else
    docker.write_text(f'#!/bin/sh\ntest "$2 $3" = "imagetools inspect" && echo sha256:{"7" * 64}\n', encoding="utf-8")
    docker.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "deploy/pin-images"], cwd=tmp_path, env={"PATH": path}, check=True, timeout=60)
    for name in ("docker-compose.yml", "Dockerfile"):
        before, after = ((root / name).read_text(encoding="utf-8") for root in (ROOT, tmp_path))
        digests = set(re.findall(r"sha256:\w+", after))
        assert digests == {f"sha256:{'7' * 64}"}, name
        assert re.sub(r"sha256:\w+", "", after) == re.sub(r"sha256:\w+", "", before)
    assert not list(tmp_path.glob("*.before"))


def pins_of(name: str) -> dict[str, list[str]]:
    """The hashes of each pinned version."""
    found: dict[str, list[str]] = {}
    pin = ""
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("    --hash="):
            found[pin].append(line.strip(" \\"))
        else:
            assert re.match(r"[A-Za-z0-9_.-]+==\S+( ; .+)? \\$", line), line
            name, _, version = line.split(" ")[0].partition("==")
            pin = f"{_name(name)}=={version}"
            found[pin] = []
    return found


def _name(requirement: str) -> str:
    return re.split(r"[\[>=<]", requirement)[0].lower().replace("_", "-").replace(".", "-")


def test_every_dependency_is_pinned_by_its_hashes() -> None:
    everything, runtime = pins_of("constraints.txt"), pins_of("requirements.txt")
    assert all(everything.values())
    assert runtime.items() <= everything.items(), "the image has what the tests have"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {_name(one) for one in project["dependencies"]}
    assert names <= {pin.partition("==")[0] for pin in runtime}
    own = {_name(one) for one in project["optional-dependencies"]["dev"]}
    assert own <= {pin.partition("==")[0] for pin in everything}
    assert all(pins_of("deploy/uv.txt").values()), "what installs is pinned, too"
    for name in ("constraints.txt", "requirements.txt", "deploy/uv.txt"):
        assert "://" not in (ROOT / name).read_text(encoding="utf-8"), "no address of an index"


def test_the_image_is_small_pinned_and_not_root() -> None:
    parsed = DockerfileParser(path=str(ROOT), cache_content=True)
    assert parsed.is_multistage
    postgres, python = sorted(set(parsed.parent_images))
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", python)
    assert postgres == SERVICES["alerts-db"]["image"], "backups by the server's own tools"
    assert postgres.partition("@")[0].endswith("-bookworm"), "its programs find the same libraries"
    steps = [(one["instruction"], one["value"]) for one in parsed.structure]
    users = [value for instruction, value in steps if instruction == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])
    assert ("ENTRYPOINT", '["alerts"]') in steps
    assert any(instruction == "HEALTHCHECK" for instruction, _ in steps)
    copied = {
        word
        for instruction, value in steps
        if instruction == "COPY" and "--from" not in value
        for word in value.split()[:-1]
    }
    assert all((ROOT / one).exists() for one in copied)
    assert {"domain", "storage", "activities", "workflows", "worker", "starter", "requirements.txt"} <= copied
    assert any("--require-hashes --requirement requirements.txt" in value for name, value in steps if name == "RUN")
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {f"!{one}" for one in copied} <= set(allowed)
    for instruction, value in steps:
        if instruction in ("ENV", "ARG"):
            assert not re.search(r"PASSWORD|SECRET|TOKEN|KEY", value)
    names = {
        pair.split("=")[0]
        for instruction, value in steps
        if instruction == "ENV"
        for pair in value.split()
        if "=" in pair
    }
    assert {name for name in names if name.startswith(("ALERT", "API"))} <= {
        field.upper() for field in Settings.model_fields
    }


def test_what_vendors_declare_is_what_people_read() -> None:
    """Adding a vendor is adding a file: its settings, the page and the example follow from that."""
    assert provider_docs.PAGE.read_text(encoding="utf-8") == provider_docs.page(), "run make generated"
    assert provider_docs.EXAMPLE.read_text(encoding="utf-8") == provider_docs.example(), "run make generated"
    told = {line.lstrip("# ").partition("=")[0] for line in provider_docs.example().splitlines() if "=" in line}
    assert told <= {field.upper() for field in Settings.model_fields}
    keys = {f"{name}_api_key" for name, one in VENDORS.items() if one.needs_key}
    assert keys == {"alpha_vantage_api_key", "finnhub_api_key", "polygon_api_key"}
    assert all(isinstance(getattr(Settings(**{key: "hush"}), key), SecretStr) for key in keys)
    assert all("vendors.env" in str(PRODUCT[name]["env_file"]) for name in ("worker", "api"))


def test_what_channels_declare_is_what_people_set() -> None:
    """Adding a channel is adding a file: its settings, the doctor and the example follow from that."""
    assert provider_docs.CHANNELS.read_text(encoding="utf-8") == provider_docs.channels(), "run make generated"
    told = {line.strip("# =") for line in provider_docs.channels().splitlines() if line.endswith("=")}
    assert (
        {"ALERT_WEBHOOK_URL", "NOTIFICATION_SERVICE_URL"} <= told <= {field.upper() for field in Settings.model_fields}
    )
    assert {"alert_webhook_url", "alert_webhooks", "alert_webhook_secret"} <= SECRET, (
        "what is a secret is masked by its type"
    )
    assert all("channels.env" in str(PRODUCT[name]["env_file"]) for name in ("worker", "api"))


def test_a_first_start_installs_only_what_the_product_needs() -> None:
    steps = subprocess.run(
        ["make", "--dry-run", "--always-make", "demo"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "deploy/install requirements.txt" in steps
    assert "constraints.txt" not in steps
    for name in ("alerts", "deploy/install"):
        assert os.access(ROOT / name, os.X_OK)
        assert subprocess.run(["sh", "-n", name], cwd=ROOT, check=False).returncode == 0


def test_an_old_python_is_told_before_anything_is_made(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\nexit 1\n', encoding="utf-8")
    old.chmod(0o755)
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "install", tmp_path / "deploy" / "install")
    done = subprocess.run(
        [tmp_path / "deploy" / "install"], env={"PATH": os.environ["PATH"], "PYTHON": str(old)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert not (tmp_path / ".venv").exists()
