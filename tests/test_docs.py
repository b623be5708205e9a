"""The docs: no link leads nowhere, the map is that of the house, the site can be made."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        *ROOT.glob("src/**/*.md"),
    )
    if path != ROOT / "docs" / "api.md"  # made anew with the site
)
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")


def links_of(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)]


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """What headings are called in links, as on the usual sites: small letters, dashes, no other signs."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ +(.*)$", text, flags=re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower().strip() for title in titles)
    return frozenset(re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page):
    for link in links_of(page):
        path, _, anchor = link.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), link
        if anchor and place.suffix == ".md":
            assert anchor in anchors_of(place), link


def test_links_are_found_and_a_broken_one_is_seen(tmp_path):
    assert sum(len(links_of(page)) for page in PAGES) > 200
    page = tmp_path / "page.md"
    page.write_text("# One & *two*, `three`\n[here](#one--two-three) and [there](nowhere.md#x)\n")
    assert links_of(page) == ["#one--two-three", "nowhere.md#x"]
    assert anchors_of(page) == {"one--two-three"}


def test_the_map_is_that_of_the_house():
    house = runpy.run_path(str(ROOT / "docs" / "house.py"))
    text = house["PAGE"].read_text(encoding="utf-8")
    shown = text.split(house["BEGIN"])[1].split(house["END"])[0].strip()
    assert shown == house["house"]().strip(), "run: python docs/house.py"


def test_where_a_new_one_goes_names_what_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("## Where a new one goes")[1].split("## ")[0]
    named = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/))`", table)
    assert len(named) > 10
    for name in named:
        assert (ROOT / "src" / "tasktransfer" / name).exists(), name


@pytest.mark.slow
def test_the_site_is_made_with_every_public_name(tmp_path):
    pytest.importorskip("sphinx", reason="the site needs the extra docs: make docs")
    line = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", ROOT / "docs", tmp_path]
    subprocess.run(line, check=True, cwd=ROOT)
    import tasktransfer

    page = (tmp_path / "api.html").read_text(encoding="utf-8")
    for name in tasktransfer.__all__:
        assert f'id="tasktransfer.{name}"' in page or name == "__version__", name
