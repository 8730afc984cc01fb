"""A real MQTT broker: Mosquitto on a free port, which knows clients by their tokens."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

from tests.support.certificates import Certificate
from tests.support.needed import program
from tests.support.servers import free_port
from tests.support.waiting import wait_until

ACL = """\
# What everybody may read, what each may read of its own, and who may do everything.
pattern read openadr3/programs/#
pattern read openadr3/vens/%u/#

user vtn
topic readwrite openadr3/#

user business-logic
topic read openadr3/#
"""
PUBLISHER = "vtn", "publisher-secret"
KEEPING = (
    "autosave_interval 10",
    "autosave_on_changes false",
    "max_inflight_messages 2000",
    "max_queued_messages 0",
    "max_queued_bytes 1000000000",
    "upgrade_outgoing_qos true",
)
"""As the documentation says it for sources."""
QUIET = "information", "notice", "error"
"""A line for each message takes longer than the message."""


def mosquitto() -> str:
    """The program."""
    return program("mosquitto", package="mosquitto")


class Broker:
    """Mosquitto, with a password file of tokens and access by pattern, or for anybody.

    `anonymous`: it knows nobody and lets everybody in. `tls`: it speaks MQTTS only; with
    `of_clients`, to clients that have this certificate. `keeps`: it is set up as the documentation
    says for sources, and keeps what waits for a client when it ends; `as_installed`: as Debian's
    package is, which keeps it, too, but not much. `most_qos`: it grants no more than this.
    `acl`: what its clients may do.
    """

    def __init__(
        self,
        directory: Path,
        *,
        anonymous: bool = False,
        tls: Certificate | None = None,
        of_clients: Certificate | None = None,
        keeps: bool = False,
        as_installed: bool = False,
        most_qos: int = 2,
        acl: str = ACL,
    ) -> None:
        self._directory = directory
        directory.mkdir()
        self.port = free_port()
        self._anonymous = anonymous
        self._tls = tls
        self._of_clients = of_clients
        self._most_qos = most_qos
        self._settings: tuple[str, ...] = ("persistence false", "max_queued_messages 0")
        if keeps or as_installed:
            self._settings = (
                *("persistence true", f"persistence_location {directory}/"),
                *(KEEPING if keeps else ()),
            )
        self._kinds_of_lines = QUIET if keeps or as_installed else ("all",)
        self._users = {PUBLISHER[0]: PUBLISHER[1]}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._write_users()
        (directory / "acl").write_text(acl)
        (directory / "acl").chmod(0o600)
        (directory / "mosquitto.conf").write_text(self._configuration())

    @property
    def url(self) -> str:
        """As the VTN is told of it, with its password where it wants one."""
        scheme = "mqtt" if self._tls is None else "mqtts"
        login = "" if self._anonymous else f"{PUBLISHER[0]}:{PUBLISHER[1]}@"
        return f"{scheme}://{login}127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self._directory / "log").open("ab") as log:
            begins = log.tell()
            self._process = subprocess.Popen(
                [mosquitto(), "-c", str(self._directory / "mosquitto.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self._says(" running", begins), otherwise=self._log)

    def stop(self) -> None:
        """At once, as in a power failure; what was connected is cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def end(self) -> None:
        """In order, so that what it keeps is on its disk."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def admit(self, client_id: str, token: str) -> None:
        """From now on this client gets in with this token; the connection of its last one ends."""
        if self._anonymous:
            return
        with self._lock:
            self._users[client_id] = token
            self._write_users()
            self._reload()
            wait_until(lambda: self._accepts(client_id, token), otherwise=self._log)

    def _reload(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def _accepts(self, client_id: str, token: str) -> bool:
        if self._process is None:
            return True  # when it starts again
        with self._connection() as connection:
            connection.sendall(_connect_packet(client_id, token))
            return connection.recv(4)[-1:] == b"\0"

    def _connection(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=5)
        if self._tls is None:
            return plain
        context = ssl.create_default_context(cafile=self._tls.certificate)
        return context.wrap_socket(plain, server_hostname="127.0.0.1")

    def _configuration(self) -> str:
        lines = [
            *("user root", "log_dest stderr"),
            *self._settings,
            *(f"log_type {kind}" for kind in self._kinds_of_lines),
            f"listener {self.port} 127.0.0.1",
            f"max_qos {self._most_qos}",
            f"allow_anonymous {str(self._anonymous).lower()}",
        ]
        if not self._anonymous:
            lines += [f"password_file {self._directory}/users", f"acl_file {self._directory}/acl"]
        if self._tls is not None:
            lines += [f"certfile {self._tls.certificate}", f"keyfile {self._tls.key}"]
        if self._of_clients is not None:
            lines += [f"cafile {self._of_clients.certificate}", "require_certificate true"]
        return "\n".join(lines) + "\n"

    def _write_users(self) -> None:
        draft = self._directory / "users.new"
        draft.write_text("".join(_entry(*user) for user in self._users.items()))
        draft.chmod(0o600)
        draft.replace(self._directory / "users")

    def _says(self, words: str, since: int) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log()
        return words in self._log()[since:]

    def _log(self) -> str:
        return (self._directory / "log").read_text(errors="replace")


def _entry(user: str, password: str) -> str:
    """A line of the password file: PBKDF2 with as few rounds as the broker takes."""
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 1)
    salted, hashed = (base64.b64encode(each).decode() for each in (salt, digest))
    return f"{user}:$7$1${salted}${hashed}\n"


def _connect_packet(user: str, password: str) -> bytes:
    """CONNECT of MQTT 3.1.1, with a client id that the broker makes up."""
    parts = b"".join(
        len(each).to_bytes(2, "big") + each for each in (b"", user.encode(), password.encode())
    )
    body = b"\0\4MQTT\4\xc2\0\x05" + parts
    length = len(body)
    size = bytes([length]) if length < 128 else bytes([length % 128 | 128, length // 128])
    return b"\x10" + size + body
