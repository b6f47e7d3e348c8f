"""A `powershell` for hosts that are no Windows: takes the product's launcher, script and parameters, and keeps tasks.

It reads none of the PowerShell: the first line of a script names what is asked. What it holds the product to is the
protocol: how the command line is encoded, that everything else comes as ASCII JSON on standard input, that a task is
started once, and that a result is whole or absent. Its state is the folder `tasks` beside it:

    tasks/offered.json      the updates that a search finds
    tasks/fate.json         what becomes of jobs: {"polls": 1, "dies": false, "denied": false, "codes": {"<id>": 2}}
    tasks/<job>/starts      one line for each time that a job was started
"""

import base64
import json
import sys
from pathlib import Path
from typing import Any

TASKS = Path(__file__).resolve().parent / "tasks"


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
    answer = {"start": start, "poll": poll, "delete": delete}[asked](order["parameters"])
    sys.stdout.write(json.dumps({"schema": 1, **answer}) + "\r\n")
    return 0


def refuse(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 64


def read(name: str, default: Any) -> Any:
    path = TASKS / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default


def start(order: dict[str, Any]) -> dict[str, Any]:
    if read("fate.json", {}).get("denied"):
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
    return {"state": "started"}


def poll(order: dict[str, Any]) -> dict[str, Any]:
    home = TASKS / order["id"]
    if not home.exists():
        return {"state": "absent"}
    polls = home / "polls"
    polls.write_text(polls.read_text(encoding="utf-8") + "." if polls.exists() else ".", encoding="utf-8")
    fate = read("fate.json", {})
    if len(polls.read_text(encoding="utf-8")) <= fate.get("polls", 1):
        return {"state": "running"}
    if fate.get("dies"):
        return {"state": "dead", "code": "0x00041306"}
    result = home / "result.json"
    if not result.exists():
        ordered = json.loads((home / "order.json").read_text(encoding="utf-8"))
        result.write_text(json.dumps(work(ordered, fate)), encoding="utf-8")
    return {"state": "done", "result": json.loads(result.read_text(encoding="utf-8"))}


def work(order: dict[str, Any], fate: dict[str, Any]) -> dict[str, Any]:
    """What the job would have left."""
    offered = read("offered.json", [])
    results = []
    for want in order["updates"]:
        there = any(one["id"] == want["id"] and one["revision"] == want["revision"] for one in offered)
        code = fate.get("codes", {}).get(want["id"], 2) if there else None
        results.append({**want, "code": code, "hresult": "0x00000000" if code == 2 else None})
    if order["mode"] == "install":
        gone = {(one["id"], one["revision"]) for one in results if one["code"] == 2}
        kept = [one for one in offered if (one["id"], one["revision"]) not in gone]
        (TASKS / "offered.json").write_text(json.dumps(kept), encoding="utf-8")
    return {
        "schema": 1,
        "id": order["id"],
        "mode": order["mode"],
        "code": 2,
        "updates": offered,
        "results": results,
        "error": None,
        "reboot": {"wu": any(one["code"] == 2 for one in results), "cbs": False, "renames": 3},
        "host": {"version": "10.0.20348", "caption": "A double", "boot": "2026-11-20T03:00:00Z"},
        "ended": "2026-11-27T20:00:00Z",
    }


def delete(order: dict[str, Any]) -> dict[str, Any]:
    home = TASKS / order["id"]
    if home.exists():
        for path in home.iterdir():
            path.unlink()
        home.rmdir()
    return {"state": "absent"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
