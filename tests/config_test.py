"""The validation step: one line that names the field, the value and what is allowed."""

import importlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_ssl import config as configs
from gan_ssl import errors
from tests import tiny
from tests.conftest import ROOT

recipe = importlib.import_module("op_gan")


@pytest.mark.parametrize("arg", ["", *recipe.VARIANTS, "quick,cyclegan", "quick,published", "published,content"])
def test_every_recipe_is_valid(arg):
    assert configs.validate(recipe.get_config(arg)).is_locked


def test_published_is_the_paper_to_the_letter():
    config = recipe.get_config("published")
    assert (config.model.width, config.model.num_blocks, config.model.upsample) == (64, 9, "transpose")
    assert (config.model.discriminator_layers, config.model.skip, config.batch_size) == (3, False, 1)
    assert (config.loss.content_form, config.loss.contrast, config.loss.cycle) == ("maps", 0.0, 10.0)
    assert (config.optimizer.learning_rate, config.optimizer.beta1, config.num_epochs) == (2e-4, 0.5, 200)
    assert (config.loss.content, config.loss.domain, config.loss.adversarial) == (1.0, 1.0, 1.0)
    assert config.model.ema_decay == 0 and config.pool.size == 50 and config.loss.identity == 0


def test_unknown_variant_names_the_known_ones():
    with pytest.raises(errors.ConfigError, match="no variant 'qick'; allowed: quick"):
        recipe.get_config("qick")


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("batch_size", 0, "at least 1"),
        ("data.image_size", (66, 64), "multiples of 4"),
        ("data.name", "celeb", "tfds:NAME"),
        ("model.upsample", "bicubic", "transpose, resize, antialias"),
        ("pretext.pairs", (0, 0, 0, 0), "not all 0"),
        ("loss.cycle", -1.0, "at least 0"),
        ("optimizer.beta1", 1.0, "below 1"),
        ("data.intensity_range", (5.0, 5.0), "low below high"),
        ("data.load_size", (20, 20), "at least image_size"),
        ("num_steps", 0, "one of them above 0"),
        ("pretext.twin_patches", 10, "at most grid x grid = 9"),
    ],
)
def test_bad_values_name_field_value_and_what_is_allowed(field, value, allowed):
    config = tiny.config(**{field.replace(".", "__"): value})
    with pytest.raises(errors.ConfigError) as caught:
        configs.validate(config)
    message = str(caught.value)
    assert f"config.{field}" in message and allowed in message and "\n" not in message


def test_a_misspelt_field_names_the_nearest():
    config = tiny.config().unlock()
    config.loss.cycel = 5.0
    with pytest.raises(errors.ConfigError, match=r"config.loss.cycel is no field; did you mean config.loss.cycle\?"):
        configs.validate(config)


def test_a_missing_field_is_named():
    config = tiny.config().unlock()
    del config.loss["domain"]
    with pytest.raises(errors.ConfigError, match="config.loss.domain is missing"):
        configs.validate(config)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(configs.flatten(configs.base_config()))), st.one_of(st.none(), st.text(), st.floats()))
def test_any_value_is_accepted_or_one_of_our_errors(field, value):
    config = tiny.config().unlock().copy_and_resolve_references()
    with config.ignore_type():
        config.update_from_flattened_dict({field: value})
    try:
        configs.validate(config)
    except errors.ConfigError as error:
        assert "\n" not in str(error)


def test_json_round_trip_keeps_every_value_and_hash():
    config = configs.validate(tiny.config(data__intensity_range=(0.0, 4095.0)))
    read = configs.from_json(configs.to_json(config))
    assert configs.flatten(read) == configs.flatten(config)
    assert configs.config_hash(read) == configs.config_hash(config)


def test_a_config_of_before_a_field_existed_says_what_runs_then_did():
    config = configs.validate(tiny.config())
    fields = json.loads(configs.to_json(config))
    del fields["pretext"]["twin_local"], fields["evaluation"]["segmenter"]
    assert configs.from_json(json.dumps(fields)) == config
    del fields["pretext"]["grid"]
    with pytest.raises(errors.ConfigError, match="pretext.grid is missing"):
        configs.from_json(json.dumps(fields))


def test_every_field_since_the_first_layout_says_what_runs_did_before_it():
    """A config older than seven fields: one more that comes without saying so makes every old run unreadable."""
    text = (ROOT / "tests" / "golden" / "config_0.1.0.json").read_text()
    assert configs.from_json(text).model.grey is False and "model.grey" not in configs.flatten(json.loads(text))


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"method": 3}'])
def test_what_is_no_config_is_one_of_our_errors(text):
    with pytest.raises(errors.ConfigError):
        configs.from_json(text)


def test_only_fields_that_shape_the_trajectory_change_the_hash():
    base = configs.config_hash(tiny.config())
    assert configs.config_hash(tiny.config(log_steps=7, evaluation__limit=3)) == base
    assert configs.config_hash(tiny.config(loss__domain=0.5)) != base


match_recipe = importlib.import_module("match_gan")


@pytest.mark.parametrize("arg", ["", "quick", "published", "stargan", "quick,stargan", "quick,published"])
def test_match_gan_recipes_are_valid(arg):
    assert configs.validate(match_recipe.get_config(arg)).is_locked


def test_match_gan_published_is_the_papers():
    config = match_recipe.get_config("published")
    assert (config.num_steps, config.data.center_crop, config.data.image_size) == (200_000, 178, (128, 128))
    model, loss = config.model, config.loss
    assert (model.width, model.num_blocks, model.discriminator_width, model.discriminator_layers) == (64, 6, 64, 6)
    assert (model.upsample, model.skip, model.mask, model.condition) == ("transpose", False, False, "planes")
    assert (model.match_head, model.discriminator_init, model.ema_decay) == ("concat", "uniform", 0.0)
    weights = (loss.gradient_penalty, loss.classification, loss.reconstruction, loss.match, loss.pseudo_labels)
    assert weights == (10.0, 1.0, 10.0, 0.5, False)
    assert (config.generator_every, config.optimizer.learning_rate, config.optimizer.constant_share) == (5, 1e-4, 0.5)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("generator_every", 4, "generator_every is 4; allowed: an odd number"),
        ("batch_size", 6, "batch_size is 6; allowed: 0, or at least two groups"),
        ("batch_size", 4, "at least two groups"),
        ("data.images_per_group", 6, "a multiple of 4"),
        ("data.labelled_fraction", 0.0, "above 0"),
        ("data.image_size", (36, 36), "multiples of 16"),
        ("data.attributes", ("Smiling", "Smiling"), "different names"),
        ("data.exclusive", (("Smiling",),), "at least two"),
        ("model.match_head", "both", "compare, concat"),
    ],
)
def test_match_gan_settings_that_cannot_be(field, value, said):
    config = match_recipe.get_config("quick")
    config.update_from_flattened_dict({field: value})
    with pytest.raises(errors.ConfigError, match=said):
        configs.validate(config)


def test_exclusive_groups_name_attributes_once():
    config = match_recipe.get_config("")
    config.data.exclusive = (("Black_Hair", "Bald"),)
    with pytest.raises(errors.ConfigError, match="'Bald'; allowed: config.data.attributes"):
        configs.validate(config)
    config.data.exclusive = (("Black_Hair", "Young"), ("Young", "Male"))
    with pytest.raises(errors.ConfigError, match="'Young' twice"):
        configs.validate(config)


def test_nested_tuples_come_back_from_json():
    config = configs.validate(match_recipe.get_config(""))
    assert configs.from_json(configs.to_json(config)).data.exclusive == config.data.exclusive
