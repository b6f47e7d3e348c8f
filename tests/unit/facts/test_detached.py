"""The questions about detached commands, and what their answers are taken for."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.facts.detached import (
    LINE_LIMIT,
    Look,
    Outcome,
    look_question,
    parse_look,
    parse_outcome,
    parse_raised,
    raise_question,
    running,
    scripts,
    start_question,
    stop_question,
    sudoers_line,
    tidy_old_question,
    tidy_question,
    with_sudo,
)
from ronde.model.command import Answer, Command
from ronde.model.detached import Key, Launch, Standing
from ronde.model.errors import CannotDetach, InputError, ProtocolFault

KEY = Key("0123456789abcdef01234567", "upgrade", 2)
AT = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
RUNS = {
    "standing": "running",
    "fence": "2",
    "by": "1",
    "then": "boot-1",
    "now": "boot-1",
    "at": "1795748400",
    "age": "1250",
    "status": "",
    "spent": "",
    "finished": "",
    "out": "10",
    "err": "3",
    "open": "0",
    "live": "1",
    "sent_out": "4",
    "sent_err": "3",
}
ENDS = {**RUNS, "standing": "ended", "status": "7", "spent": "1200", "finished": "1795748412", "live": "0"}
ALL_SCRIPTS = {
    name: text
    for module in (running, scripts)
    for name, text in vars(module).items()
    if name.isupper() and isinstance(text, str)
}


def answer(stdout: bytes, stderr: bytes = b"", exit_status: int | None = 0, *, truncated: bool = False) -> Answer:
    return Answer(Command(("sh",)), exit_status, stdout, stderr, AT, AT, truncated=truncated)


def header(said: dict[str, str]) -> bytes:
    return b"ronde-job " + " ".join(f"{name}={value}" for name, value in said.items()).encode() + b"\n"


def test_a_running_command_is_read() -> None:
    assert parse_look(answer(header(RUNS) + b"abcdxyz")) == Look(
        Standing.RUNNING,
        fence=2,
        by=1,
        started=datetime.fromtimestamp(1795748400, UTC),
        age=12.5,
        boot_then="boot-1",
        boot_now="boot-1",
        out_size=10,
        err_size=3,
        out=b"abcd",
        err=b"xyz",
        alive=True,
    )


def test_an_end_is_read() -> None:
    look = parse_look(answer(header({**ENDS, "out.cut": "1", "limit": "1", "stop": "1"}) + b"abcdxyz"))
    assert (look.standing, look.exit_status, look.spent, look.ended) == (
        Standing.ENDED,
        7,
        12.0,
        datetime.fromtimestamp(1795748412, UTC),
    )
    assert (look.cut, look.struck, look.stopped, look.alive) == (True, True, True, False)


def test_a_greeting_of_the_login_shell_does_no_harm() -> None:
    look = parse_look(answer(b"Welcome to srv\n" + header(RUNS) + b"abcdxyz"))
    assert (look.standing, look.out) == (Standing.RUNNING, b"abcd")


def test_output_that_looks_like_a_header_is_output() -> None:
    fake = header(ENDS)
    said = {**RUNS, "sent_out": str(len(fake)), "sent_err": "0"}
    look = parse_look(answer(header(said) + fake))
    assert (look.standing, look.out) == (Standing.RUNNING, fake)


@pytest.mark.parametrize("missing", [name for name in RUNS if not name.startswith("sent")])
def test_a_header_without_one_of_its_words_is_not_understood(missing: str) -> None:
    said = {name: value for name, value in ENDS.items() if name != missing}
    with pytest.raises(ProtocolFault):
        parse_look(answer(header(said) + b"abcdxyz"))


@pytest.mark.parametrize(
    "broken",
    [
        answer(b""),
        answer(b"", b"sh: not found", 127),
        answer(header(RUNS) + b"abcdxyz", exit_status=None),
        answer(header(RUNS) + b"abcdxyz", exit_status=2),
        answer(header(RUNS) + b"abcdxyz", truncated=True),
        answer(header(RUNS) + b"abcdxy"),
        answer(header(RUNS) + b"abcdxyz!"),
        answer(header(RUNS)[:-1]),
        answer(header({**RUNS, "standing": "well"}) + b"abcdxyz"),
        answer(header({**ENDS, "status": ""}) + b"abcdxyz"),
        answer(header({**RUNS, "at": "9" * 30}) + b"abcdxyz"),
        answer(header({**RUNS, "age": "soon"}) + b"abcdxyz"),
    ],
    ids=range(12),
)
def test_half_an_answer_is_never_read_as_one(broken: Answer) -> None:
    with pytest.raises(ProtocolFault):
        parse_look(broken)


@given(st.binary(max_size=200))
def test_noise_is_never_an_outcome(noise: bytes) -> None:
    for parse in (parse_look, parse_outcome, parse_raised):
        with pytest.raises(ProtocolFault):
            parse(answer(noise))


@pytest.mark.parametrize("outcome", Outcome)
def test_outcomes_are_read(outcome: Outcome) -> None:
    assert parse_outcome(answer(header({"answer": str(outcome)}))) is outcome


def test_what_a_host_lacks_is_named() -> None:
    with pytest.raises(CannotDetach, match="no usable flock") as caught:
        parse_outcome(answer(b"ronde-job answer=unable for=flock\n"))
    assert caught.value.permanent
    with pytest.raises(CannotDetach, match=r"folder cannot.* No space left"):
        parse_outcome(answer(b"ronde-job answer=unable for=folder\n", b"mkdir: No space left on device\n"))


def test_the_steps_of_a_job_come_with_the_fence() -> None:
    said = b"ronde-job answer=raised fence=3\nronde-step step=a standing=ended\nronde-step step=b.c standing=running\n"
    raised = parse_raised(answer(said))
    assert (raised.holds, raised.steps) == (True, {"a": Standing.ENDED, "b.c": Standing.RUNNING})
    assert not parse_raised(answer(b"ronde-job answer=fenced fence=4\n")).holds
    with pytest.raises(ProtocolFault):
        parse_raised(answer(b"ronde-job answer=started\n"))


@pytest.mark.parametrize(
    ("sudo", "status", "spent", "struck", "timed_out"),
    [
        (False, 124, 50.0, False, False),  # the command's own
        (False, 0, 50.0, True, True),
        (True, 124, 30.0, False, True),  # root's timeout
        (True, 137, 41.0, False, True),
        (True, 124, 29.9, False, False),  # before the limit: the command's own
        (True, 1, 30.0, False, False),
        (True, 124, None, False, False),
    ],
)
def test_a_limit_is_told_from_a_status_that_looks_like_one(
    *, sudo: bool, status: int, spent: float | None, struck: bool, timed_out: bool
) -> None:
    launch = Launch(KEY, ("/bin/true",), limit=30, sudo=sudo)
    look = Look(Standing.ENDED, exit_status=status, spent=spent, struck=struck)
    assert look.timed_out(launch) is timed_out


@pytest.mark.parametrize("name", ALL_SCRIPTS)
def test_scripts_are_sound_and_cheap_to_quote(name: str, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(ALL_SCRIPTS[name])
    assert "'" not in ALL_SCRIPTS[name]
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_values_are_arguments_and_the_secret_is_input() -> None:
    launch = Launch(KEY, ("echo", "; rm -rf /"), stdin=b"s3cret", env=(("A", "b c"),), limit=60)
    command = start_question(launch).command
    assert command.argv[:4] == ("sh", "-c", scripts.START, "ronde")
    assert command.argv[-4:] == ("env", "A=b c", "echo", "; rm -rf /")
    assert command.stdin == b"s3cret"
    assert "s3cret" not in command.line + start_question(launch).shown


def test_all_questions_name_their_job() -> None:
    launch = Launch(KEY, ("true",))
    questions = [
        start_question(launch),
        look_question(KEY, 0, 0, wait=1, most=1),
        stop_question(launch, 1),
        raise_question(KEY.job, 2),
        tidy_question(KEY.job, 2),
    ]
    assert all(question.command.argv[4] == KEY.job and question.command.argv[6] == "2" for question in questions)
    with pytest.raises(InputError):
        tidy_old_question(0)


def test_a_look_waits_less_than_we_wait_for_it() -> None:
    question = look_question(KEY, 5, 6, wait=20, most=1000)
    assert question.command.timeout > 20
    assert question.command.cap > 2000


def room() -> int:
    """How long one plain argument may be."""
    return LINE_LIMIT - len(start_question(Launch(KEY, ("echo", ""))).command.line) + len("''")


def test_what_a_host_would_refuse_as_too_long_is_refused_beforehand() -> None:
    start_question(Launch(KEY, ("echo", "x" * room())))
    with pytest.raises(InputError, match=rf"{LINE_LIMIT + 1} bytes, quoted"):
        start_question(Launch(KEY, ("echo", "x" * (room() + 1))))
    with pytest.raises(InputError, match="quoted"):
        start_question(Launch(KEY, ("echo", "'" * (room() // 2))))
    assert room() > 110 * 1024


words = st.text(st.characters(codec="utf-8", min_codepoint=32).filter(lambda sign: sign != "\x7f"), max_size=20)


@settings(max_examples=40)
@given(st.lists(words, max_size=4))
def test_sudoers_takes_every_line(arguments: list[str]) -> None:
    line = sudoers_line("ops", ("/usr/bin/apt-get", *arguments, "end"), 3600)
    done = subprocess.run(["visudo", "-cf", "-"], input=line + "\n", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_sudoers_line_reads_like_what_it_allows() -> None:
    line = sudoers_line("ops", ("/usr/bin/apt-get", "-y", "upgrade"), 3600, (("DEBIAN_FRONTEND", "noninteractive"),))
    assert line == (
        "ops ALL=(root) NOPASSWD: /usr/bin/timeout -k 10 3600 /usr/bin/env DEBIAN_FRONTEND\\=noninteractive "
        "/usr/bin/apt-get -y upgrade, /usr/bin/pkill -TERM -u 0 -f -x -- /usr/bin/timeout -k 10 3600 /usr/bin/env "
        "DEBIAN_FRONTEND\\=noninteractive /usr/bin/apt-get -y upgrade"
    )
    assert with_sudo(("/bin/true",), 5)[:3] == ("sudo", "-n", "--")


@pytest.mark.parametrize(
    ("user", "argv"),
    [
        ("ops", ("apt-get", "upgrade")),
        ("ops", ()),
        ("ops", ("/bin/echo", "a\nb")),
        ("ops", ("/bin/echo", "a\tb")),
        ("ops", ("/bin/echo", "")),
        ("ops", ("/bin/echo", "a ")),
        ("ops ALL=(ALL) ALL #", ("/bin/true",)),
        ("", ("/bin/true",)),
        ("%wheel", ("/bin/true",)),
    ],
)
def test_what_sudoers_cannot_say_safely_is_refused(user: str, argv: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        sudoers_line(user, argv, 60)
