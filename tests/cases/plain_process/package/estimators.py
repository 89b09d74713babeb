"""An estimator that reports; what evaluates it clones it and sends it to other processes, its trial included."""

from sklearn.linear_model import Ridge


class ReportingRidge(Ridge):
    def __init__(self, trial=None, alpha=1.0):
        super().__init__(alpha=alpha)
        self.trial = trial

    def fit(self, data, target):
        super().fit(data, target)
        self.trial.set_user_attr(f"fold of {len(data)}, from {target[0]}", float(self.score(data, target)))
        self.trial.report(1.0, len(data))
        return self
