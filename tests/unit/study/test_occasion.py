from hpotool.study.occasion import OCCASIONS, ToldEvent


def test_each_occasion_says_when_and_about_which_study_it_is_told() -> None:
    for name, occasion in OCCASIONS.items():
        assert occasion.name == name
        assert "digits" in occasion.title.format(study="digits")
        assert occasion.meaning


def test_what_others_write_into_the_log_is_told_by_its_declaration_alone() -> None:
    assert OCCASIONS["confirmed"].event is None, "it is noticed, not written"
    assert OCCASIONS["drift"].event == ToldEvent("drift")
