"""Running the field's own tools (restic, borg, pg_dump, gzip) while the lab is being built."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.process import environment

_SECONDS = 120.0  # few steps of the lab take more than a few


@dataclass(frozen=True, slots=True)
class Tool:
    """One program with its fixed arguments and environment, for one lab.

    Attributes:
        argv: the program and the arguments every call starts with.
        mark: the lab's directory; what runs is marked with it, so that a crash leaves nothing behind unseen.
        variables: environment added to that of the lab.
        seconds: how long one call may take.
    """

    argv: Sequence[str]
    mark: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    seconds: float = _SECONDS

    def run(self, *arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> bytes:
        """Run it to its end and return what it wrote.

        Raises:
            LabError: it is not installed, took longer than `seconds`, or did not exit with 0.
        """
        done = self.attempt(*arguments, stdin=stdin, cwd=cwd)
        if done.returncode != 0:
            message = done.stderr.decode(errors="replace").strip()
            raise LabError(f"{' '.join([*self.argv[:1], *arguments[:3]])} exited with {done.returncode}: {message}")
        return done.stdout

    def attempt(
        self, *arguments: str, stdin: bytes = b"", cwd: Path | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run it to its end, whatever its exit status.

        Raises:
            LabError: it is not installed, or took longer than `seconds`.
        """
        argv = [*self.argv, *arguments]
        variables = {**environment(self.mark), **self.variables}
        try:
            return subprocess.run(
                argv, input=stdin, capture_output=True, env=variables, cwd=cwd, timeout=self.seconds, check=False
            )
        except FileNotFoundError as error:
            raise LabError(f"{argv[0]} is not installed (script/bootstrap installs what the lab needs)") from error
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{argv[0]} did not end within {self.seconds:.0f} s") from error
