"""The binding `$client`: address, software and place of whoever sent a request."""

from typing import Any

from infra.enrichment.locations import Location, Locations
from infra.enrichment.user_agents import UserAgent, parse_user_agent
from infra.presets import load_presets
from infra.requests.bindings import Surroundings
from infra.settings import EnrichmentSettings, Settings


class Clients:
    """Describes senders. Safe to share between threads. Raises SettingsError for an MMDB file that cannot be used."""

    def __init__(self, settings: EnrichmentSettings) -> None:
        self._locations = Locations(settings.mmdb_file)

    def user_agent(self, text: str | None) -> UserAgent:
        """What the header User-Agent says."""
        return parse_user_agent(text)

    def location(self, address: str) -> Location | None:
        """Where the address is; None without a file, and for private addresses."""
        return self._locations.find(address)

    def binding(self, address: str, user_agent: str | None) -> dict[str, Any]:
        """As expressions read it: `ip`, `user_agent` {raw, browser, os, device}, `location` or null."""
        found, location = self.user_agent(user_agent), self.location(address)
        return {
            "ip": address,
            "user_agent": {"raw": user_agent, **found._asdict()},
            "location": None if location is None else location._asdict(),
        }


def surroundings_of(settings: Settings) -> Surroundings:
    """What plans are compiled with in this process. Raises PresetError, SettingsError."""
    return Surroundings(load_presets(settings.presets_folder), Clients(settings.enrichment).binding)
