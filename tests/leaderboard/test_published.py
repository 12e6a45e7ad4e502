"""The paper's five tables."""

import pytest

from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.published import PublishedRow


def rows(number: int) -> tuple[PublishedRow, ...]:
    return published.tables()[number - 1].rows


def test_all_rows_of_the_five_tables_are_there() -> None:
    assert [(table.number, len(table.rows)) for table in published.tables()] == [
        (1, 5),
        (2, 6),
        (3, 6),
        (4, 20),
        (5, 8),
    ]


def test_shares_are_those_of_the_paper() -> None:
    assert {row.model: row.share for row in rows(1)} == {
        "GLM-4": 0.682, "GPT3.5-Turbo": 0.4128, "GPT4": 0.5772, "Qwen-max": 0.7576, "DeepSeek": 0.3752
    }  # fmt: skip
    assert [row.share for row in rows(5)] == [0.576, 0.5508, 0.5364, 0.5483, 0.5171, 0.5341, 0.5871, 0.5612]


def test_table_3_is_after_fine_tuning_and_tells_the_share_of_table_2_before() -> None:
    before = {row.model: row.share for row in rows(2)}
    assert {row.model: row.before for row in rows(3)} == before
    changes = {row.model: round(100 * (row.share - (row.before or 0)), 2) for row in rows(3)}
    assert changes == {
        "HuatuoGPT-II": 13.5, "IvyGPT": 8.15, "WiNGPT2": 6.23, "HuatuoGPT": 4.98, "PULSE": -0.15, "DISC-MedLLM": -4.82
    }  # fmt: skip


def test_intervals_are_wilsons_for_the_items_of_cmb_exams_test() -> None:
    share, z, n = 0.682, 1.959963984540054, 28 * 400
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * ((share * (1 - share) + z * z / (4 * n)) / n) ** 0.5 / (1 + z * z / n)
    assert rows(1)[0].interval.low == pytest.approx(middle - reach)
    assert rows(1)[0].interval.high == pytest.approx(middle + reach)


def test_the_contradiction_inside_the_paper_is_noted() -> None:
    (row,) = (row for row in rows(2) if row.model == "HuatuoGPT-II")
    assert (row.share, row.note) == (0.0473, "4.37 in the running text of section 4.2")


def test_tables_to_be_read_have_no_column_of_dashes() -> None:
    sheets = {sheet.title.partition(":")[0]: sheet for sheet in published.sheets()}
    assert list(sheets["The paper's table 1"].heads) == ["model", "percent", "95 % interval"]
    assert list(sheets["The paper's table 1"].rows[0]) == ["GLM-4", "68.20", "67.3-69.1"]
    assert list(sheets["The paper's table 5"].rows[-1]) == ["Qwen1.5-7B", "0:1", "200,000", "56.12", "55.2-57.0"]
    assert list(sheets["The paper's table 3"].rows[0]) == ["HuatuoGPT-II", "1:0", "4.73", "18.23", "17.5-19.0"]
