"""What the slow tests share with the ordinary ones."""

from tests.integration.patch.conftest import machines, roots

__all__ = ["machines", "roots"]
