"""What all pages for people have in common: their route, their look, their navigation."""

from admin.pages.rendering import page
from admin.pages.route import Form, OpenRoute, PageRoute, read_form, reload_page, see_other

__all__ = ["Form", "OpenRoute", "PageRoute", "page", "read_form", "reload_page", "see_other"]
