"""``/where``: at which locations the bytes of paths are, for whoever starts machines."""

from __future__ import annotations

from .handler import Handler


class WhereHandler(Handler):
    """``/where?path=/archive/a&path=/rb/b``."""

    async def get(self) -> None:
        """Locations with their share of the bytes, the most first; only what the user may see."""
        near = await self.parts.places.near(
            self.tree, self.parts.namespace, self.get_query_arguments("path", strip=False)
        )
        self.set_header("Content-Type", "application/json")
        await self.finish(f"[{','.join(each.model_dump_json() for each in near)}]")
