"""Fetching a corpus from a server: a text is written complete and checked, or not at all."""

import pytest

from tests.corpora.pages import PORTAL, TEXT, ZIP, assert_failed, checksum, contents


@pytest.mark.parametrize(
    ("page", "member", "algorithm"),
    [
        ("/text", None, "sha256"),
        ("/text-of-unknown-size", None, "md5"),
        ("/zip", "folio", "sha1"),
    ],
)
def test_only_the_text_is_written(fetch, page, member, algorithm, server, tmp_path):
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
        ("/cut-text", None, f": cut off after 70,000 bytes (of {len(TEXT):,}); the whole file"),
        ("/cut-zip", "folio", f": cut off after 100 bytes (of {len(ZIP)}); the whole file"),
        ("/missing", None, "/missing: the answer is 404 Not Found; 200 is needed"),
        ("/portal", "folio", "/portal: no intact zip file; one that contains folio is needed"),
        ("/zip", "quarto", "/zip: no intact zip file; one that contains quarto is needed"),
        ("/damaged-zip", "folio", "/damaged-zip: no intact zip file"),
        ("/endless", None, f"/endless: sends more than the {len(TEXT):,} bytes of this corpus"),
        ("/endless", "folio", f"/endless: sends more than the {len(TEXT):,} bytes of this corpus"),
        ("/endless-zip", "folio", "/endless-zip: sends more than the"),
    ],
)
def test_a_bad_answer_leaves_nothing(fetch, page, member, message, tmp_path):
    assert_failed(fetch(page, member=member), message)
    assert contents(tmp_path) == {}


def test_a_refused_connection_is_an_error_with_the_next_step(fetch, closed_port, tmp_path):
    message = (
        f"error: 127.0.0.1:{closed_port}: cannot be reached (Connection refused); a network is "
        f"needed. Connect and fetch again, or put the text there yourself, as {tmp_path}/hamlet.txt"
    )
    assert_failed(fetch("/text", port=closed_port), message)
    assert contents(tmp_path) == {}


def test_a_silent_server_times_out(fetch, silent_port, script, monkeypatch, tmp_path):
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


def test_an_existing_text_needs_no_network(fetch, closed_port, tmp_path):
    (tmp_path / "hamlet.txt").write_bytes(TEXT)
    code, err = fetch("/text", port=closed_port)
    assert code == 0
    assert err == f"fetch: {tmp_path}/hamlet.txt: already there, with the right checksum\n"
    assert contents(tmp_path) == {"hamlet.txt": TEXT}


def test_a_different_text_of_that_name_is_not_overwritten(fetch, tmp_path):
    (tmp_path / "hamlet.txt").write_bytes(b"mine")
    message = (
        f"error: {tmp_path}/hamlet.txt: the checksum is {checksum(b'mine')}; {checksum(TEXT)} is "
        "needed. It is not overwritten: move it away"
    )
    assert_failed(fetch("/text"), message)
    assert contents(tmp_path) == {"hamlet.txt": b"mine"}
