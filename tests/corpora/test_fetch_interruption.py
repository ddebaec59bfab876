"""Fetching that is interrupted, by the user, by the system or by a full disk, leaves no file."""

import errno
import os
import socket
import subprocess
import sys
from http.client import HTTPResponse

import pytest

from tests.corpora.pages import assert_failed, contents


@pytest.mark.parametrize(("page", "member"), [("/text", None), ("/zip", "folio")])
def test_a_full_disk_leaves_nothing(fetch, page, member, monkeypatch, tmp_path):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert_failed(fetch(page, member=member), "hamlet.txt: cannot be read or written (No space")
    assert contents(tmp_path) == {}


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


def test_sigterm_leaves_nothing(script, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(30)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        environment = os.environ | {"http_proxy": address, "no_proxy": ""}
        command = [sys.executable, script.__file__, "enwik8", "--to", tmp_path]
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
