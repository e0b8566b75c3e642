"""Door 1: one file per function. Parse, call one flow function, shape the answer."""
