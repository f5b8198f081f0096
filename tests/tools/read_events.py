#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""read_events.py FOLDER: prints the scalars of a run as TensorBoard's own reader finds them.

One line `TAG STEP VALUE` each, tags sorted, steps in the reader's order. Needs a Python that has
TensorBoard; tests/main_job.sh makes one under build/."""

import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main():
    events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    for tag in sorted(events.Tags()["scalars"]):
        for scalar in events.Scalars(tag):
            print(tag, scalar.step, repr(scalar.value))


if __name__ == "__main__":
    main()
