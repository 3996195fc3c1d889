"""What might have been meant: the keys that a place of some data knows, and the nearest of some words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

CLOSE = 0.6
MOST_KNOWN = 40
Location = tuple[str | int, ...]


def hint(word: str, known: Iterable[str], *, lists: bool = True) -> str:
    """``; did you mean max_triggers?``, else the known ones where ``lists``, else nothing."""
    names = sorted(set(known))
    near = get_close_matches(word.lower(), names, n=1, cutoff=CLOSE)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(names)}" if lists and names and len(names) <= MOST_KNOWN else ""


def keys_at(title: str, location: Location) -> list[str]:
    """Keys that a model of that name has at a place, by the names that people write; none where nobody knows."""
    found = [model for model in _models(BaseModel) if model.__name__ == title]
    for part in location:
        if isinstance(part, int):
            continue
        if part.startswith("<"):
            found = [model for model in found if _tag(model) == part] or found
        elif not part.startswith(("function-", "tuple[", "tagged-union[", "list[")):
            found = [inner for model in found for inner in _inside(model, part)]
    return [field.alias or name for model in found for name, field in model.model_fields.items()]


def _tag(model: type[BaseModel]) -> str:
    return f"<{model.__name__.removesuffix('Operand').lower().replace('calculated', 'calculation')}>"


def _models(root: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in root.__subclasses__():
        yield model
        yield from _models(model)


def _inside(model: type[BaseModel], name: str) -> Iterator[type[BaseModel]]:
    for own, field in model.model_fields.items():
        if name in (own, field.alias):
            yield from _of(field.annotation)


def _of(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, UnionType, tuple, list):
        for part in get_args(annotation):
            yield from _of(part)
