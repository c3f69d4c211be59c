"""Old module names: public ones can still be imported, all others raise an ImportError that names the new module."""

import importlib
import importlib.machinery
import sys

PUBLIC = {  # still part of the API under the old name
    "activations": "nn.activations",
    "initializers": "nn.initializers",
    "losses": "nn.losses",
    "schedules": "nn.schedules",
}
MOVED = {
    "analysis.subjects": "analysis.records",
    "checks": "utils.checks",
    "container": "checkpoints.container",
    "datasets.csr_gate": "utils.csr",
    "datasets.gate": "datasets.validation",
    "dense": "analysis.dense_baseline",
    "environment": "experiments.environment",
    "experiment": "experiments.config and experiments.experiment",
    "extreme": "experiments.extreme",
    "extreme_files": "experiments.extreme_files",
    "figures.activity": "figures.activation_curves",
    "figures.arithmetic": "figures.cost_curves",
    "figures.clocks": "figures.timings",
    "figures.costs": "figures.cost_bars",
    "figures.curves": "figures.training_curves",
    "figures.given": "figures.tables",
    "figures.hubs": "figures.degrees_by_epoch",
    "figures.images": "figures.link_density",
    "figures.ladder": "figures.brain_scale",
    "figures.parallels": "figures.parallel_axes",
    "figures.pixels": "figures.pixel_maps",
    "figures.plans": "figures.memory_bars",
    "figures.pushes": "figures.staleness",
    "figures.runs": "figures.histories",
    "figures.speeds": "figures.speedup",
    "figures.stages": "figures.topology_snapshots",
    "figures.stepwise": "figures.step_losses",
    "figures.strengths": "figures.neuron_importance",
    "figures.teams": "figures.phase_accuracy",
    "figures.trades": "figures.tradeoff",
    "figures.values": "figures.weights",
    "figures.workers": "figures.timelines",
    "fused": "engines.fused",
    "history": "checkpoints.records",
    "inputs": "datasets.coerce",
    "interrupts": "utils.interrupts",
    "kernels.sweeps": "kernels.csr_passes",
    "kernels.turns": "kernels.push_pull",
    "layers": "nn.linear",
    "layerwise": "engines.layerwise",
    "lazy": "utils.lazy",
    "machine": "utils.resources",
    "memory": "training.memory, training.estimate and nn.footprint",
    "mlp": "nn.mlp",
    "neurons": "topology.neuron_ids",
    "optimizers": "nn.optimizers",
    "parallel.arena": "utils.shared_memory",
    "parallel.averaging": "parallel.core.averaging",
    "parallel.calibration": "parallel.simulation.calibration",
    "parallel.cluster": "parallel.backends.dask",
    "parallel.crew": "parallel.supervisor",
    "parallel.events": "parallel.simulation.events",
    "parallel.executors": "parallel.backends.executor",
    "parallel.exits": "parallel.backends.shutdown",
    "parallel.first_phase": "parallel.sync_policies",
    "parallel.gate": "parallel.compiled.handoff",
    "parallel.keeping": "parallel.local_checkpoints",
    "parallel.lines": "parallel.backends.processes",
    "parallel.office": "parallel.compiled.shared_server",
    "parallel.processes": "parallel.backends.processes",
    "parallel.server": "parallel.core.server",
    "parallel.shards": "parallel.core.shards",
    "parallel.simulate": "parallel.simulation.simulate",
    "parallel.simulator": "parallel.simulation.backend",
    "parallel.tasks": "parallel.core.worker",
    "parallel.wasap": "parallel.trainer",
    "parallel.workers": "parallel.core.worker_stats",
    "pruning": "analysis.prune_curve",
    "resuming": "checkpoints.checkpointer",
    "rewiring": "topology.rewiring",
    "runfolder": "checkpoints.run_dir",
    "sharing": "utils.parallel_for",
    "state": "checkpoints.state",
    "storage": "checkpoints.model_file",
    "studies": "experiments.studies",
    "summary": "nn.summary",
    "sweeps": "experiments.sweep",
    "widgets.heights": "figures.style",
    "widgets.labels": "experiments.run_labels",
    "widgets.live": "widgets.live_values",
    "widgets.page.bench": "widgets.page.train_tab",
    "widgets.page.benchscreen": "widgets.page.train_tab",
    "widgets.page.comparetab": "widgets.page.compare_tab",
    "widgets.page.draws": "experiments.random_search",
    "widgets.page.grouped": "widgets.page.grouped_form",
    "widgets.page.keeping": "widgets.page.run_actions",
    "widgets.page.look": "widgets.page.page",
    "widgets.page.price": "widgets.page.cost_estimate",
    "widgets.page.runlist": "widgets.page.run_list",
    "widgets.page.runstab": "widgets.page.runs_tab",
    "widgets.page.store": "experiments.run_store",
    "widgets.page.sweeper": "widgets.page.sweep_runner",
    "widgets.page.sweepform": "widgets.page.sweep_form",
    "widgets.page.sweeptab": "widgets.page.sweep_tab",
    "widgets.planned": "widgets.plans",
    "widgets.run": "widgets.live_run",
    "widgets.subject": "widgets.view_model",
    "widgets.teams": "widgets.worker_views",
    "widgets.teamwork": "widgets.plans",
    "widgets.terminal": "training.progress",
    "widgets.thinning": "checkpoints.records",
    "widgets.trade": "widgets.trade_off",
    "widgets.words": "widgets.describe",
    "workspace": "engines.buffers",
}


class OldSpellings:  # importlib.abc's base classes would only make the import of the package slower
    """Import hook for module names of version 0.1. It comes last in sys.meta_path, so that it never hides an existing module."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, fullname, path=None, target=None):
        """Return a spec for an old public name, None for unknown names; raise ImportError for an old name that is not public."""
        package, _, old = fullname.partition(".")
        if package != self.package:
            return None
        if old in MOVED:
            raise ImportError(f"{fullname} is now {package}.{MOVED[old]}", name=fullname)
        return importlib.machinery.ModuleSpec(fullname, self) if old in PUBLIC else None

    def create_module(self, spec):
        """Return the module that was imported under its new name."""
        module = importlib.import_module(f"{self.package}.{PUBLIC[spec.name.partition('.')[2]]}")
        spec.loader_state = module.__spec__  # the import system overwrites module.__spec__
        return module

    def exec_module(self, module):
        """Restore the spec of the module, which has already been executed."""
        module.__spec__ = module.__spec__.loader_state


def install(package):
    """Make the old module names of `package` importable."""
    sys.meta_path.append(OldSpellings(package))
