"""``python -m tests.hostile.prober URL FILE``: asks for ``/healthz`` all the time, and writes when each began and how long it took.

A process of its own, from an address of its own: what the harness does must not look like the server's slowness.
"""

from __future__ import annotations

import sys
import time

import httpx

PAUSE = 0.02


def main(url: str, path: str) -> None:
    """Until it is ended."""
    transport = httpx.HTTPTransport(local_address="127.0.0.9")
    with httpx.Client(timeout=60, transport=transport) as http, open(path, "w", buffering=1) as file:
        while True:
            began, clock = time.time(), time.perf_counter()
            try:
                status = http.get(f"{url}/healthz").status_code
            except httpx.HTTPError:
                status = -1
            file.write(f"{began:.4f} {time.perf_counter() - clock:.4f} {status}\n")
            time.sleep(PAUSE)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
