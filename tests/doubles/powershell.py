"""A `powershell` for hosts that are no Windows: takes the product's launcher, script and parameters, and keeps tasks.

It reads none of the PowerShell: the first line of a script names what is asked. What it holds the product to is the
protocol: how the command line is encoded, that everything else comes as ASCII JSON on standard input, that a task is
started once, and that a result is whole or absent. Its state is the folder `tasks` beside it:

    tasks/offered.json      the updates that a search finds
    tasks/host.json         how the host stands: {"boot": "...", "services": [], "sockets": [...], "drives": [...]}
    tasks/fate.json         what becomes of things, see `Fate`
    tasks/<job>/starts      one line for each time that a job was started
    tasks/log               one line for each task started, update installed, and restart of the host; never cleared

Published for whoever tests against the product's Windows; `tests/doubles/windows_host.py` puts it on a real sshd.
"""

import base64
import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

TASKS = Path(__file__).resolve().parent / "tasks"
HOST = {
    "boot": "2026-11-20T03:00:00Z",
    "services": [],
    "sockets": [{"address": "0.0.0.0", "port": 445}, {"address": "::", "port": 50012}],  # noqa: S104 - only told
    "drives": [{"place": "%SystemDrive%", "kind": "NTFS", "size": 100_000_000_000, "free": 40_000_000_000}],
}
FATE: dict[str, Any] = {
    "polls": 1,  # times that a job is found running before it has ended
    "dies": False,  # jobs end without a result; or the word of those that do: "install"
    "denied": False,  # nothing may be started
    "codes": {},  # result codes of updates, by id; a list gives one for each try
    "sticks": [],  # ids that are offered again although they were installed
    "failed": False,  # the search does not succeed
    "pending": False,  # a restart is pending from before
    "restarts": True,  # whether an ordered restart happens; False: only sshd would come and go
    "refuses": False,  # the host does not take the order to restart
    "hangs": [],  # what hangs, once each: "poll", "look", ...
    "garbled": [],  # what is answered with words instead of JSON
    "garbled_late": False,  # whether it is done all the same
    "probes": {},  # why a probe is not so, by its kind
}


def main(argv: list[str]) -> int:
    """Refuses what a real PowerShell could not run."""
    switches, encoded = argv[:-1], argv[-1]
    if switches != ["-NoProfile", "-NonInteractive", "-EncodedCommand"]:
        return refuse(f"switches {switches}")
    launcher = base64.b64decode(encoded, validate=True).decode("utf-16-le")
    if "[Console]::In.ReadToEnd()" not in launcher or "ConvertFrom-Json" not in launcher:
        return refuse("not the launcher")
    order = json.loads(sys.stdin.buffer.read().decode("ascii"))
    asked = order["script"].partition("\n")[0].removeprefix("# ronde: ")
    hang(asked)
    garbled = asked in fate("garbled")
    answers = {"start": start, "poll": poll, "delete": delete, "look": look, "reboot": reboot, "probe": probe}
    said = (
        "" if garbled and not fate("garbled_late") else json.dumps({"schema": 1, **answers[asked](order["parameters"])})
    )
    sys.stdout.write("WARNING: the console has no window\r\n" if garbled else f"{said}\r\n")
    return 0


def refuse(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 64


def hang(asked: str) -> None:
    """Say nothing until the session is gone."""
    once = TASKS / f"hung-{asked}"
    if asked not in fate("hangs") or once.exists():
        return
    once.touch()
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.05)
    sys.exit(1)


def read(name: str, default: Any) -> Any:
    path = TASKS / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default


def fate(name: str) -> Any:
    return read("fate.json", {}).get(name, FATE[name])


def write(name: str, value: Any) -> None:
    (TASKS / name).write_text(json.dumps(value), encoding="utf-8")


def log(words: str) -> None:
    with (TASKS / "log").open("a", encoding="utf-8") as lines:
        lines.write(f"{words}\n")


def told(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def host() -> dict[str, Any]:
    """How the host stands now; a restart that was ordered has happened when it is looked at."""
    found = {**HOST, **read("host.json", {})}
    if (TASKS / "restarting").exists() and fate("restarts"):
        (TASKS / "restarting").unlink()
        (TASKS / "pending").unlink(missing_ok=True)
        found["boot"] = told(datetime.now(UTC) + timedelta(seconds=1))
        write("host.json", {**read("host.json", {}), "boot": found["boot"]})
        log("restarted")
    return found


def start(order: dict[str, Any]) -> dict[str, Any]:
    if fate("denied"):
        return {"state": "error", "error": "Access is denied.", "code": "0x80070005"}
    home = TASKS / order["id"]
    if (home / "result.json").exists():
        return {"state": "done"}
    if (home / "order.json").exists():
        return {"state": "running"}
    home.mkdir(parents=True)
    (home / "order.json").write_text(json.dumps(order), encoding="utf-8")
    with (home / "starts").open("a", encoding="utf-8") as starts:
        starts.write("started\n")
    log(f"started {order['mode']} {order['id']}")
    return {"state": "started"}


def poll(order: dict[str, Any]) -> dict[str, Any]:
    home = TASKS / order["id"]
    if not home.exists():
        return {"state": "absent"}
    polls = home / "polls"
    polls.write_text(polls.read_text(encoding="utf-8") + "." if polls.exists() else ".", encoding="utf-8")
    if len(polls.read_text(encoding="utf-8")) <= fate("polls"):
        return {"state": "running"}
    ordered = json.loads((home / "order.json").read_text(encoding="utf-8"))
    if fate("dies") is True or fate("dies") == ordered["mode"]:
        return {"state": "dead", "code": "0x00041306"}
    result = home / "result.json"
    if not result.exists():
        result.write_text(json.dumps(work(ordered)), encoding="utf-8")
    return {"state": "done", "result": json.loads(result.read_text(encoding="utf-8"))}


def work(order: dict[str, Any]) -> dict[str, Any]:
    """What the job would have left."""
    offered = read("offered.json", [])
    results = [installed(want, offered) for want in order["updates"]]
    if order["mode"] == "install":
        gone = {(one["id"], one["revision"]) for one in results if one["code"] == 2} - {
            (one["id"], one["revision"]) for one in results if one["id"] in fate("sticks")
        }
        write("offered.json", [one for one in offered if (one["id"], one["revision"]) not in gone])
        if any(one["code"] in (2, 3) for one in results):
            (TASKS / "pending").touch()
    failed = fate("failed")
    stands = host()
    return {
        "schema": 1,
        "id": order["id"],
        "mode": order["mode"],
        "code": 4 if failed else 2,
        "updates": [] if failed else offered,
        "results": results,
        "error": {"message": "The service cannot be started", "hresult": "0x80070422"} if failed else None,
        "reboot": {"wu": (TASKS / "pending").exists() or fate("pending"), "cbs": False, "renames": 3},
        "host": {
            "version": "10.0.20348",
            "caption": "Microsoft Windows Server 2022 Standard",
            "boot": stands["boot"],
        },
        "ended": told(datetime.now(UTC)),
    }


def installed(want: dict[str, Any], offered: list[dict[str, Any]]) -> dict[str, Any]:
    if not any(one["id"] == want["id"] and one["revision"] == want["revision"] for one in offered):
        return {**want, "code": None, "hresult": None}
    tries = TASKS / f"tries-{want['id']}"
    tries.write_text((tries.read_text(encoding="utf-8") if tries.exists() else "") + ".", encoding="utf-8")
    codes = fate("codes").get(want["id"], 2)
    tried = len(tries.read_text(encoding="utf-8"))
    code = codes[min(tried, len(codes)) - 1] if isinstance(codes, list) else codes
    log(f"installed {want['id']} {want['revision']} {code}")
    return {**want, "code": code, "hresult": "0x00000000" if code == 2 else "0x80242017"}


def delete(order: dict[str, Any]) -> dict[str, Any]:
    home = TASKS / order["id"]
    if home.exists():
        for path in home.iterdir():
            path.unlink()
        home.rmdir()
    return {"state": "absent"}


def look(_order: dict[str, Any]) -> dict[str, Any]:
    return {"state": "seen", "seen": {**host(), "now": told(datetime.now(UTC))}}


def reboot(order: dict[str, Any]) -> dict[str, Any]:
    if fate("refuses"):
        return {"state": "error", "error": "shutdown.exe ended with 5", "code": "0x80131501"}
    boot = datetime.strptime(host()["boot"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    if abs(boot.timestamp() - order["boot"]) > 60:
        return {"state": "rebooted"}
    (TASKS / "restarting").touch()
    log("restart ordered")
    return {"state": "ordered"}


def probe(order: dict[str, Any]) -> dict[str, Any]:
    return {"state": "probed", "answers": [fate("probes").get(one["kind"], "") for one in order["probes"]]}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
