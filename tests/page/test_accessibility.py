"""Faults that axe-core finds, contrast on every shade, and the page on a narrow screen."""

import pytest

from rnnlm_cli.page.document import make_page
from tests.page.sample_contents import model_contents, score_contents

TABS = ("text", "generate", "units", "model")
READY = {
    "text": "#shaded-text [data-position]", "generate": "#candidates button",
    "units": "#places button", "model": "#unrolled svg",
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    paths = {"model": folder / "model.html", "scores": folder / "scores.html"}
    paths["model"].write_text(make_page(model_contents(num_layers=2)), "utf-8")
    paths["scores"].write_text(make_page(score_contents()), "utf-8")
    return paths


@pytest.fixture
def set_width(browser):
    def call(width):
        browser.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500},
        )

    yield call
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture
def set_theme(browser):
    def call(theme):
        browser.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": theme}]},
        )

    yield call
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def views_of(browser, kind):
    """Show each view in turn, with a token chosen, and yield its name."""
    for tab in TABS if kind == "model" else ("text",):
        if kind == "model":
            browser.driver.execute_script(f"document.getElementById('tab-{tab}').click()")
        browser.wait("return document.querySelector(arguments[0]) !== null", READY[tab])
        browser.driver.execute_script(
            "for (const token of document.querySelectorAll('[data-position=\"4\"]')) token.click();"
            "for (const each of document.querySelectorAll('details')) each.open = true;"
        )
        yield tab


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["model", "scores"])
def test_axe_finds_no_serious_fault(browser, axe, pages, set_width, set_theme, kind, theme, width):
    set_width(width)
    set_theme(theme)
    browser.open(pages[kind])
    browser.driver.execute_script(axe)
    assert browser.driver.execute_script("return document.documentElement.dataset.theme") == theme
    for tab in views_of(browser, kind):
        violations = browser.run("return (await axe.run()).violations")["value"]
        faults = [
            (tab, each["id"], each["help"], [node["html"] for node in each["nodes"]][:3])
            for each in violations if each["impact"] in ("serious", "critical")
        ]
        assert faults == []


@pytest.mark.parametrize("kind", ["model", "scores"])
def test_no_view_scrolls_sideways_at_390_pixels(browser, pages, set_width, kind):
    set_width(390)
    browser.open(pages[kind])
    for tab in views_of(browser, kind):
        width = browser.driver.execute_script("return document.documentElement.scrollWidth")
        assert width == 390, tab


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_letters_have_contrast_on_every_shade(browser, pages, set_theme, theme):
    """WCAG 2.2: (L1 + 0.05) / (L2 + 0.05) of the relative luminances is at least 4.5."""
    set_theme(theme)
    browser.open(pages["scores"])
    shades = ["heat-" + str(level) for level in range(1, 10)]
    shades += [f"{side}-{level}" for side in ("warm", "cool") for level in range(1, 6)]
    shades += ["surface", "bar"]
    ink, *colours = browser.driver.execute_script(
        "const style = getComputedStyle(document.documentElement);"
        "return arguments[0].map(name => style.getPropertyValue('--' + name).trim())",
        ["ink", *shades],
    )
    for shade, colour in zip(shades, colours, strict=True):
        lighter, darker = sorted((luminance(ink), luminance(colour)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, shade


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_nothing_moves_for_readers_who_want_no_motion(browser, pages):
    browser.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]},
    )
    browser.open(pages["model"])
    moving = browser.driver.execute_script(
        "return Array.from(document.querySelectorAll('*')).filter(e => {"
        "  const style = getComputedStyle(e);"
        "  return style.transitionDuration !== '0s' || style.animationName !== 'none'"
        "}).map(e => e.outerHTML.slice(0, 60))"
    )
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert moving == []
