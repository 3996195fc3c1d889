"""An operator's own JSON Schemas: ``<type>.json`` or ``<type>.v<N>.json`` in ``ALERT_SCHEMA_DIR``, the highest version of each.

A schema of a known type narrows it, and may add fields. One of a new type names with ``x-runs`` the built-in job that runs it;
``default`` of a property is what a row that leaves it out has. What people write must meet the product's models as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from domain.definition import AlertDefinition
from domain.errors import Fault, InvalidInput
from domain.job import JobDefinition, JobType
from domain.own_types import CUSTOM, NONE, OwnType, OwnTypes

NAME = re.compile(r"([a-z][a-z0-9_]{0,49})(?:\.v(\d+))?\.json")
RUNS = "x-runs"
RUNNABLE = [name.value for name in JobType if name is not JobType.ALERT]


class SchemaFolder:
    """The schemas of a folder; None has none. A file that changes is read anew."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._last = NONE

    def own(self) -> OwnTypes:
        """The types and fields that the files declare; a file that cannot be read declares none."""
        try:
            files = tuple((name, path, path.stat().st_mtime_ns) for name, path in self._newest().items())
        except OSError:  # the folder is away: what it said last holds
            return self._last
        self._last = _own_types(files) if files else NONE
        return self._last

    def check(self, job_type: str, task_params: Mapping[str, Any], whole: Mapping[str, Any] | None = None) -> None:
        """Passes what meets the folder's newest schema of the type; of ``whole`` comes what is needed and has a default.

        Raises:
            InvalidInput: with every fault; or with the fault of a schema that cannot be read.
        """
        path = self._newest().get(job_type)
        if path is None:
            return
        schema, validator = _read(path, path.stat().st_mtime_ns)
        data = dict(task_params)
        data |= data.pop(CUSTOM, {})
        needed = schema.get("required")
        for name in needed if isinstance(needed, list) else ():
            if name not in data and whole is not None and name in whole:
                data[name] = whole[name]
        try:
            found = sorted(validator.iter_errors(data), key=lambda one: one.json_path)
        except Exception as error:  # a reference to nowhere, a pattern that is none: the schema's fault
            raise InvalidInput(str(path), [_unusable(path, error)]) from None
        faults = [
            Fault("$.task_params" + one.json_path[1:], f"{one.message} ({path.name})"[:300], _plain(one.instance))
            for one in found
        ]
        if faults:
            raise InvalidInput("definition", faults)

    def check_definition(self, definition: AlertDefinition | JobDefinition) -> None:
        """The same of the full form, whatever short form was written.

        Raises:
            InvalidInput: as ``check``.
        """
        if self.folder is None:
            return
        if isinstance(definition, JobDefinition):
            whole = definition.params.model_dump(mode="json")
            self.check(definition.named or definition.job_type, definition.task_params(), whole)
        else:
            self.check(JobType.ALERT, definition.as_json(), definition.model_dump(mode="json", by_alias=True))

    def faults(self) -> list[Fault]:
        """What is wrong with the schemas themselves."""
        found: list[Fault] = []
        for name, path in self._newest().items():
            try:
                schema, validator = _read(path, path.stat().st_mtime_ns)
                list(validator.iter_errors({}))
            except InvalidInput as error:
                found += error.faults
                continue
            except Exception as error:
                found.append(_unusable(path, error))
                continue
            if RUNS in schema and schema[RUNS] not in RUNNABLE:
                found.append(Fault(f"{path.name}: $.{RUNS}", f"expected one of {', '.join(RUNNABLE)}", schema[RUNS]))
            elif RUNS in schema and name in list(JobType):
                found.append(Fault(f"{path.name}: $.{RUNS}", f"{name} is a type of its own; leave it out"))
        return found

    def notes(self) -> list[str]:
        """Files that nothing uses, with the reason; sentences for people."""
        used, found = set(self._newest().values()), []
        for path in sorted(self.folder.glob("*.json")) if self.folder else []:
            match = NAME.fullmatch(path.name)
            if match is None:
                found.append(f"{path.name} in ALERT_SCHEMA_DIR is not used: expected <type>.json or <type>.v<N>.json")
            elif path not in used:
                found.append(f"{path.name} in ALERT_SCHEMA_DIR is not used: there is a newer version of it")
            elif match[1] not in list(JobType) and not self._runs(path):
                found.append(
                    f"{path.name} in ALERT_SCHEMA_DIR is not used: {match[1]} is no job type; name with '{RUNS}' which runs it"
                )
        return found

    def _runs(self, path: Path) -> bool:
        try:
            return RUNS in _read(path, path.stat().st_mtime_ns)[0]
        except InvalidInput:
            return True  # told as a fault

    def _newest(self) -> dict[str, Path]:
        """The file with the highest version of each type."""
        found: dict[str, tuple[int, Path]] = {}
        for path in sorted(self.folder.iterdir()) if self.folder is not None else ():
            if match := NAME.fullmatch(path.name):
                version = int(match[2] or 0)
                if match[1] not in found or found[match[1]][0] < version:
                    found[match[1]] = (version, path)
        return {name: path for name, (_, path) in found.items()}


@lru_cache(maxsize=16)
def _own_types(files: tuple[tuple[str, Path, int], ...]) -> OwnTypes:
    types: dict[str, OwnType] = {}
    for name, path, changed in files:
        try:
            schema, _ = _read(path, changed)
        except InvalidInput:
            continue
        runs_as = name if name in list(JobType) else schema.get(RUNS)
        properties = schema.get("properties", {})
        if (name == JobType.ALERT or runs_as in RUNNABLE) and isinstance(properties, dict):
            defaults = {
                field: one["default"] for field, one in properties.items() if isinstance(one, dict) and "default" in one
            }
            types[name] = OwnType(JobType(str(runs_as)), frozenset(properties), defaults)
    return OwnTypes(types)


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> tuple[dict[str, Any], Any]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(str(path), [Fault(path.name, f"cannot be read: {error}"[:300])]) from None
    except SchemaError as error:
        raise InvalidInput(str(path), [Fault(path.name, f"is no JSON Schema: {error.message}")]) from None
    if not isinstance(schema, dict):
        raise InvalidInput(str(path), [Fault(path.name, "expected an object")])
    return schema, Draft202012Validator(schema)


def _unusable(path: Path, error: Exception) -> Fault:
    return Fault(path.name, f"cannot be used: {type(error).__name__}: {error}"[:300])


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else None
