"""Inventories and what else people write, read from files; and other tools' inventories, turned into ours."""
