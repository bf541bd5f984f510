"""Figures with their spread, as a table and as JSON."""

import os
import pathlib
import platform
import statistics


class Figures:
    """Rows of measured values, printed as they come."""

    def __init__(self, goals=True):
        self.rows, self.goals = [], goals

    def title(self, text):
        print("\n" + text, flush=True)
        print("  %-62s %10s %10s %10s  %3s  %s" % ("", "median", "min", "max", "n", "goal"), flush=True)
        self.section = text

    def add(self, name, unit, values, goal=None, note=""):
        """`goal` is the most that the median may be."""
        values = list(values)
        row = {"section": self.section, "name": name, "unit": unit, "median": statistics.median(values),
               "min": min(values), "max": max(values), "n": len(values), "values": values}
        verdict = note
        if goal is not None and self.goals:
            row["goal"], row["met"] = goal, row["median"] <= goal
            verdict = "<= %g %s%s" % (goal, "met" if row["met"] else "MISSED", "; " + note if note else "")
        if note:
            row["note"] = note
        self.rows.append(row)
        print("  %-62s %10s %10s %10s  %3d  %s" % (
            name + ", " + unit, *(shown(row[key]) for key in ("median", "min", "max")), row["n"], verdict), flush=True)
        return row["median"]


def shown(value):
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return "{:,.{}f}".format(value, digits)


def machine():
    model = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    memory = pathlib.Path("/proc/meminfo").read_text().split()[1]
    huge = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return {"processor": model[0] if model else platform.machine(), "cores": os.cpu_count(),
            "memory_gib": round(int(memory) / 1048576, 1), "kernel": platform.release(),
            "huge_pages": huge.read_text().strip() if huge.exists() else "none",
            "load": [round(load, 2) for load in os.getloadavg()]}
