"""Carillon: real-time broadcasts for weddings. This package is the product; it never imports a door."""
