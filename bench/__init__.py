"""What the performance claims rest on: Ronde side by side with its peers, in the same run on the same machine."""
