"""Write the language reference that every CPython carries as plain text, to stdout.

Some topics stand inside longer ones; only the longer ones are kept, so that the end of the text,
held out for validation, is not a copy of its beginning.
"""

import sys
from pydoc_data.topics import topics

HEADING_LINES = 3  # title, underline, blank: they differ where the text is the same


def reference() -> str:
    """All topics in the order of their names, without those that another one contains."""
    texts = sorted(set(topics.values()), key=len, reverse=True)
    kept: list[str] = []
    for text in texts:
        body = "\n".join(text.split("\n")[HEADING_LINES:]).strip()
        if not any(body in longer for longer in kept):
            kept.append(text)
    return "\n".join(text.strip() + "\n" for text in topics.values() if text in set(kept))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(reference())
