"""The docs as a site (``make docs``): the Markdown files of this folder, and the API from docstrings."""

from __future__ import annotations

import re
from pathlib import Path

import tasktransfer

DOCS = Path(__file__).parent

project = "tasktransfer"
author = "The tasktransfer authors"
version = release = tasktransfer.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = f"tasktransfer {release}"
exclude_patterns = ["_site", "results/predicting_notes.md"]
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
autodoc_typehints = "none"  # the parameter sections say it in words
autodoc_member_order = "bysource"
napoleon_google_docstring = False
default_role = "code"
# cells of a study, for one, are linked to as files that are no pages
suppress_warnings = ["myst.xref_missing", "myst.header"]


def write_api() -> None:
    """Make ``api.md`` of the public names, in the order and under the headings of ``__init__.pyi``."""
    stub = (DOCS.parent / "src" / "tasktransfer" / "__init__.pyi").read_text(encoding="utf-8")
    parts = ["# Python API\n\nEverything is a function on tables or a value; `import tasktransfer as tt`.\n"]
    for block in stub.split("\n\n")[1:]:
        title = re.match(r"# (.*)", block)
        names = re.findall(r"import \w+ as (\w+)", block)
        parts.append(f"\n## {title[1] if title else ''}\n\n```{{eval-rst}}\n")
        for name in names:
            what = getattr(tasktransfer, name)
            kind = (
                "autodata" if isinstance(what, str) else "autoclass" if isinstance(what, type) else "autofunction"
            )
            parts.append(f".. {kind}:: tasktransfer.{name}\n")
        parts.append("```\n")
    (DOCS / "api.md").write_text("".join(parts), encoding="utf-8")


write_api()
