"""Further JSON Schemas of an operator's own: ``<job_type>.v<N>.json`` in ``ALERT_SCHEMA_DIR``.

What people write must meet the product's models and, where there are such files, the newest version of theirs.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from domain.definition import AlertDefinition
from domain.errors import Fault, InvalidInput
from domain.job import JobDefinition, JobType

NAME = re.compile(r"([a-z_]+)\.v(\d+)\.json")


class SchemaFolder:
    """The schemas of a folder; None has none. A file that changes is read anew."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def check(self, job_type: str, task_params: Any) -> None:
        """Passes what meets the folder's newest schema of the type.

        Raises:
            InvalidInput: with every fault; or with the fault of a schema that cannot be read.
        """
        path = self.newest(job_type)
        if path is None:
            return
        validator = _validator(path, path.stat().st_mtime_ns)
        faults = [
            Fault("$.task_params" + error.json_path[1:], f"{error.message} ({path.name})"[:300], _plain(error.instance))
            for error in sorted(validator.iter_errors(task_params), key=lambda one: one.json_path)
        ]
        if faults:
            raise InvalidInput("definition", faults)

    def check_definition(self, definition: AlertDefinition | JobDefinition) -> None:
        """The same of the full form, whatever short form was written.

        Raises:
            InvalidInput: as ``check``.
        """
        if isinstance(definition, JobDefinition):
            self.check(definition.job_type, definition.task_params())
        else:
            self.check(JobType.ALERT, definition.as_json())

    def newest(self, job_type: str) -> Path | None:
        """The file with the highest version of a type."""
        if self.folder is None:
            return None
        found = [
            (int(match[2]), path)
            for path in self.folder.iterdir()
            if (match := NAME.fullmatch(path.name)) and match[1] == job_type
        ]
        return max(found)[1] if found else None

    def faults(self) -> list[Fault]:
        """What is wrong with the schemas themselves."""
        found: list[Fault] = []
        for path in sorted(self.folder.glob("*.v*.json")) if self.folder else []:
            try:
                _validator(path, path.stat().st_mtime_ns)
            except InvalidInput as error:
                found += error.faults
        return found


@lru_cache(maxsize=64)
def _validator(path: Path, _changed: int) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
    except (OSError, ValueError) as error:
        raise InvalidInput(str(path), [Fault(path.name, f"cannot be read: {error}")]) from None
    except SchemaError as error:
        raise InvalidInput(str(path), [Fault(path.name, f"is no JSON Schema: {error.message}")]) from None
    return Draft202012Validator(schema)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else None
