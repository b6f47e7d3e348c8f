"""Celery tasks, thin as web views: decode ids, call the engine, let the ledger remember."""
