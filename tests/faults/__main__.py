"""``python -m tests.faults --seeds 20 [--seed FIRST] [--minutes M] [--database sqlite|postgresql|both] [--faults N] [--away SECONDS]``.

Exit 0 only when nothing was lost, doubled or touched that is not ours. Each finding names the seed that plays it again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.faults import episode
from tests.faults.stack import running

A_STACK = 10  # seeds on one stack; then everything is started anew, on an empty database


async def play(
    kind: str, seeds: Sequence[int], count: int, deadline: float, folder: Path, away: float
) -> tuple[int, int, Counter[str], list[str]]:
    """Seeds played, deeds done, faults by kind, findings."""
    played, deeds, done, found = 0, 0, Counter[str](), list[str]()
    for start in range(0, len(seeds), A_STACK):
        batch = seeds[start : start + A_STACK]
        if time.monotonic() > deadline:
            break
        async with running(folder / f"{kind}-{batch[0]}", kind, random.Random(batch[0])) as stack:
            stack.away = away
            for seed in batch:
                if time.monotonic() > deadline:
                    break
                began, before = time.monotonic(), stack.done.total()
                wrong, acts = await episode.play(stack, seed, count)
                played, deeds = played + 1, deeds + acts
                found += [f"seed {seed} on {kind}: {one}" for one in wrong]
                verdict = wrong[0] if wrong else f"clean, {stack.done.total() - before} faults, {acts} deeds"
                say(f"{kind} seed {seed}: {verdict} ({time.monotonic() - began:.1f} s)")
            done += stack.done
        if not found:
            shutil.rmtree(folder / f"{kind}-{batch[0]}", ignore_errors=True)
    return played, deeds, done, found


async def main(given: argparse.Namespace) -> int:
    kinds = ("sqlite", "postgresql") if given.database == "both" else (given.database,)
    seeds = range(given.seed, given.seed + given.seeds)
    deadline = time.monotonic() + (given.minutes * 60 if given.minutes else 1e9)
    folder = Path(tempfile.mkdtemp(prefix="alerts-faults-"))
    ends = await asyncio.gather(*(play(kind, seeds, given.faults, deadline, folder, given.away) for kind in kinds))
    total, findings = Counter[str](), list[str]()
    for kind, (played, deeds, done, found) in zip(kinds, ends, strict=True):
        total, findings = total + done, findings + found
        each = ", ".join(f"{name} {number}" for name, number in sorted(done.items()))
        say(
            f"{kind}: {played} seeds, {sum(done.values())} faults ({each}), {deeds} deeds of users, {len(found)} findings"
        )
    for one in findings[:20]:
        say(one)
    say(
        f"{sum(one[0] for one in ends)} seeds, {total.total()} faults, {len(findings)} findings"
        + (f"; logs in {folder}" if findings else "")
    )
    return 1 if findings else 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1, help="the first")
    parser.add_argument("--minutes", type=float, default=0, help="begin no seed after so many minutes")
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    parser.add_argument("--faults", type=int, default=4, help="faults a seed")
    parser.add_argument("--away", type=float, default=0, help="seconds for which the database is away each time")
    return parser.parse_args()


if __name__ == "__main__":
    code = asyncio.run(main(arguments()))
    sys.stdout.flush()
    os._exit(code)
