# SPDX-License-Identifier: Apache-2.0
"""Answers `wick bench --peers`: peer.py torch|tensorflow|jax.

Each line of input is a question, a JSON object that says a piece of work and for how many seconds
("budget") it may run; the answer is {"seconds": of one call}, or {"refused": why}. A piece of work
is made ready once and kept as long as the same question comes again.
"""
import importlib
import json
import os
import statistics
import sys
import time

CLOCK_SECONDS = 50e-6  # so many calls are timed together that the clock's own cost vanishes


def calls_in_time(work):
    calls = 1
    while calls < 1 << 20:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        if time.perf_counter() - start >= CLOCK_SECONDS:
            break
        calls *= 2
    return calls


def time_round(work, calls, budget, statistic):
    """Seconds of a call: the least or the median over a round of `budget` seconds."""
    times, start = [], time.perf_counter()
    now = start
    repeats = range(calls)
    while now - start < budget:
        before = now
        for _ in repeats:
            work()
        now = time.perf_counter()
        times.append((now - before) / calls)
    return statistic(times)


class Peer:
    def __init__(self, framework):
        self.framework = framework
        self.module = None
        self.question = None
        self.ready = []

    def load(self, threads):
        """The framework, once it is known how many threads it may have."""
        if self.module is None:
            os.environ["OMP_NUM_THREADS"] = str(threads)
            self.module = importlib.import_module(f"peer_{self.framework}")
        self.module.set_threads(threads)

    def answer(self, question):
        budget = question.pop("budget")
        if question != self.question:
            self.load(question["threads"])
            self.question = dict(question)
            works = self.module.prepare(question)
            self.ready = [(work, calls_in_time(work)) for work in works]
        statistic = statistics.median if question["what"] == "train" else min
        found = [time_round(work, calls, budget, statistic) for work, calls in self.ready]
        best = min(found)
        # ways that are clearly not the fastest are not asked again
        self.ready = [way for way, seconds in zip(self.ready, found) if seconds < 1.15 * best]
        return best


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a framework prints is no answer
    peer = Peer(sys.argv[1])
    print('{"ready": true}', file=answers, flush=True)
    for line in sys.stdin:
        try:
            answer = {"seconds": peer.answer(json.loads(line))}
        except (KeyError, NotImplementedError, ImportError, RuntimeError) as error:
            peer.question = None
            answer = {"refused": f"{type(error).__name__}: {error}"}
            print(f"peer {sys.argv[1]}: {answer['refused']}", file=sys.stderr)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
