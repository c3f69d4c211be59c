"""HTML for the panels. Text that comes from users, files or exceptions is escaped here, and only here."""

import traceback
from html import escape

from ..nn import summary

COLOURS = {"running": "#009E73", "paused": "#E69F00", "preparing": "#0072B2", "failed": "#D55E00", "interrupted": "#D55E00"}
# Colours are those of JupyterLab's theme, with a grey for pages that have none. Rows wrap where the window is narrow, and only
# what is said to scroll has scroll bars; where it is too narrow for two columns, pictures come before controls. Figures are drawn
# for a white ground: a dark theme turns light into dark and keeps the hues (images of samples become negatives).
WORDS, NOTES = "var(--jp-ui-font-color1, #333)", "var(--jp-ui-font-color2, #666)"
ERRORS = "var(--sparselab-error, var(--jp-error-color1, #B00020))"  # dark themes have no red of their own
STYLE = """<style>
body[data-jp-theme-light="false"] { --sparselab-error: var(--jp-error-color2, #E57373); }
.sparselab-panel .widget-tab-contents { padding: 4px !important; }
.sparselab-panel .sparselab-tabs .lm-TabBar-content { flex-wrap: wrap; }
.sparselab-panel .sparselab-tabs .lm-TabBar-tab { flex: 0 0 auto !important; min-width: 0 !important; padding: 0 8px !important; }
.sparselab-panel .widget-box { overflow: visible; min-width: 0; }
.sparselab-panel .widget-hbox { flex-flow: row wrap; }
.sparselab-panel .widget-vbox > * { flex-shrink: 0; max-width: 100%; }
.sparselab-panel .widget-html, .sparselab-panel .widget-html-content { max-width: 100%; height: auto; white-space: normal; }
.sparselab-panel .widget-html-content { overflow-x: auto; }
.sparselab-panel .widget-html-content td + td { white-space: nowrap; }
.sparselab-panel .widget-button { flex-shrink: 0; overflow: visible; }
.sparselab-panel .lm-TabBar-tabLabel { color: var(--jp-ui-font-color1, #333); }
[data-jp-theme-light="true"] .sparselab-panel .mod-success { background: #2E7D32; }
[data-jp-theme-light="true"] .sparselab-panel .mod-warning { background: #B45309; }
.sparselab-panel .sparselab-scroll { overflow-x: auto; }
.sparselab-panel img { margin: 0; height: auto; background: white; border-radius: 4px; }
body[data-jp-theme-light="false"] :is(.sparselab-panel, .sparselab-page) img { filter: invert(0.87) hue-rotate(180deg); }
.sparselab-panel .sparselab-fold > .widget-toggle-button {
    width: 100%; margin: 1px 0 0; padding: 0 8px; text-align: left; font-weight: 600; line-height: 24px; height: 26px;
    color: var(--jp-ui-font-color1, #333); background: var(--jp-layout-color2, #EEE);
    border: 1px solid var(--jp-border-color1, #BBB); box-shadow: none;
}
.sparselab-panel .sparselab-fold > .widget-toggle-button:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976D2); }
.sparselab-panel .sparselab-fold > .widget-toggle-button::before { content: "▸"; display: inline-block; width: 1.2em; }
.sparselab-panel .sparselab-fold > .widget-toggle-button.mod-active::before { content: "▾"; }
.sparselab-panel .sparselab-fold > .widget-toggle-button:not(.mod-active) + * { display: none; }
.sparselab-panel .sparselab-fold > .widget-vbox { border: 1px solid var(--jp-border-color1, #BBB); border-top: 0; }
.sparselab-panel { container-type: inline-size; }
@container (max-width: 729px) { .widget-hbox > .sparselab-aside { order: 1; } .widget-html-content table { font-size: 11px; } }
.sparselab-panel:not(.sparselab-lecture) .sparselab-go { display: none; }
.sparselab-panel:fullscreen { background: var(--jp-layout-color0, white); overflow: auto; }
.sparselab-panel.sparselab-lecture { padding: 12px 24px; }
.sparselab-lecture .sparselab-aside, .sparselab-lecture .sparselab-tabs > .lm-TabBar,
.sparselab-lecture .sparselab-bar > :not(.sparselab-go, .sparselab-lecture-button),
.sparselab-lecture .sparselab-picture-tools:first-child > :not(.sparselab-picture-title) { display: none !important; }
.sparselab-lecture :is(.widget-button, .widget-toggle-button) {
    width: auto; height: 50px; padding: 0 22px; font-size: 26px; line-height: 50px;
}
.sparselab-lecture .widget-html-content { font-size: 26px; }
.sparselab-lecture .sparselab-picture { zoom: 2.2; }
.sparselab-lecture .sparselab-cells-frame { flex-wrap: nowrap; }
.sparselab-page .sparselab-lecture img, .sparselab-lecture img {
    width: 100% !important; max-width: 100% !important; height: calc(100vh - 190px); max-height: none; object-fit: contain;
}
@container (max-width: 1100px) { /* the status line needs two lines */
    .sparselab-page .sparselab-lecture img, .sparselab-lecture img { height: calc(100vh - 226px); }
}
</style>"""
CELL = "padding:0 .55em 0 0;text-align:right"


def status(state, text):
    """The status line: a coloured dot, the state, details."""
    dot = f'<span aria-hidden="true" style="color:{COLOURS.get(state, "#777777")};font-size:130%">●</span>'
    return f'<span style="line-height:1.4;display:block">{dot} <b>{escape(state)}</b> {escape(text)}</span>'


def field_error(text):
    """What is wrong with a value, to be shown under its control; "" for no error."""
    return text and f'<span style="color:{ERRORS};line-height:1.3;display:block">{escape(text)}</span>'


def error_message(headline, trace=""):
    """An error in red, with its traceback folded away."""
    fold = f'<details><summary>traceback</summary><pre style="font-size:80%">{escape(trace)}</pre></details>' if trace else ""
    return f'<div style="color:{ERRORS};line-height:1.4"><b>{escape(headline)}</b></div>{fold}'


def exception(error, headline=""):
    """The exception that is being handled, with its traceback folded away; headline: text in place of its type."""
    return error_message(f"{headline or type(error).__name__}: {error}", traceback.format_exc())


def note(text):
    """A remark in grey."""
    return f'<span style="color:{NOTES};line-height:1.3;min-height:1.3em;display:block">{escape(text)}</span>'


def heading(text):
    """A small heading above a group of controls."""
    return f'<b style="color:{WORDS};line-height:1.4;display:block">{escape(text)}</b>'


def table(rows, head):
    """An HTML table of rows of texts."""
    cells = lambda row, tag: "".join(f'<{tag} style="{CELL}">{escape(str(cell))}</{tag}>' for cell in row)
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f'<table style="line-height:1.4"><tr>{cells(head, "th")}</tr>{body}</table>'


def items(texts):
    """A list of texts, "" for none."""
    points = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return points and f'<ul style="color:{WORDS};line-height:1.3;margin:0;padding-left:1.3em">{points}</ul>'


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
    style = f"margin:0;white-space:pre;font-size:12px;line-height:1.3;color:{WORDS};padding-left:4px"
    return f'<pre style="{style}">{escape(text)}</pre>'
