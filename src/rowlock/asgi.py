"""The ASGI application for an ASGI server of your choice, as in `uvicorn rowlock.asgi:app`.

Reads the environment when it is imported; the database must exist and be migrated.
"""

from rowlock.app import create_app
from rowlock.instance import load_instance, resolve_dsns
from rowlock.operations.logs import configure_logging
from rowlock.settings import settings

_settings = settings()
configure_logging(_settings.log_format, _settings.log_level)
_instance = load_instance(_settings)

app = create_app(
    _settings,
    resolve_dsns(_settings, _settings.data_dir),
    secret_key=_instance.secret_key,
    admin_api_key_hash=_instance.admin_api_key_hash,
)
