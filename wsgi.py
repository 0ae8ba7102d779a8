"""The app for a WSGI server: `granian --interface wsgi wsgi:app`."""

from wallet_service import create_app

app = create_app()
