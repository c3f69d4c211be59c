"""What a built site must hold: links that lead somewhere, and every public name. It needs no network.

Every link and every source in every page must lead to a file of the site, and every anchor to an id in it. Links may lead
elsewhere, and are not followed; scripts, styles and pictures may not, so that the site can be read without a network.
"""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The ids of a page, its links and sources, and what of these a browser loads with it."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (name == "name" and tag == "a"):
                self.ids.add(value)
            elif name in ("href", "src") and value:
                self.links.append(value)
                if name == "src" or (tag == "link" and "stylesheet" in (dict(attributes).get("rel") or "")):
                    self.loaded.add(value)


def broken(folder):
    """A line for each link that leads nowhere, and for each thing that is loaded from elsewhere."""
    folder = Path(folder).resolve()
    pages = {path: Page(path) for path in sorted(folder.rglob("*.html")) if path.parent.name != "_static"}  # a theme's templates
    lines = []
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if parts.scheme != "data" and link in page.loaded:
                    lines.append(f"{path.relative_to(folder)}: {link}: is loaded from elsewhere")
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file() or folder not in target.parents:
                lines.append(f"{path.relative_to(folder)}: {link}: no such file")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids:
                lines.append(f"{path.relative_to(folder)}: {link}: no such anchor")
    return lines


def undescribed(folder, names):
    """Those of the names that no page has as an id."""
    ids = {one for path in Path(folder).rglob("*.html") for one in Page(path).ids}
    return [name for name in names if name not in ids]
