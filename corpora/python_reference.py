"""Write the language reference that comes with every CPython to stdout, as plain text.

Some topics are contained in longer ones, and only the longer ones are kept. Otherwise the end of
the text, which is held out for validation, would repeat parts of the training text.
"""

import signal
import sys
from pydoc_data.topics import topics

HEADING_LINES = 3  # title, underline, blank line: topics with the same text differ in these


def join_topics() -> str:
    """Join the topics in the order of their names, without those that another topic contains."""
    texts = sorted(set(topics.values()), key=len, reverse=True)
    kept: list[str] = []
    for text in texts:
        body = "\n".join(text.split("\n")[HEADING_LINES:]).strip()
        if not any(body in longer for longer in kept):
            kept.append(text)
    return "\n".join(text.strip() + "\n" for text in topics.values() if text in set(kept))


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):  # not on Windows
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # so that `| head` ends it without an error
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(join_topics())
