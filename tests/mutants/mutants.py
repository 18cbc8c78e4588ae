#!/usr/bin/env python3
# Deliberate faults of the models, one at a time: at least 95 of 100 must be caught by a test. See README.md here.
# SPDX-License-Identifier: Apache-2.0
"""usage: mutants.py check             every mutant still applies to the sources as they are
       mutants.py run SCRATCH [NAME..]  builds and tests each mutant in a copy under SCRATCH, prints the table of README.md;
                                       fails if more than one in twenty survives; $JOBS processes at a time, 2 unless told"""

import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from model_mutants import MUTANTS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
JOBS = int(os.environ.get("JOBS", "2"))
# In the order in which they are asked. What is built of the scenarios comes last: it is slower.
PROGRAMS = ["models/viosim_model_tests", "models/viosim_vmm_tests", "models/viosim_software_tests", "check/viosim_check_tests",
            "recording/viosim_recording_tests", "viosim_exactness_tests", "inject/viosim_inject_tests",
            "golden/viosim_golden_tests"]
LIMIT_LEAST = 30  # seconds; a test that takes longer by itself has ten times that
CAUGHT_WANTED = 0.95


def path_of(root, mutant):
    return root / "models" / mutant[1]


def apply(root, mutant):
    """The file's text before and after."""
    name, file, old, new = mutant
    text = path_of(root, mutant).read_text()
    if text.count(old) != 1:
        sys.exit(f"mutant '{name}': its text is in models/{file} {text.count(old)} times, not once")
    return text, text.replace(old, new)


def check():
    names = [mutant[0] for mutant in MUTANTS]
    for name in names:
        if names.count(name) != 1:
            sys.exit(f"two mutants are called '{name}'")
    for mutant in MUTANTS:
        before, after = apply(ROOT, mutant)
        if before == after:
            sys.exit(f"mutant '{mutant[0]}' changes nothing")
    print(f"{len(MUTANTS)} mutants apply")


class Copy:
    """The sources and a build of them, of which one mutant at a time has hold."""

    def __init__(self, place):
        self.source, self.build = place / "source", place / "build"
        shutil.rmtree(self.source, ignore_errors=True)  # the build stays: another run goes on with it
        shutil.copytree(ROOT, self.source, ignore=shutil.ignore_patterns("build*", "out", ".git", ".cache"))
        subprocess.run(["cmake", "-GNinja", "-S", self.source, "-B", self.build, "-DCMAKE_BUILD_TYPE=Debug",
                        "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g0"], check=True, stdout=subprocess.DEVNULL)
        self.seconds = {program: self.measure(program) for program in PROGRAMS}

    def make(self, program):
        """What the compiler complains about, or None."""
        done = subprocess.run(["ninja", "-C", self.build, f"-j{JOBS}", "tests/" + program], capture_output=True, text=True,
                              errors="replace")
        if done.returncode == 0:
            return None
        return next((line for line in done.stdout.splitlines() if "error" in line), "no reason given")

    def names(self, program):
        listing = subprocess.run([self.build / "tests" / program, "--list-test-names-only", "~[.]"], capture_output=True, text=True)
        return [line.strip() for line in listing.stdout.splitlines() if line.strip()]

    def passes(self, program, name, limit):
        """True, False, or None when it does not end."""
        command = [self.build / "tests" / program, re.sub(r"([,\[\]\\])", r"\\\1", name)]
        try:
            done = subprocess.run(command, cwd=(self.build / "tests" / program).parent, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, timeout=limit)
        except subprocess.TimeoutExpired:
            return None
        return done.returncode == 0

    def measure(self, program):
        """How long each test takes without a mutant. One that fails then tells nothing, and is left out."""
        if broken := self.make(program):
            sys.exit(f"{program} without a mutant: {broken}")

        def one(name):
            began = time.monotonic()
            return name, self.passes(program, name, 600), time.monotonic() - began

        seconds = {}
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            for name, passed, took in pool.map(one, self.names(program)):
                if passed:
                    seconds[name] = took
                else:
                    print(f"left out, it does not pass without a mutant: {program}: {name}", file=sys.stderr)
        return seconds

    def first_failure(self, program, names):
        """(name, whether it ended) of a test that does not pass, or None."""

        def one(name):
            if found:
                return None
            limit = max(LIMIT_LEAST, 10 * self.seconds[program][name])
            passed = self.passes(program, name, limit)
            if not passed:
                found.append((name, passed is not None))
            return passed

        found = []
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            list(pool.map(one, names))
        return min(found, key=lambda failure: not failure[1]) if found else None

    def caught_by(self, recorded):
        """(program, test, whether it ended) that catches the mutant that is in the sources; None when nothing does. Asked first:
        the test that caught it last time."""
        programs = sorted(PROGRAMS, key=lambda program: recorded not in self.seconds[program])
        for program in programs:
            if broken := self.make(program):
                return program, "NOT BUILT: " + broken, True
            quickest = sorted(self.seconds[program], key=lambda name: (name != recorded, self.seconds[program][name]))
            if recorded in self.seconds[program] and (failure := self.first_failure(program, [recorded])):
                return program, *failure
            if failure := self.first_failure(program, quickest):
                return program, *failure
        return None


def recorded_catches():
    """Of README.md's table: the test behind each mutant's name."""
    rows = re.findall(r'^\| ([^|]+) \| `[^|]+` \| `[^|]+`: "(.+)"', (HERE / "README.md").read_text(), re.M)
    return dict(rows)


def run(scratch, wanted):
    began = time.monotonic()
    mutants = [mutant for mutant in MUTANTS if not wanted or mutant[0] in wanted]
    recorded = recorded_catches()
    copy = Copy(scratch)
    missed = 0
    print("| mutant | in | caught by |\n|---|---|---|")
    for mutant in mutants:
        before, after = apply(copy.source, mutant)
        path_of(copy.source, mutant).write_text(after)
        catch = copy.caught_by(recorded.get(mutant[0]))
        path_of(copy.source, mutant).write_text(before)
        if catch is None or catch[1].startswith("NOT BUILT"):
            missed += 1
            said = catch[1] if catch else "SURVIVED"
        else:
            said = f'`{catch[0].split("/")[-1]}`: "{catch[1]}"' + ("" if catch[2] else ", which does not end")
        print(f"| {mutant[0]} | `{mutant[1]}` | {said} |", flush=True)
    print(f"\n{len(mutants) - missed} of {len(mutants)} caught, in {(time.monotonic() - began) / 60:.0f} minutes")
    sys.exit(0 if missed <= (1 - CAUGHT_WANTED) * len(mutants) else 1)


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        check()
    elif len(sys.argv) >= 3 and sys.argv[1] == "run":
        run(pathlib.Path(sys.argv[2]), set(sys.argv[3:]))
    else:
        sys.exit(__doc__)
