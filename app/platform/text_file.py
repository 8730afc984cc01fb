"""Small text files that people write: settings, secrets, credentials, fleets."""

from __future__ import annotations

import codecs
import os
import pwd
import stat
from pathlib import Path

from app.platform.errors import TextFileError

MAX_BYTES = 64 << 20
OTHER_ENCODINGS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO
BEYOND_ITS_GROUP = stat.S_IXUSR | stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
"""Of a file with mode 0640."""


def read_text(path: Path, *, private: bool = False) -> str:
    """What it holds, without a byte order mark, and with one kind of line end.

    `private`: refused if others may read it, as PostgreSQL does with keys: it has to be ours and
    nobody else's, or root's and readable to one group at the most. Raises TextFileError.
    """
    try:
        with path.open("rb") as file:
            if private:
                _check_private(os.fstat(file.fileno()))
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TextFileError(f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise TextFileError(f"is larger than {MAX_BYTES >> 20} MiB")
    for mark, encoding in OTHER_ENCODINGS.items():
        if content.startswith(mark):
            raise TextFileError(f"is {encoding} text; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TextFileError(f"line {line} is not UTF-8 text; save it as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _check_private(found: os.stat_result) -> None:
    ours = found.st_uid == os.geteuid() and not found.st_mode & FOR_OTHERS
    roots = found.st_uid == 0 and not found.st_mode & BEYOND_ITS_GROUP
    if ours or roots:
        return
    owner, mode, us = _name(found.st_uid), stat.S_IMODE(found.st_mode), _name(os.geteuid())
    if found.st_uid not in (0, os.geteuid()):
        raise TextFileError(
            f"is {owner}'s, with mode {mode:04o}: it has to be {us}'s, who reads it, or root's"
        )
    raise TextFileError(
        f"others may read: it is {owner}'s, with mode {mode:04o}; run chmod 600 on it as {us}, or"
        " let it be root's with 0640 at the most"
    )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
