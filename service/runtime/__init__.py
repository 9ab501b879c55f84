"""How the app is served: gunicorn, fitted to Kubernetes. Usable around any WSGI app."""
