"""The examination of a series of dump files."""

from dataclasses import replace
from typing import Any

from ronde.engine.backups.asking import Interview
from ronde.engine.backups.examination import Order
from ronde.facts import dump
from ronde.model.backup.dump_format import Ends, compression_of
from ronde.model.backup.dumps import (
    DumpEvidence,
    DumpFile,
    Listing,
    growing,
    may_read,
    needs_tool,
    newest_of,
)
from ronde.model.inventory import DumpBackup


class DumpExamination:
    """Two looks at the files, the ends of the newest; its whole content when that may be read."""

    def __init__(self, interview: Interview, order: Order, backup: DumpBackup) -> None:
        self.interview = interview
        self.order = order
        self.backup = backup
        self.evidence = DumpEvidence()

    def learn(self, **pieces: Any) -> None:
        self.evidence = replace(self.evidence, **pieces)

    def run(self) -> None:
        """Ask everything.

        Raises:
            RemoteError, Fenced, Cancelled: see `Interview.ask`; what was learnt until then is kept.
        """
        listing = dump.parse_listing(self.interview.ask(dump.listing_question(self.backup.path)))
        self.learn(listing=listing)
        newest = newest_of(listing, self.order.night) if isinstance(listing, Listing) else None
        if not isinstance(listing, Listing) or newest is None or growing(listing, newest) or not newest.size:
            return
        ends = dump.parse_ends(self.interview.ask(dump.ends_question(newest.path)))
        self.learn(ends=ends)
        if isinstance(ends, Ends):
            self._read(newest, compression_of(ends.head))
            self._compare(newest, listing, compression_of(ends.head))

    def _read(self, newest: DumpFile, compression: str) -> None:
        """Members of a tar that is not compressed are walked from header to header, which is cheap; all else reads."""
        whole = may_read(newest, self.backup, self.order.night)
        self.learn(read=whole)
        limit = self.order.limit
        if whole and compression:
            answer = self.interview.ask(dump.content_question(newest.path, compression, limit))
            self.learn(content=dump.parse_content(answer, compression))
        if needs_tool(self.backup) and (whole or (self.backup.format == "tar" and not compression)):
            question = dump.reader_question(newest.path, self.backup.format, compression, limit)
            self.learn(verified=dump.parse_reader(self.interview.ask(question), self.backup.format))

    def _compare(self, newest: DumpFile, listing: Listing, compression: str) -> None:
        older = [file for file in listing.after if file.changed < newest.changed]
        before = max(older, key=lambda file: (file.changed, file.path), default=None)
        if before is None or before.size != newest.size:
            return
        if compression == "gzip" or may_read(newest, self.backup, self.order.night):
            question = dump.alike_question(newest.path, before.path, compression, self.order.limit)
            self.learn(alike=dump.parse_alike(self.interview.ask(question)))
