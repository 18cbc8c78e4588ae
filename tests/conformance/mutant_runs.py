# Builds mutants and finds the test that catches each. Used by mutants.py.
# SPDX-License-Identifier: Apache-2.0
"""A catch counts only if the unchanged library passes the same test at the same moment, well inside the time limit: a loaded
machine must not pass for a good test."""

import concurrent.futures
import os
import pathlib
import queue
import re
import shutil
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = 60  # seconds for one script or test; the slowest one takes 9 by itself
HANGS_MAX = 4  # after so many no other test is waited for
SLOW_TESTS = ("the id map", "a million", "a space with a million", "any history", "alloc, free",
              "blocks that thin", "an id costs", "ids that come", "what is left")
VECTORS = [("linux_6_1", "directed"), ("linux_6_1", "directed_quirks"), ("linux_6_1", "random_quirks"),
           ("linux_6_1", "random_core"), ("corrected", "directed"), ("corrected", "random_core")]


# What each program is built with: the heap is counted without the sanitizers, which replace it.
SANITIZED = ["-DCMAKE_CXX_FLAGS_DEBUG=-O0 -g0", "-DVIOSIM_SANITIZE=address,undefined"]
PLAIN = ["-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g0"]
TESTS = ["ioasid_tests", "ioasid_early_guard", "ioasid_memory_tests", "ioasid_late_sandbox", "ioasid_without_membarrier"]
UNSANITIZED = ("ioasid_memory_tests", "ioasid_late_sandbox", "ioasid_without_membarrier")
ONE_TEST = ("ioasid_early_guard", "ioasid_late_sandbox", "ioasid_without_membarrier")


class Copy:
    """The sources and two builds of them, of which one mutant at a time has hold."""

    def __init__(self, place):
        self.source, self.build, self.plain = place / "source", place / "build", place / "plain"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(ROOT, self.source, ignore=shutil.ignore_patterns("build*", ".git", ".cache"))
        for build, options in (self.build, SANITIZED), (self.plain, PLAIN):
            subprocess.run(["cmake", "-GNinja", "-S", self.source, "-B", build, "-DCMAKE_BUILD_TYPE=Debug",
                            "-DVIOSIM_UNITY=ON", *options],
                           check=True, stdout=subprocess.DEVNULL)

    def build_of(self, target):
        return self.plain if target in UNSANITIZED else self.build

    def make(self, target):
        """What the compiler complains about, or None."""
        needed = ["ioasid_tests"] if target == "ioasid_without_membarrier" else []
        done = subprocess.run(["cmake", "--build", self.build_of(target), "-j1", "--target", target, *needed],
                              capture_output=True, text=True, errors="replace")
        if done.returncode == 0:
            return None
        return next((line for line in done.stdout.splitlines() if "error" in line), "no reason given")

    def vector_command(self, behaviour, file):
        return [self.build / "tests/conformance/ioasid_vectors", "--limit", str(LIMIT), "--behaviour", behaviour,
                self.source / f"tests/conformance/vectors/{file}.jsonl"]

    def test_command(self, program, name):
        programs = self.build_of(program) / "tests/ioasid"
        if program == "ioasid_without_membarrier":
            return [programs / program, programs / "ioasid_tests", "[readers]"]
        names = [] if name == program else [name.replace(",", "\\,")]
        return [programs / program, *names]

    def test_names(self, program):
        if program in ONE_TEST:
            return [program]
        listing = subprocess.run([*self.test_command(program, program), "--list-test-names-only"], capture_output=True,
                                 text=True)
        names = [line.strip() for line in listing.stdout.splitlines() if line.strip()]
        return sorted(names, key=lambda name: name.startswith(SLOW_TESTS))


def vector_verdict(command):
    """(script, how) for the first script that disagrees, or None."""
    # The first line decides, so that the scripts behind one that hangs need not be waited for.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          errors="replace") as program:
        line = program.stdout.readline()
        program.kill()
    if (counts := re.fullmatch(r"(\d+)/(\d+) scripts agree\n", line)) and counts[1] == counts[2]:
        return None
    script = line.split()[0].rstrip(":").strip('"') if line.strip() else "?"
    return script, "hangs" if "not finished after" in line else "fails"


def test_verdict(command):
    """fails, hangs, or None when it passes."""
    try:
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return "hangs"
    return "fails" if done.returncode != 0 else None


def unchanged_passes(judge, command):
    began = time.monotonic()
    return judge(command) is None and time.monotonic() - began < LIMIT / 2


def verdicts(copy, unchanged):
    """(what, how) for each script or test that catches the mutant."""
    if broken := copy.make("ioasid_vectors"):
        raise RuntimeError(broken)
    for behaviour, file in VECTORS:
        verdict = vector_verdict(copy.vector_command(behaviour, file))
        if verdict and unchanged_passes(vector_verdict, unchanged.vector_command(behaviour, file)):
            yield f"vector `{verdict[0]}` ({behaviour})", verdict[1]
    for program in TESTS:
        if broken := copy.make(program):
            raise RuntimeError(broken)
        for name in unchanged.test_names(program):
            verdict = test_verdict(copy.test_command(program, name))
            if verdict and unchanged_passes(test_verdict, unchanged.test_command(program, name)):
                yield f'"{name}"', verdict


def caught_by(copy, unchanged):
    """What catches the mutant that is in the copy; None when nothing does."""
    hanging = []
    try:
        for what, how in verdicts(copy, unchanged):
            if how == "fails":
                return what
            # Better one that says what is wrong, if there is one.
            hanging.append(f"{what} hangs")
            if len(hanging) == HANGS_MAX:
                break
    except RuntimeError as broken:
        return f"NOT BUILT: {broken}"
    return hanging[0] if hanging else None


def run_all(scratch, mutants, apply):
    """Yields (mutant, what catches it), in order. $WORKERS at a time, 2 unless told."""
    unchanged = Copy(scratch / "unchanged")
    for target in ("ioasid_vectors", *TESTS):
        if broken := unchanged.make(target):
            raise SystemExit("the unchanged library is not built: " + broken)
    copies = queue.Queue()
    workers = int(os.environ.get("WORKERS", "2"))
    for number in range(workers):
        copies.put(Copy(scratch / f"copy{number}"))

    def one(mutant):
        copy = copies.get()
        path, before, after = apply(copy.source, mutant)
        path.write_text(after)
        try:
            return mutant, caught_by(copy, unchanged)
        finally:
            path.write_text(before)
            copies.put(copy)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        yield from pool.map(one, mutants)
