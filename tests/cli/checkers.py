#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The checkers of the vm tests notice every kind of wrong verdict. Prints TAP.

Each case is a right verdict, which must pass, and changes of it, each of which must be told.
"""
import copy
import importlib.machinery
import importlib.util
import os
import sys

sys.dont_write_bytecode = True
VM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vm")


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(VM, name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


verdicts_checker, clients_checker = load("check-verdicts"), load("check-clients")
CAUSES = verdicts_checker.read_causes()


def process(pid, vpid, command, **more):
    return {"kind": "process", "process.pid": pid, "process.vpid": vpid, "process.command": command,
            "process.command_line": command, "container": None, "login_uid": None, "tty": None,
            "signal": None, "ancestors": [], **more}


def by_ops(pid, vpid, command, **more):
    above = [process(900, 90, "ops-console"), process(800, 80, "sh"), process(700, 1, "systemd")]
    return process(pid, vpid, command, ancestors=above, **more)


SHOW = {"MainPIDBefore": "55", "HostMainPIDBefore": "555", "Result": "success",
        "ActiveState": "inactive", "SubState": "dead", "killer": "-", "HostKiller": "-",
        "victim": "-", "HostVictim": "-", "requester": "66", "HostRequester": "666"}
STOP = {"cause": "stop-request", "certainty": "certain", "proof": [{}], "result": "success",
        "systemd.unit.active_state": "inactive", "systemd.unit.sub_state": "dead", "lost": 0,
        "complete": True, "notes": [], "exit": None, "failed_commands": [], "stop_timeouts": [],
        "restart": {"decision": False, "rule": "stop-requested"}, "left_cgroup": [],
        "main": {"process.pid": 555, "process.vpid": 55}, "manager": {"process.pid": 700},
        "job": {"id": 7, "type": "stop"}, "actor": by_ops(666, 66, "systemctl"),
        "request": {"endpoint": "private", "member": "StopUnit", "unit": "sc-stop-systemctl.service",
                    "mode": "replace", "serial": 3, "sender": None, "certainty": "certain",
                    "passed_on_by": None},
        "chain": [{"unit": "sc-stop-systemctl.service", "job": "stop", "dependency": None}],
        "root": {"reason": "request", "unit": None}}


def changed(verdict, changes):
    """A copy with each dotted path of changes set; keys hold dots, so paths are tuples."""
    v = copy.deepcopy(verdict)
    for path, value in changes.items():
        *above, key = path if isinstance(path, tuple) else (path,)
        place = v
        for k in above:
            place = place[k]
        place[key] = value
    return v


def stop_busctl():
    return changed(STOP, {("request", "endpoint"): "system-bus", ("request", "sender"): ":1.42",
                          ("request", "unit"): "sc-stop-busctl.service",
                          ("chain", 0, "unit"): "sc-stop-busctl.service"})


def partof_dep():
    return changed(STOP, {"cause": "dependency", ("request", "unit"): "sc-partof.service", "chain": [
        {"unit": "sc-partof-dep.service", "job": "stop", "dependency": "PartOf"},
        {"unit": "sc-partof.service", "job": "stop", "dependency": None}]})


def by_timer():
    return changed(STOP, {"cause": "conflict", "request": None, "actor": {"kind": "manager"}, "chain": [
        {"unit": "sc-timer.service", "job": "stop", "dependency": "Conflicts"},
        {"unit": "sc-timer-dep.service", "job": "start", "dependency": None}],
        "root": {"reason": "timer", "unit": "sc-timer.timer"}})


def killed():
    return changed(STOP, {"cause": "main-killed", "request": None, "chain": [], "root": None,
                          "actor": by_ops(777, 77, "kill", signal="SIGKILL")})


def moved():
    by = by_ops(777, 77, "sh")
    return changed(STOP, {"cause": "cgroup-empty", "request": None, "chain": [], "root": None, "actor": by,
                          "left_cgroup": [{"how": "moved", "moved_to": "/elsewhere", "process.pid": 5, "by": by}]})


# unit, right verdict, more of `systemctl show`, changes that make it wrong
VERDICTS = [
    ("sc-stop-systemctl.service", STOP, {}, [
        {"cause": "restart-request"}, {"certainty": "inferred"}, {"proof": []}, {"main": None},
        {("main", "process.pid"): 1}, {("main", "process.vpid"): 1}, {"actor": None},
        {("actor", "process.pid"): 1}, {("actor", "process.vpid"): 1}, {("actor", "kind"): "manager"},
        {("actor", "process.command_line"): None}, {("actor", "ancestors"): []},
        {("actor", "ancestors", 0, "process.command"): "other"},
        {("actor", "ancestors", 0, "process.command_line"): None},
        {("actor", "ancestors", 2, "process.pid"): 2}, {"request": None},
        {("request", "endpoint"): "system-bus"}, {("request", "member"): "KillUnit"},
        {("request", "unit"): "sc-other.service"}, {("request", "serial"): None},
        {("request", "sender"): ":1.1"}, {("request", "passed_on_by"): {"process.command": "systemd-logind"}}, {"chain": []},
        {("chain", 0, "job"): "restart"}, {("chain", 0, "unit"): "sc-other.service"},
        {("chain", 0, "dependency"): "PartOf"}, {"root": None},
        {("root", "reason"): "unknown"}, {"result": "signal"}, {"lost": 1}, {"restart": None},
        {("restart", "decision"): True}, {("restart", "rule"): "unknown"},
        {"stop_timeouts": [{"state": "stop-sigterm", "next_state": "stop-sigkill"}]},
        {"failed_commands": [{"setting": "ExecStop", "exit": {"code_name": None, "signal": None, "code": 1}}]},
        {"systemd.unit.active_state": "failed"}, {"systemd.unit.sub_state": "failed"}]),
    ("sc-stop-busctl.service", stop_busctl(), {}, [
        {("request", "sender"): None}, {("request", "sender"): "org.freedesktop.systemd1"},
        {("request", "endpoint"): "private"}]),
    ("sc-partof-dep.service", partof_dep(), {}, [
        {("chain", 0, "dependency"): "Requires"}, {("chain", 1, "unit"): "sc-other.service"},
        {"chain": partof_dep()["chain"][:1]}, {("request", "unit"): "sc-partof-dep.service"}]),
    ("sc-timer.service", by_timer(), {}, [
        {("root", "unit"): None}, {("root", "reason"): "path"}, {"actor": STOP["actor"]},
        {"request": STOP["request"]}]),
    ("sc-kill9-main.service", killed(), {"killer": "77", "HostKiller": "777"}, [
        {("actor", "signal"): "SIGTERM"}, {"request": STOP["request"]}, {"chain": STOP["chain"]},
        {"actor": {"kind": "kernel", "signal": "SIGKILL"}}, {"actor": STOP["actor"]}]),
    ("sc-cgroup-moved.service", moved(), {"killer": "77", "HostKiller": "777"}, [
        {"left_cgroup": []}, {("left_cgroup", 0, "how"): "exited"}, {("left_cgroup", 0, "moved_to"): None},
        {("left_cgroup", 0, "by", "process.pid"): 1}, {("left_cgroup", 0, "by", "ancestors"): []}]),
]

CLIENT = ("66", "stop-client", ("stop",))
BY_CLIENT = changed(STOP, {("actor", "ancestors", 0, "process.command"): "stop-client"})
NOBODY = changed(STOP, {"actor": None, "lost": 3, "certainty": "inferred"})
# verdict, is somebody named, is it wrong
CLIENTS = [
    (BY_CLIENT, True, False), (NOBODY, False, False),
    (changed(NOBODY, {"lost": 0}), False, True), (changed(NOBODY, {"certainty": "certain"}), False, True),
    (changed(BY_CLIENT, {("actor", "process.vpid"): 67}), False, True),
    (changed(BY_CLIENT, {"request": None}), False, True),
    (changed(BY_CLIENT, {("job", "type"): "restart"}), False, True),
    (changed(BY_CLIENT, {("actor", "ancestors", 0, "process.command"): "sh"}), False, True),
]
# what stop-client printed, who was first
WINNERS = [
    ("order", "first=1:job second=2:job", ("1", ("stop",))), ("order", "first=1:error second=2:job", None),
    ("race", "stop=1:job restart=2:error", ("1", ("stop",))),
    ("race", "stop=1:error restart=2:job", ("2", ("restart",))),
    ("race", "stop=1:job restart=2:job", None), ("race", "stop=1:error restart=2:error", None),
]


def failures():
    for unit, right, show, wrong in VERDICTS:
        for change in [{}] + wrong:
            told = list(verdicts_checker.check_unit({**SHOW, **show}, [changed(right, change)], CAUSES[unit]))
            if bool(told) != bool(change):
                yield f"{unit}, {change or 'as it should be'}: {told or 'not noticed'}"
    if not list(verdicts_checker.check_unit(SHOW, [], CAUSES["sc-stop-systemctl.service"])):
        yield "a verdict that is missing is not noticed"
    for verdict, named, wrong in CLIENTS:
        got, what = clients_checker.judge(verdict, CLIENT)
        if (got, bool(what)) != (named, wrong):
            yield f"client: {got}, {what}; expected {named}, {wrong}"
    for kind, words, first in WINNERS:
        if clients_checker.winner(kind, words.split()) != first:
            yield f"{kind} {words}: {clients_checker.winner(kind, words.split())}"


def main():
    failed = list(failures())
    print("not ok" if failed else "ok", "- the checkers of the vm tests notice wrong verdicts")
    for f in failed:
        print("#  ", f)


main()
