"""The command `python -m benchmarks.paper`: runs of the tables, their plan, and what an epoch takes.

    python -m benchmarks.paper times                    # what an epoch of each method takes, on a machine at rest
    python -m benchmarks.paper --plan                   # the runs, the most valuable first, with the hours they take
    python -m benchmarks.paper table2 --dataset madelon --seeds 5
    python -m benchmarks.paper table5 --help            # as features and challenge: tables with arguments of their own
    python -m benchmarks.paper figures                  # draw figure 5 from the kept rows
    python -m benchmarks.report --write                 # write the tables of docs/paper*.md from the kept rows

A run is a process of its own, so that its peak of memory is its own; its row is kept when it ends, and what is kept is not run
again. A run of table 2 or 6 that is interrupted goes on where it was. Runs give the same accuracies on any number of threads,
except those of WASAP and of PyTorch.
"""

import argparse
import hashlib
import importlib
import multiprocessing
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

from tqdm import tqdm

from benchmarks import kept
from benchmarks.common import emit, table
from benchmarks.paper import data, plan
from benchmarks.paper.runs import book, measured_apart

TIMES = "paper_times"
# commands with arguments of their own: their modules
OTHERS = {"table5": "extreme", "features": "features", "challenge": "challenge", "figures": "figures"}
SHOWN = ("accuracy_last", "accuracy_validation", "accuracy_best", "links", "seconds")
KEY = ("dataset", "method", "threads")  # of a row of TIMES
ALONE = ("table3", "table4")  # timings: one run at a time


def execute(runs, jobs, threads):
    """Measure what is not kept yet, `jobs` runs at a time; rows are written as they come. Returns how many runs failed."""
    books, failed = {run.table: book(run.table) for run in runs}, 0
    waiting = {run: run.settings for run in runs if kept.key_of(run.settings) not in books[run.table].rows}
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(waiting)) as bar:
        found = {pool.submit(measured_apart, run, threads, folder_of(run)): run for run in waiting}
        try:
            for future in as_completed(found):
                run = found[future]
                what = f"{run.table} {run.dataset}, {run.method}, seed {run.seed}, held out {run.held_out:g}"
                bar.update()
                if error := future.exception():
                    failed += 1
                    bar.write(f"{what}: {type(error).__name__}: {error}")
                    continue
                row = books[run.table].row(waiting[run], future.result)
                if folder := folder_of(run):
                    shutil.rmtree(folder, ignore_errors=True)
                bar.write(f"{what}: " + ", ".join(f"{name} {row.get(name)}" for name in SHOWN))
        except BaseException:  # Ctrl-C: what has not begun is left for the next time, what has begun goes on then
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    return failed


def folder_of(run):
    """Where a run is kept until it ends; None for those whose times count, which go through in one piece."""
    if run.table in ALONE:
        return None
    return kept.results() / "unfinished" / hashlib.sha256(kept.key_of(run.settings).encode()).hexdigest()[:16]


def timed(runs):
    """Keep the seconds of an epoch of each kind of run, on as many threads as it has in the plan."""
    loaded = {}
    for key, run in tqdm({plan.key_of_time(run): run for run in runs}.items(), desc="epochs"):
        dataset, method, threads = key
        if dataset not in loaded:
            loaded = {dataset: data.load(dataset)}  # one at a time
        short = type(run)("times", dataset, method, 0, plan.TIMED)
        try:
            row = short.measured(threads, loaded[dataset])
        except ImportError as error:  # PyTorch is an extra
            tqdm.write(f"{dataset}, {method}: {error}")
            continue
        found = {name: row[name] for name in ("seconds_epoch", "cpu_seconds_epoch", "peak_bytes")}
        emit(TIMES, [{"dataset": dataset, "method": method, "threads": threads, **found}], key=KEY, show=False)


def times():
    """{key_of_time: seconds an epoch} of the kept rows; on one core processor seconds, which other work does not lengthen."""
    several = lambda row: row["threads"] > 1 or row["method"].startswith(("WASAP", "WASSP"))
    kind = {False: "cpu_seconds_epoch", True: "seconds_epoch"}
    return {tuple(row[name] for name in KEY): row[kind[several(row)]] for row in kept.read(kept.file_of(TIMES))}


def show_plan(runs, jobs):
    """Print the runs by kind, in their order, with the hours of one core each and the hours until then."""
    known, groups, done = times(), {}, {name: book(name).rows for name in {run.table for run in runs}}
    for run in runs:
        groups.setdefault((run.table, run.dataset, run.method, run.epochs, run.held_out), []).append(run)
    lines, total, unknown = [], 0.0, 0
    for (name, dataset, method, epochs, held_out), some in groups.items():
        spent = [plan.hours(run, known) for run in some]
        left = [hours for run, hours in zip(some, spent, strict=True) if kept.key_of(run.settings) not in done[name]]
        unknown += left.count(None)
        total += sum(hours or 0.0 for hours in left) / (1 if name in ALONE else jobs)
        lines.append({
            "table": name, "data": dataset, "method": method, "epochs": epochs, "held out": f"{held_out:g}", "runs": len(some),
            "left": len(left), "hours each": "not timed" if spent[0] is None else spent[0], "hours until then": total,
        })  # fmt: skip
    print(table(lines, list(lines[0])) if lines else "no runs")
    print(f"\n{sum(line['left'] for line in lines)} runs left: about {total:.1f} hours, {jobs} runs at a time, one thread each")
    print(f"{unknown} of them were not timed: `python -m benchmarks.paper times`" * bool(unknown))


def parsed(argv):
    """The arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.paper", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = ["all", "times", *plan.MAKERS, *OTHERS]
    parser.add_argument("command", nargs="?", choices=commands, default="all")
    parser.add_argument("--dataset", nargs="+", choices=[*plan.DATASETS, "digits"], help="default: all of the table but digits")
    parser.add_argument("--method", nargs="+", help='default: all of the table; such as "All-ReLU, links"')
    parser.add_argument("--seeds", type=int, help="default: as planned, 1 to 5")
    parser.add_argument("--epochs", type=int, help="default: as planned, mostly 500")
    parser.add_argument("--plan", action="store_true", help="print the runs and the hours they take, and run nothing")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, except for tables of timings")
    parser.add_argument("--threads", type=int, default=1, help="of a run; results do not depend on it")
    parser.add_argument("--npz", help=f"folder of the .npz files; default: the environment variable {data.VARIABLE}")
    return parser.parse_args(argv)


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in OTHERS:
        return importlib.import_module(f"benchmarks.paper.{OTHERS[argv[0]]}").main(argv[1:])
    given = parsed(argv)
    if given.npz:
        os.environ[data.VARIABLE] = given.npz
    name = None if given.command in ("all", "times") else given.command
    runs = plan.planned(name, given.dataset, given.seeds, given.epochs)
    unknown = sorted(set(given.method or ()) - {run.method for run in runs})
    if unknown:
        raise SystemExit(f"--method: {unknown}: must be of {sorted({run.method for run in runs})}")
    runs = [run for run in runs if not given.method or run.method in given.method]
    if given.plan:
        show_plan(runs, given.jobs)
    elif given.command == "times":
        timed(runs)
    else:
        parts = ([run for run in runs if (run.table in ALONE) == alone] for alone in (False, True))
        jobs = given.jobs, 1
        return min(1, sum(execute(some, n, given.threads) for some, n in zip(parts, jobs, strict=True) if some))
    return 0


if __name__ == "__main__":
    sys.exit(main())
