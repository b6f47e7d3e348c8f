"""The files on a host that say whose keys open it, read and written for one step."""

from collections.abc import Sequence
from dataclasses import dataclass

from ronde.engine.procedure.stage import Stage, exchange_of
from ronde.facts.authorized_keys import FILES, KeyFile, look_question, parse_look, replace_question
from ronde.facts.question import tail
from ronde.facts.reading import Unreadable
from ronde.model.authorized_keys import holds


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Our user's own, on the target of a step."""

    stage: Stage

    def holding(self, *keys: str) -> Sequence[KeyFile]:
        """Those in which one of the keys stands.

        Raises:
            Unreadable: one of the files could not be read to its end.
        """
        found = [self._look(name) for name in FILES]
        return [file for file in found if file is not None and any(holds(file.text, key) for key in keys)]

    def write(self, before: KeyFile, text: str) -> KeyFile:
        """Put another text in a file's place, and look at it again.

        Raises:
            Unreadable: it could not be done; the file is whole, and as it was.
        """
        after = KeyFile(before.name, text)
        self.stage.keep(written=True)
        question = replace_question(before, after, f"replace ~/.ssh/{before.name}")
        answer = self.stage.shell.run(question.command)
        self.stage.asked.append(exchange_of(answer, question.shown))
        if answer.exit_status != 0:
            raise Unreadable(f"~/.ssh/{before.name} could not be written: {tail(answer)}")
        if self._look(before.name) != after:
            raise Unreadable(f"~/.ssh/{before.name} was written, and yet holds something else")
        return after

    def _look(self, name: str) -> KeyFile | None:
        question = look_question(name)
        answer = self.stage.shell.run(question.command)
        self.stage.asked.append(exchange_of(answer, question.shown))
        return parse_look(answer, name)
