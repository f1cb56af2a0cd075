"""Both hands of the screen: the process that samples, what is said with it, and what is kept of it. No Textual."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import msgspec

from mypt.sampling.process import Gone, Said, SamplingProcess
from mypt.sampling.protocol import Asked, Cancel, Drop, Load, Told, Write
from mypt.sampling.settings import SEEDS, Settings
from tui.screens.sample.history import History, Recall, answer_of, kept
from tui.screens.sample.talk import Answer, Phase, Side, Talk

# Of a checkpoint's earlier texts so many are brought back.
_BROUGHT_BACK = 20
# Short enough to be read and typed again.
_DRAWN_SEEDS = 1_000_000


class Desk:
    """One process at a time, up to two sides. `tell` gets each report with the number of the process that it is of."""

    def __init__(
        self, workspace: Path, tell: Callable[[int, Told | Said | Gone], object], *, keep: bool = True
    ) -> None:
        self.workspace = workspace
        self.talk = Talk()
        self.history = History(workspace, keep=keep)
        self.recall = Recall(self.history.prompts())
        self.device = "auto"
        self._tell = tell
        self._process: SamplingProcess | None = None
        self._number = 0
        self._texts = 0

    @property
    def pid(self) -> int | None:
        """The number of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process, and let it load what is on the desk; does nothing while one is there."""
        if self._process is not None:
            return
        self.talk.begin_anew()
        self._number += 1
        number = self._number
        try:
            self._process = SamplingProcess(self.workspace, lambda report: self._tell(number, report))
        except OSError as error:
            self.talk.hear(Gone(None, f"it could not be started ({error.strerror})"))
            return
        for side in self.talk.sides:
            self.load(side)

    def close(self) -> None:
        """Let the process end. What was being written is kept as far as it came."""
        for side in self.talk.sides:
            if side.writing is not None:
                side.writing.why = "cancelled"
                self._keep(side.answers[-1])
        if self._process is not None:
            self._process.close()
            self._process = None

    def hear(self, number: int, report: Told | Said | Gone) -> list[Side]:
        """Take a report in, unless it is of a process that is no longer ours; the sides that look different now."""
        if number != self._number:
            return []
        if isinstance(report, Gone):
            self._process = None
        writing = [answer for side in self.talk.sides if (answer := side.writing) is not None]
        changed = self.talk.hear(report)
        for answer in writing:
            if answer.is_over:
                self._keep(answer)
        return changed

    # ── which checkpoints ───────────────────────────────────────────────────────────────────────────────────────

    def put(self, place: int, name: str) -> Side:
        """Have this checkpoint at that place, with its earlier texts; what was there goes."""
        sides = self.talk.sides
        texts = self.history.of(name)[-_BROUGHT_BACK:]
        answers = [answer_of(text, number) for number, text in enumerate(texts)]
        side = Side(name, answers=answers, earlier=len(answers))
        if place < len(sides):
            self._let_go(sides[place])
            sides[place] = side
        else:
            sides.append(side)
        self.load(side)
        return side

    def take_away(self, place: int) -> None:
        """Have one checkpoint less."""
        self._let_go(self.talk.sides.pop(place))

    def load(self, side: Side) -> None:
        """Have the checkpoint as it is on disk now, on the device that is chosen."""
        if side.phase is Phase.FAILED:
            side.phase, side.trouble = Phase.WAITING, ""
        self._ask(Load(model=side.name, device=self.device))

    def _let_go(self, side: Side) -> None:
        if side.writing is not None:
            self._ask(Cancel(id=side.writing.id))
            side.writing.why = "cancelled"
            self._keep(side.answers[-1])
        self._ask(Drop(model=side.name))

    # ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────

    def write(
        self,
        prompt: str,
        settings: Settings,
        *,
        chat: bool | None = None,
        system: str = "",
        same_seed: bool = True,
    ) -> list[Answer]:
        """Let every side go on from `prompt`. Without a seed one is drawn, so that each text can be had again."""
        self.start()
        self.recall.add(prompt)
        seed = random.randrange(_DRAWN_SEEDS) if settings.seed is None else settings.seed
        self._texts += 1
        asked = []
        for place, side in enumerate(self.talk.sides):
            own = seed if same_seed else (seed + place) % SEEDS
            answer = Answer(
                id=f"{self._texts}.{place}",
                model=side.name,
                prompt=prompt,
                settings=msgspec.structs.replace(settings, seed=own),
                chat=bool(chat) or (chat is None and side.ready is not None and side.ready.answers),
                system=system,
            )
            side.answers.append(answer)
            if side.phase is Phase.FAILED:
                self.load(side)
            self._ask(
                Write(
                    id=answer.id,
                    model=side.name,
                    prompt=prompt,
                    chat=chat,
                    system=system,
                    settings=answer.settings,
                )
            )
            asked.append(answer)
        return asked

    @property
    def last_prompt(self) -> str | None:
        """What was asked last of any side."""
        last = [side.answers[-1] for side in self.talk.sides if side.answers]
        return last[0].prompt if last else None

    def stop(self) -> bool:
        """Write no more; False where nothing is being written, or all that is was asked to stop before."""
        writing = [answer for side in self.talk.sides if (answer := side.writing) is not None]
        asked = [answer for answer in writing if not answer.stopping]
        for answer in asked:
            answer.stopping = True
            self._ask(Cancel(id=answer.id))
        return bool(asked)

    def clear(self) -> None:
        """Put complete texts away; they stay in the history."""
        for side in self.talk.sides:
            side.answers = [answer for answer in side.answers if not answer.is_over]
            side.earlier = 0

    def forget(self) -> None:
        """Delete what is kept, on disk too."""
        self.clear()
        self.history.forget()
        self.recall = Recall()

    def _ask(self, request: Asked) -> None:
        if self._process is not None:
            self._process.ask(request)

    def _keep(self, answer: Answer) -> None:
        # What came to nothing teaches nothing tomorrow.
        if answer.text or answer.why == "end":
            self.history.add(kept(answer))
