"""A server on localhost, and a function that fetches from it with corpora/fetch.py."""

import importlib.util
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.corpora.pages import PAGES, TEXT, checksum

SCRIPT = Path(__file__).parents[2] / "corpora" / "fetch.py"


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
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def closed_port():
    """A port that refuses connections."""
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
    """Fetches TEXT as the corpus "hamlet" into tmp_path; returns (exit code, stderr)."""
    monkeypatch.setenv("no_proxy", "*")

    def call(
        page, *options, port=server.server_port, member=None, algorithm="sha256", to=tmp_path
    ):
        corpus = script.Corpus(
            url=f"http://127.0.0.1:{port}{page}", checksum=checksum(TEXT, algorithm),
            num_bytes=len(TEXT), about="", member=member,
        )
        monkeypatch.setitem(script.CORPORA, "hamlet", corpus)
        code = script.main(["hamlet", "--to", str(to), *options])
        captured = capsys.readouterr()
        assert captured.out == ""
        return code, captured.err

    return call
