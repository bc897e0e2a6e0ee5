import json
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from likeness.alignment.masked_dpo import MaskedDPOConfig, TrainingError
from likeness.alignment.mining import MiningConfig
from likeness.alignment.recipe import RECIPES, Recipe
from likeness.store.recipes import RecipeError, recipe_table
from likeness.store.toml import to_toml


@pytest.mark.parametrize("name", RECIPES.names())
def test_every_recipe_parses_and_survives_being_resolved(name, tmp_path):
    recipe = RECIPES.load(name)
    resolved = tmp_path / "recipe.toml"
    resolved.write_text(to_toml(recipe_table(recipe)))
    assert RECIPES.load(resolved) == recipe
    assert set(recipe_table(recipe)["masked_dpo"]) == set(MaskedDPOConfig.__dataclass_fields__)


def test_the_paper_s_recipe_is_the_default():
    assert RECIPES.load("tavr_masked_dpo") == Recipe()
    dpo = Recipe().masked_dpo
    assert (dpo.beta, dpo.lambda_mse, dpo.lambda_dpo) == (500, 1, 2)
    assert (dpo.lr, dpo.steps, dpo.anchor_outside, dpo.winner_penalty) == (1.5e-6, 400, 0, 0)


def test_overrides_change_single_values():
    recipe = RECIPES.load(
        "tavr_masked_dpo",
        ["masked_dpo.beta=1e3", "mining.guard = not_worse", "mining.tolerances.quality=1",
         "masked_dpo.timesteps=[0.1, 0.5]"],
    )  # fmt: skip
    assert recipe.masked_dpo.beta == 1000
    assert recipe.masked_dpo.timesteps == (0.1, 0.5)
    assert recipe.mining == MiningConfig(guard="not_worse", tolerances={"quality": 1.0})


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("masked_dpo.betta=1", "unknown key alignment.masked_dpo.betta; did you mean beta?"),
        ("masked_dop.beta=1", "unknown key alignment.masked_dop; did you mean masked_dpo?"),
        ("masks.zzz=1", "unknown key alignment.masks.zzz; there are padding, minimum_area"),
        ("masked_dpo.beta=many", "alignment.masked_dpo.beta must be a number, got 'many'"),
        ("masked_dpo.beta=true", "alignment.masked_dpo.beta must be a number, got True"),
        ("masked_dpo.steps=1.5", "alignment.masked_dpo.steps must be a whole number, got 1.5"),
        ("masked_dpo.timesteps=[0.1]", "timesteps must be a list of 2"),
        ("mining.same_seed=1", "alignment.mining.same_seed must be true or false, got 1"),
        ("mining.reward=3", "alignment.mining.reward must be a text, got 3"),
        ("mining.tolerances=3", "alignment.mining.tolerances must be a table, got 3"),
        ("mining.tolerances.sync_c=a", "tolerances.sync_c must be a number, got 'a'"),
        ("masked_dpo.beta", "'masked_dpo.beta' is no override; write table.key=value"),
        (".beta=1", "'.beta=1' is no override"),
        ("masked_dpo.beta.x=1", "beta is a value, not a table"),
    ],
)
def test_bad_keys_and_values_are_named(override, message):
    with pytest.raises(RecipeError) as caught:
        RECIPES.load("tavr_masked_dpo", [override])
    assert message in str(caught.value)


def test_values_out_of_range_are_named():
    with pytest.raises(TrainingError, match=r"masked_dpo\.beta must be positive, got -1"):
        RECIPES.load("tavr_masked_dpo", ["masked_dpo.beta=-1"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lambda_dpo": -1}, "lambda_dpo must be 0 or more, got -1"),
        ({"batch": 0}, "batch must be 1 or more, got 0"),
        ({"timesteps": (0.5, 0.5)}, "timesteps must be two numbers rising within 0..1"),
        ({"mask_reduction": "mean"}, "mask_reduction must be masked_mean or full_mean, got 'mean'"),
        ({"lr": float("nan")}, "lr must be positive, got nan"),
    ],
)
def test_impossible_training_settings_are_named(values, message):
    with pytest.raises(TrainingError, match=message):
        MaskedDPOConfig(**values)


def test_an_unknown_recipe_offers_the_nearest(tmp_path):
    with pytest.raises(RecipeError, match="did you mean demo_masked_dpo"):
        RECIPES.load("demo_masked_dop")
    with pytest.raises(RecipeError, match="can't be read: No such file"):
        RECIPES.load(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(RecipeError, match="is not TOML"):
        RECIPES.load(tmp_path / "bad.toml")


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = numbers | st.text(max_size=5) | st.booleans() | st.lists(numbers, max_size=3)
names = st.text("ab_", min_size=1, max_size=4)
tables = st.dictionaries(names, values | st.dictionaries(names, values, max_size=2), max_size=3)


@given(st.dictionaries(names, tables, max_size=3))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_toml_comes_back_as_it_went(table):
    assert tomllib.loads(to_toml(table)) == json.loads(json.dumps(table))


def test_the_delete_character_is_escaped():
    assert tomllib.loads(to_toml({"a": "\x7f\U0001f600"})) == {"a": "\x7f\U0001f600"}
