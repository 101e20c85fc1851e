import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.errors import UsageError
from lmctl.text.normalization import Normalization

FORMS = ["nfc", "nfkc", "none"]


@pytest.mark.parametrize(
    ("form", "lowercase", "expected"),
    [
        ("none", False, "Cafe\u0301 ＡＢ ﬁ"),
        ("nfc", False, "Café ＡＢ ﬁ"),
        ("nfkc", False, "Café AB fi"),
        ("nfkc", True, "café ab fi"),
        ("none", True, "cafe\u0301 ａｂ ﬁ"),
    ],
)
def test_forms(form, lowercase, expected):
    assert Normalization(form, lowercase)("Cafe\u0301 ＡＢ ﬁ") == expected


def test_lower_casing_leaves_the_text_in_its_form():
    # Only the small letter has a composed form.
    assert Normalization("nfc", True)("J\u030c") == "\u01f0"


@given(lines=st.lists(st.text().map(lambda text: text.replace("\n", "")), min_size=1), form=st.sampled_from(FORMS))
def test_a_whole_text_is_normalized_as_its_lines_are(lines, form):
    normalization = Normalization(form, lowercase=True)
    assert normalization("\n".join(lines)).split("\n") == [normalization(line) for line in lines]


@given(text=st.text(), form=st.sampled_from(FORMS))
def test_normalizing_twice_changes_nothing(text, form):
    normalization = Normalization(form, lowercase=True)
    assert normalization(normalization(text)) == normalization(text)


def test_an_unknown_form_is_refused():
    with pytest.raises(UsageError, match="nfd: unknown normalization; expected nfc, nfkc or none"):
        Normalization("nfd", lowercase=False)
