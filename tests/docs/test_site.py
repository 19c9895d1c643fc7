"""The site builds without a warning, needs no network, and says all that it promises to."""

import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import mechanisms
from marl_moe.experiment.records.columns import TABLES

SCHEMA = Path(__file__).parents[2] / "experiments" / "schema.json"


class Page(HTMLParser):
    """What a built page refers to, what it can be referred to by, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.text = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.add(values.get("id") or "")
        self.links += [value for key in ("href", "src") if (value := values.get(key))]
        loaded = (
            values.get("href")
            if tag == "link" and values.get("rel") != "canonical"
            else values.get("src")
        )
        self.loads += [loaded] if loaded else []

    def handle_data(self, data: str) -> None:
        self.text += data


def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def test_every_internal_link_and_image_leads_somewhere(site: Path) -> None:
    built = pages(site)
    assert len(built) >= 16
    broken = []
    for path, page in built.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("data:"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (
                parts.fragment
                and target in built
                and unquote(parts.fragment) not in built[target].anchors
            ):
                broken.append(f"{path.name}: {link}")
    assert not broken


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    remote = {load for page in pages(site).values() for load in page.loads if urlsplit(load).netloc}
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert not remote
    assert not re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", styles)


def test_equations_are_mathml_and_none_is_left_as_latex(site: Path) -> None:
    for name in ("model.html", "programs.html"):
        page = (site / name).read_text()
        assert page.count("<math ") > 50
        assert "\\(" not in page
        assert "\\[" not in page
        assert not re.search(r"<m[a-z]+>\\[a-z]+", page), "a command that became no symbol"


def test_the_keys_page_names_every_key_of_the_schema_with_its_description(site: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    text = Page(site / "experiments.html").text
    found = list(keys(schema, schema["properties"], ""))
    assert len(found) > 70
    for key, entry in found:
        assert re.search(rf"(?<![\w.]){re.escape(key)}(?![\w.])", text), key
        assert plain(entry.get("description", "")) in plain(text), key


def keys(schema: dict[str, Any], properties: dict[str, Any], path: str) -> Any:
    for name, entry in properties.items():
        yield path + name, entry
        for choice in (entry, *entry.get("anyOf", ())):
            if "$ref" in choice:
                inner = schema["$defs"][choice["$ref"].removeprefix("#/$defs/")]
                yield from keys(schema, inner["properties"], f"{path}{name}.")


def plain(text: str) -> str:
    return re.sub(r"[`\s]+", "", html.unescape(text))


def test_the_records_page_documents_every_column_of_every_table(site: Path) -> None:
    text = plain(Page(site / "records.html").text)
    for table, columns in TABLES.items():
        assert f"{table}.parquet" in text
        for name, (kind, doc) in columns.items():
            assert plain(f"{name}{kind}{doc}") in text, f"{table}.{name}"


def test_every_mechanism_has_its_program_guarantee_and_source(docs: Path) -> None:
    sections = re.split(r"^## ", (docs / "programs.md").read_text(), flags=re.MULTILINE)
    by_name = {section.splitlines()[0].strip("`"): section for section in sections}
    shipped = [
        name
        for name in mechanisms.names()  # others are of examples that ran in this process
        if type(mechanisms.make(name)).__module__.startswith("mechanisms.")
    ]
    for name in shipped:
        for part in ("**Program.**", "**Guarantee.**", "**Strategic:**", "**Source:**"):
            assert part in by_name[name], f"{name}: {part}"
