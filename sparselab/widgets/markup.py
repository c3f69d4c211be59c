"""Text for the screen: everything that comes from users, files or errors is escaped here, before it becomes HTML."""

from html import escape

from ..nn import summary

COLOURS = {"running": "#009E73", "paused": "#E69F00", "preparing": "#0072B2", "failed": "#D55E00"}
STYLE = """<style>
.sparselab-panel .widget-tab-contents { padding: 4px !important; }
.sparselab-panel .sparselab-tabs .lm-TabBar-tab { flex: 0 1 auto !important; min-width: 0 !important; padding: 0 8px !important; }
</style>"""
CELL = "padding:0 .55em 0 0;text-align:right;white-space:nowrap"


def status(state, text):
    """The status line: a coloured dot, the state, then what is going on."""
    dot = f'<span style="color:{COLOURS.get(state, "#777777")};font-size:130%">●</span>'
    return f'<span style="white-space:nowrap">{dot} <b>{escape(state)}</b> {escape(text)}</span>'


def fault(text):
    """What is wrong with a value, for the place under its control."""
    return f'<span style="color:#D55E00;line-height:1.3;display:block">{escape(text)}</span>'


def error(headline, trace=""):
    """An error in red, its traceback behind a fold."""
    fold = f'<details><summary>traceback</summary><pre style="font-size:80%">{escape(trace)}</pre></details>' if trace else ""
    return f'<div style="color:#B00020;line-height:1.4"><b>{escape(headline)}</b></div>{fold}'


def note(text):
    """A grey remark."""
    return f'<span style="color:#777777;line-height:1.3;display:block">{escape(text)}</span>'


def line(text):
    """A grey remark that stays one line: what has no room ends in dots, and stands under the mouse."""
    style = "color:#777777;display:block;line-height:1.3;min-height:1.3em;white-space:nowrap"
    return f'<span style="{style};overflow:hidden;text-overflow:ellipsis" title="{escape(text)}">{escape(text)}</span>'


def heading(text):
    """A small heading over a group of controls."""
    return f'<b style="color:#555555">{escape(text)}</b>'


def table(rows, head):
    """Rows of texts as an HTML table."""
    cells = lambda row, tag: "".join(f'<{tag} style="{CELL}">{escape(str(cell))}</{tag}>' for cell in row)
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f'<table style="line-height:1.4"><tr>{cells(head, "th")}</tr>{body}</table>'


def times(dense, ours):
    """How many times more the dense net needs: "22x", or nothing where it was not measured."""
    factor = dense / ours if dense and ours else 0
    return "" if not factor else f"{factor:,.0f}×" if factor >= 9.95 else f"{factor:.1f}×"


def seconds(value):
    """Seconds as text, "…" where not (yet) measured."""
    return "…" if value is None else summary.duration(value)


def cost_rows(ours, dense):
    """Rows (what, ours, dense, ratio) of two dicts with links, bytes and seconds."""
    write = {"links": "{:,}".format, "bytes": summary.size, "seconds": seconds}
    names = {"links": "links", "bytes": "bytes in training", "seconds": "time an epoch"}
    return [(names[key], write[key](ours[key]), write[key](dense[key]), times(dense[key], ours[key])) for key in names]


def monospaced(text):
    """A line in which columns stand under each other."""
    return f'<pre style="margin:0;font-size:12px;line-height:1.3;color:#555555;padding-left:4px">{escape(text)}</pre>'
