"""A real nginx, and ports for it."""

import os
import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

NGINX_CONF = """
{user}worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {folder}/access.log;
    default_type application/octet-stream;
    types {{ application/vnd.apple.mpegurl m3u8; audio/mpeg mp3; audio/flac flac; }}
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@dataclass
class Nginx:
    """A real nginx that serves one folder until it is stopped."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def requests(self) -> list[str]:
        """The lines of the access log."""
        return (self.folder / "access.log").read_text().splitlines()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once something listens; a refused connection answers at once, so this ends soon."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except ConnectionRefusedError:
            continue
    raise RuntimeError(f"the server ended with {process.returncode} before it listened")


def start_nginx(root: Path, folder: Path) -> Nginx:
    """Serve `root`; configuration and logs go into `folder`."""
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    assert program is not None, "nginx is missing: run tools/bootstrap test"
    port = free_port()
    # As root it would serve as another user, who may not read the tests' folders.
    user = "user root; " if os.geteuid() == 0 else ""
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=folder, port=port, root=root, user=user))
    process = subprocess.Popen([program, "-c", str(conf), "-e", str(folder / "early.log")])
    wait_for_port(port, process)
    return Nginx(folder, port, process)
