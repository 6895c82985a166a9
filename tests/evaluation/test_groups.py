import numpy as np

from evaluation.groups import groups


def labels(values: list[str], *, most: int = 3, ranges: int = 2) -> list[str]:
    return list(map(str, groups({"column": values}, most=most, ranges=ranges)["column"]))


def test_words_are_groups_as_they_stand() -> None:
    values = ["F", "M", "", "F", "other", "x", "y"]
    assert labels(values) == values


def test_few_numbers_are_groups_as_they_stand() -> None:
    assert labels(["1", "2", "2", "3", ""]) == ["1", "2", "2", "3", ""]


def test_many_numbers_are_cut_into_ranges_of_equally_many() -> None:
    # Quarters of 10, 20, .. 80 end at 20, 40 and 60.
    ages = ["80", "10", "70", "20", "", "60", "30", "50", "40"]
    expected = ["70-80", "10-20", "70-80", "10-20", "", "50-60", "30-40", "50-60", "30-40"]
    assert labels(ages, ranges=4) == expected


def test_a_value_is_never_in_two_ranges() -> None:
    # Half of them are 7, so two of the three borders are 7 and there are three ranges, not four.
    ages = ["7"] * 8 + ["1", "2", "3", "8", "9", "10", "11", "12"]
    found = labels(ages, ranges=4)
    assert found == ["1-7"] * 11 + ["8"] + ["9-12"] * 4


def test_a_range_of_one_value_is_called_by_it() -> None:
    assert labels(["1", "1", "1", "1", "2", "3.5", "4"], ranges=2) == ["1"] * 4 + ["2-4"] * 3


def test_a_column_with_a_word_is_no_column_of_numbers() -> None:
    codes = ["85711", "T8H1N", "32067", "15213", "48076"]
    assert labels(codes) == codes
    assert labels(["1", "2", "3", "4", "inf"]) == ["1", "2", "3", "4", "inf"]


def test_every_known_user_of_many_has_a_group() -> None:
    rng = np.random.default_rng(5)
    ages = rng.integers(7, 74, 943)
    found = labels([str(age) for age in ages], most=8, ranges=4)
    names, counts = np.unique(found, return_counts=True)
    assert len(names) == 4
    assert counts.min() > 943 / 4 - 60
    for name in names:
        low, high = map(int, name.split("-"))
        assert ((ages >= low) & (ages <= high)).sum() == (np.array(found) == name).sum()


def test_nobody_has_no_group() -> None:
    assert labels([]) == []
    assert labels(["", ""]) == ["", ""]
