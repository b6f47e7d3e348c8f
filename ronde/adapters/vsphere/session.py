"""One session on one vCenter."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from pyVmomi import vim, vmodl

from ronde.adapters.vsphere.changes import begin
from ronde.adapters.vsphere.faults import LinkBroken
from ronde.adapters.vsphere.limits import VCenterLimits
from ronde.adapters.vsphere.wire import Stub
from ronde.model.errors import SessionExpired, VCenterFault
from ronde.model.vsphere.changes.orders import Change
from ronde.model.vsphere.objects import ManagedObject, Question

_Collector: Any = vmodl.query.PropertyCollector
_MOST_VANISHED = 20  # objects deleted between the listing and a look at them; more is not a coincidence

Answer = TypeVar("Answer")


class Session:
    """Fulfils `ronde.ports.VCenterChanges`. It belongs to one thread, and its property collector to it alone.

    A read is asked a second time after the session expired (once logged in again) or after the link broke. A change is
    asked for once: whoever ordered it looks first whether it was done.
    """

    def __init__(
        self, name: str, stub: Stub, limits: VCenterLimits, credentials: Callable[[], tuple[str, str]]
    ) -> None:
        self._name, self._stub, self._limits, self._credentials = name, stub, limits, credentials
        self._service = _managed_type("ServiceInstance")("ServiceInstance", stub)
        self._views: dict[frozenset[str], Any] = {}
        self._content: Any = None
        self._key = ""
        self._logged_in = False

    # ------------------------------------------------------------------ life

    def enter(self) -> None:
        """Read the service content and log in.

        Raises:
            VCenterUnreachable, CertificateChanged, LoginRefused, VCenterFault, SecretError: as `VCenters.open` says.
        """
        self._stub.seconds = self._limits.call
        self._content = self._once_more_after_a_break(self._service.RetrieveContent)
        self._log_in()

    def _log_in(self) -> None:
        self._views.clear()  # they went with the former session
        self._stub.forget_session()
        user, password = self._credentials()
        opened = self._content.sessionManager.Login(user, password, "en")  # faults' messages in English
        self._key, self._logged_in = str(opened.key), True

    def leave(self) -> None:
        """Log out, whatever state the link is in.

        Raises:
            VCenterError: the vCenter did not take it; the session will end by its own idle limit.
        """
        if self._logged_in:
            self._logged_in = False
            self._stub.seconds, self._stub.last = self._limits.farewell, True
            self._content.sessionManager.Logout()

    def close(self) -> None:
        """End the connection; never raises."""
        self._stub.DropConnections()

    def _once_more_after_a_break(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except LinkBroken:
            return ask()

    def _read(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return self._once_more_after_a_break(ask)
        except SessionExpired:
            self._log_in()
            return ask()

    # ------------------------------------------------------------- questions

    @property
    def instance_uuid(self) -> str:
        # A lone ESXi host has none; its address is then all there is to tell it from others.
        return str(self._content.about.instanceUuid or f"{self._content.about.apiType}:{self._name}")

    @property
    def version(self) -> str:
        return str(self._content.about.fullName)

    def now(self) -> datetime:
        shown: datetime = self._read(self._service.CurrentTime)
        return shown.astimezone(UTC)

    def fetch(self, questions: Sequence[Question]) -> Sequence[ManagedObject]:
        left_out: set[str] = set()
        while True:
            try:
                return self._read(lambda: list(self._pages(questions, left_out)))
            except VCenterFault as error:
                gone = _vanished(error)
                if gone is None or gone in left_out or len(left_out) == _MOST_VANISHED:
                    raise
                left_out.add(gone)

    def lacking(self, machine: str, privileges: Sequence[str]) -> Sequence[str]:
        entity = _managed_type("VirtualMachine")(machine, self._stub)

        def ask() -> Any:
            manager = self._content.authorizationManager
            return manager.HasPrivilegeOnEntities([entity], self._key, list(privileges))

        held = {each.privId for found in self._read(ask) or () for each in found.privAvailability if each.isGranted}
        return [name for name in privileges if name not in held]

    # --------------------------------------------------------------- changes

    def start(self, change: Change) -> str:
        return begin(change, self._stub)

    # ----------------------------------------------------------------- pages

    def _pages(self, questions: Sequence[Question], left_out: set[str]) -> Iterator[ManagedObject]:
        everywhere = [_managed_type(question.kind) for question in questions if question.ids is None]
        kinds = [kind for kind in everywhere if kind is not vim.CustomFieldsManager]
        specs = [spec for question in questions if (spec := self._spec(question, kinds, left_out)) is not None]
        if not specs:
            return
        collector = self._content.propertyCollector
        options = _Collector.RetrieveOptions(maxObjects=self._limits.page)
        page = self._stub.page(collector, "RetrievePropertiesEx", specs, options)
        yield from page.objects
        while page.token is not None:
            page = self._stub.page(collector, "ContinueRetrievePropertiesEx", page.token)
            yield from page.objects

    def _spec(self, question: Question, kinds: Sequence[type], left_out: set[str]) -> Any:
        kind = _managed_type(question.kind)
        objects = self._all_of(kind, kinds) if question.ids is None else self._named(kind, question.ids, left_out)
        wanted = _Collector.PropertySpec(type=kind, pathSet=list(question.paths), all=False)
        return _Collector.FilterSpec(objectSet=objects, propSet=[wanted]) if objects else None

    def _all_of(self, kind: type, kinds: Sequence[type]) -> list[Any]:
        if kind is vim.CustomFieldsManager:
            only = self._content.customFieldsManager  # a lone ESXi host has none
            return [] if only is None else [_Collector.ObjectSpec(obj=only)]
        walk = _Collector.TraversalSpec(name="all", type=vim.view.ContainerView, path="view", skip=False)
        return [_Collector.ObjectSpec(obj=self._view(kinds), skip=True, selectSet=[walk])]

    def _view(self, kinds: Sequence[type]) -> Any:
        """One view of all objects of some kinds. It ends with the session: destroying it would be one call more."""
        key = frozenset(kind.__name__ for kind in kinds)
        if key not in self._views:
            manager = self._content.viewManager
            self._views[key] = manager.CreateContainerView(self._content.rootFolder, list(kinds), recursive=True)
        return self._views[key]

    def _named(self, kind: Any, ids: Sequence[str], left_out: set[str]) -> list[Any]:
        return [_Collector.ObjectSpec(obj=kind(moid, self._stub)) for moid in ids if moid not in left_out]


def _managed_type(name: str) -> Any:
    kind = getattr(vim, name, None)
    if kind is None:
        raise VCenterFault(f'"{name}" is no kind of object of the vSphere API.')
    return kind


def _vanished(error: VCenterFault) -> str | None:
    """The moId of an object that is no more, when that is what the fault says."""
    cause = error.__cause__
    if isinstance(cause, vmodl.fault.ManagedObjectNotFound) and cause.obj is not None:
        return str(cause.obj._moId)  # noqa: SLF001 - pyVmomi offers no public name for it
    return None
