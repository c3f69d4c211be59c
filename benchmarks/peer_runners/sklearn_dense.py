"""scikit-learn's dense MLPClassifier through `partial_fit`: momentum SGD, ReLU."""

import warnings

import numpy as np
import sklearn
from protocol import Net, serve
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits


class SklearnNet(Net):
    leaves_out = ("sparsity", "dropout", "All-ReLU (has ReLU)")

    def __init__(self, job):
        super().__init__(job)
        threadpool_limits(job["threads"])
        self.net = MLPClassifier(
            job["sizes"][1:-1], solver="sgd", batch_size=self.batch, learning_rate_init=job["rate"], momentum=job["momentum"],
            nesterovs_momentum=False, alpha=0, random_state=job["seed"],
        )  # fmt: skip
        self.classes = np.arange(job["sizes"][-1])
        # its weights are made at the first fit, so that is part of the setup
        self.train(1)

    def warm(self):
        """The setup has trained a step."""

    @property
    def links(self):
        return sum(W.size for W in self.net.coefs_)

    def train(self, steps):
        """One call of `partial_fit`, which cuts what it is given into mini-batches itself."""
        samples = np.concatenate([next(self.order) for _ in range(steps)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a part smaller than a mini-batch
            self.net.partial_fit(self.X[samples], self.y[samples], classes=self.classes)
        return steps, self.net.loss_

    def predict(self, X):
        return self.net.predict_proba(X)

    def weights(self):
        return [W.copy() for W in self.net.coefs_]


if __name__ == "__main__":
    serve(SklearnNet, sklearn=sklearn.__version__)
