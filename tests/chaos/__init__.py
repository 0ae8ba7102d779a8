"""Everything goes wrong at once, on real processes, and in the end every reachable phone shows the last state.

`make chaos` runs the long version, `make test` a short one. Each run prints its seed; `--seed` replays its choices.
"""
