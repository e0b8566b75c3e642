"""What a stage costs: standing charges read from its templates, charges per wedding from a load profile."""
