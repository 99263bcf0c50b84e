"""GET and POST /contacts, GET, PATCH and DELETE /contacts/{contact_id}."""

from fastapi import APIRouter

from management.access import Access
from management.entities.contacts.schemas import Contact, ContactCreateInput, ContactFilter, ContactUpdateInput
from management.entities.contacts.service import ContactService
from management.entities.routes import EntityRoutes, entity_routes

_CONTACTS = EntityRoutes(
    path="/contacts",
    one="contact",
    many="contacts",
    about="Contacts: the people of clients.",
    shown=Contact,
    wanted=ContactFilter,
    create=ContactCreateInput,
    update=ContactUpdateInput,
    clash="The e-mail address is taken",
)


def contact_routes(service: ContactService, access: Access) -> APIRouter:
    """The routes of the resource."""
    return entity_routes(_CONTACTS, service, access)
