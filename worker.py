"""The Celery application: settings, tasks and schedule. `celery -A worker worker -Q work`, `celery -A worker beat`."""

from beat_schedule import beat_schedule
from ronde.bootstrap import celery_app, inventory_or_none, services
from tasks import jobs, mail, schedules

app = celery_app()
app.conf.beat_schedule = beat_schedule(inventory_or_none(services()), services().settings.roll_call)

__all__ = ["app", "jobs", "mail", "schedules"]
