"""What can go wrong that a person can mend: one line, no traceback."""


class RnnlmError(Exception):
    """`SUBJECT: WHAT IS SO; WHAT IS NEEDED. NEXT STEP.` in one line."""

    exit_code = 1


class ConfigError(RnnlmError):
    """A setting that cannot be: out of range, or at odds with another one."""

    exit_code = 2


class InterruptedByUser(RnnlmError):
    """Ctrl-C, where there was nothing to keep."""

    exit_code = 130


class TextError(RnnlmError):
    """A text that cannot be read, or read but not used."""


class ModelFileError(RnnlmError):
    """A model file that is missing, damaged, or not one of ours."""
