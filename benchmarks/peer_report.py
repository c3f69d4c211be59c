"""Rows of `benchmarks.peers` as text: tables, the break-even density in words, and where dense wins."""

from benchmarks import break_even
from benchmarks.common import table
from benchmarks.peer_host import PEERS

BUSY = 0.5  # load average at the start: OpenMP's threads wait for each other, so a shared core slows some peers tenfold
KINDS = {"train": "Training step, milliseconds", "infer": "Inference of one mini-batch, milliseconds"}


def latest(rows):
    """Of rows that measure the same thing the last one."""
    key = lambda r: tuple(r.get(k) for k in ("what", "kind", "peer", "samples", "width", "batch", "density"))
    return list({key(row): row for row in rows}.values())


def report(rows):
    """Everything the rows say, as text."""
    of = lambda what: [row for row in rows if row["what"] == what]
    parts = ["The peers", peers(of("peer"))] if of("peer") else []
    if of("standard"):
        parts += ["", "Standard job, one epoch: 784-1000-1000-1000-10, ε = 20, batch 128", against_ours(of("standard"), "s", 1)]
    for samples in sorted({r["samples"] for r in of("inference")}):
        chosen = [r for r in of("inference") if r["samples"] == samples]
        parts += ["", f"Inference of that net, {samples:,} sample{'s' * (samples > 1)} a call", against_ours(chosen, "ms", 1e3)]
    for kind, title in KINDS.items():
        chosen = [r for r in of("sweep") if r["kind"] == kind]
        if chosen:
            parts += [
                "",
                f"{title}: 784-n-n-n-10 (* fastest; in brackets: does not depend on density, measured once)",
                wide(chosen),
            ]
            parts += ["", *sentences(chosen, kind)]
    notes = sorted({(r["peer"], r["width"], r["batch"], r["density"], r["note"]) for r in of("sweep") if r["note"]})
    parts += ["", "Notes"] * bool(notes)
    parts += [f"{peer}, width {w:,}, batch {b}, density {d:g}: {note}" for peer, w, b, d, note in notes]
    return "\n".join(parts)


def number(value, form=".3f", scale=1):
    return format(value * scale, form) if value is not None else "-"


def peers(rows):
    """Versions, threads and memory of each peer before it has a net, or why it is not compared."""
    lines = [
        {
            "peer": r["peer"], "idle MiB": number(r["memory"], ".0f", 2**-20), "threads": r["threads"],
            "versions": ", ".join(f"{k} {v}" for k, v in r["versions"].items()) or "-",
            "compared": f"NO, {r['note']}" if r["note"] else "yes",
        } for r in rows
    ]  # fmt: skip
    load = max(r["load"] for r in rows)
    busy = f"\nOTHER PROGRAMS WERE RUNNING (load {load:.1f} at the start): do not quote these figures." if load > BUSY else ""
    return table(lines, list(lines[0])) + busy


def against_ours(rows, unit, scale):
    """A table of the peers: median, spread, times ours, memory, and what of the job each leaves out."""
    ours = next((r["seconds"] for r in rows if r["peer"] == "ours"), None)
    lines = [
        {
            "peer": r["peer"], unit: number(r["seconds"], scale=scale), "min": number(r["min"], scale=scale),
            "max": number(r["max"], scale=scale), "rounds": r["rounds"],
            "times ours": number(r["seconds"] / ours if ours and r["seconds"] else None, ".2f"),
            "links": number(r["links"], ",d"), "MiB": number(r["memory"], ".0f", 2**-20),
            "leaves out": ", ".join(r["leaves_out"]) or "-", "note": r["note"] or "-",
        } for r in rows
    ]  # fmt: skip
    faster = [r["peer"] for r in rows if r["seconds"] and ours and r["seconds"] < ours]
    return table(lines, list(lines[0])) + (f"\nFASTER THAN OURS here: {', '.join(faster)}" if faster else "")


def wide(rows):
    """Milliseconds, a line a (width, batch, density), a column a peer; dense / ours says how much and where dense wins."""
    names = [name for name in PEERS if any(r["peer"] == name for r in rows)]
    at = {(r["width"], r["batch"], r["density"], r["peer"]): r["seconds"] for r in rows}
    once = {(r["width"], r["batch"], r["peer"]): r["seconds"] for r in rows if r["seconds"] and PEERS[r["peer"]].dense}
    lines = []
    for width, batch, density in sorted({key[:3] for key in at}):
        found = {name: at.get((width, batch, density, name)) for name in names}
        best = min((v for v in found.values() if v), default=None)
        cells = {name: f"{v * 1e3:.2f}{'*' if v == best else ' '}" if v else "- " for name, v in found.items()}
        for name in names:
            if not found[name] and (elsewhere := once.get((width, batch, name))):
                cells[name] = f"({elsewhere * 1e3:.2f})"
        ours, dense = found.get("ours"), found.get("torch dense")
        says = f"{dense / ours:.2f}" + " DENSE WINS" * (dense < ours) if ours and dense else "-"
        lines.append({"width": f"{width:,}", "batch": batch, "density": f"{density:g}", **cells, "dense / ours": says})
    return table(lines, list(lines[0]))


def sentences(rows, kind):
    """The break-even of each (width, batch), how often dense wins, and which other peer is faster than ours anywhere."""
    found = break_even.lines(rows, kind)
    said = [break_even.sentence(f"width {w:,}, batch {b}", break_even.break_even(*line)) for (w, b), line in found.items()]
    pairs = [(o, d) for _, ours, dense in found.values() for o, d in zip(ours, dense)]
    if pairs:
        said.append(f"Dense PyTorch wins in {sum(d < o for o, d in pairs)} of {len(pairs)} settings.")
    ours = {(r["width"], r["batch"], r["density"]): r["seconds"] for r in rows if r["peer"] == "ours" and r["seconds"]}
    for name in PEERS:
        mine = [r for r in rows if r["peer"] == name and r["seconds"] and (r["width"], r["batch"], r["density"]) in ours]
        wins = [r for r in mine if r["seconds"] < ours[r["width"], r["batch"], r["density"]]]
        if wins and name != "torch dense":
            said.append(f"{name} is faster than ours in {len(wins)} of {len(mine)} settings.")
    return said
