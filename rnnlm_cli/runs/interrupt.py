"""Ctrl-C, SIGTERM and a terminal that closes: finish the step, then stop."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """Within the block, a first signal is only noted in `signum`; a second one acts as usual."""

    SIGNALS = tuple(
        getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
    )

    def __init__(self) -> None:
        self.signum: int | None = None
        self._usual: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for each in self.SIGNALS:
            self._usual[each] = signal.signal(each, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore()

    def came(self) -> bool:
        """Whether a signal asked to stop."""
        return self.signum is not None

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        self._restore()

    def _restore(self) -> None:
        for each, handler in self._usual.items():
            signal.signal(each, handler)
