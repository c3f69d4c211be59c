"""Our library, through its public functions only: create, steps, predict."""

from protocol import Net, serve

import sparselab as sl
from sparselab.checkpoints.records import EpochRecord

PACE = 0.05  # seconds between two records: what `train` asks for is 0.1, and a run should not go far beyond the steps asked


class Ours(Net):
    def __init__(self, job):
        super().__init__(job)
        how = {"epsilon": job["epsilon"]} if job.get("epsilon") else {"density": job["density"], "exact": True}
        self.model = sl.SparseMLP.create(
            job["sizes"], activation=sl.AllReLU(0.6), initializer=sl.HeUniform("links"), dropout=job["dropout"], seed=job["seed"],
            **how,
        )  # fmt: skip
        self.run = sl.steps(
            self.model, (self.X, self.y), optimizer=sl.MomentumSGD(job["rate"], momentum=job["momentum"]), epochs=10**6,
            rules=[sl.SET(0.3)] if job["evolve"] else [], batch_size=self.batch, seed=job["seed"], threads=job["threads"],
            evaluate_every=0, pace=PACE,
        )  # fmt: skip

    @property
    def links(self):
        return self.model.n_links

    def warm(self):
        """One step; a whole epoch where epochs are timed, so that they begin at an epoch's start and evolve the net."""
        if self.job["whole_epochs"]:
            self.epoch()
        else:
            self.train(1)

    def train(self, steps):
        done, total = 0, 0.0
        while done < steps:
            record = next(self.run)
            if not isinstance(record, EpochRecord):
                done += record.n_steps
                total += record.loss * record.n_steps
        return done, total / done

    def epoch(self):
        done = 0
        for record in self.run:
            if isinstance(record, EpochRecord):
                return done, record.train_loss
            done += record.n_steps

    def predict(self, X):
        return sl.predict(self.model, X, threads=self.job["threads"])

    def weights(self):
        return [layer.w.copy() for layer in self.model.layers]


if __name__ == "__main__":
    serve(Ours, sparselab=sl.__version__)
