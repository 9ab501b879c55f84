# checkov:skip=CKV_DOCKER_2: a HEALTHCHECK is what Kubernetes does not read; it has probes
# checkov:skip=CKV_DOCKER_7: the tag of PYTHON_IMAGE is one line below, where checkov does not look it up

# The base by name, so that a mirror or a digest can take its place:
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:... .
ARG PYTHON_IMAGE=python
# In a FROM of its own, the only place where Dependabot renews it.
FROM python:3.13-slim AS python

FROM ${PYTHON_IMAGE} AS venv
# Without pip of its own: the environment holds the locked packages and nothing else.
RUN python -m venv --without-pip /opt/venv
WORKDIR /locks

FROM venv AS dependencies
# With OpenTelemetry: --build-arg REQUIREMENTS=requirements-otel.txt
ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} requirements.txt
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes --requirement requirements.txt

FROM ${PYTHON_IMAGE} AS base
# PYTHONPATH because with PYTHONSAFEPATH Python does not look into the working directory.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /app
# Numeric, because runAsNonRoot cannot tell by a name that it is not root's.
USER 10001:10001

# tests/e2e as a Job in the cluster: skaffold verify.
FROM venv AS smoke-dependencies
COPY requirements-smoke.txt .
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes --requirement requirements-smoke.txt

FROM base AS smoke
COPY --from=smoke-dependencies /opt/venv /opt/venv
COPY --chown=10001:10001 tests/e2e tests/e2e
CMD ["pytest", "tests/e2e/test_smoke.py"]

# The service with its code writable and watched: skaffold dev.
FROM dependencies AS reload-dependencies
COPY requirements-reload.txt .
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes --requirement requirements-reload.txt

FROM base AS dev
COPY --from=reload-dependencies /opt/venv /opt/venv
COPY --chown=10001:10001 service service
# A restart does not wait for requests under way: watchfiles kills what has not stopped after 5 s, the
# master alone, and its worker would keep the port.
ENV GRACEFUL_TIMEOUT=1
# The whole server is started anew, not only its worker: configuring gunicorn by a module imports the
# package in the master, and a worker forked from that has the old code.
CMD ["watchfiles", "python -m service", "/app/service"]

FROM ${PYTHON_IMAGE} AS code
COPY service /app/service
# Compiled, because a read-only root cannot keep what a start compiles; readable for everybody,
# whatever the umask of the clone.
RUN python -m compileall -q /app/service && chmod -R a+rX /app/service

# The service. Last, and so what `docker build .` makes.
FROM base AS runtime
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=code /app/service service
ARG VERSION=""
ARG REVISION=""
ENV VERSION=${VERSION} REVISION=${REVISION}
LABEL org.opencontainers.image.title="hellopod" \
      org.opencontainers.image.description="A Flask microservice made for Kubernetes" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
EXPOSE 8000 9000
CMD ["python", "-m", "service"]
