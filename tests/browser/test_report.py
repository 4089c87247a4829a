"""The report in a browser, as a reader uses it: sorting, scrubbing, filtering, logs; without errors and barriers."""

from __future__ import annotations

import importlib.resources
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from cfm.config import Config
from tests.small_results import HOSTILE, LAST_WORDS

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="Chromium and its driver are not here (Debian: apt-get install chromium chromium-driver)",
)
_ARGUMENTS = (
    "headless=new no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync"
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for all tests, with a profile of its own."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for argument in (*_ARGUMENTS.split(), f"user-data-dir={profile}"):
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        driver.set_script_timeout(110)  # on a busy machine the checker takes long
        yield driver
        driver.quit()


@pytest.fixture
def browser(chromium: Any, reported: Config) -> Iterator[Any]:
    """The page, opened from disk; nothing may be wrong in the console afterwards."""
    _show(chromium, 1440, 1000, "light")
    chromium.get(reported.layout.report.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []


def _show(driver: Any, width: int, height: int, scheme: str) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def _find(driver: Any, selector: str) -> Any:
    return driver.find_element("css selector", selector)


def _press(driver: Any, selector: str, *keys: str) -> None:
    """Type into an element that has the focus, as one does without a mouse."""
    element = _find(driver, selector)
    driver.execute_script("arguments[0].focus()", element)
    element.send_keys(*keys)


def test_a_table_is_sorted_by_its_column_from_the_keyboard(browser: Any) -> None:
    column = "#toy2d table.sortable thead th:nth-child(2)"

    def orders() -> list[float]:
        rows = _find(browser, "#toy2d table.sortable").find_elements("css selector", "tbody td:nth-child(2)")
        return [float(cell.get_attribute("data-order")) for cell in rows if cell.get_attribute("data-order")]

    before = orders()
    _press(browser, f"{column} button", "\n")
    assert orders() == sorted(before) != before
    assert _find(browser, column).get_attribute("aria-sort") == "ascending"
    _press(browser, f"{column} button", "\n")
    assert orders() == sorted(before, reverse=True)
    assert _find(browser, column).get_attribute("aria-sort") == "descending"


def test_time_is_scrubbed_from_the_keyboard_and_the_picture_changes(browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    picture = "return document.querySelector('.flow canvas').toDataURL()"
    last = browser.execute_script(picture)
    slider = ".flow input[type=range]"
    _press(browser, slider, Keys.HOME)
    first = browser.execute_script(picture)
    assert first != last
    assert _find(browser, slider).get_attribute("aria-valuetext") == "t = 0.00"
    _press(browser, slider, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert _find(browser, slider).get_attribute("aria-valuetext") == "t = 0.02"
    assert "at t = 0.02" in _find(browser, ".flow canvas").get_attribute("aria-label")
    _press(browser, slider, Keys.END)
    assert browser.execute_script(picture) == last


def test_method_data_and_solver_are_chosen(browser: Any) -> None:
    from selenium.webdriver.support.ui import Select

    def choose(selector: str, text: str) -> str:
        Select(_find(browser, selector)).select_by_visible_text(text)
        return str(_find(browser, ".flow canvas").get_attribute("aria-label"))

    assert "OT-CFM on N → 8gaussians" in choose(".flow .panel select", "OT-CFM")
    assert HOSTILE in choose(".flow .panel select", HOSTILE)
    assert "on moons → 8gaussians, rk4" in choose(".flow .controls select", "moons → 8gaussians")
    assert "on moons → 8gaussians, euler2" in choose(".flow .controls label:nth-child(2) select", "euler2")
    options = [option.text for option in Select(_find(browser, ".flow .panel select")).options]
    assert "2-RF" not in options, "it has no samples there"


def test_only_statements_of_one_verdict_are_shown(browser: Any) -> None:
    def shown() -> set[str]:
        claims = browser.find_elements("css selector", ".claim:not([hidden])")
        return {claim.get_attribute("data-verdict") for claim in claims}

    everything = shown()
    tile = ".tile[data-filter='not run']"
    _press(browser, tile, "\n")
    assert shown() == {"not run"} != everything
    assert _find(browser, ".shown").text.endswith("statements: not run.")
    _press(browser, tile, "\n")
    assert shown() == everything


def test_a_figure_shows_another_data_set_and_its_full_size(browser: Any) -> None:
    def shown() -> list[str]:
        captions = _find(browser, "#toy2d .views").find_elements("css selector", "figcaption strong")
        return [caption.text for caption in captions if caption.is_displayed()]

    assert shown() == ["Figure 1, N → 8gaussians."]
    _press(browser, "#toy2d .views .switch button:nth-child(2)", "\n")
    assert shown() == ["Figure 1, moons → 8gaussians."]
    _press(browser, "#toy2d .views figure:not([hidden]) .enlarge", "\n")
    assert _find(browser, "#large").is_displayed()
    _press(browser, "#large button", "\n")
    assert not _find(browser, "#large").is_displayed()


def test_a_curve_is_left_out(browser: Any) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    def curves(driver: Any) -> int:
        return len(driver.find_elements("css selector", ".curves polyline"))

    before = WebDriverWait(browser, 30).until(curves)  # they are drawn once the page has its size
    _press(browser, ".curves .legend input", " ")
    assert curves(browser) == before - 1 > 0


def test_a_link_leads_to_a_log(browser: Any) -> None:
    browser.execute_script("document.querySelector('#toy2d-runs + details').open = true")
    _press(browser, "#toy2d a.log[aria-label*='2-RF on moons']", "\n")
    assert LAST_WORDS in _find(browser, "body").text


@pytest.mark.parametrize(
    ("width", "scheme", "rules"),
    [(1440, "light", "{}"), (1440, "dark", "{runOnly: ['color-contrast']}"), (390, "light", "{}")],
)
def test_a_checker_of_accessibility_finds_nothing_serious(browser: Any, width: int, scheme: str, rules: str) -> None:
    _show(browser, width, 900, scheme)
    browser.refresh()
    browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    browser.execute_script(importlib.resources.files("axe_core_python").joinpath("axe.min.js").read_text())
    found = browser.execute_async_script(f"axe.run({rules}).then(arguments[arguments.length - 1])")
    assert "color-contrast" in [rule["id"] for rule in found["passes"]]
    serious = [(v["id"], v["nodes"][0]["html"]) for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert serious == []


def test_a_phone_need_not_scroll_sideways(browser: Any) -> None:
    _show(browser, 390, 844, "light")
    browser.refresh()
    browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true })")
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_first_screen_has_a_table_on_it(browser: Any, width: int, height: int) -> None:
    """Its heading and first row, without scrolling; and what is wider than the page scrolls in its own box."""
    _show(browser, width, height, "light")
    browser.refresh()
    bottom = "return document.querySelector('main table tbody tr').getBoundingClientRect().bottom"
    assert browser.execute_script(bottom) < height
    assert browser.execute_script("return scrollY") == 0
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
