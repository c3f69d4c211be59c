"""How the page is made to fit a laptop's screen (1366 × 768): narrow heads, a form that scrolls in itself."""

STYLE = """<style>
.sparselab-page .sparselab-panel { padding: 0; }
.sparselab-page .widget-tab-contents { padding: 4px 6px !important; }
.sparselab-page .sparselab-form { max-height: 418px; overflow-y: auto; overflow-x: hidden; }
.sparselab-page .sparselab-groups .jupyter-widget-Collapse-header { padding: 2px 6px !important; line-height: 20px; }
.sparselab-page .sparselab-groups .jupyter-widget-Collapse-contents { padding: 2px !important; }
.sparselab-page .sparselab-groups .jupyter-widget-Collapse { margin-top: 1px !important; }
.sparselab-page img { max-height: 380px; object-fit: contain; }
.sparselab-page .sparselab-compare img { max-height: 310px; }
.sparselab-page .sparselab-runs select { font-family: monospace; font-size: 12px; }
.sparselab-page table { font-size: 12px; }
</style>"""
