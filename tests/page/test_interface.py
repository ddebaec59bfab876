"""The page in a browser: what the mouse and the keyboard reach, and what they show."""

import base64
import json
import struct

import pytest

from rnnlm_cli.page.document import make_page
from tests.page.page_actions import (
    DOWN,
    END,
    HOME,
    LEFT,
    RIGHT,
    TAB,
    UP,
    choose_option,
    find,
    focused,
    hover,
    open_tab,
    press,
    shades_of,
    text_of,
    wait_for_text,
    write,
)
from tests.page.sample_contents import HOSTILE, TEXT, model_contents, score_contents


@pytest.fixture
def open_scores(browser, tmp_path):
    def call(**settings):
        path = tmp_path / "scores.html"
        path.write_text(make_page(score_contents(**settings)), "utf-8")
        browser.open(path)
        return browser

    return call


# --- the text ----------------------------------------------------------------------------------


def test_hover_and_focus_show_the_same_five_alternatives(page):
    hover(page, "#shaded-text [data-position='7']")
    hovered = find(page, "#inspector").text
    assert len(page.driver.find_elements("css selector", "#inspector .bars li")) == 5
    hover(page, "h1")
    wait_for_text(page, "#inspector", "Point at a token")
    page.driver.execute_script("document.getElementById('text-png').focus()")
    press(page, TAB, *[RIGHT] * 7)
    assert find(page, "#inspector").text == hovered
    spoken = find(page, "#shaded-text-active").get_attribute("aria-label")
    for figure in find(page, "#inspector").find_elements("css selector", ".figure, dd"):
        assert figure.text in spoken


def test_keys_walk_through_the_text_which_is_one_stop_of_tab(page):
    page.driver.execute_script("document.getElementById('text-png').focus()")
    press(page, TAB)
    assert focused(page) == "shaded-text"

    def position():
        return int(find(page, "#shaded-text-active").get_attribute("data-position"))

    first_line = TEXT.index("\n") + 1
    for keys, expected in (
        ([], 0), ([LEFT], 0), ([RIGHT, RIGHT], 2), ([DOWN], first_line + 2), ([UP], 2),
        ([END], len(TEXT) - 1), ([RIGHT], len(TEXT) - 1), ([HOME], 0),
    ):
        press(page, *keys)
        assert position() == expected
        active = find(page, "#shaded-text").get_attribute("aria-activedescendant")
        assert active == "shaded-text-active"
    press(page, TAB)
    assert focused(page) != "shaded-text"


def test_the_text_is_shown_whole_and_no_data_become_markup(page):
    assert text_of(page, "#shaded-text") == TEXT
    assert text_of(page, "#name") == "<b>model</b>.rnnlm"
    assert page.driver.execute_script("return window.broken") is None
    open_tab(page, "model")
    write(page, "#unrolled-input", HOSTILE[:9])
    page.wait("return document.querySelectorAll('#unrolled-table tbody tr').length === 10")
    assert HOSTILE in text_of(page, "#facts")
    assert page.driver.find_elements("css selector", "#unrolled script, h1 b, #facts b") == []


def test_a_new_text_is_read_while_it_is_typed(page):
    write(page, "#text-input", "and the end")
    wait_for_text(page, "#totals", "11")
    assert text_of(page, "#shaded-text") == "and the end"
    write(page, "#text-input", "")
    page.driver.execute_script("document.getElementById('analyse').click()")
    page.wait("return document.getElementById('shaded-text').textContent === ''")


def test_totals_equal_the_sum_over_the_tokens(page):
    total = 0.0
    press(page, TAB)
    page.driver.execute_script("document.getElementById('shaded-text').focus()")
    for position in range(12):
        page.driver.execute_script(
            "document.querySelector(`#shaded-text [data-position='${arguments[0]}']`).click()",
            position,
        )
        total += float(find(page, "#inspector dd").text.removesuffix(" bits"))
    write(page, "#text-input", TEXT[:12])
    wait_for_text(page, "#totals", "tokens12")
    per_token = float(find(page, "#totals dd").text)
    assert per_token == pytest.approx(total / 12, abs=0.011)  # both are shown with two decimals


def test_the_text_is_shaded_by_surprisal_by_rank_and_by_a_unit(page):
    surprisal = shades_of(page, "#shaded-text")
    assert len(surprisal) == len(TEXT) and any("heat" in shade for shade in surprisal)
    choose_option(page, "#shading", "rank")
    by_rank = shades_of(page, "#shaded-text")
    for position in (0, 7, 20, 33):
        find(page, f"#shaded-text [data-position='{position}']").click()
        rank = int(find(page, "#inspector div:nth-child(2) dd").text)
        level = [rank <= bound for bound in (1, 2, 3, 5, 10, 20, 50)].index(True)
        assert by_rank[position] == (f"heat-{level}" if level else "")
    choose_option(page, "#shading", "unit")
    page.wait("return document.querySelector('#shaded-text [class*=cool]') !== null")
    choose_option(page, "#text-unit", "99")  # beyond the last unit
    page.wait("return document.getElementById('text-unit').value === '8'")
    wait_for_text(page, "#text-legend", "unit 8")


def test_a_long_text_has_elements_near_its_visible_part_alone(page):
    text = ("a line of text\n" * 40 + "b" * 20_000 + "\n") * 3
    page.driver.execute_script(
        "const input = document.getElementById('text-input'); input.value = arguments[0];"
        "input.dispatchEvent(new Event('input'))", text,
    )
    wait_for_text(page, "#analyse-note", "press Analyse")
    find(page, "#analyse").click()
    wait_for_text(page, "#totals", f"{len(text):,}")
    count = "return document.querySelectorAll('#shaded-text [data-position]').length"
    assert text_of(page, "#shaded-text") == text
    assert 0 < page.driver.execute_script(count) < 12_000
    find(page, "#shaded-text").send_keys(END)
    last = find(page, "#shaded-text-active")
    assert int(last.get_attribute("data-position")) == len(text) - 1
    page.wait(
        "const box = document.getElementById('shaded-text').getBoundingClientRect();"
        "const token = document.getElementById('shaded-text-active').getBoundingClientRect();"
        "return token.top >= box.top && token.bottom <= box.bottom"
    )
    page.wait(f"{count} < 12000")


def test_reading_a_long_text_can_be_cancelled(slow_page):
    before = text_of(slow_page, "#shaded-text")
    slow_page.driver.execute_script(
        "document.getElementById('text-input').value = 'abcdefg '.repeat(25000);"
        "document.getElementById('analyse').click()"
    )
    slow_page.wait("return document.getElementById('text-progress').checkVisibility()")
    find(slow_page, "#text-progress button").click()
    wait_for_text(slow_page, "#analyse-note", "Cancelled")
    assert text_of(slow_page, "#shaded-text") == before
    assert not find(slow_page, "#text-progress").is_displayed()


# --- the model, pictures, and the page as a whole ----------------------------------------------


def test_the_model_tab_shows_facts_losses_and_the_unrolled_network(page):
    open_tab(page, "model")
    page.wait("return document.querySelector('#unrolled svg') !== null")
    assert "corpus.txt" in text_of(page, "#facts")
    assert "2.0000 at step 60" in text_of(page, "#curve")
    write(page, "#unrolled-input", "the\\nend")
    page.wait("return document.querySelectorAll('#unrolled-table tbody tr').length === 8")
    assert "\u21b5" in text_of(page, "#unrolled-table tbody tr:nth-child(5)")
    assert page.driver.find_elements("css selector", "#unrolled .box.token")


@pytest.mark.parametrize(
    ("tab", "button", "min_width"),
    [("text", "text-png", 900), ("units", "unit-png", 900), ("model", "curve-png", 900),
     ("model", "unrolled-png", 900)],
)
def test_pictures_are_saved_as_png(page, tab, button, min_width):
    open_tab(page, tab)
    page.wait("return document.querySelector('#unrolled svg, #unit-text [class*=cool],"
              " #shaded-text [data-position]') !== null")
    if tab == "units":
        page.wait("return document.querySelector('#unit-legend li') !== null")
    if tab == "model":
        page.wait("return document.querySelector('#unrolled svg') !== null")
    saved = page.run(
        """
        const blobs = new Map();
        const {createObjectURL} = URL;
        URL.createObjectURL = blob => {
          const address = createObjectURL.call(URL, blob);
          blobs.set(address, blob);
          return address;
        };
        const link = await new Promise(resolve => {
          HTMLAnchorElement.prototype.click = function () { resolve(this); };
          document.getElementById(given[0]).click();
        });
        const bytes = new Uint8Array(await blobs.get(link.href).arrayBuffer());
        const bitmap = await createImageBitmap(blobs.get(link.href));
        const canvas = document.createElement("canvas");
        canvas.width = bitmap.width;
        canvas.height = bitmap.height;
        const pen = canvas.getContext("2d");
        pen.drawImage(bitmap, 0, 0);
        const {data} = pen.getImageData(0, 0, bitmap.width, bitmap.height);
        // Letters are dark in the light theme. The legend of a shaded text ends above line 168.
        let numDark = 0;
        for (let index = 168 * 4 * bitmap.width; index < data.length; index += 4) {
          numDark += data[index] < 128 && data[index + 2] < 128;
        }
        const head = btoa(String.fromCharCode(...bytes.slice(0, 24)));
        return {head, name: link.download, numDark};
        """.replace("given[0]", json.dumps(button))
    )["value"]
    head = base64.b64decode(saved["head"])
    assert head.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", head[16:24])
    assert min_width < width < 16384 and 200 < height < 16384
    assert saved["name"].endswith(".png") and "<" not in saved["name"]
    assert saved["numDark"] > 1000


@pytest.mark.parametrize("tab", ["text", "generate", "units", "model"])
def test_the_tab_key_alone_reaches_every_control(page, tab):
    open_tab(page, tab)
    page.wait("return document.querySelector(arguments[0]) !== null", {
        "text": "#shaded-text [data-position]", "generate": "#candidates button",
        "units": "#places button", "model": "#unrolled svg",
    }[tab])
    # A list with arrow keys, and a group of radio buttons, is one stop.
    names = (
        "const name = e => e.id || e.closest('[role=toolbar]')?.id || e.name"
        " || e.className || e.textContent;"
    )
    expected = set(page.driver.execute_script(
        names + "return Array.from(document.querySelectorAll('a, button, input, select, textarea,"
        " summary, [tabindex=\"0\"]')).filter(e => !e.disabled && e.checkVisibility()"
        " && e.getAttribute('aria-selected') !== 'false').map(name)"
    ))
    page.driver.execute_script("document.activeElement.blur()")
    reached = set()
    for _ in range(2 * len(expected)):
        press(page, TAB)
        reached.add(page.driver.execute_script(names + "return name(document.activeElement)"))
        if expected <= reached:
            break
    assert expected - reached == set()


def test_the_theme_follows_the_switch(page):
    background = "return getComputedStyle(document.body).backgroundColor"
    find(page, "input[value=light]").click()
    light = page.driver.execute_script(background)
    press(page, RIGHT)
    assert page.driver.execute_script(background) != light


def test_an_error_of_the_engine_is_a_sentence_on_the_page(browser, tmp_path):
    contents = model_contents()
    contents["weights"]["arrays"]["embedding"]["data"] = "AAAA"
    path = tmp_path / "broken.html"
    path.write_text(make_page(contents), "utf-8")
    browser.driver.get(path.as_uri())
    wait_for_text(browser, "#page-error", "could not start")
    assert find(browser, "#page-error").is_displayed()


# --- the page of scores ------------------------------------------------------------------------


def test_a_page_of_scores_shows_all_texts_or_one_of_them(open_scores):
    page = open_scores()
    assert page.driver.find_elements("css selector", "[role=tab], textarea") == []
    assert text_of(page, "#shaded-text") == f"0{HOSTILE} words\n1x words\n2x words\n"
    hover(page, "#shaded-text [data-position='6']")
    for figure in ("1.13 bits", "4", "0.56 bits"):  # surprisal, rank and entropy of "x"
        assert figure in find(page, "#inspector").text
    hover(page, "#shaded-text [data-position='9']")
    assert "sentence 2" in find(page, "#inspector").text  # the newline that ends it
    choose_option(page, "#score-text", "2")
    assert text_of(page, "#shaded-text") == "2x words\n"
    by_bits = shades_of(page, "#shaded-text")
    assert by_bits[2] == "unscored"
    choose_option(page, "#shading", "entropy")
    assert shades_of(page, "#shaded-text") != by_bits
    choose_option(page, "#score-text", "0")
    choose_option(page, "#score-order", "bits")
    assert find(page, "#score-text").get_attribute("value") == "2"
    assert "model.rnnlm" in text_of(page, "#score-facts")
    assert page.driver.execute_script("return window.broken") is None


def test_a_page_of_scores_holds_thousands_of_texts(open_scores):
    page = open_scores(num_texts=5000)
    assert len(text_of(page, "#shaded-text").splitlines()) >= 5000
    count = "return document.querySelectorAll('#shaded-text [data-position]').length"
    assert page.driver.execute_script(count) < 12_000
    find(page, "#shaded-text").send_keys(END)
    assert find(page, "#shaded-text-active").get_attribute("data-position") == str(5 * 5000 - 1)
