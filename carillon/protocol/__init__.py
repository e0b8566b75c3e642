"""The wire, version 1: frames, the client's session as a state machine, and the schema. Pure: no I/O, no clock."""
