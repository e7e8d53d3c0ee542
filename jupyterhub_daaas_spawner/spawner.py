"""The spawner: a server of the hub is a lease of the VMM.

Starting asks the VMM for a machine, waits for it, and has it made the user's;
stopping gives it back. What is asked for is decided in :mod:`.settle`, what the
machine becomes in :mod:`.session`, and the lease is kept by :class:`.Hold`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any

from jupyterhub.spawner import Spawner
from jupyterhub.utils import url_escape_path, url_path_join
from traitlets import default

from dms_core.client.service import DmsClient
from dms_core.errors import DmsError
from vmm_core.client import VmmClient
from vmm_core.errors import Conflict, LimitReached, Unavailable, VmmError
from vmm_core.model import Handover, Lease, LeaseState, Machine, Offer, Session

from .accounts import account_name
from .failures import CLOSED, explain
from .form import OptionForm, draw, undrawable
from .hold import Hold
from .journal import Event, Journal
from .moves import Move
from .near import nearness
from .options import Options, OptionsError, read
from .refusals import Refused
from .session import DataMount, build_session
from .settings import Settings
from .settle import Choice, alternatives, settle
from .story import plain, told


class DaaasSpawner(Settings, Spawner):  # type: ignore[misc]  # the hub has no type hints
    """Starts notebook servers on machines of the VMM, with the user's data mounted.

    ``c.JupyterHub.spawner_class = "daaas"``. A server's options are
    ``environment``, ``location``, ``cpus``, ``ram_gb``, ``gpus``, ``size`` and ``near``,
    all optional, see :class:`.Options`.
    """

    @default("start_timeout")
    def _default_start_timeout(self) -> int:
        return 300  # a cloud's cold boot, when no machine is ready

    @default("ip")
    def _default_ip(self) -> str:
        return ""  # as the machine needs

    @default("port")
    def _default_port(self) -> int:
        return 8888

    @default("env_keep")
    def _default_env_keep(self) -> list[str]:
        return []  # the hub's PATH means nothing on another machine

    @default("options_form")
    def _default_options_form(self) -> Callable[[Any], Any]:
        return type(self).draw_form

    @default("options_from_form")
    def _default_options_from_form(self) -> Callable[[Mapping[str, object]], dict[str, object]]:
        return _single_values

    @default("apply_user_options")
    def _default_apply_user_options(self) -> Callable[[Any, Any], None]:
        return lambda spawner, user_options: None  # `start` does, also for REST callers

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._journal = Journal()
        self._starting = False
        self._knows_its_past = False
        self._hold = Hold(self._vmm, self.user.name, self.name, self.log)

    # What the hub calls

    async def start(self) -> str:
        """Lease a machine, make it the user's, and return where the notebook server answers.

        Raises:
            Refused: it cannot be, with the reason and what would work instead.
        """
        self._starting = self._knows_its_past = True
        # Below the hub's own deadline, whose message says nothing.
        deadline_s = max(self.start_timeout - 10, 0.8 * self.start_timeout)
        offers: list[Offer] = []
        options = Options()
        try:
            if self.internal_ssl:
                raise self._refused(
                    "No server can be started: this hub has internal_ssl on, which DaaasSpawner "
                    "cannot do. Tell the facility's support.",
                    "internal-ssl",
                    500,
                )
            async with asyncio.timeout(deadline_s):
                options = read(self.user_options, self.default_options)
                async with self._vmm() as vmm:
                    offers = await vmm.offers(groups=self._groups())
                    places = {offer.location.name: offer.location.title for offer in offers}
                    choice = settle(options, offers)
                    if options.near is not None:
                        choice = choice.near(await self._nearness(options.near))
                    handover = await self._launch(vmm, choice, places)
                    return handover.url
        except TimeoutError:
            raise self._refused(
                f"No machine was ready within {deadline_s:.0f} s. You can try again; "
                "those who waited longest come first.",
                "timeout",
                503,
                alternatives(options, offers),
            ) from None
        except OptionsError as error:
            status = 409 if error.reason in ("impossible", "unavailable") else 400
            raise self._refused(str(error), error.reason, status, error.moves) from None
        except (VmmError, DmsError) as error:
            raise self._explained(error) from None
        finally:
            self._starting = False

    async def stop(self, now: bool = False) -> None:
        """Give the lease back; its machine is deleted."""
        await self._hold.give_back()

    async def poll(self) -> int | None:
        """None while there is a start or a lease, so that the hub calls :meth:`stop` for both."""
        if self._starting:
            return None
        if not self._hold.begun:
            if not self._knows_its_past:
                self._knows_its_past = True
                await self._hold.give_back_leftover()
            return 0
        if self._hold.lease_id is None:
            return None
        return 0 if await self._hold.lost() else None

    async def progress(self) -> AsyncGenerator[Event, None]:
        """The events of this start from the first, for any number of readers."""
        async with aclosing(self._journal.follow()) as events:
            async for event in events:
                yield event

    def get_state(self) -> dict[str, Any]:
        """What the hub keeps over its own restart: the lease."""
        state: dict[str, Any] = super().get_state()
        if self._hold.lease_id is not None:
            state["lease"] = self._hold.lease_id
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the lease of before the hub's restart."""
        super().load_state(state)
        self._hold.lease_id = state.get("lease")

    def clear_state(self) -> None:
        """Forget the lease and the events: a new start comes, or a stop is done."""
        super().clear_state()
        self._hold.forget()
        self._journal.clear()

    async def draw_form(self) -> str:
        """The spawn page's form, from what is offered now; a plain sentence if the VMM is away."""
        template = OptionForm(self.form_template_paths)
        try:
            async with asyncio.timeout(self.form_timeout), self._vmm() as vmm:
                offers = await vmm.offers(groups=self._groups())
                held = await vmm.leases(self.user.name, held=True)
        except TimeoutError:
            self.log.error("The spawn page has no offers: %s did not answer in time", self.vmm_url)
            return template.render(undrawable(self.name, CLOSED))
        except VmmError as error:
            self.log.error("The spawn page has no offers: %s", error)
            return template.render(undrawable(self.name, explain(error).message))
        chosen = Options()
        with suppress(OptionsError):
            chosen = read(self._asked_for(), self.default_options)
        return template.render(draw(self.name, offers, chosen, held))

    # The steps of a start

    async def _launch(self, vmm: VmmClient, choice: Choice, places: Mapping[str, str]) -> Handover:
        self._journal.tell(2, f"Asking for a machine with {choice.environment.title}")
        with suppress(Conflict):
            try:
                return await self._take(vmm, choice, places)
            except LimitReached as error:  # to give back what there is would not help
                raise self._explained(error) from None
        # What we got is left from a start that the hub did not survive, and is used up.
        await self._hold.give_back()
        return await self._take(vmm, choice, places)

    async def _take(self, vmm: VmmClient, choice: Choice, places: Mapping[str, str]) -> Handover:
        lease = await self._hold.acquire(choice.needs, self._groups())
        near = choice.needs.nearness
        follower = asyncio.create_task(self._follow(vmm, lease.id, places, near))
        try:
            return await self._bind(vmm, lease)
        finally:
            follower.cancel()
            await asyncio.wait({follower})

    async def _bind(self, vmm: VmmClient, lease: Lease) -> Handover:
        data = await self._data_mount()
        while True:
            if lease.state is LeaseState.WAITING:
                lease = await vmm.wait(lease.id, self.start_timeout)
            if lease.machine is None:
                raise self._refused(plain(lease.explanation.summary), "capacity", 503)
            try:
                return await vmm.bind(lease.id, self._session(lease.machine, data))
            except Unavailable:
                # Its machine fell silent and no other was free: then it waits again.
                lease = await vmm.lease(lease.id)
                if lease.state is not LeaseState.WAITING:
                    raise

    def _session(self, machine: Machine, data: DataMount | None) -> Session:
        return build_session(
            user=self.user.name,
            account=account_name(self.user.name),
            machine=machine,
            command=[*self.cmd, *self.get_args()],
            env=self.get_env(),
            bind_ip=self.ip,
            port=self.port,
            data=data,
            timeout_s=self.session_timeout,
        )

    async def _nearness(self, wanted: str) -> tuple[str, ...]:
        """Where the data is that the user wants to be near; nothing if the DMS cannot tell."""
        if not self.dms_url:
            raise OptionsError(
                "The option near cannot be used: this hub has no data service.", "near"
            )
        self._journal.tell(1, "Looking where your data is")
        try:
            users = await self._users_token()
            async with DmsClient(self.dms_url, users, timeout_s=self.call_timeout) as dms:
                return await nearness(dms, wanted)
        except DmsError as error:
            self.log.warning("Cannot tell where %s is, it starts anywhere: %s", wanted, error)
            return ()

    async def _users_token(self) -> str:
        async with DmsClient(self.dms_url, self.dms_secret(), timeout_s=self.call_timeout) as dms:
            return (await dms.issue_token(self.user.name)).token

    async def _data_mount(self) -> DataMount | None:
        if not self.dms_url:
            return None
        self._journal.tell(15, "Getting access to your data")
        return DataMount(
            service=self.dms_machine_url or self.dms_url,
            token=await self._users_token(),
            cache_gb=self.cache_gb,
            driver=self.mount_driver,
        )

    async def _follow(
        self, vmm: VmmClient, lease_id: str, places: Mapping[str, str], near: Mapping[str, float]
    ) -> None:
        """Tell the lease's events to the progress page; without them the start goes on."""
        with suppress(VmmError):
            async with aclosing(vmm.events(lease_id)) as events:
                async for event in events:
                    if words := told(event, places, near):
                        self._journal.tell(event.percent, words)

    # Small parts

    def _vmm(self) -> VmmClient:
        return VmmClient(self.vmm_url, self.vmm_secret() or None, timeout_s=self.call_timeout)

    def _groups(self) -> tuple[str, ...]:
        """The groups of the hub that the user is in."""
        return tuple(sorted(group.name for group in self.user.groups))

    def _asked_for(self) -> dict[str, object]:
        """What a link asked for that could not be, else the choice of last time."""
        if self.handler is None:
            return dict(self.user_options)
        linked = {
            name.removeprefix("opt-"): [value.decode("utf8", "replace") for value in values]
            for name, values in self.handler.request.query_arguments.items()
            if name.startswith("opt-")
        }
        return _single_values(linked) if linked else dict(self.user_options)

    def _refused(
        self,
        message: str,
        reason: str,
        status_code: int,
        moves: tuple[Move, ...] = (),
        again: Move | None = None,
    ) -> Refused:
        spawn_url = url_path_join(
            self.hub.base_url, "spawn", self.user.escaped_name, url_escape_path(self.name)
        )
        return Refused(
            message,
            reason=reason,
            moves=moves,
            again=again,
            spawn_url=spawn_url,
            status_code=status_code,
        )

    def _explained(self, error: VmmError | DmsError) -> Refused:
        """A failure of a service in the user's words; the operator's are in the log."""
        self.log.error("Cannot start a server for %s: %s", self.user.name, error)
        failure = explain(error)
        again = Move("Try again", {k: str(v) for k, v in self.user_options.items() if v})
        return self._refused(
            failure.message,
            failure.reason,
            failure.status_code,
            again=again if failure.passing else None,
        )


def _single_values(form: Mapping[str, object]) -> dict[str, object]:
    """User options from a form's or a link's fields, which come as lists of one string."""
    values: dict[str, object] = {}
    for name, value in form.items():
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if name != "_xsrf" and value not in ("", []):
            values[name] = value
    return values
