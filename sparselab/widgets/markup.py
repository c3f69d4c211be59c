"""HTML for the panels. Text that comes from users, files or exceptions is escaped here, and only here."""

import traceback
from html import escape

from ..nn import summary

COLOURS = {"running": "#009E73", "paused": "#E69F00", "preparing": "#0072B2", "failed": "#D55E00"}
STYLE = """<style>
.sparselab-panel .widget-tab-contents { padding: 4px !important; }
.sparselab-panel .sparselab-tabs .lm-TabBar-tab { flex: 0 1 auto !important; min-width: 0 !important; padding: 0 8px !important; }
</style>"""
CELL = "padding:0 .55em 0 0;text-align:right;white-space:nowrap"


def status(state, text):
    """The status line: a coloured dot, the state, details."""
    dot = f'<span style="color:{COLOURS.get(state, "#777777")};font-size:130%">●</span>'
    return f'<span style="white-space:nowrap">{dot} <b>{escape(state)}</b> {escape(text)}</span>'


def field_error(text):
    """What is wrong with a value, to be shown under its control; "" for no error."""
    return text and f'<span style="color:#D55E00;line-height:1.3;display:block">{escape(text)}</span>'


def error_message(headline, trace=""):
    """An error in red, with its traceback folded away."""
    fold = f'<details><summary>traceback</summary><pre style="font-size:80%">{escape(trace)}</pre></details>' if trace else ""
    return f'<div style="color:#B00020;line-height:1.4"><b>{escape(headline)}</b></div>{fold}'


def exception(error, headline=""):
    """The exception that is being handled, with its traceback folded away; headline: text in place of its type."""
    return error_message(f"{headline or type(error).__name__}: {error}", traceback.format_exc())


def note(text):
    """A remark in grey."""
    return f'<span style="color:#777777;line-height:1.3;display:block">{escape(text)}</span>'


def line(text):
    """A remark in grey on one line: longer text ends in dots and is shown in full as a tooltip."""
    style = "color:#777777;display:block;line-height:1.3;min-height:1.3em;white-space:nowrap"
    return f'<span style="{style};overflow:hidden;text-overflow:ellipsis" title="{escape(text)}">{escape(text)}</span>'


def heading(text):
    """A small heading above a group of controls."""
    return f'<b style="color:#555555">{escape(text)}</b>'


def table(rows, head):
    """An HTML table of rows of texts."""
    cells = lambda row, tag: "".join(f'<{tag} style="{CELL}">{escape(str(cell))}</{tag}>' for cell in row)
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f'<table style="line-height:1.4"><tr>{cells(head, "th")}</tr>{body}</table>'


def times(dense, ours):
    """By which factor the dense net needs more, such as "22×"; "" where it was not measured."""
    factor = dense / ours if dense and ours else 0
    return "" if not factor else f"{factor:,.0f}×" if factor >= 9.95 else f"{factor:.1f}×"


def seconds(value):
    """Seconds as text; "…" where they have not been measured."""
    return "…" if value is None else summary.duration(value)


def cost_rows(ours, dense):
    """Rows (quantity, sparse, dense, ratio) of two dicts with links, bytes and seconds."""
    write = {"links": "{:,}".format, "bytes": summary.size, "seconds": seconds}
    names = {"links": "links", "bytes": "bytes in training", "seconds": "time per epoch"}
    return [(names[key], write[key](ours[key]), write[key](dense[key]), times(dense[key], ours[key])) for key in names]


def monospaced(text):
    """A line in a monospaced font, so that columns are aligned."""
    return f'<pre style="margin:0;font-size:12px;line-height:1.3;color:#555555;padding-left:4px">{escape(text)}</pre>'
