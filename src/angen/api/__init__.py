"""The HTTP API: everything the studio can do, for scripts and other programs; see docs/api.md.

`create_app` makes it for a workspace, `Access` says who may come in, `serve` listens. Long work is a job: the API only
submits it and watches.
"""

from angen.api.access import Access
from angen.api.app import create_app
from angen.api.serving import serve

__all__ = ["Access", "create_app", "serve"]
