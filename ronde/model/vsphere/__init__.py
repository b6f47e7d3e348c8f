"""Virtual machines as a vCenter describes them: their snapshots, what is wrong with those, and what backs them up."""
