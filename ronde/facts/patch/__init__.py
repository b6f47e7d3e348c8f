"""Questions about a host's packages and what the answers mean; one file a package manager, and what they share."""
