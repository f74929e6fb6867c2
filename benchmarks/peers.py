"""What every benchmark shares: a server, runs in turn, medians, ratios against the peers."""

import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NGINX_CONF = """
{user}worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{
    access_log off; sendfile on; default_type application/octet-stream;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """Serve a folder with nginx at full speed; gives the base URL."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        raise SystemExit("this benchmark needs nginx: tools/bootstrap test installs it")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    conf = folder / "nginx.conf"
    user = "user root; " if os.geteuid() == 0 else ""
    conf.write_text(NGINX_CONF.format(folder=folder, port=port, user=user))
    process = subprocess.Popen([program, "-c", str(conf), "-e", str(folder / "nginx.log")])
    try:
        while process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                continue
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def measure(runs: dict[str, Callable[[int], float]], rounds: int) -> dict[str, float]:
    """Run each peer once a round, so that a busy minute hits all; median of each.

    The order is shuffled in each round: what one peer leaves in the page cache meets every other.
    """
    results: dict[str, list[float]] = {name: [] for name in runs}
    shuffled = random.Random(0)
    for number in range(rounds):
        for name in shuffled.sample(list(runs), len(runs)):
            results[name].append(runs[name](number))
    return {name: statistics.median(values) for name, values in results.items()}


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def record(title: str, unit: str, medians: dict[str, float]) -> None:
    """Keep a comparison for tools/figures.py, if KITHARA_FIGURES names a file for it."""
    if path := os.environ.get("KITHARA_FIGURES"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"title": title, "unit": unit, "medians": medians}) + "\n")


def report(title: str, unit: str, medians: dict[str, float]) -> None:
    """Print a table; the ratio is each peer's figure over ours."""
    record(title, unit, medians)
    ours = medians["kithara"]
    print(f"\n{title}")
    for name, value in medians.items():
        print(f"  {name:<22} {value:10.3f} {unit}   {value / ours:5.2f} × kithara")
