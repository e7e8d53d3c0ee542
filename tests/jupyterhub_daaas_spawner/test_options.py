import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyterhub_daaas_spawner.options import Options, OptionsError, nearest, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


def test_a_form_sends_lists_of_strings_and_empty_ones_for_what_is_left_open():
    sent = {"environment": ["mantid"], "location": [""], "cpus": ["2"], "_xsrf": ["2|abc"]}
    assert read(sent) == Options(environment="mantid", cpus=2)


def test_a_rest_client_sends_plain_values():
    assert read({"environment": "mantid", "gpus": 1, "ram_gb": 0.5}) == Options(
        environment="mantid", gpus=1, ram_gb=0.5
    )


def test_nothing_sent_is_the_default():
    assert read({}, {"environment": "mantid"}) == Options(environment="mantid")
    assert read({"environment": ""}, {"environment": "mantid"}) == Options(environment="mantid")
    assert read({}) == Options()


def test_the_default_is_not_mixed_with_what_was_sent():
    assert read({"cpus": 4}, {"environment": "mantid"}) == Options(cpus=4)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"cpu": 2}, "There is no option 'cpu', did you mean 'cpus'; the options are cpus, "),
        ({"cpus": "many"}, "The option cpus cannot be 'many': it should be a valid number"),
        ({"cpus": -1}, "The option cpus cannot be -1: it should be greater than or equal to 0."),
        ({"cpus": "inf"}, "The option cpus cannot be 'inf': it should be a finite number."),
        ({"gpus": 1.5}, "The option gpus cannot be 1.5: it should be a valid integer"),
        ({"gpus": True}, "The option gpus cannot be True: give a name or a number."),
        ({"environment": ["a", "b"]}, "The option environment cannot be ['a', 'b']: give it once."),
        ({"environment": {"a": 1}}, "The option environment cannot be {'a': 1}: it should be a"),
    ],
)
def test_a_bad_value_is_one_sentence_that_names_it(sent, sentence):
    with pytest.raises(OptionsError) as caught:
        read(sent)
    assert str(caught.value).startswith(sentence)
    assert caught.value.reason == "options"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("muom", "muon"), ("sans", "sans-for-sans2d"), ("SANS", "sans-for-sans2d"), ("xyz", None)],
)
def test_the_nearest_name_is_one_like_it_or_one_that_holds_it(name, meant):
    assert nearest(name, ["muon", "sans-for-sans2d"]) == meant


@given(st.dictionaries(st.sampled_from([*Options.model_fields, "other"]), JSON, max_size=4))
def test_whatever_is_sent_is_read_or_refused(sent):
    try:
        options = read(sent)
    except OptionsError as error:
        sentence = str(error)
    else:
        assert json.loads(options.model_dump_json()) == options.model_dump()
        sentence = "."
    assert sentence.endswith(".")
