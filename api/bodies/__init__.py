"""What goes in and out as JSON: pydantic models with the rules of each field."""
