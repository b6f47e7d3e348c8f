"""The installation's own settings, from `RONDE_*` variables or the file that `RONDE_ENV_FILE` names."""

import difflib
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.sources import DotEnvSettingsSource

from ronde.model.errors import InputError
from ronde.model.inventory.fields import SecretRef
from ronde.model.units import parse_duration

PREFIX = "RONDE_"
HOME = Path(__file__).resolve().parent.parent


def _default_data_dir() -> Path:
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "ronde"


def _durations(value: object) -> object:
    if isinstance(value, str):
        return tuple(parse_duration(part) for part in value.split(",") if part.strip())
    return value


def _seconds(value: object) -> object:
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        return parse_duration(value).total_seconds()
    return value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]


class Settings(BaseSettings):
    """Everything that belongs to this installation rather than to a client. Frozen; a misspelt variable is an error.

    Attributes:
        inventory: directory of `provider.yml` and `clients/`.
        data_dir: the ledger (unless `database_url`), the embedded broker, sockets; private to the service's user.
        database_url: SQLAlchemy URL of the ledger; left out, SQLite in `data_dir`.
        broker_url: Redis or Valkey; left out, `ronde up` starts an embedded Valkey in `data_dir`.
        secrets_dir: where `age://` references lie; `age_identity` is the key that opens them.
        certificates_dir: pinned vCenter certificates; left out, `certificates/` in the inventory.
        mark_key: signs our snapshots, so that none but ours is ever removed; left out, a key made in `data_dir`. All
            workers need the same one.
        smtp_tls: `starttls`, `implicit`, or `none`, which is refused for anything but this machine.
        threads: jobs that one work process runs at once.
        lease: how long a job is held without a heartbeat; `heartbeat` is how often it is renewed.
        resend_after: a wake-up message not answered by a claim within this is sent again.
        roll_call: how often beat calls the roll of all schedules.
        retry_delays: waits before further tries of a job that met a passing trouble; one more try than waits.
        output_cap: bytes of raw output kept for each exchange.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    inventory: Path = Path("inventory")
    data_dir: Path = Field(default_factory=_default_data_dir)
    database_url: str | None = None
    broker_url: str | None = None
    playbooks: Path = HOME / "playbooks"
    secrets_dir: Path | None = None
    age_identity: Path | None = None
    certificates_dir: Path | None = None
    mark_key: SecretRef | None = None
    smtp_host: str = "localhost"
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    smtp_tls: Literal["starttls", "implicit", "none"] = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretRef | None = None
    smtp_cafile: Path | None = None
    threads: Annotated[int, Field(ge=1, le=512)] = 32
    lease: Seconds = 60.0
    heartbeat: Seconds = 10.0
    resend_after: Seconds = 60.0
    roll_call: Seconds = 60.0
    retry_delays: Annotated[tuple[timedelta, ...], BeforeValidator(_durations), NoDecode] = (
        timedelta(minutes=2),
        timedelta(minutes=10),
    )
    output_cap: Annotated[int, Field(ge=4096)] = 1024 * 1024
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @model_validator(mode="after")
    def _lease_outlives_heartbeats(self) -> "Settings":
        if self.lease < 3 * self.heartbeat:
            raise ValueError("lease must be at least three heartbeats, or one lost heartbeat costs a job")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library fixes this signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the file named by `RONDE_ENV_FILE`."""
        named = os.environ.get(f"{PREFIX}ENV_FILE")
        file = DotEnvSettingsSource(settings_cls, env_file=named) if named else dotenv_settings
        return init_settings, env_settings, file

    @property
    def ledger_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'ledger.db'}"

    @property
    def broker_socket(self) -> Path:
        """Where the embedded broker listens."""
        return self.data_dir / "broker" / "valkey.sock"

    @property
    def queue_url(self) -> str:
        return self.broker_url or f"redis+socket://{self.broker_socket}"

    @property
    def certificates(self) -> Path:
        return self.certificates_dir or self.inventory / "certificates"


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """One sentence for each `RONDE_*` variable that means nothing, with the nearest that does."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {f"{PREFIX}ENV_FILE"}
    problems = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            problems.append(f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
    return problems


def load_settings() -> Settings:
    """The settings in force.

    Raises:
        InputError: a variable is unknown or its value does not fit; all problems at once.
    """
    problems = unknown_variables(os.environ)
    named = os.environ.get(f"{PREFIX}ENV_FILE")
    if named and not Path(named).is_file():
        problems.append(f"{PREFIX}ENV_FILE: there is no file {named}")
    try:
        settings = Settings()
    except ValidationError as error:
        for item in error.errors():
            name = PREFIX + "_".join(str(part) for part in item["loc"]).upper() if item["loc"] else "settings"
            problems.append(f"{name}: {item['msg']}")
        raise InputError("\n".join(problems)) from error
    if problems:
        raise InputError("\n".join(problems))
    return settings
