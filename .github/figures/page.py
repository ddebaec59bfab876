"""Take the picture of a page in headless Chromium: the unit that follows the quotes."""

import shutil
import sys
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.support.ui import Select, WebDriverWait

READY = "return document.body.dataset.state === 'ready'"
RANKED = "return document.querySelector('#ranking button') !== null"
SHADED = "return document.querySelector('#unit-text').textContent.length > 100"


def take_picture(page: Path, picture: Path) -> None:
    """Open a page, choose the best unit for quotes, and write a PNG of 1200 x 860 pixels."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    with webdriver.Chrome(options, service) as driver:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": 1200, "height": 860, "deviceScaleFactor": 1, "mobile": False,
        })
        driver.get(page.resolve().as_uri())
        wait = WebDriverWait(driver, 60)
        wait.until(lambda driver: driver.execute_script(READY))
        driver.find_element("id", "tab-units").click()
        wait.until(lambda driver: driver.execute_script(RANKED))
        Select(driver.find_element("id", "feature")).select_by_visible_text("inside quotes")
        driver.find_element("css selector", "#ranking button").click()
        wait.until(lambda driver: driver.execute_script(SHADED))
        driver.execute_script("document.activeElement.blur(); scrollTo(0, 0)")
        driver.save_screenshot(str(picture))


take_picture(Path(sys.argv[1]), Path(sys.argv[2]))
