"""Actions of a reader of a page: keys, clicks, texts that are typed; and what is seen then."""

# Keys as WebDriver names them.
TAB, ENTER = "\ue004", "\ue007"
LEFT, UP, RIGHT, DOWN = "\ue012", "\ue013", "\ue014", "\ue015"
END, HOME = "\ue010", "\ue011"


def find(browser, selector):
    return browser.driver.find_element("css selector", selector)


def press(browser, *keys):
    for key in keys:
        browser.driver.switch_to.active_element.send_keys(key)


def focused(browser):
    return browser.driver.execute_script("return document.activeElement.id")


def text_of(browser, selector):
    return browser.driver.execute_script(
        "return document.querySelector(arguments[0]).textContent", selector
    )


def wait_for_text(browser, selector, part):
    browser.wait(
        "return document.querySelector(arguments[0]).textContent.includes(arguments[1])",
        selector, part,
    )


def hover(browser, selector):
    from selenium.webdriver import ActionChains

    ActionChains(browser.driver).move_to_element(find(browser, selector)).perform()


def choose_option(browser, selector, value):
    browser.driver.execute_script(
        "const select = document.querySelector(arguments[0]); select.value = arguments[1];"
        "select.dispatchEvent(new Event('change', {bubbles: true}))", selector, value,
    )


def write(browser, selector, text):
    field = find(browser, selector)
    field.clear()
    field.send_keys(text)


def shades_of(browser, box):
    return browser.driver.execute_script(
        "return Array.from(document.querySelectorAll(arguments[0] + ' [data-position]'),"
        "  span => (/(heat|warm|cool)-\\d|unscored/.exec(span.className) || [''])[0])", box,
    )


def open_tab(browser, name):
    find(browser, f"#tab-{name}").click()
