"""A headless Chromium to open pages in; tests that need it are skipped where it is missing."""

import json
import shutil
from pathlib import Path

import pytest

from rnnlm_cli.page.document import make_page
from tests.page.engine_page import open_engine
from tests.page.sample_contents import model_contents

AXE = Path(__file__).parents[2] / "build" / "axe" / "node_modules" / "axe-core" / "axe.min.js"


class Browser:
    """Opens pages from files, and reports what they did beside being shown.

    Args:
        driver: selenium's driver of Chromium.
    """

    def __init__(self, driver):
        self.driver = driver

    def open(self, path):
        """Open a page and wait until its script says that it is ready."""
        self.take_faults()
        self.driver.get(Path(path).resolve().as_uri())
        self.wait("return document.body.dataset.state === 'ready'")

    def wait(self, condition, *arguments, seconds=60):
        """Wait until a script returns something true, and return that."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds, poll_frequency=0.05).until(
            lambda driver: driver.execute_script(condition, *arguments)
        )

    def run(self, script, *arguments):
        """Run a script that returns a value or a promise of one."""
        return self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            f"(async (...given) => {{ {script} }})(...Array.from(arguments).slice(0, -1))"
            ".then(value => done({value}), error => done({error: String(error.stack)}))",
            *arguments,
        )

    def take_faults(self):
        """Return console errors and requests to addresses since the last call."""
        console = [
            entry["message"] for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]
        events = [
            json.loads(entry["message"])["message"]
            for entry in self.driver.get_log("performance")
        ]
        urls = [
            event["params"]["request"]["url"] for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        allowed = ("file:", "blob:", "data:")
        return console + [url for url in urls if not url.startswith(allowed)]


@pytest.fixture(scope="session")
def chromium():
    """The driver of a headless Chromium that uses no network."""
    program, driver_program = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver_program is None:
        pytest.skip(
            "chromium and chromedriver are missing; Debian's packages chromium and "
            "chromium-driver have them"
        )
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
        "--disable-background-networking", "--no-first-run", "--window-size=1280,900",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(driver_program))
    driver.set_script_timeout(120)
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium):
    """A browser whose page must end without console errors and requests."""
    opened = Browser(chromium)
    yield opened
    assert opened.take_faults() == []


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core, which looks for faults of accessibility."""
    if not AXE.exists():
        pytest.skip("axe-core is missing; 'make axe' installs it with npm")
    return AXE.read_text("utf-8")


@pytest.fixture
def engine(browser, tmp_path):
    """The engine of a page, which answers messages."""
    return open_engine(browser, tmp_path / "engine.html")


@pytest.fixture(scope="session")
def model_page(tmp_path_factory):
    """The file of a page with a small untrained model."""
    path = tmp_path_factory.mktemp("page") / "model.html"
    path.write_text(make_page(model_contents(num_layers=2)), "utf-8")
    return path


@pytest.fixture
def page(browser, model_page):
    """A browser that shows `model_page`."""
    browser.open(model_page)
    return browser


@pytest.fixture
def slow_page(browser, tmp_path):
    """A browser that shows a page whose network is so large that long work takes seconds."""
    path = tmp_path / "slow.html"
    path.write_text(make_page(model_contents(hidden_size=256)), "utf-8")
    browser.open(path)
    return browser
