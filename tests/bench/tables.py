# SPDX-License-Identifier: LGPL-2.1-or-later
"""From what was measured to ratios, and to tables in Markdown. Medians of the rounds everywhere."""
import statistics


def median(result, name, who="svctrace"):
    values = result["samples"].get(name, {}).get(who)
    return statistics.median(values) if values else None


def added(result, name, who="svctrace"):
    with_it, without = median(result, name, who), median(result, name, "none")
    return None if with_it is None or without is None else with_it - without


class Row:
    """A goal: .value is compared with .limit; .text shows what it is made of. None: not measured."""

    def __init__(self, key, what, text, value, limit, unit="×", least=False, part="", whose=()):
        self.key, self.what, self.text, self.value = key, what, text, value
        self.limit, self.unit, self.least = limit, unit, least
        self.part, self.whose, self.why = part, ("none", "svctrace", *whose), ""

    def explain(self, failures, part):
        """Why it was not measured: what failed that it is made of; part: where this part of it belongs."""
        here = "/".join(p for p in (part, self.part) if p)
        keys = [f"{here}/{who}" for who in self.whose] + [here, part]
        found = next((failures[k] for k in keys if k in failures), "")
        self.why = " ".join(found.replace("|", "/").split())[:100]

    @property
    def met(self):
        if self.value is None:
            return None
        return self.value >= self.limit if self.least else self.value <= self.limit

    def goal(self):
        return f"{'≥' if self.least else '≤'} {number(self.limit)} {self.unit}".rstrip()

    def shown(self):
        if self.value is None:
            return f"not measured: {self.why}" if self.why else "not measured"
        return f"{number(self.value)} {self.unit}{'' if self.met else ' (not met)'}"


def number(x):
    if x is None:
        return "–"
    if abs(x) >= 1e6:
        return f"{x / 1e6:.2f} M"
    if abs(x) >= 1000:
        return f"{x / 1000:.1f} k"
    return f"{x:.0f}" if x == int(x) else f"{x:.2g}" if abs(x) < 1 else f"{x:.1f}"


def ratio(a, b):
    return a / b if a is not None and b else None


def against(result, key, what, name, who, limit, part=""):
    a, b = added(result, name), added(result, name, who)
    return Row(key, what, f"+{number(a)}, {who} +{number(b)}, of {number(median(result, name, 'none'))}",
               ratio(a, b), limit, part=part, whose=(who,))


def share(result, key, what, name, limit, part=""):
    a = added(result, name)
    base = median(result, name, "none")
    return Row(key, what, f"{'+' if a is None or a >= 0 else ''}{number(a)} of {number(base)}", ratio(a and 100 * a, base), limit, "%",
               part=part)


def mib(result, name, who="svctrace", unit=1024):
    v = median(result, name, who)
    return None if v is None else v * unit / 1048576


def rows(result):
    parts = made_of(result)
    for part, (_, its) in zip(("guest", "native", "pure"), parts):
        for r in its:
            r.explain(result.get("failures", {}), part)
    return parts


def made_of(result):
    own, peer = median(result, "start-time"), median(result, "start-time", "bpftrace")
    cpu, pcpu = (ratio(median(result, "start-cpu", w), 1e9) for w in ("svctrace", "bpftrace"))
    gown, gpeer = (median(result, "guest-start", w) for w in ("svctrace", "bpftrace-same"))
    rss, prss = mib(result, "start-rss"), mib(result, "start-rss", "bpftrace")
    grss, gprss = (mib(result, "guest-start-rss", w, 1) for w in ("svctrace", "bpftrace-same"))
    replay, inflate = median(result, "replay", "replay"), median(result, "replay", "inflate")
    events, lost = median(result, "soak-events"), median(result, "soak-lost")
    sent, received, dropped, told = (median(result, f"guest-overrun-{w}") for w in ("sent", "received", "lost", "told"))
    hang, storm = median(result, "guest-hang-cost"), median(result, "guest-storm", "none")
    unexplained = None if None in (sent, received, dropped, told) else abs(sent - received - dropped) + abs(dropped - told)
    return [
        ("In a guest, counted in instructions, all that user space does for it included", [
            against(result, "signal-other", "a signal to an unrelated process", "guest-signal-other", "bpftrace", 0.5),
            against(result, "signal-service", "a signal within a service", "guest-signal-service", "bpftrace", 1),
            against(result, "sigchld", "SIGCHLD", "guest-sigchld", "bpftrace", 0.5),
            against(result, "signal-nothing", "… against a program at the same function that does nothing",
                    "guest-signal-other", "bpftrace-nothing", 1.5),
            against(result, "sigchld-nothing", "… SIGCHLD", "guest-sigchld", "bpftrace-nothing", 1.5),
            against(result, "killsnoop", "a signal to an unrelated process", "guest-signal-other", "killsnoop", 0.5),
            against(result, "sigsnoop", "a signal to an unrelated process", "guest-signal-other", "sigsnoop", 0.5),
            against(result, "fork", "fork, exit, SIGCHLD", "guest-fork", "bpftrace-all", 0.7),
            against(result, "storm", "fork, execute, exit", "guest-storm", "execsnoop+exitsnoop", 0.7),
            against(result, "storm-bpftrace", "fork, execute, exit", "guest-storm", "bpftrace-all", 0.7),
            share(result, "unit-pid1", "PID 1's CPU, a service started and stopped", "guest-unit-pid1", 2),
            share(result, "unit", "all CPU, a service started and stopped", "guest-unit", 2),
            share(result, "bus", "a D-Bus call to another service", "guest-bus", 5),
            Row("hang-probes", "the three functions in which hangs show, where nothing hangs: fork, execute, exit",
                f"+{number(hang)} in {number(median(result, 'guest-hang-runs'))} runs, "
                f"{number(median(result, 'guest-hang-began'))} of them began a hang, of {number(storm)}",
                ratio(hang and 100 * hang, storm), 0.1, "%"),
            Row("guest-start", "start until probes are live, bpftrace with the same probes",
                f"{number(gown)}, bpftrace {number(gpeer)}", ratio(gpeer, gown), 5, least=True, whose=("bpftrace-same",)),
            Row("guest-start-rss", "peak RSS of the start", f"{number(grss)} MiB, bpftrace {number(gprss)} MiB",
                ratio(grss, gprss), 0.33, whose=("bpftrace-same",)),
            Row("overrun", "a ring of 64 KiB overrun: records neither received nor told as lost",
                f"{number(sent)} sent, {number(received)} received, {number(dropped)} lost, {number(told)} told",
                unexplained, 0, ""),
        ]),
        ("On the machine itself, where tracepoints stand in for functions", [
            against(result, "native-storm-own", "fork, execute, exit on all CPUs: ns of the tracer's own CPU",
                    "native-storm-own", "execsnoop+exitsnoop", 0.7, "storm"),
            share(result, "native-unit-pid1", "PID 1's CPU, ns a start and stop", "native-unit-pid1", 2, "units"),
            share(result, "native-unit", "time, ns a start and stop", "native-unit", 2, "units"),
            share(result, "native-bus", "a D-Bus call to another service, ns", "native-bus", 5, "bus"),
            Row("start-time", "start until probes are live, bpftrace with the same probes",
                f"{number(own)} s, bpftrace {number(peer)} s", ratio(peer, own), 5, least=True, part="start",
                whose=("bpftrace",)),
            Row("start-cpu", "CPU time of the same start, s", f"{number(cpu)}, bpftrace {number(pcpu)}",
                ratio(pcpu, cpu), 5, least=True, part="start", whose=("bpftrace",)),
            Row("start-rss", "peak RSS of the start", f"{number(rss)} MiB, bpftrace {number(prss)} MiB",
                ratio(rss, prss), 0.33, part="start", whose=("bpftrace",)),
            Row("steady-rss", "RSS with 500 services and 5,000 processes", "", mib(result, "steady-rss"), 24, "MiB",
                part="memory"),
            Row("soak-growth", f"RSS that most of {number(events)} events add, {number(lost)} of them lost", "",
                mib(result, "soak-growth"), 1, "MiB", part="memory"),
            Row("loss-1", "records a second without a loss, 4 MiB ring, one producer", "",
                median(result, "loss-1"), 20000, "records/s", least=True, part="loss"),
            Row("loss-2", "… two producers", "", median(result, "loss-2"), 20000, "records/s", least=True, part="loss"),
            Row("idle", f"wake-ups a second at {number(median(result, 'idle-forks', 'machine'))} forks a second",
                "", median(result, "idle"), 100, "wake-ups/s", part="idle"),
        ]),
        ("Without a kernel", [
            Row("replay", "replay, times as long as zlib's inflate alone",
                f"{number(replay)} events/s, inflate {number(inflate)} events/s", ratio(inflate, replay), 5),
            Row("write", "a recording written, with making it up", "",
                median(result, "replay", "write"), 500000, "events/s", least=True),
            Row("resolve", "a libsystemd-core resolved, times as long as it takes to gunzip it",
                f"{number(median(result, 'resolve', 'resolve'))} s, gunzip {number(median(result, 'resolve', 'gunzip'))} s",
                ratio(median(result, "resolve", "resolve"), median(result, "resolve", "gunzip")), 5),
            Row("unwind", f"a stack of {number(median(result, 'unwind', 'frames'))} frames unwound and named", "",
                ratio(median(result, "unwind"), 1000), 50, "µs"),
        ]),
    ]


def whole(result):
    m, took = result["machine"], result.get("took_s")
    text = (f"Measured {m['when']} at {m['commit']}{', quickly' if m['quick'] else ''}: "
            f"{m['cpus']} CPUs ({m['cpu']}), Linux {m['kernel']}, load {m['load']:.1f}; "
            f"guest {m['guest']}, container {m['bed']}{f'; it took {round(took / 60)} min' if took else ''}.\n")
    for title, part in rows(result):
        text += f"\n**{title}**\n\n| what | measured | result | goal |\n|---|---|---|---|\n"
        for r in part:
            text += f"| {r.what} | {r.text} | {r.shown()} | {r.goal()} |\n"
    return text


SHORT = {
    "signal-other": "bpftrace with the same filter: cost that a signal to an unrelated process gets",
    "sigchld": "… SIGCHLD",
    "signal-service": "… a signal within a service",
    "storm": "execsnoop and exitsnoop: cost of fork, execute, exit",
    "unit-pid1": "PID 1's CPU when a service starts and stops",
    "unit": "all CPU when a service starts and stops",
    "bus": "a D-Bus call to another service",
    "guest-start": "bpftrace with the same probes: how much faster they are live",
    "start-rss": "bpftrace with the same probes: peak memory",
    "steady-rss": "memory with 500 services and 5,000 processes",
}


def short(result):
    by_key = {r.key: r for _, part in rows(result) for r in part}
    text = "| | svctrace |\n|---|---|\n"
    for key, what in SHORT.items():
        if by_key[key].value is not None:
            text += f"| {what} | {by_key[key].shown()} |\n"
    return text
