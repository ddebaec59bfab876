"""A file format that rnnlm writes, and the wording of its error messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rnnlm_cli.errors import ModelFileError
from rnnlm_cli.files.regular_file import IrregularFileError

PICKLE_HEADS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
MAX_LIKELY_HEADER_BYTES = 1 << 27  # a larger size in the first 8 bytes means another kind of file


@dataclass(frozen=True)
class FileFormat:
    """A file format: its tag, its versions, and the wording of its error messages.

    Args:
        tag: the value of the key "format" in the file.
        version: the version that is written, and the newest that is read.
        name: the name of such a file in messages.
        written_by: the command that writes one, for messages.
        remedy: the advice for a damaged file, for messages.
        min_version: the oldest version that is read.
        if_older: the end of the message for a file older than `min_version`.
    """

    tag: str
    version: int
    name: str
    written_by: str
    remedy: str
    min_version: int = 1
    if_older: str = ""

    def check_version(self, path: Path, version: object) -> None:
        """Raise ModelFileError if files of this version cannot be read."""
        if type(version) is not int or version < 1:
            raise self.damage_error(path, "its version is not a number above 0")
        if version > self.version:
            raise ModelFileError(
                f"{path}: has format {version}, from a newer rnnlm; this one reads up to "
                f"{self.version}. Install a newer rnnlm"
            )
        if version < self.min_version:
            raise ModelFileError(
                f"{path}: has format {version}, from an older rnnlm; this one reads from "
                f"{self.min_version} on. {self.if_older}"
            )

    def damage_error(self, path: Path, reason: str) -> ModelFileError:
        """Return the error for a file of this format that is damaged."""
        return ModelFileError(
            f"{path}: is damaged or was altered: {reason}; an intact {self.name} is needed. "
            f"{self.remedy}"
        )

    def foreign_error(self, path: Path, tag: object) -> ModelFileError:
        """Return the error for a safetensors file with another tag, or with none."""
        is_known = isinstance(tag, str) and tag.startswith("rnnlm-") and tag.isprintable()
        found = f"an {tag} file" if is_known else "a safetensors file of another program"
        return ModelFileError(
            f"{path}: is {found}; a {self.name} written by {self.written_by} is needed"
        )

    def unreadable_error(self, path: Path, head: bytes) -> ModelFileError:
        """Return the error for a file without a safetensors header.

        Args:
            head: the first 8 bytes of the file.
        """
        if head.startswith(PICKLE_HEADS):
            return ModelFileError(
                f"{path}: is a pickle, as torch.save writes them; loading one can run any code, so "
                f"rnnlm never does. A {self.name} written by {self.written_by} is needed"
            )
        size = int.from_bytes(head, "little")
        if len(head) == 8 and 0 < size < MAX_LIKELY_HEADER_BYTES:
            return self.damage_error(path, "it is cut short or its header is broken")
        return ModelFileError(
            f"{path}: is no {self.name}; a {self.name} written by {self.written_by} is needed. "
            "Name it with -m FILE"
        )

    @contextmanager
    def translate_errors(self, path: Path) -> Iterator[None]:
        """Turn the errors of the operating system into ModelFileErrors."""
        try:
            yield
        except FileNotFoundError:
            raise ModelFileError(
                f"{path}: no such {self.name}; {self.written_by} writes one, "
                "and -m FILE names one that stands elsewhere"
            ) from None
        except IsADirectoryError:
            raise ModelFileError(f"{path}: is a folder; a {self.name} is needed") from None
        except IrregularFileError:
            raise ModelFileError(
                f"{path}: is a pipe or a device; a regular file is needed, which holds a "
                f"{self.name}. Copy what it gives to a file, and name that"
            ) from None
        except OSError as error:
            raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from None
