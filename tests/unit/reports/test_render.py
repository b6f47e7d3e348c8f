"""The mail as people get it: short subject, verdict and decision first, text and HTML equal, unbreakable."""

import re
from datetime import date
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ronde.model.errors import InputError
from ronde.model.inventory import Client, Contact
from ronde.model.plan import TargetKind
from ronde.model.records import CheckRecord, Trouble
from ronde.model.run import JobState
from ronde.model.verdict import Level, Severity, Verdict
from ronde.reports.message import Envelope, address, freeze
from ronde.reports.night import night_view
from ronde.reports.page import night_page
from ronde.reports.render import Rendered, render_night
from ronde.reports.view import NightView
from ronde.reports.voice import Language
from tests.doubles.night import (
    NOW,
    PERIOD,
    PROVIDER,
    VCENTER,
    check,
    client,
    dump,
    host,
    job,
    material,
    problem,
    restic,
)
from tests.doubles.work import BROKEN, DONE, acted, run_of

LANGUAGES: list[Language] = ["fr", "en"]
OK_WORDS = re.compile(
    r"●|\b(réussie?|en ordre|présente|cohérente|intègre|restaurée|démarrée"
    r"|in order|present|coherent|intact|restored|booted)\b",
    re.IGNORECASE,
)


class Words(HTMLParser):
    """The words a reader of the HTML sees, without the column headings, which the text part does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._skip = 0
        self._heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"style", "title", "head"} or dict(attrs).get("style", "")[:13:] == "display:none;":  # type: ignore[index]  # "" by default
            self._skip += 1
        self._heading = tag == "th" and dict(attrs).get("scope") == "col"

    def handle_endtag(self, tag: str) -> None:
        if tag in {"style", "title", "head"}:
            self._skip -= 1
        self._heading = False

    def handle_data(self, data: str) -> None:
        if not self._skip and not self._heading:
            self.words += tokens(data)


def tokens(text: str) -> list[str]:
    """Words and shapes; the signs that only lay out a line are left out, and headings may be in capitals."""
    return [word for word in re.findall(r"[\w'●▲■◇«»“”/@.:,;?!%-]+", text.lower()) if word not in {"-", "--"}]


def tokens_of_html(html: str) -> list[str]:
    parser = Words()
    parser.feed(html)
    return parser.words


def render(view: NightView, language: Language = "fr") -> Rendered:
    return render_night(night_page(view, language))


def busy() -> NightView:
    """A night with a bit of everything."""
    one = client(
        hosts={
            "srv-fichiers": host(restic("documents")),
            "srv-compta": host(dump("mairie-db")),
            "srv-ecole": host(restic("documents"), restic("photos")),
            "bastion": host(),
        },
        vcenters={"vc1": VCENTER},
        exempt=[{"vm": "modele", "reason": "template", "until": date(2027, 6, 30)}],
    )
    checks = [
        check("srv-fichiers", "documents"),
        check("srv-compta", "mairie-db", "dump", problem("backup-too-old", age_s=3 * 86400)),
        check("vc1", "vc1", "vcenter", facts={"machines": 2}),
        check("vc1", "GED", "vm", problem("snap-age", Severity.WARNING, figure=9 * 86400)),
        check("vc1", "web", "vm"),
        check("vc1", "web", "coverage", problem("vm-uncovered", Severity.WARNING)),
    ]
    jobs = [
        job("srv-fichiers"),
        job("srv-compta"),
        job("vc1", kind=TargetKind.VCENTER),
        job("srv-ecole", JobState.FAILED, trouble=Trouble("unreachable", "no route"), attempt=3),
    ]
    runs = [
        run_of(acted("srv-compta", steps=DONE)),
        run_of(acted("srv-fichiers", JobState.NEEDS_HUMAN, steps=BROKEN[:1], run="a" * 16)),
        run_of(acted("srv-ecole", JobState.SKIPPED, trouble=Trouble("guard-window", "closed"), run="b" * 16)),
    ]
    return night_view(one, PROVIDER, material(checks, jobs, runs=runs), NOW)


def crowd(backups: int = 60, machines: int = 300) -> NightView:
    """A large client on its worst night: everything failed or unverified, each with its own words."""
    hosts = {f"srv-{number}": host(restic(f"backup-number-{number}" + "x" * 40)) for number in range(backups)}
    one = client(hosts=hosts, vcenters={"vc1": VCENTER})
    checks: list[CheckRecord] = [check("vc1", "vc1", "vcenter", facts={"machines": machines})]
    for number, name in enumerate(hosts):
        rule = problem("backup-too-old", age_s=86400 * (number + 2))
        checks.append(check(name, f"backup-number-{number}" + "x" * 40, "restic", rule))
    rules = ("snap-age", "snap-size", "snap-count", "consolidation-needed", "chain-orphan")
    for number in range(machines):
        found = [problem(rule, figure=10**6 + number) for rule in rules]
        found.append(problem("tools", Severity.UNKNOWN))
        checks.append(check("vc1", f"machine-{number}-" + "y" * 60, "vm", *found))
    jobs = [*(job(name) for name in hosts), job("vc1", kind=TargetKind.VCENTER)]
    works = [acted(name, JobState.FAILED, steps=BROKEN) for name in hosts]
    runs = [run_of(*works, reason="because " * 60)] if works else []
    return night_view(one, PROVIDER, material(checks, jobs, runs=runs), NOW)


@pytest.mark.parametrize("language", LANGUAGES)
def test_html_and_text_hold_the_same_words_in_the_same_order(language: Language) -> None:
    for view in (busy(), crowd(), night_view(client(hosts={}), PROVIDER, material([], []), NOW)):
        rendered = render(view, language)
        assert tokens_of_html(rendered.html) == tokens(rendered.text)


def test_the_comparison_of_both_parts_can_fail() -> None:
    rendered = render(busy())
    assert tokens_of_html(rendered.html.replace("srv-compta", "srv-x")) != tokens(rendered.text)
    assert tokens_of_html(rendered.html.replace("La raison", "Une raison")) != tokens(rendered.text)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_300_characters_hold_verdict_and_decision(language: Language) -> None:
    long = "n" * 63
    one = client(
        hosts={long: host(restic(long))}, exempt=[{"vm": "v" * 80, "reason": "template", "until": date(2026, 1, 1)}]
    )
    worst = night_view(
        one, PROVIDER, material([check(long, long, "restic", problem("backup-too-old"))], [job(long)]), NOW
    )
    for view, verdict, decision in (
        (busy(), "mairie-db", "web"),
        (worst, "nnnn", "vvvv"),
        (crowd(), "60", "aucune" if language == "fr" else "none"),
    ):
        beginning = render(view, language).text[:300]
        assert verdict in beginning
        assert decision in beginning


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["Commune d'Exemple", "Syndicat " + "intercommunal " * 12, "X" * 200, "é" * 78])
def test_the_subject_has_shape_client_and_verdict_within_78_characters(name: str, language: Language) -> None:
    subject = render(night_view(client(name=name), PROVIDER, material([], []), NOW), language).subject
    assert len(subject) <= 78
    assert subject.startswith(f"◇ {name[:8]}")
    assert ("non vérifiées" if language == "fr" else "not verified") in subject


def test_the_subject_tells_the_night_when_there_is_room() -> None:
    assert render(busy()).subject == "■ Commune d'Exemple\u00a0: une sauvegarde manque — nuit du 12 au 13 janvier"


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_unknown_carries_no_sign_or_word_of_success(language: Language) -> None:
    view = busy()
    page = night_page(view, language)
    unknown = [row for row in (*page.backups, *page.changes, *page.gaps) if row.verdict is Verdict.UNKNOWN]
    assert len(unknown) >= 3
    for row in unknown:
        assert row.shape == "◇"
        assert not OK_WORDS.search(" ".join((row.word, *row.details)))
    nothing = render(night_view(client(), PROVIDER, material([], []), NOW), language)
    before_legend = nothing.text.split("Les mots" if language == "fr" else "The words")[0]
    assert not OK_WORDS.search(nothing.subject + before_legend)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_html_needs_nothing_from_elsewhere(language: Language) -> None:
    html = render(busy(), language).html
    assert not re.search(r"<img|<link|<script|@import|url\(|googleapis|\bsrc=|\bhref=", html)
    addresses = set(re.findall(r"https?://[^\s\"'>]+", html))
    assert addresses <= {"http://www.w3.org/1999/xhtml"}, "only the name of the XHTML namespace"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_html_is_accessible(language: Language) -> None:
    html = render(busy(), language).html
    assert f'<html lang="{language}"' in html
    assert html.count("<h1>") == 1
    assert html.index("<h1>") < html.index("<h2>")
    assert "<h3" not in html
    assert 'scope="col"' in html
    assert 'scope="row"' in html
    assert "prefers-color-scheme: dark" in html
    assert '<meta name="color-scheme" content="light dark"' in html
    data_tables = [table for table in re.findall(r"<table[^>]*>", html) if "table-layout" in table]
    assert data_tables
    assert not any("presentation" in table for table in data_tables)


def contrast(first: str, second: str) -> float:
    """WCAG 2.2 contrast ratio of two colours written #rrggbb."""

    def light(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((light(first), light(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_every_colour_of_words_is_readable_in_light_and_dark() -> None:
    html = render(busy()).html
    light, _, dark = html.partition("prefers-color-scheme: dark")
    rules = dark[: dark.index("</style>")]
    in_dark = set(re.findall(r"[^-]color: (#[0-9a-f]{6})", rules))
    in_light = set(re.findall(r'[";]color:(#[0-9a-f]{6})', light + dark[dark.index("</style>") :])) - {
        "#000000",
        "#ffffff",
    }
    assert len(in_dark) >= 6
    assert len(in_light) >= 5
    assert min(contrast(colour, "#1b212a") for colour in in_dark) >= 4.5
    assert min(contrast(colour, "#ffffff") for colour in in_light) >= 4.5


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_huge_clients_worst_night_stays_a_short_mail(language: Language) -> None:
    view = crowd()
    page = night_page(view, language)
    assert (len(page.backups), len(page.machines), len(page.changes)) == (10, 10, 8)
    rendered = render(view, language)
    assert len(sent(rendered).get_body(("html",)).as_bytes()) < 60_000  # type: ignore[union-attr]  # it has one
    assert ("Et 50 autres lignes" if language == "fr" else "And 50 more") in " ".join(rendered.text.split())


def test_worst_comes_first_in_every_list() -> None:
    page = night_page(busy(), "en")
    ranks = [row.verdict.rank for row in page.backups]
    assert ranks == sorted(ranks, reverse=True)


def sent(rendered: Rendered, one: Client | None = None, contact: Contact | None = None) -> EmailMessage:
    envelope = Envelope(PROVIDER, one or client(), PERIOD, 0, "fr")
    mail = freeze(rendered, envelope, contact or client().contacts[0], NOW)
    message = message_from_bytes(mail.raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_the_message_has_the_headers_that_keep_it_from_looping_and_doubling() -> None:
    message = sent(render(busy()))
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Reply-To"] == "Infogérance Témoin <support@msp.example>"
    assert message["From"].addresses[0].addr_spec == "ronde@msp.example"
    assert message["To"] == "Service informatique <informatique@commune.example>"
    assert message["Content-Language"] == "fr"
    assert message["Date"].datetime == NOW
    assert re.fullmatch(
        r"<night\.2027-01-13T0700\.commune-exemple\.r0\.[0-9a-f]{8}@msp\.example>", message["Message-ID"]
    )
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]


def test_the_same_report_is_the_same_message_and_a_new_revision_is_another() -> None:
    rendered = render(busy())
    contact = client().contacts[0]
    first, again = (freeze(rendered, Envelope(PROVIDER, client(), PERIOD, 0, "fr"), contact, NOW) for _ in range(2))
    other = freeze(rendered, Envelope(PROVIDER, client(), PERIOD, 1, "fr"), contact, NOW)
    assert (first.key, first.message_id) == (again.key, again.message_id)
    assert first.key != other.key
    assert first.message_id != other.message_id


def test_the_bytes_are_seven_bit_with_short_lines() -> None:
    raw = freeze(render(crowd()), Envelope(PROVIDER, client(), PERIOD, 0, "fr"), client().contacts[0], NOW).raw
    assert max(raw) < 128
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "written", ["mairie@commune\u2028.example", "maire\u00e9@commune.example", "@x", "a@", "a b@c.d", "x"]
)
def test_an_unusable_address_is_an_input_error(written: str) -> None:
    with pytest.raises(InputError, match="cannot be used as a mail address"):
        address("Name", written)


def test_an_international_domain_is_written_in_ascii() -> None:
    assert address("Maire", "mairie@cité.example").addr_spec == "mairie@xn--cit-dma.example"


HOSTILE = [
    "<script>alert(1)</script>",
    "</mj-text></mjml><mj-raw>",
    "a\r\nBcc: all@commune.example",
    "nul\x00 esc\x1b[31m vt\x0b",
    "{{ 7*7 }} {% raw %}",
    "{n} {0} %s",
    "שלום עולם \u202edlrow",
    "🎉👩\u200d💻",
    "&amp; &lt; ]]> <!-- --> \"'",
    "\u2028\u2029\u0085 lines",
]
names = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=120))


@settings(max_examples=30)
@given(vm=names, title=names, reason=names.filter(lambda text: len(text) >= 3), contact=names)
def test_no_name_can_break_the_mail(vm: str, title: str, reason: str, contact: str) -> None:
    one = client(
        hosts={},
        vcenters={"vc1": VCENTER},
        name=title,
        exempt=[
            {"vm": vm, "reason": reason, "until": date(2027, 1, 1)},
            {"vm": vm + "2", "reason": reason, "until": date(2028, 1, 1)},
        ],
    )
    uncovered = problem("vm-uncovered", Severity.WARNING)
    checks = [check("vc1", "vc1", "vcenter", facts={"machines": 1}), check("vc1", vm, "vm", uncovered)]
    view = night_view(one, PROVIDER, material(checks, [job("vc1", kind=TargetKind.VCENTER)]), NOW)
    for language in LANGUAGES:
        rendered = render(view, language)
        assert len(rendered.subject) <= 78
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e]", rendered.text + rendered.subject)
        assert "<script" not in rendered.html
        assert tokens_of_html(rendered.html) == tokens(rendered.text)
        message = sent(rendered, one, Contact(name=contact, email="a@commune.example"))
        assert message["Subject"] == rendered.subject
        assert message["Bcc"] is None
        assert str(message.get_body(("plain",)).get_content()).split() == rendered.text.split()  # type: ignore[union-attr]  # it has one


def test_a_machines_name_that_is_no_text_is_still_told() -> None:
    one = client(hosts={}, vcenters={"vc1": VCENTER})
    broken = check("vc1", "half \ud800", "vm", problem("snap-age", Severity.WARNING))
    checks = [check("vc1", "vc1", "vcenter", facts={"machines": 1}), broken]
    view = night_view(one, PROVIDER, material(checks, [job("vc1", kind=TargetKind.VCENTER)]), NOW)
    rendered = render(view)
    assert "half \ufffd" in rendered.text
    assert sent(rendered)["Subject"] == rendered.subject


def test_the_templates_markup_is_well_formed() -> None:
    """mrml forgives what an XML parser does not; the template is held to the stricter one."""
    from ronde.reports import render as module

    page = night_page(busy(), "fr")
    mjml = module._TEMPLATES.get_template("night.mjml.j2").render(page=page, colours=module._COLOURS)
    assert fromstring(mjml).tag == "mjml"  # noqa: S314 - our own output


def test_a_proof_is_never_rounded_up() -> None:
    for level in Level:
        view = night_view(
            client(hosts={"srv": host(restic("documents"))}),
            PROVIDER,
            material([check("srv", "documents", level=level)], [job("srv")]),
            NOW,
        )
        words = {line.proofs[0].level for line in view.backups}
        assert words == {level}
