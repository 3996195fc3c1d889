"""An operator's own job types, and own fields of known types: what each is run as, and which fields it declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.errors import Fault, InvalidInput
from domain.job import JobType

CUSTOM = "custom"  # where the full form keeps own fields


@dataclass(frozen=True)
class OwnType:
    """One file of theirs. ``fields`` are its properties, ``defaults`` what a row that leaves some out has."""

    runs_as: JobType
    fields: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OwnTypes:
    """All of them, by name; a known type's name adds fields to it."""

    types: Mapping[str, OwnType] = field(default_factory=dict)

    def runs_as(self, job_type: str) -> str:
        """The built-in type that runs rows of this one; a type that is not declared runs as itself."""
        own = self.types.get(job_type)
        return own.runs_as.value if own is not None else job_type

    def named(self, job_type: str) -> list[str]:
        """The types whose rows a built-in one runs, its own name first."""
        others = [name for name, one in self.types.items() if one.runs_as == job_type and name != job_type]
        return [job_type, *others]

    def spread(self, job_type: str, params: Any, known: frozenset[str], there: frozenset[str] = frozenset()) -> Any:
        """Parameters with defaults filled in, and the fields that only the operator's file knows under ``custom``.

        ``there`` are fields that something else than the parameters gives, so that they need no default.

        Raises:
            InvalidInput: ``custom`` is no object.
        """
        if not isinstance(params, dict):
            return params
        own = self.types.get(job_type)
        custom = params.get(CUSTOM, {})
        if not isinstance(custom, dict):
            raise InvalidInput("definition", [Fault(f"$.{CUSTOM}", "expected an object", custom)])
        if own is None:
            return params
        defaults = {name: value for name, value in own.defaults.items() if name not in there}
        given = {**defaults, **{name: value for name, value in params.items() if name != CUSTOM}}
        theirs = own.fields - known
        custom = {name: given.pop(name) for name in list(given) if name in theirs} | custom
        return given | ({CUSTOM: custom} if custom else {})


NONE = OwnTypes()
