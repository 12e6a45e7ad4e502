"""What `openbook-eval recipes write` writes, as Axolotl reads it, and that the tree holds the same."""

from pathlib import Path
from typing import Any

import yaml

from tests.golden import adapter
from tests.golden.golden import same


def parsed(folder: Path) -> dict[str, Any]:
    return {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yml"))}


def test_every_recipe(tmp_path: Path) -> None:
    adapter.openbook_eval("recipes", "write", "--out", tmp_path)
    written = parsed(tmp_path)
    assert len(written) == 36
    assert parsed(adapter.REPOSITORY / "recipes") == written
    same("recipes.json", written)


def test_recipes_that_train_all_weights(tmp_path: Path) -> None:
    adapter.openbook_eval("recipes", "write", "--full", "--out", tmp_path)
    recipes = parsed(tmp_path)
    for recipe in recipes.values():
        # The same templates as in those of adapters.
        recipe.pop("chat_template_jinja", None)
    same("recipes_full.json", recipes)
