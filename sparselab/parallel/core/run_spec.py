"""The arguments of one parallel training, checked."""

from ...datasets.coerce import as_dataset, as_features, remember_classes, weighted
from ...engines import select
from ...evolution import ImportancePruning, timing
from ...nn import losses as loss_functions
from ...nn import trained_activations
from ...nn.weighted_loss import parts_of, with_weights
from ...training.epoch_runner import loss_for
from ...training.loop import check_model, check_optimizer, check_rules
from ...utils import checks, resources
from .worker import WorkerSpec


class RunSpec:
    """What stays the same during a call of train_parallel; TypeError or ValueError naming the argument for what is not allowed.

    first_epochs: epochs of the first phase; n_batches: of all workers together in an epoch; parallel: what makes it another run
    for checkpoints.
    """

    def __init__(
        self, model, data, *, n_jobs, async_fraction, synchronous, optimizer, rules, epochs, batch_size, loss, evaluate_every,
        steps_per_push, sample_weight=None, class_weight=None,
    ):  # fmt: skip
        check_model(model)
        trained_activations.refuse(model.activation, "workers push gradients of links and biases only")
        data = weighted(as_dataset(data, model, loss, new_classes=True), sample_weight, class_weight)
        self.model, self.optimizer, self.rules = model, check_optimizer(optimizer), tuple(check_rules(rules, optimizer))
        self.epochs, batch_size = checks.integer("epochs", epochs), checks.integer("batch_size", batch_size)
        timing.check_between_epochs(self.rules, self.epochs)
        for rule in self.rules:
            if hasattr(rule, "prepare"):
                rule.prepare(model, self.epochs)
        self.synchronous = checks.flag("synchronous", synchronous)
        self.first_epochs = round(checks.fraction("async_fraction", async_fraction) * self.epochs)
        self.evaluate_every = checks.integer("evaluate_every", evaluate_every, low=0)
        self.loss = loss_for(data, loss)
        self.X, self.targets = self._samples("X_train", data.X_train, data.y_train)
        self.loss, self.augmentation = with_weights(self.loss, data.weights), data.augmentation
        self.has_accuracy = loss_functions.has_classes(self.targets)
        self.batch_size = min(batch_size, len(self.targets))
        self.n_workers = resources.cores() if n_jobs is None else resources.jobs("n_jobs", n_jobs)
        self.n_batches = -(-len(self.targets) // self.batch_size)
        if n_jobs is None or n_jobs < 0:  # as many as there are cores, and mini-batches
            self.n_workers = min(self.n_workers, self.n_batches)
        if self.n_workers > self.n_batches:
            checks.fail("n_jobs", self.n_workers, f"at most {self.n_batches}, the mini-batches of an epoch")
        self.test = None if data.X_test is None else self._samples("X_test", data.X_test, data.y_test)
        self.test_weights = data.weights_test
        self.auto_steps = isinstance(steps_per_push, str)  # then the first phase chooses them, and begins with one
        if self.auto_steps:
            checks.choice("steps_per_push", steps_per_push, ["auto"])
            if self.synchronous:
                checks.fail(
                    "steps_per_push", steps_per_push, "a number in a synchronous run, whose result may not depend on time"
                )
        share = -(-self.n_batches // self.n_workers)  # mini-batches of a worker in an epoch
        self.steps_per_push = 1 if self.auto_steps else min(checks.integer("steps_per_push", steps_per_push), share)
        self.parallel = {
            "n_jobs": self.n_workers, "synchronous": self.synchronous, "first_phase": self.first_epochs, "epochs": self.epochs,
            "steps_per_push": steps_per_push,
        }  # fmt: skip
        remember_classes(model, data)

    def _samples(self, name, X, y):
        return as_features(f"data.{name}", X, self.model), self.loss.targets(y, self.model.sizes[-1], self.model.dtype)

    def _local_rules(self):
        """Numbers of the rules of the local phase."""
        return [number for number, rule in enumerate(self.rules) if not isinstance(rule, ImportancePruning)]

    def local_memory(self, memory):
        """What the rules of the local phase remember; memory: that of all rules, or nothing."""
        return [memory[number] for number in self._local_rules()] if memory else []

    def worker(self, seeds):
        """The WorkerSpec."""
        model, rules = self.model, tuple(self.rules[number] for number in self._local_rules())
        return WorkerSpec(
            model.activation, model.dropout, model.initializer, self.loss, self.optimizer, rules, self.batch_size, seeds,
            self.n_workers, self.augmentation, self.epochs,
        )  # fmt: skip

    def evaluates(self, number):
        """Whether epoch `number` is evaluated."""
        return self.evaluate_every and number % self.evaluate_every == 0 and self.test is not None

    def scores(self, model):
        """(loss, accuracy, R²) on the test samples."""
        X, targets = self.test
        return select.scores(model, X, 1, parts_of(self.loss)[0], targets, self.test_weights)
