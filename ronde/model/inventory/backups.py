"""The backups of a host: where they are, how fresh and how large they must be, and how deeply they are verified."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ronde.model.inventory.fields import (
    Duration,
    Entry,
    Glob,
    Name,
    Prefix,
    Repository,
    SecretRef,
    ShareOf,
    Size,
    Window,
    Words,
)
from ronde.model.units import parse_duration

DAY_AND_GRACE = parse_duration("26h")  # a nightly job plus two hours' grace; Backup Radar and Veeam ONE alert past 24 h


class BackupBase(Entry):
    """What every backup declares.

    Attributes:
        max_age: the recovery point objective (RPO): the newest point may not be older.
        keep_at_least: restore points that must exist; fewer is a retention breach.
        sample: the share of the stored bytes read back each night inside `check_window`; none = listing only.
        check_window: local hours in which stored bytes may be read; must lie outside the backup's own hours.
        vm: names of the virtual machines this backup covers (reconciled with the vCenter); the host's own name counts.
        active: whether the source is expected to change every day; false silences "nothing new" anomalies.
    """

    name: Name
    max_age: Duration = DAY_AND_GRACE
    keep_at_least: Annotated[int, Field(ge=1)] = 1
    sample: ShareOf | None = None
    check_window: Window | None = None
    vm: Words = ()
    active: bool = True

    @model_validator(mode="after")
    def _sample_needs_window(self) -> "BackupBase":
        if self.sample is not None and self.check_window is None:
            raise ValueError("sample needs a check_window: stored bytes are only read inside declared hours")
        return self


class ResticBackup(BackupBase):
    """A restic repository, read on the host that the entry stands under.

    Attributes:
        repository: path or URL as restic's `-r` takes it.
        paths: paths every snapshot must hold; empty = those of the previous points.
        backup_host: hostname whose snapshots count; empty = any.
        tags: snapshots must carry all of these to count.
    """

    tool: Literal["restic"]
    repository: Repository
    password: SecretRef
    paths: Words = ()
    backup_host: str = ""
    tags: Words = ()


class BorgBackup(BackupBase):
    """A borg 1.x repository, read on the host that the entry stands under.

    Attributes:
        password: the passphrase; left out for an unencrypted repository, which is a finding.
        prefix: only archives whose name starts so count; empty = all.
    """

    tool: Literal["borg"]
    repository: Repository
    password: SecretRef | None = None
    prefix: Prefix = ""


class DumpBackup(BackupBase):
    """Dump files matched by a glob on the host.

    Attributes:
        path: absolute glob; `*` and `?` inside a folder or file name.
        format: what the innermost content is; compression (.gz .xz .zst) is recognised by itself.
        min_size: bytes below which the newest file is not believed.
    """

    tool: Literal["dump"]
    path: Glob
    format: Literal["pg_dump", "pg_dumpall", "pg_custom", "mysqldump", "tar", "zip", "plain"]
    min_size: Size = 1


Backup = Annotated[ResticBackup | BorgBackup | DumpBackup, Field(discriminator="tool")]
