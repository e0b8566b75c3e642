"""The room that runs the whole of Carillon on one machine; the only one that knows about emulators."""
