"""The nightly round of a managed-service provider."""
