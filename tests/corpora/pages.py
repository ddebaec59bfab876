"""The pages of the test server, and checks that several tests of corpora/fetch.py share."""

import hashlib
import io
import zipfile

TEXT = "To be, or not to be; \u00e7a est la question.\r\n".encode() * 3000  # larger than a chunk
PORTAL = b"<p>Accept our terms to use this network"


def checksum(content, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def zipped(text):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folio", text)
    return file.getvalue()


ZIP = zipped(TEXT)
ENDLESS = bytes(len(TEXT) + 300_000)  # stands for an answer that fills the disk
DATA_AT = 30 + len("folio")  # the size of the header of the first member
DAMAGED_ZIP = ZIP[:DATA_AT] + b"\xff" + ZIP[DATA_AT + 1 :]  # an invalid block type

# Path -> (content, Content-Length or None).
PAGES = {
    "/text": (TEXT, len(TEXT)),
    "/text-of-unknown-size": (TEXT, None),
    "/cut-text": (TEXT[:70_000], len(TEXT)),
    "/zip": (ZIP, len(ZIP)),
    "/cut-zip": (ZIP[:100], len(ZIP)),
    "/damaged-zip": (DAMAGED_ZIP, len(ZIP)),
    "/endless": (ENDLESS, None),
    "/endless-zip": (zipped(ENDLESS), None),
    "/portal": (PORTAL, len(PORTAL)),
}


def assert_failed(result, message):
    code, err = result
    assert code == 1
    assert err.startswith("fetch: error: ") and err.count("\n") == 1
    assert message in err


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}
