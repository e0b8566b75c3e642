"""The season simulator: the real policy on a pretend clock, on weddings that a generator draws."""
