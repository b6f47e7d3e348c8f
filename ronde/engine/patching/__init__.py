"""Patching as a transaction: one host looked at, planned, made safe, patched, proven, and kept or taken back."""
