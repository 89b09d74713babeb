import optuna
import pytest

from hpotool.analysis.curves.early_ranks import find_early_ranks, say_risk
from hpotool.study.branch import BRANCH_ATTRIBUTE, Branch

optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_of(weight: float, count: int = 30, directions: int = 1) -> optuna.Study:
    """Complete trials, of which the early reports are ``weight`` times the final value."""
    study = optuna.create_study(directions=["minimize"] * directions)
    for number in range(count):
        final = float(number * 7 % count)
        reports = {step: weight * final if step < 6 else final for step in range(8)}
        study.add_trial(optuna.create_trial(values=[final] * directions, intermediate_values=reports))
    return study


def test_a_study_whose_early_ranks_invert_is_a_risk_for_its_pruner() -> None:
    said = say_risk(study_of(-1.0), pruner="median", tiers=False, has_tiers=False)
    assert said is not None
    assert "at step 1 of 7" in said
    assert "the pruner median may end the best trials early" in said


@pytest.mark.parametrize("pruner", [None, "none"])
def test_it_is_none_where_nothing_prunes(pruner: str | None) -> None:
    assert say_risk(study_of(-1.0), pruner=pruner, tiers=False, has_tiers=False) is None


def test_nor_where_early_ranks_are_late_ones() -> None:
    assert say_risk(study_of(1.0), pruner="median", tiers=False, has_tiers=False) is None


def test_several_metrics_have_no_ranks() -> None:
    assert find_early_ranks(study_of(-1.0, directions=2)) is None


def test_pruned_trials_and_those_without_a_report_are_not_compared() -> None:
    study = study_of(1.0, count=9)
    study.add_trial(optuna.create_trial(value=1.0))
    study.add_trial(
        optuna.create_trial(state=optuna.trial.TrialState.PRUNED, value=1.0, intermediate_values={0: 1})
    )
    assert find_early_ranks(study) is None


def test_of_tiers_those_that_went_on_are_compared() -> None:
    study = optuna.create_study()
    for number in range(24):
        is_second = number >= 12
        branch = Branch(number - 12, number - 12, number - 12, steps=9, tier=1).to_attribute()
        study.add_trial(
            optuna.create_trial(
                value=float(-number if is_second else number),
                system_attrs={BRANCH_ATTRIBUTE: branch} if is_second else {},
            )
        )
    said = say_risk(study, pruner=None, tiers=True, has_tiers=True)
    assert said is not None
    assert said.startswith("ranks in the first tier hardly predict final ones (rank correlation -1.00, 12 trials)")


def test_an_earlier_study_without_tiers_says_it_for_tiers() -> None:
    said = say_risk(study_of(-1.0), pruner="none", tiers=True, has_tiers=False)
    assert said is not None
    assert said.endswith("tiers may end the best trials early")
