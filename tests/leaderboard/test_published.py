"""The paper's five tables."""

from openbook_eval.leaderboard import published
from openbook_eval.leaderboard.published import PublishedRow


def rows(number: int) -> tuple[PublishedRow, ...]:
    return published.tables()[number - 1].rows


def test_all_rows_of_the_five_tables_are_there() -> None:
    assert {table.number: len(table.rows) for table in published.tables()} == {1: 5, 2: 6, 3: 6, 4: 20, 5: 8}


def test_shares_are_those_of_the_paper() -> None:
    assert {row.model: row.share for row in rows(1)} == {
        "GLM-4": 0.682, "GPT3.5-Turbo": 0.4128, "GPT4": 0.5772, "Qwen-max": 0.7576, "DeepSeek": 0.3752
    }  # fmt: skip
    assert [row.share for row in rows(5)] == [0.576, 0.5508, 0.5364, 0.5483, 0.5171, 0.5341, 0.5871, 0.5612]


def test_table_3_is_after_fine_tuning_and_tells_the_share_of_table_2_before() -> None:
    before = {row.model: row.share for row in rows(2)}
    notes = {row.model: row.note for row in rows(2)}
    assert (before["HuatuoGPT-II"], notes["HuatuoGPT-II"]) == (0.0473, "4.37 in the running text of section 4.2")
    assert {row.model: row.before for row in rows(3)} == before
    changes = {row.model: round(100 * (row.share - (row.before or 0)), 2) for row in rows(3)}
    assert changes == {
        "HuatuoGPT-II": 13.5, "IvyGPT": 8.15, "WiNGPT2": 6.23, "HuatuoGPT": 4.98, "PULSE": -0.15, "DISC-MedLLM": -4.82
    }  # fmt: skip


def test_tables_to_be_read_have_no_column_of_dashes() -> None:
    sheets = {sheet.title.partition(":")[0]: sheet for sheet in published.sheets()}
    assert list(sheets["The paper's table 1"].heads) == ["model", "percent", "95 % interval"]
    assert list(sheets["The paper's table 1"].rows[0]) == ["GLM-4", "68.20", "67.3-69.1"]
    assert list(sheets["The paper's table 5"].rows[-2]) == [
        "Qwen1.5-7B",
        "0:1",
        "200,000",
        "56.12",
        "55.2-57.0",
        "20,000, 70,000",
    ]
    assert list(sheets["The paper's table 5"].rows[-1])[-3:] == ["81.57", "-", "-"]
    assert list(sheets["The paper's table 3"].rows[0]) == ["HuatuoGPT-II", "1:0", "4.73", "18.23", "17.5-19.0"]


def test_the_ceiling_of_options_a_to_d_is_the_plain_mean_of_six_exams_of_cmb() -> None:
    assert [sum(column) for column in zip(*published.BEYOND_D, strict=True)] == [published.ITEMS, 2081]
    assert round(100 * published.CEILING, 2) == 81.57


def test_rows_that_cannot_be_told_apart_are_named_among_models_or_among_trainings_of_one_model() -> None:
    by_model = {row.model: published.tables()[1].like(row) for row in rows(2)}
    assert by_model == {
        "PULSE": [],
        "DISC-MedLLM": ["WiNGPT2", "IvyGPT"],
        "WiNGPT2": ["DISC-MedLLM", "IvyGPT"],
        "IvyGPT": ["DISC-MedLLM", "WiNGPT2"],
        "HuatuoGPT": [],
        "HuatuoGPT-II": [],
    }
    of_7b = [published.tables()[3].like(row) for row in rows(4) if row.model == "Qwen1.5-7B"]
    assert of_7b == [["4:1"], ["9:1"], ["1:4", "1:9"], ["1:1", "1:9"], ["1:1", "1:4"]]
    assert published.tables()[4].like(rows(5)[0]) == ["100,000"]
