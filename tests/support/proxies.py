"""The reverse proxies of deploy/, real ones, in a temporary directory and on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.support.certificates import make_certificate
from tests.support.needed import program
from tests.support.servers import free_port
from tests.support.waiting import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = "ven-fleet.example.org"
PACKAGES = {"nginx": "nginx-light", "caddy": "caddy"}
USER, PASSWORD = "operator", "correct horse"


class Proxy:
    """Stands before `behind_port` as the example says; ended by `close`.

    The name, the files and the ports of the example are those of this machine.
    """

    def __init__(self, kind: str, directory: Path, behind_port: int) -> None:
        self.port = free_port()
        self.certificate = make_certificate(directory)
        command = self._nginx if kind == "nginx" else self._caddy
        found = program(kind, package=PACKAGES[kind])
        with (directory / "output").open("w") as output:
            self._process = subprocess.Popen(
                command(found, directory, f"127.0.0.1:{behind_port}"),
                env={**os.environ, "HOME": str(directory)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(self._listens, timeout_s=20)
        except BaseException:
            self.close()
            raise

    @property
    def base_url(self) -> str:
        return f"https://localhost:{self.port}"

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _nginx(self, program: str, directory: Path, behind: str) -> list[str]:
        (directory / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        site = _example(
            "nginx.conf",
            {
                "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
                NAME: "localhost",
                "/etc/nginx/ven-fleet.pem": str(self.certificate.certificate),
                "/etc/nginx/ven-fleet.key": str(self.certificate.key),
                "/etc/nginx/ven-fleet.users": str(directory / "users"),
                "127.0.0.1:8080": behind,
            },
        )
        places = "".join(
            f"{kind}_temp_path {directory / kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        main = directory / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        main.write_text(
            f"daemon off;\n{user}pid {directory / 'pid'};\nerror_log {directory / 'log'};\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{places}{site}}}\n"
        )
        return [program, "-c", str(main), "-e", str(directory / "log")]

    def _caddy(self, program: str, directory: Path, behind: str) -> list[str]:
        hashed = subprocess.run(
            [program, "hash-password", "--plaintext", PASSWORD],
            capture_output=True,
            check=True,
            text=True,
        )
        certificate = f"tls {self.certificate.certificate} {self.certificate.key}"
        site = _example(
            "Caddyfile",
            {
                f"{NAME} {{": f"localhost:{self.port} {{\nbind 127.0.0.1\n{certificate}",
                NAME: "localhost",
                "PASSWORD-HASH": hashed.stdout.strip(),
                "127.0.0.1:8080": behind,
            },
        )
        main = directory / "Caddyfile"
        main.write_text(f"{{\nadmin off\nauto_https disable_redirects\n}}\n{site}")
        return [program, "run", "--adapter", "caddyfile", "--config", str(main)]

    def _listens(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False


def _example(name: str, here: dict[str, str]) -> str:
    text = (DEPLOY / name).read_text()
    for written, ours in here.items():
        assert written in text, f"{written} is not in deploy/{name}"
        text = text.replace(written, ours)
    return text
