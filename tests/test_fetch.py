"""The fetching of corpora, from a server of our own: a text is there whole and checked, or not."""

import errno
import hashlib
import importlib.util
import io
import os
import socket
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "corpora" / "fetch.py"
TEXT = "To be, or not to be; \u00e7a est la question.\r\n".encode() * 3000  # more than a chunk
PORTAL = b"<p>Accept our terms to use this network"


def checksum(content, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folio", TEXT)
    return file.getvalue()


ZIP = zipped()
DATA_AT = 30 + len("folio")  # where the header of the first member ends
DAMAGED_ZIP = ZIP[:DATA_AT] + b"\xff" + ZIP[DATA_AT + 1 :]  # a kind of block that is none

# Path -> what is sent, how many bytes are promised.
PAGES = {
    "/text": (TEXT, len(TEXT)),
    "/text-of-unknown-size": (TEXT, None),
    "/cut-text": (TEXT[:70_000], len(TEXT)),
    "/zip": (ZIP, len(ZIP)),
    "/cut-zip": (ZIP[:100], len(ZIP)),
    "/damaged-zip": (DAMAGED_ZIP, len(ZIP)),
    "/portal": (PORTAL, len(PORTAL)),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.agents.append(self.headers["User-Agent"])
        if self.path not in PAGES:
            self.send_error(404)
            return
        content, promised = PAGES[self.path]
        self.send_response(200)
        if promised is not None:
            self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.agents = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def silent_port():
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("fetch", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fetch(script, server, tmp_path, monkeypatch, capsys):
    """Fetches TEXT as the corpus hamlet into tmp_path; returns (exit code, stderr)."""
    monkeypatch.setenv("no_proxy", "*")

    def call(page, *, port=server.server_port, member=None, algorithm="sha256", to=tmp_path):
        corpus = script.Corpus(
            url=f"http://127.0.0.1:{port}{page}", checksum=checksum(TEXT, algorithm),
            num_bytes=len(TEXT), about="", member=member,
        )
        monkeypatch.setitem(script.CORPORA, "hamlet", corpus)
        code = script.main(["hamlet", "--to", str(to)])
        captured = capsys.readouterr()
        assert captured.out == ""
        return code, captured.err

    return call


def assert_failed(result, message):
    code, err = result
    assert code == 1
    assert err.startswith("fetch: error: ") and err.count("\n") == 1
    assert message in err


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("page", "member", "algorithm"),
    [
        ("/text", None, "sha256"),
        ("/text-of-unknown-size", None, "md5"),
        ("/zip", "folio", "sha1"),
    ],
)
def test_the_text_and_nothing_else_is_written(fetch, page, member, algorithm, server, tmp_path):
    code, err = fetch(page, member=member, algorithm=algorithm)
    assert code == 0
    assert contents(tmp_path) == {"hamlet.txt": TEXT}
    size = f"{len(TEXT):,}"
    assert err == f"fetch: {tmp_path}/hamlet.txt: {size} bytes, with the right checksum\n"
    assert server.agents[-1] == "rnnlm"


@pytest.mark.parametrize(
    ("page", "member", "message"),
    [
        ("/portal", None, f"/portal: the checksum is {checksum(PORTAL)}; {checksum(TEXT)} is ne"),
        ("/cut-text", None, f": cut off after 70,000 bytes (of {len(TEXT):,}); all are needed"),
        ("/cut-zip", "folio", f": cut off after 100 bytes (of {len(ZIP)}); all are needed"),
        ("/missing", None, "/missing: the answer is 404 Not Found; 200 is needed"),
        ("/portal", "folio", "/portal: no whole zip file; one with folio is needed"),
        ("/zip", "quarto", "/zip: no whole zip file; one with quarto is needed"),
        ("/damaged-zip", "folio", "/damaged-zip: no whole zip file"),
    ],
)
def test_a_bad_answer_leaves_nothing(fetch, page, member, message, tmp_path):
    assert_failed(fetch(page, member=member), message)
    assert contents(tmp_path) == {}


def test_a_port_that_nobody_listens_on_is_named(fetch, closed_port, tmp_path):
    message = f"error: 127.0.0.1:{closed_port}: cannot be reached (Connection refused); a network"
    assert_failed(fetch("/text", port=closed_port), message)
    assert contents(tmp_path) == {}


def test_silence_ends_the_wait(fetch, silent_port, script, monkeypatch, tmp_path):
    monkeypatch.setattr(script, "TIMEOUT_SECONDS", 0.05)
    message = f"error: 127.0.0.1:{silent_port}: cut off after 0 bytes (timed out)"
    assert_failed(fetch("/text", port=silent_port), message)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("folder", "reason"), [("missing", "No such file or directory"), ("file", "Not a directory")]
)
def test_a_folder_that_cannot_be_written_is_named(fetch, folder, reason, server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    asked = len(server.agents)
    message = f"error: {tmp_path / folder}/hamlet.txt: cannot be read or written ({reason})"
    assert_failed(fetch("/text", to=tmp_path / folder), message)
    assert contents(tmp_path) == {"file": b""}
    assert len(server.agents) == asked


@pytest.mark.parametrize(("page", "member"), [("/text", None), ("/zip", "folio")])
def test_a_full_disk_leaves_nothing(fetch, page, member, monkeypatch, tmp_path):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert_failed(fetch(page, member=member), "hamlet.txt: cannot be read or written (No space")
    assert contents(tmp_path) == {}


def test_a_text_that_is_there_needs_no_network(fetch, closed_port, tmp_path):
    (tmp_path / "hamlet.txt").write_bytes(TEXT)
    code, err = fetch("/text", port=closed_port)
    assert code == 0
    assert err == f"fetch: {tmp_path}/hamlet.txt: already there, with the right checksum\n"
    assert contents(tmp_path) == {"hamlet.txt": TEXT}


def test_another_text_of_that_name_is_kept(fetch, tmp_path):
    (tmp_path / "hamlet.txt").write_bytes(b"mine")
    message = (
        f"error: {tmp_path}/hamlet.txt: the checksum is {checksum(b'mine')}; {checksum(TEXT)} is "
        "needed. It is not overwritten: move it away"
    )
    assert_failed(fetch("/text"), message)
    assert contents(tmp_path) == {"hamlet.txt": b"mine"}


@pytest.mark.parametrize(
    ("page", "member", "parts"),
    [("/text", None, {"txt"}), ("/zip", "folio", {"txt", "zip"})],
)
def test_control_c_leaves_nothing(fetch, page, member, parts, monkeypatch, tmp_path):
    read, seen = HTTPResponse.read, []

    def interrupted(response, amount):
        seen.append({path.name for path in tmp_path.iterdir()})
        if len(seen) == 2:
            raise KeyboardInterrupt
        return read(response, amount)

    monkeypatch.setattr(HTTPResponse, "read", interrupted)
    assert fetch(page, member=member) == (130, "fetch: error: interrupted\n")
    assert seen[1] == {f".hamlet.{part}.{os.getpid()}.part" for part in parts}
    assert contents(tmp_path) == {}


def test_a_termination_leaves_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(30)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        environment = os.environ | {"http_proxy": address, "no_proxy": ""}
        command = [sys.executable, SCRIPT, "enwik8", "--to", tmp_path]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
            connection, _ = proxy.accept()
            with connection:
                asked = connection.recv(1000)
                parts = contents(tmp_path)
                process.terminate()
                _, err = process.communicate()
    assert asked.startswith(b"GET http://mattmahoney.net/dc/enwik8.zip ")
    assert len(parts) == 2
    assert (process.returncode, err) == (143, b"")
    assert contents(tmp_path) == {}


def test_a_terminal_gets_a_bar_in_bytes(fetch, script, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(script, "tqdm", partial(script.tqdm, mininterval=0))
    assert fetch("/text")[0] == 0
    bar, line = terminal.getvalue().rstrip("\n").rsplit("\r", 1)
    assert f" 65.5k/{len(TEXT) / 1000:.0f}k " in bar and "B/s" in bar
    assert line.startswith("fetch: ")


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        (["macbeth"], "argument NAME: invalid choice: 'macbeth' (choose from "),
        (["text8", "--two", "x"], "unrecognized arguments: --two x"),
        (["text8", "--to"], "argument --to: expected one argument"),
    ],
)
def test_a_usage_error_is_one_line(script, arguments, subject, capsys):
    assert script.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fetch: error: {subject}") and err.endswith(". See --help\n")
    assert err.count("\n") == 1
    if arguments == ["macbeth"]:
        assert all(name in err for name in script.CORPORA)


def test_no_argument_lists_the_corpora(script, monkeypatch, capsys):
    unknown = script.Corpus(url="", checksum="", num_bytes=None, about="Lost.")
    monkeypatch.setitem(script.CORPORA, "cardenio", unknown)
    assert script.main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert [line.split()[0] for line in out.splitlines()] == list(script.CORPORA)
    assert "tiny-shakespeare    1.1 MB  Plays of Shakespeare, " in out
    assert "cardenio                 ?  Lost.\n" in out


def test_every_checksum_is_one(script):
    for corpus in script.CORPORA.values():
        algorithm, digits = corpus.checksum.split(":")
        assert len(bytes.fromhex(digits)) == hashlib.new(algorithm).digest_size
