"""What a page of the documentation shows, done as a reader would do it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
COMMAND_TIMEOUT_S = 240.0
"""What takes longest is mypy, where nothing is known yet, on a busy machine."""
OUTPUT_TIMEOUT_S = 60.0
RUNS_ON = re.compile(
    r"(\S+=\S+ )*(make (run|vtn)|\S*python -m app (run|vtn|gateway)|mosquitto)(?!.*--once)\b"
)
"""Commands that a reader leaves running in a terminal of their own, as what ends with `&`."""
_FENCE = re.compile(
    r"(?:<!-- doc: (?P<order>[a-z-]+) (?P<file>\S+)(?: \"(?P<at>(?:[^\"\\]|\\.)*)\")? -->\n)?"
    r"```(?P<language>[a-z]+)\n(?P<text>.*?)```",
    re.DOTALL,
)
_VARIES = re.compile(
    r"(?P<id>\b[0-9a-f]{16,}\b)|(?P<number>-?\d[\d.,]*)|(?P<rule>[━─]+)|(?P<space>\s+)|(?P<any>…)"
)


@dataclass(frozen=True)
class Block:
    """A fenced block. `order`: what is done with it; blank: it is run, or has been written; `on`:
    it is run on the machine that `file` names."""

    language: str
    text: str
    order: str = ""
    file: str = ""
    at: str = ""


def blocks_of(page: Path) -> list[Block]:
    """All of a page, in their order."""
    return [
        Block(
            language=found["language"],
            text=found["text"],
            order=found["order"] or "",
            file=found["file"] or "",
            at=(found["at"] or "").replace('\\"', '"'),
        )
        for found in _FENCE.finditer(page.read_text())
    ]


def looks_like(line: str) -> re.Pattern[str]:
    """What a line of the output has to match: other ids, numbers and widths are as good."""
    pattern, place = "", 0
    for found in _VARIES.finditer(line.strip()):
        pattern += re.escape(line.strip()[place : found.start()])
        place = found.end()
        pattern += {
            "id": r"[0-9a-f]+",
            "number": r"-?\d[\d.,]*",
            "rule": r"[━─]+",
            "space": r"\s+",
            "any": r".*",
        }[str(found.lastgroup)]
    return re.compile(pattern + re.escape(line.strip()[place:]))


@dataclass
class Terminal:
    """A reader's: a copy of the checkout, variables that stay set, and what was left running.

    `instead`: what stands in commands and files for something that only a reader has. `not_run`:
    how commands begin that are left out, and why.
    """

    folder: Path
    variables: dict[str, str]
    instead: Mapping[str, str]
    not_run: Mapping[str, str]
    output: list[str] = field(default_factory=list)
    """Of all that was left running."""
    _running: list[tuple[subprocess.Popen[str], threading.Thread]] = field(default_factory=list)

    def another(self, name: str) -> Terminal:
        """That of another machine, with a copy of all that is in this folder."""
        folder = self.folder.with_name(name)
        shutil.copytree(self.folder, folder, symlinks=True)
        return replace(self, folder=folder, variables=dict(self.variables), output=[], _running=[])

    def run(self, block: Block) -> None:
        """Its commands, each with the output that follows it."""
        for command, expected in _commands(block.text):
            if any(command.startswith(beginning) for beginning in self.not_run):
                continue
            shown = self._do(command)
            for line in expected:
                self._expect(line, shown)

    def shows(self, block: Block) -> None:
        """Each line stands in the output of what was left running, soon."""
        for line in filter(None, map(str.strip, block.text.splitlines())):
            self._expect(line, self.output)

    def write(self, block: Block) -> None:
        """The block into its file, as the order says."""
        path = self.folder / block.file
        if block.order == "file":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._real(block.text))
            return
        text = path.read_text()
        if block.order == "append":
            path.write_text(f"{text.rstrip()}\n\n\n{block.text}")
            return
        assert text.count(block.at) == 1, f"{block.file} has not one {block.at!r}"
        path.write_text(
            text.replace(
                block.at,
                {
                    "insert-after": f"{block.at}\n{block.text.removesuffix(chr(10))}",
                    "insert-before": f"{block.text}{_blank_lines_after(block.text)}{block.at}",
                    "replace": block.text.removesuffix("\n"),
                }[block.order],
            )
        )

    def close(self) -> None:
        """Ctrl-C for what was left running."""
        for process, reader in reversed(self._running):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
            process.wait(30)
            reader.join(10)

    def _do(self, command: str) -> str | list[str]:
        """The output; of what was left running, its lines, which go on."""
        command = self._real(command)
        if command.endswith(" &") or RUNS_ON.match(command.split("&& ")[-1].strip()):
            return self._leave_running(command.removesuffix("&").strip())
        state = self.folder / ".variables"
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{command}\nenv -0 > {shlex.quote(str(state))}"],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        pairs = (entry.partition("=") for entry in state.read_text().split("\0") if entry)
        self.variables = {name: value for name, _, value in pairs if name not in ("_", "SHLVL")}
        return done.stdout

    def _real(self, text: str) -> str:
        for shown, real in self.instead.items():
            text = text.replace(shown, real)
        return text

    def _leave_running(self, command: str) -> list[str]:
        own: list[str] = []
        process = subprocess.Popen(
            [
                "bash",
                "-c",
                f"exec env --default-signal=INT {command}" if "&&" not in command else command,
            ],
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

        def read() -> None:
            assert process.stdout is not None
            with process.stdout as lines:
                for line in lines:
                    own.append(line.rstrip("\n"))
                    self.output.append(own[-1])

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        self._running.append((process, reader))
        return own

    def _expect(self, line: str, shown: str | list[str]) -> None:
        if not line.strip() or line.strip() == "…":
            return
        pattern = looks_like(line)
        if isinstance(shown, str):
            assert pattern.search(shown), f"{line!r} is not in\n{shown}"
            return
        wait_until(
            lambda: any(pattern.search(each) for each in list(shown)),
            timeout_s=OUTPUT_TIMEOUT_S,
            otherwise=lambda: "\n".join([f"{line!r} is not in", *shown]),
        )


def _blank_lines_after(code: str) -> str:
    """As Python is written: two below what stands alone, one below a method."""
    if code.startswith(("class ", "def ", "async def ", "@")):
        return "\n\n"
    return "\n" if code.lstrip().startswith(("def ", "@")) else ""


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block, without its comment, and the lines below it."""
    command, expected = "", list[str]()
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, expected
            command, expected = line[2:], []
        elif command.endswith("\\"):
            command = f"{command[:-1]}{line}"
        else:
            expected.append(line)
    if command:
        yield command, expected


def copy_of_the_checkout(folder: Path) -> None:
    """What git has of it, as it is now; with the environment of the tests, which stays as it is."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            os.utime(target, (0, 0))  # make does not take it for newer than the environment
