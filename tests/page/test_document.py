"""One file that holds everything, and in which no data can become markup."""

import base64
import hashlib
import html.parser
import json
import re

import pytest

from rnnlm_cli.page.document import ENGINE_SCRIPTS, FOLDER, INTERFACE_SCRIPTS, make_page
from tests.page.sample_contents import model_contents, score_contents


class Elements(html.parser.HTMLParser):
    """The elements of a page: tag, attributes, and the text before the next tag."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.is_open = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append([tag, dict(attributes), ""])
        self.is_open = True

    def handle_endtag(self, tag):
        self.is_open = False

    def handle_data(self, data):
        if self.is_open:
            self.found[-1][2] += data

    def of(self, tag, **attributes):
        return [
            (given, text) for name, given, text in self.found
            if name == tag and attributes.items() <= given.items()
        ]


@pytest.fixture(scope="module", params=[model_contents, score_contents])
def contents(request):
    return request.param()


def test_data_survive_the_round_trip(contents):
    [(_, text)] = Elements(make_page(contents)).of("script", id="contents")
    assert json.loads(text) == contents
    assert text.isascii()


def test_texts_and_names_add_no_element(contents):
    plain = contents | {"name": "plain", "text": "plain", "texts": [], "vocabulary": {}}
    found, expected = Elements(make_page(contents)).found, Elements(make_page(plain)).found
    assert [each[:2] for each in found] == [each[:2] for each in expected]


def test_a_lone_surrogate_and_other_code_points_survive():
    name = "\udc80\x00\u2029\U0001f600"
    [(_, text)] = Elements(make_page(score_contents() | {"name": "n", "facts": [["f", name]]})).of(
        "script", id="contents"
    )
    assert json.loads(text)["facts"] == [["f", name]]


def test_nothing_is_loaded_from_elsewhere(contents):
    page = Elements(make_page(contents))
    for tag in ("link", "img", "iframe", "object", "embed", "base", "source", "audio", "video"):
        assert page.of(tag) == []
    assert all("src" not in given for given, _ in page.of("script"))
    assert all(given["href"].startswith("#") for given, _ in page.of("a"))
    [(_, style)] = page.of("style")
    assert not re.search(r"url\(|@import", style)


def test_policy_allows_the_scripts_and_the_style_of_the_page_alone(contents):
    page = Elements(make_page(contents))
    [(policy, _)] = page.of("meta", **{"http-equiv": "Content-Security-Policy"})
    directives = dict(each.split(" ", 1) for each in policy["content"].split("; "))
    assert directives["default-src"] == "'none'"
    assert "connect-src" not in directives
    [(_, style)] = page.of("style")
    [script] = [text for given, text in page.of("script") if not given]
    for text, directive in ((style, "style-src"), (script, "script-src")):
        digest = hashlib.sha256(text.encode()).digest()
        assert directives[directive] == f"'sha256-{base64.b64encode(digest).decode()}'"


def test_only_a_page_with_a_model_holds_the_engine():
    [(_, engine)] = Elements(make_page(model_contents())).of("script", id="engine")
    assert "onmessage" in engine
    scores = make_page(score_contents())
    assert Elements(scores).of("script", id="engine")[0][1] == ""
    assert "worker-src" not in scores


@pytest.mark.parametrize(
    ("folder", "names"), [("engine", ENGINE_SCRIPTS), ("interface", INTERFACE_SCRIPTS)]
)
def test_every_script_file_is_in_the_page_once(folder, names):
    assert sorted(path.name for path in (FOLDER / folder).glob("*.js")) == sorted(names)
    for name in names:
        text = (FOLDER / folder / name).read_text("utf-8")
        assert text.isascii() and "</script" not in text.lower() and "<!--" not in text, name


def test_figures_that_json_does_not_have_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        make_page(score_contents() | {"facts": [["loss", float("nan")]]})
