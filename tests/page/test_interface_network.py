"""Generating and units on the page: by mouse and by keyboard."""

import re

from tests.page.page_actions import (
    DOWN,
    ENTER,
    RIGHT,
    TAB,
    choose_option,
    find,
    focused,
    open_tab,
    press,
    shades_of,
    text_of,
    wait_for_text,
    write,
)

# --- generating --------------------------------------------------------------------------------


def test_the_keyboard_generates_picks_a_candidate_and_undoes_it(page):
    page.driver.execute_script("document.getElementById('tab-text').focus()")
    press(page, RIGHT)
    assert focused(page) == "tab-generate"
    press(page, TAB, "Some")
    assert focused(page) == "prompt"
    assert find(page, "#temperature").get_attribute("value") == "0.75"
    write(page, "#seed", "3")
    write(page, "#max-tokens", "20")
    press(page, ENTER)
    wait_for_text(page, "#generate-status", "20 tokens")
    assert "seed 3" in text_of(page, "#generate-status")
    written = text_of(page, "#written")
    assert written.startswith("Some") and len(written) == len("Some") + 20
    page.wait("return document.querySelector('#candidates button') !== null")
    page.driver.execute_script("document.getElementById('written').focus()")
    press(page, TAB, DOWN)  # the candidates are one stop of the Tab key
    second = find(page, "#candidates button:nth-child(2)")
    assert page.driver.switch_to.active_element == second
    shown = second.find_element("css selector", ".name").text
    press(page, "2")
    page.wait("return document.querySelectorAll('#written .picked').length === 1")
    picked = text_of(page, "#written .picked")
    assert shown == {" ": "\u2423", "\n": "\u21b5"}.get(picked, picked)
    page.wait("return document.getElementById('candidates').ariaBusy === 'false'")
    assert page.driver.switch_to.active_element == second
    press(page, ENTER)
    page.wait("return document.querySelectorAll('#written .picked').length === 2")
    for _ in range(2):
        find(page, "#undo-pick").click()
    assert text_of(page, "#written") == written
    page.wait("return document.getElementById('undo-pick').disabled")


def test_candidates_after_picks_equal_those_of_the_whole_text(page):
    open_tab(page, "generate")
    probabilities = (
        "return Array.from(document.querySelectorAll('#candidates .figure'), e => e.textContent)"
    )
    page.wait("return document.querySelector('#candidates button') !== null")
    for count in (1, 2, 3):
        find(page, "#candidates button:nth-child(4)").click()
        page.wait(f"return document.querySelectorAll('#written .picked').length === {count}")
    page.wait("return document.getElementById('candidates').ariaBusy === 'false'")
    step_by_step, text = page.driver.execute_script(probabilities), text_of(page, "#written")
    write(page, "#prompt", text)
    page.wait("return document.querySelectorAll('#written .picked').length === 0")
    page.wait("return document.getElementById('candidates').ariaBusy === 'false'")
    assert page.driver.execute_script(probabilities) == step_by_step


def test_the_same_seed_gives_the_same_text_and_a_stop_string_ends_it(page):
    open_tab(page, "generate")
    write(page, "#seed", "5")
    write(page, "#max-tokens", "60")
    texts = []
    for _ in range(2):
        find(page, "#generate").click()
        wait_for_text(page, "#generate-status", "seed 5")
        texts.append(text_of(page, "#written"))
    assert texts[0] == texts[1] and len(texts[0]) == 60
    stop = texts[0][30:33]
    write(page, "#stop", stop.replace("\\", "\\\\").replace("\n", "\\n"))
    find(page, "#generate").click()
    wait_for_text(page, "#generate-status", "stop string")
    assert text_of(page, "#written") == texts[0][: texts[0].index(stop)]


def test_a_long_generation_can_be_stopped_and_continued(slow_page):
    open_tab(slow_page, "generate")
    write(slow_page, "#max-tokens", "100000")
    find(slow_page, "#generate").click()
    slow_page.wait("return document.getElementById('written').textContent.length > 50")
    find(slow_page, "#generate-stop").click()
    wait_for_text(slow_page, "#generate-status", "interrupted")
    assert re.search(r"seed \d+", text_of(slow_page, "#generate-status"))  # drawn by the page
    length = len(text_of(slow_page, "#written"))
    assert length < 100_000
    write(slow_page, "#max-tokens", "7")
    find(slow_page, "#generate-continue").click()
    wait_for_text(slow_page, "#generate-status", "7 tokens")
    assert len(text_of(slow_page, "#written")) == length + 7


# --- units -------------------------------------------------------------------------------------


def test_a_unit_of_the_ranked_list_shades_the_text(page):
    open_tab(page, "units")
    page.wait("return document.querySelectorAll('#ranking button').length > 3")
    page.wait("return document.querySelector('#unit-text [class*=cool]') !== null")
    before = shades_of(page, "#unit-text")
    third = find(page, "#ranking button:nth-child(3)")
    find(page, "#ranking button").send_keys(DOWN, DOWN, ENTER)
    page.wait("return arguments[0].ariaPressed === 'true'", third)
    name = third.find_element("css selector", ".bar + span").text
    assert text_of(page, "#unit-title").lower() == name
    assert shades_of(page, "#unit-text") != before
    assert len(page.driver.find_elements("css selector", "#ranking [aria-pressed=true]")) == 1
    choose_option(page, "#feature", "brackets")
    page.wait("return document.querySelector('#ranking button').ariaPressed === 'true'")


def test_a_token_leads_to_its_units_and_to_other_places(page):
    open_tab(page, "units")
    page.wait("return document.querySelector('#unit-text [class*=cool]') !== null")
    page.driver.execute_script("document.getElementById('unit-png').focus()")
    press(page, TAB, RIGHT, RIGHT, RIGHT, ENTER)
    wait_for_text(page, "#units-at-title", "token 4")
    by_key = text_of(page, "#units-at")
    find(page, "#unit-text [data-position='9']").click()
    wait_for_text(page, "#units-at-title", "token 10")
    assert text_of(page, "#units-at") != by_key
    unit = find(page, "#units-at button:nth-child(2)")
    unit.click()
    page.wait("return arguments[0].ariaPressed === 'true'", unit)
    place = find(page, "#places button:nth-child(2)")
    position = place.get_attribute("data-place")
    place.click()
    assert focused(page) == "unit-text"
    assert find(page, "#unit-text-active").get_attribute("data-position") == position
    value = place.find_element("css selector", ":scope > span:last-child").text
    assert find(page, "#unit-value").text.endswith(value)
