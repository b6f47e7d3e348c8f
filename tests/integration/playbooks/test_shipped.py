"""Each shipped playbook, useful as it is, on a real Debian with systemd."""

import json
from pathlib import Path

from ronde.adapters.files.playbooks import load_playbooks
from ronde.model.procedure import StepState
from ronde.model.records import JobRecord
from ronde.model.run import JobState
from ronde.model.verdict import Verdict
from tests.integration.machines.conftest import BUILDING
from tests.integration.playbooks.conftest import ROOT, SCOPE, Desk

pytestmark = BUILDING
TRIED_ELSEWHERE = {"backup/check", "round/night", "vsphere/snapshots"}  # examinations, with suites of their own


def facts(job: JobRecord, step: str) -> dict[str, object]:
    return dict(next(record.facts for record in job.steps if record.step == step))


def states(job: JobRecord) -> dict[str, StepState]:
    return {record.step: record.state for record in job.steps}


def went_well(job: JobRecord) -> None:
    assert job.state is JobState.SUCCEEDED, (job.trouble, job.steps)


def starts(desk: Desk) -> int:
    """How often the witness unit was started."""
    return int(desk.machine.must("cat", "/var/lib/temoin/starts").strip())


def test_a_service_is_restarted_exactly_once_and_proven(desk: Desk) -> None:
    before = starts(desk)
    job = desk.job("adhoc/restart-service", {"service": "temoin.service"}, reason="ticket 4711")
    went_well(job)
    assert starts(desk) == before + 1
    assert facts(job, "restart")["restarted"] is True
    assert job.verdict is Verdict.OK


def test_a_dry_run_changes_nothing_and_says_what_would_be_done(desk: Desk) -> None:
    before = starts(desk)
    job = desk.job("adhoc/restart-service", {"service": "temoin.service"}, dry=True)
    went_well(job)
    assert starts(desk) == before
    (restart,) = [step for step in job.steps if step.step == "restart"]
    assert restart.facts["would"] is True
    assert "systemctl restart temoin.service" in restart.reason


def test_a_dry_run_and_the_run_have_the_same_plan(desk: Desk) -> None:
    looked = desk.run("adhoc/restart-service", {"service": "temoin.service"}, dry=True)
    done = desk.run("adhoc/restart-service", {"service": "temoin.service"}, plan=looked.plan[:8])
    assert done.plan == looked.plan


def test_a_unit_that_does_not_exist_fails_and_shows_the_log(desk: Desk) -> None:
    job = desk.job("adhoc/restart-service", {"service": "nope.service"})
    assert job.state is JobState.FAILED
    assert states(job) == {"at_first": StepState.FAILED, "log": StepState.DONE}


def test_a_command_answers(desk: Desk) -> None:
    job = desk.job("adhoc/command", {"command": "printf '%s|%s' 'a b' '$HOME; id'"})
    went_well(job)
    assert facts(job, "as_us")["out"] == "a b|$HOME; id"


def test_a_script_answers_from_standard_input(desk: Desk) -> None:
    job = desk.job("adhoc/script", {"script": 'echo one\nfor n in 1 2; do echo $n "$1"; done\n', "argument": "x y"})
    went_well(job)
    assert facts(job, "run")["out"] == "one\n1 x y\n2 x y"


def test_a_reboot_is_proven_by_another_boot_id(desk: Desk) -> None:
    before = desk.machine.boot_id
    job = desk.job("adhoc/reboot", {"within": "5m"})
    went_well(job)
    assert desk.machine.boot_id != before
    assert facts(job, "short")["boot_before"] == before
    assert facts(job, "short")["boot_now"] == desk.machine.boot_id


def test_a_reboot_that_nothing_asks_for_is_not_made(desk: Desk) -> None:
    before = desk.machine.boot_id
    job = desk.job("adhoc/reboot", {"when_needed": "true"})
    went_well(job)
    assert desk.machine.boot_id == before
    (needed,) = [step for step in job.steps if step.step == "needed"]
    assert not needed.changed
    assert "nothing on the host asks" in needed.reason


def test_disk_usage_tells_what_has_grown(desk: Desk) -> None:
    went_well(desk.job("adhoc/disk-usage", {"path": "/var", "warn_at": "100"}))
    desk.machine.must("mkdir", "/var/grown")
    desk.machine.must("dd", "if=/dev/zero", "of=/var/grown/file", "bs=1M", "count=8", "status=none")
    job = desk.job("adhoc/disk-usage", {"path": "/var", "warn_at": "100"})
    went_well(job)
    grew = facts(job, "largest")["grew"]
    assert isinstance(grew, dict)
    assert grew["/var/grown"] >= 8 * 1024 * 1024


def test_packages_are_cleaned(desk: Desk) -> None:
    desk.machine.must("sh", "-c", "echo x >/var/cache/apt/archives/old.deb")
    went_well(desk.job("adhoc/clean-packages"))
    assert desk.machine.run(["test", "-e", "/var/cache/apt/archives/old.deb"]).returncode != 0


def test_a_log_is_rotated(desk: Desk) -> None:
    config = "/var/log/temoin.log {\n rotate 2\n missingok\n nocompress\n}\n"
    desk.machine.must("sh", "-c", "cat >/etc/logrotate.d/temoin", stdin=config)
    desk.machine.must("sh", "-c", "echo line >/var/log/temoin.log")
    went_well(desk.job("adhoc/rotate-log", {"config": "temoin"}))
    assert desk.machine.must("cat", "/var/log/temoin.log.1").strip() == "line"


def test_diagnostics_are_collected_and_saved_as_one_archive(desk: Desk, tmp_path: Path) -> None:
    record = desk.run("adhoc/collect-diagnostics")
    whole = desk.services.ledger.run(SCOPE, record.id)
    went_well(whole.jobs[0])
    asked = [item.question for item in desk.services.ledger.evidence(SCOPE, whole.jobs[0].id)]
    assert any("journalctl" in question for question in asked)
    assert any("meminfo" in question for question in asked)


def test_a_certificate_that_ends_soon_is_told(desk: Desk) -> None:
    desk.machine.must("mkdir", "-p", "/etc/ssl/ronde")
    for name, days in (("soon", "5"), ("later", "90")):
        desk.machine.must(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", days, "-subj", f"/CN={name}", "-keyout", "/dev/null", "-out", f"/etc/ssl/ronde/{name}.pem"),
        )
    job = desk.job("adhoc/certificate-expiry", {"places": "/etc/ssl/ronde/*.pem"})
    went_well(job)
    assert job.verdict is Verdict.WARNING
    assert facts(job, "certificates")["soonest_days"] in (4, 5)


def test_where_no_certificate_can_be_read_nothing_is_ok(desk: Desk) -> None:
    job = desk.job("adhoc/certificate-expiry", {"places": "/etc/nowhere/*.pem"})
    assert job.state is JobState.FAILED


def test_failed_units_are_told(desk: Desk) -> None:
    desk.machine.run(["systemd-run", "--unit=breaks", "--wait", "false"])
    try:
        job = desk.job("adhoc/failed-units")
        went_well(job)
        assert job.verdict is Verdict.WARNING
        assert "breaks.service" in json.dumps(facts(job, "failed"))
    finally:
        desk.machine.run(["systemctl", "reset-failed"])
    assert desk.job("adhoc/failed-units").verdict is Verdict.OK


def test_the_clock_is_compared_and_its_keeping_told(desk: Desk) -> None:
    job = desk.job("adhoc/time-sync")
    assert states(job)["ours"] is StepState.DONE
    assert "synchronised" in facts(job, "sync")


def test_a_new_account_and_a_new_key_are_told(desk: Desk) -> None:
    went_well(desk.job("adhoc/users-and-keys"))
    desk.machine.must("useradd", "-m", "-s", "/bin/sh", "mallory")
    job = desk.job("adhoc/users-and-keys")
    went_well(job)
    assert job.verdict is Verdict.WARNING
    added = facts(job, "accounts")["users_added"]
    assert isinstance(added, list)
    assert any("mallory" in str(user) for user in added)


def test_a_new_listener_is_told(desk: Desk) -> None:
    job = desk.job("adhoc/listening-ports")
    went_well(job)
    assert "tcp" in json.dumps(facts(job, "ports")["sockets"])


def test_a_file_is_pushed_whole_once_and_the_old_one_kept(desk: Desk) -> None:
    text = "première ligne\n$(id) `x`\n"
    first = desk.job("adhoc/push-file", {"to": "/etc/temoin.conf", "content": text})
    went_well(first)
    assert desk.machine.must("cat", "/etc/temoin.conf") == text
    again = desk.job("adhoc/push-file", {"to": "/etc/temoin.conf", "content": text})
    (public,) = [step for step in again.steps if step.step == "public"]
    assert (public.changed, public.reason) == (False, "it is already there")
    went_well(desk.job("adhoc/push-file", {"to": "/etc/temoin.conf", "content": "autre\n"}))
    assert desk.machine.must("cat", "/etc/temoin.conf.ronde-before") == text


def test_a_backup_is_run_now(desk: Desk) -> None:
    unit = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo saved >>/var/lib/saved'\n"
    desk.machine.must("sh", "-c", "cat >/etc/systemd/system/save.service", stdin=unit)
    desk.machine.must("systemctl", "daemon-reload")
    job = desk.job("backup/run-now", {"unit": "save.service"})
    assert states(job)["run"] is StepState.DONE
    assert desk.machine.must("cat", "/var/lib/saved") == "saved\n"


def test_nothing_is_left_on_the_host(desk: Desk) -> None:
    went_well(desk.job("adhoc/command", {"command": "true"}))
    left = desk.machine.must("sh", "-c", "find /var/lib/ronde/jobs -mindepth 2 -not -name '.*' | wc -l")
    assert left.strip() == "0"


def test_every_shipped_playbook_is_tried_somewhere() -> None:
    tried = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("*.py"))
    shipped = set(load_playbooks(ROOT / "playbooks")) - TRIED_ELSEWHERE
    assert {name for name in shipped if f'"{name}"' not in tried} == set()
