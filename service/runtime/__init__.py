"""How the app is served: gunicorn, fitted to Kubernetes. Only gunicorn_conf knows which app."""
