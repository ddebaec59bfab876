"""Ctrl-C, SIGTERM and a closed terminal during training: finish the step, then stop."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupt:
    """Within its block, the first signal is only noted; a second one acts as usual.

    Signals that are ignored when the block begins stay ignored: nohup ignores SIGHUP, and a shell
    script ignores SIGINT for its background jobs. `signum` is the signal that came, or None.
    """

    SIGNALS = tuple(
        getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
    )

    def __init__(self) -> None:
        self.signum: int | None = None
        self._usual_handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self  # Python delivers signals to the main thread only
        for each in self.SIGNALS:
            if signal.getsignal(each) not in (signal.SIG_IGN, None):
                self._usual_handlers[each] = signal.signal(each, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._restore_handlers()

    def has_come(self) -> bool:
        """Return whether a signal has asked to stop."""
        return self.signum is not None

    def _note(self, signum: int, frame: FrameType | None) -> None:
        self.signum = signum
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for each, handler in self._usual_handlers.items():
            signal.signal(each, handler)
