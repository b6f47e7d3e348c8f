"""One key changed in an authorized_keys file, all others untouched, lines read as sshd reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ronde.model.authorized_keys import holds, with_key, without_key

OLD, NEW, OTHER = "ssh-ed25519 AAAAold/+=", "ssh-ed25519 AAAAnew/+=", "ssh-rsa AAAAother"

options = st.lists(
    st.sampled_from(
        ["restrict", "pty", 'from="198.51.100.7,!*.example"', 'command="echo \\"a b\\" #"', 'environment="A=\\x"']
    ),
    max_size=3,
    unique=True,
).map(lambda words: ",".join(words) + " " if words else "")
comments = st.sampled_from(["", " us", f" formerly {OLD}", "\tx y  z", " é\udcff"])
blanks = st.sampled_from(["", " ", "\t "])


def line(key: str) -> st.SearchStrategy[str]:
    return st.tuples(blanks, options, comments).map(lambda parts: f"{parts[0]}{parts[1]}{key}{parts[2]}")


foreign = st.one_of(
    line(OTHER),
    st.just(""),
    st.just(f"# {OLD}"),
    st.just(f"  #{OLD}"),
    st.just(f"{OLD}x us"),
    st.just(f'command="{OLD} x" {OTHER}'),
    st.just(f"cert-authority ssh-rsa {OLD}"),
    st.text('ab \t"\\#', max_size=8),
)


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A file that holds the old key at least once, and its foreign lines."""
    others = draw(st.lists(foreign, max_size=4))
    ours = draw(st.lists(line(OLD), min_size=1, max_size=2))
    lines = draw(st.permutations([(text, False) for text in others] + [(text, True) for text in ours]))
    text = "\n".join(text for text, _ in lines) + draw(st.sampled_from(["", "\n"]))
    return text, [text for text, mine in lines if not mine]


@given(texts())
def test_the_new_key_comes_beside_the_old_one_and_the_old_one_goes(given_text: tuple[str, list[str]]) -> None:
    text, others = given_text
    both = with_key(text, OLD, NEW, "ronde")
    assert holds(both, OLD)
    assert holds(both, NEW)
    after = without_key(both, OLD)
    assert not holds(after, OLD)
    assert holds(after, NEW)
    rest = [each for each in after.split("\n") if f"{NEW} ronde" not in each]
    assert [each for each in rest if each] == [each for each in others if each]
    assert without_key(both, NEW).rstrip("\n") == text.rstrip("\n")


@given(texts())
def test_doing_it_twice_is_doing_it_once(given_text: tuple[str, list[str]]) -> None:
    both = with_key(given_text[0], OLD, NEW, "ronde")
    assert with_key(both, OLD, NEW, "ronde") == both
    after = without_key(both, OLD)
    assert without_key(after, OLD) == after
    assert with_key(after, OLD, NEW, "ronde") == after


@pytest.mark.parametrize("before", ["", 'from="198.51.100.7",restrict ', 'command="a \\" b" ', "  ", "\tno-pty\t"])
def test_the_options_are_kept(before: str) -> None:
    assert with_key(f"{before}{OLD} us", OLD, NEW, "ronde") == f"{before}{OLD} us\n{before}{NEW} ronde\n"


@pytest.mark.parametrize("gap", [" ", "  ", "\t"])
def test_blanks_between_the_words_do_not_hide_a_key(gap: str) -> None:
    kind, _, blob = OLD.partition(" ")
    assert holds(f"restrict{gap}{kind}{gap}{blob}{gap}us", OLD)
    assert not holds(f"restrict{gap}{kind}{gap}x{blob}{gap}us", OLD)


def test_a_file_without_the_key_tells_no_options() -> None:
    with pytest.raises(ValueError, match="not in the file"):
        with_key(f"{OTHER}\n", OLD, NEW, "ronde")
    assert without_key(f"{OTHER}\n", OLD) == f"{OTHER}\n"
    assert without_key("", OLD) == ""
