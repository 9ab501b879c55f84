"""A real Chromium, and the page at `/` as somebody sees it there."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .absence import need


@contextmanager
def chromium(*, javascript: bool = True) -> Iterator["Page"]:
    """Start a browser without a window."""
    need("chromium", "chromedriver")
    # Here: the smoke tests need no browser, and their image has no selenium.
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    options.add_argument("--headless=new")
    options.add_argument("--window-size=1100,900")  # a picture shows all tiles of a rollout
    options.add_argument("--disable-dev-shm-usage")  # 64 MiB in most containers
    # Root may not have a sandbox, nor a user without user namespaces. The page is our own.
    options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not javascript:
        setting = {"profile.managed_default_content_settings.javascript": 2}  # block
        options.add_experimental_option("prefs", setting)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options, service)
    try:
        driver.set_page_load_timeout(20)
        yield Page(driver)
    finally:
        driver.quit()


@dataclass(frozen=True)
class Page:
    """What the page shows. Each answer is of one moment: the page draws four times a second."""

    driver: Any

    def open(self, url: str) -> None:
        self.driver.get(url)

    def script(self, code: str, *arguments: Any) -> Any:
        return self.driver.execute_script(code, *arguments)

    def tiles(self) -> dict[str, dict[str, Any]]:
        """Return what the tiles say, by pod."""
        tiles = self.script("""
            return [...document.querySelectorAll("#tiles li")].map((tile) => ({
              pod: tile.querySelector("h3").textContent,
              version: tile.querySelector(".version").textContent,
              node: tile.querySelector(".node").textContent,
              label: tile.querySelector("label span").textContent,
              share: parseInt(tile.querySelector(".share").textContent),
              latency: tile.querySelector(".latency").textContent,
              colour: getComputedStyle(tile).borderLeftColor,
              draining: tile.classList.contains("draining"),
            }))""")
        return {tile.pop("pod"): tile for tile in tiles}

    def versions(self) -> set[str]:
        return {tile["version"] for tile in self.tiles().values()}

    def blocks(self) -> dict[str, int]:
        """Return how many answers of each colour are in the chart of the last minute."""
        fills = self.script("""
            return [...document.querySelectorAll("#minute rect")].map(({style}) => style.fill)""")
        return dict(Counter(fills))

    def count(self, what: str) -> int:
        """Return how many answers were `answered`, `shed` or `failed`."""
        return int(self.text(f"#{what}"))

    def text(self, selector: str) -> str:
        """Return the text of an element; empty if it is not visible."""
        return self.driver.find_element("css selector", selector).text

    def console(self) -> list[str]:
        """Return what the console has said since the last time."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def screenshot(self, file: str) -> None:
        self.driver.save_screenshot(file)
