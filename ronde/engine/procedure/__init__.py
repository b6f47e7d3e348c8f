"""Procedures: playbooks that act. How they are planned, previewed, carried out step by step, and taken up again."""
