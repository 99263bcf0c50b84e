"""Everything about who may do what, put together: sessions, users, roles, the tenant itself."""

from ipaddress import ip_address

from fastapi import APIRouter

from infra.postgres import Pool
from infra.secretbox import load_secret_box
from infra.settings import ManagementSettings, Settings
from management.access import Access
from management.authentication import ClientAddresses
from management.passwords import Passwords
from management.roles.endpoints import permission_routes, role_routes
from management.roles.repository import RoleRepository
from management.roles.service import RoleService
from management.sessions.browsers import KnownBrowsers
from management.sessions.endpoints import session_routes
from management.sessions.failures import Failures
from management.sessions.repository import SessionRepository
from management.sessions.service import SessionService
from management.sessions.sign_in import SignInService
from management.tenants.endpoints import tenant_routes
from management.tenants.repository import TenantRepository
from management.tenants.service import TenantService
from management.users.endpoints import user_routes
from management.users.repository import UserRepository
from management.users.service import UserService


class People:
    """Made once per process. Raises SettingsError when no master key is configured."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings = settings.management
        self._pool = pool
        self._browsers = KnownBrowsers(load_secret_box(settings))
        self._passwords = Passwords(settings.management)
        self._failures = Failures(pool, settings.management)
        self._session_repository = SessionRepository(pool, settings.management)
        self.sessions = SessionService(self._session_repository)
        self.addresses = ClientAddresses(settings.management.trusted_proxies)

    def routes(self, access: Access) -> list[APIRouter]:
        """Of every resource here."""
        sign_ins = SignInService(self._session_repository, self._failures, self._passwords, self._browsers)
        return [
            session_routes(
                self.sessions,
                sign_ins,
                access,
                self.addresses,
                secure_cookies=secure_cookies(self._settings),
                lifetime_seconds=self._settings.session_lifetime_seconds,
            ),
            user_routes(UserService(UserRepository(self._pool), self._passwords, self._failures), access),
            role_routes(RoleService(RoleRepository(self._pool)), access),
            permission_routes(access),
            tenant_routes(TenantService(TenantRepository(self._pool)), access),
        ]


def secure_cookies(settings: ManagementSettings) -> bool:
    """Plain HTTP does on this machine alone."""
    if settings.session_cookie_secure is not None:
        return settings.session_cookie_secure
    try:
        return not ip_address(settings.host).is_loopback
    except ValueError:
        return settings.host != "localhost"
