"""The Celery application. Every setting that differs from Celery's default says why."""

from collections.abc import Mapping
from typing import Any, Final

from celery import Celery
from kombu import Queue

CONTROL = "control"  # firing, roll call, advance, deliver: short, never behind a long check
WORK = "work"  # jobs on clients' targets

# By name, so that a sender needs none of the tasks' code.
FIRE = "ronde.fire"
ROLL_CALL = "ronde.roll_call"
DO = "ronde.work"
ADVANCE = "ronde.advance"
DELIVER = "ronde.deliver"

TRANSPORT = {
    # Seconds. Without it a link whose packets vanish (NAT, firewall) leaves a worker deaf for ever: the health check
    # below never gets its turn. Must exceed polling_interval.
    "socket_timeout": 10,
    "socket_connect_timeout": 5,
    # A sender makes one try: the ledger sends again. Without it a publish to a broker that is away takes six seconds,
    # for each message anew. Workers and beat reconnect by broker_connection_max_retries below, not by this.
    "max_retries": 0,
    "socket_keepalive": True,
    # Idle connections are asked for a sign of life this often; with 5 a dropped link is noticed within half a minute.
    "health_check_interval": 5,
    # How long one blocking read waits: an idle worker makes one round trip a second.
    "polling_interval": 1,
    # A popped but unacknowledged message exists only for the moment between pop and early acknowledgement. After this
    # many seconds it is delivered again; the claim drops it when the job was taken meanwhile.
    "visibility_timeout": 600,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    # A worker killed inside the restore sweep must not block everybody's sweeps for the default five minutes.
    "unacked_mutex_expire": 60,
}


SETTINGS: Final[Mapping[str, Any]] = {
    # Only JSON is read or written: a broker that can make us build objects is a way to run code (CVE-2021-23727).
    "task_serializer": "json",
    "accept_content": ["json"],
    "result_accept_content": ["json"],
    # The ledger is the truth; a result backend would be a second, weaker one that leaks clients' data.
    "result_backend": None,
    "task_ignore_result": True,
    "task_store_errors_even_if_ignored": False,
    # Early acknowledgement: late ones neither prevent loss nor doubling, and crash 5.7.0 on a reconnect.
    "task_acks_late": False,
    "task_reject_on_worker_lost": False,
    # A message is fetched only when a thread is free, so none waits unseen in a worker that dies.
    "worker_disable_prefetch": True,
    "worker_prefetch_multiplier": 1,
    "worker_enable_prefetch_count_reduction": False,
    # Nothing here uses an ETA; should a message carry one all the same, few may pile up.
    "worker_eta_task_limit": 50,
    # The sender does not wait for a broker that is away: the ledger sends again.
    "task_publish_retry": False,
    # Routes by name; a misspelt queue is an error, not a black hole.
    "task_queues": (Queue(CONTROL), Queue(WORK)),
    "task_default_queue": CONTROL,
    "task_create_missing_queues": False,
    "task_routes": {
        FIRE: {"queue": CONTROL},
        ROLL_CALL: {"queue": CONTROL},
        ADVANCE: {"queue": CONTROL},
        DELIVER: {"queue": CONTROL},
        DO: {"queue": WORK},
    },
    # Endless reconnection: the default gives up after some 46 minutes and the worker exits.
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # A fail-over answers READONLY, a channel error, which would end the worker.
    "broker_channel_error_retry": True,
    # 5.7.0 ends the worker when Redis restarts under an unacknowledged message; see consumer.py.
    "worker_consumer": "ronde.adapters.queue.consumer:SteadyConsumer",
    # Threads share one process and its imports; they ignore Celery's time limits, so every wait has its own. A
    # thread that becomes free is noticed at once; see pool.py.
    "worker_pool": "ronde.adapters.queue.pool:WakingThreads",
    # Nobody listens to events or sends remote control; both are chatter, and remote control is a way in.
    "worker_send_task_events": False,
    "worker_enable_remote_control": False,
    # Our own logging; prints of a library must not turn into warnings of ours.
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    # Civil time belongs to the schedules, each in its client's zone.
    "timezone": "UTC",
    "enable_utc": True,
    "beat_scheduler": "celery.beat:Scheduler",
}


def make_app(broker_url: str, *, roll_call: float = 60.0) -> Celery:
    """A configured application; it registers no task by itself.

    Args:
        broker_url: `redis://`, `rediss://` or `redis+socket://`.
        roll_call: seconds between two roll calls; messages of one that nobody took expire when the next is due.
    """
    app = Celery("ronde", set_as_current=True)
    app.conf.update(
        SETTINGS,
        broker_url=broker_url,
        broker_transport_options=dict(TRANSPORT),
        # Beat looks again at least this often, so that a changed clock or a suspended machine is noticed soon.
        beat_max_loop_interval=min(5.0, roll_call),
    )
    return app
