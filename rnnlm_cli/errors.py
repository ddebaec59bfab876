"""Errors that are shown to the user as one line, without a traceback."""


class RnnlmError(Exception):
    """The base of all errors that a user can cause; the message is one line.

    The message has the form `SUBJECT: WHAT IS SO; WHAT IS NEEDED. NEXT STEP.`, where the subject
    is a path or an option.
    """

    exit_code = 1


class ConfigError(RnnlmError):
    """An invalid setting: out of range, or in conflict with another one."""

    exit_code = 2


class InterruptedByUser(RnnlmError):
    """Ctrl-C outside training, where there is nothing to save."""

    exit_code = 130


class TextError(RnnlmError):
    """A text that cannot be read, or that can be read but not used."""


class FileError(RnnlmError):
    """A file that cannot be read or written, or that must not be overwritten."""


class ModelFileError(FileError):
    """A model, checkpoint or weights file that is missing, damaged, foreign or too new."""
