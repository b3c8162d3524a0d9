"""Devices: what turns the text of a kernel into something that runs."""
